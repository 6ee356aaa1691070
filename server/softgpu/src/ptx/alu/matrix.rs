//! Matrices that a warp multiplies together: what their elements are, which lane holds which, and the product.
//!
//! Where PTX says in which register of which lane an element lies, that is how it is here. A fragment of `wmma` is opaque, so
//! it has an order of our own: along the side over which products are summed, as sub-byte elements lie in memory.

use super::Round;
use super::exact::{Binary16, narrow};
use super::value::{BF16, F16, Value};

/// What one element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F16,
    Bf16,
    Tf32,
    F32,
    F64,
    /// So many bits, signed or not.
    Int {
        bits: u8,
        signed: bool,
    },
    S32,
    Bit,
}

impl Element {
    pub fn named(name: &str) -> Option<Element> {
        Some(match name {
            "f16" => Element::F16,
            "bf16" => Element::Bf16,
            "tf32" => Element::Tf32,
            "f32" => Element::F32,
            "f64" => Element::F64,
            "s8" => Element::Int { bits: 8, signed: true },
            "u8" => Element::Int { bits: 8, signed: false },
            "s4" => Element::Int { bits: 4, signed: true },
            "u4" => Element::Int { bits: 4, signed: false },
            "s32" => Element::S32,
            "b1" => Element::Bit,
            _ => return None,
        })
    }

    pub fn bits(self) -> usize {
        match self {
            Element::Bit => 1,
            Element::Int { bits, .. } => bits as usize,
            Element::F16 | Element::Bf16 => 16,
            Element::Tf32 | Element::F32 | Element::S32 => 32,
            Element::F64 => 64,
        }
    }

    /// How many one register holds.
    pub fn per_register(self) -> usize {
        (32 / self.bits()).max(1)
    }

    fn is_whole(self) -> bool {
        matches!(self, Element::Int { .. } | Element::S32 | Element::Bit)
    }

    fn number(self, bits: u64) -> f64 {
        match self {
            Element::F16 => f64::from(F16::of(bits).0),
            Element::Bf16 => f64::from(BF16::of(bits).0),
            // The lower bits of a tf32 are not looked at.
            Element::Tf32 => f64::from(f32::from_bits(bits as u32 & !0x1fff)),
            Element::F64 => f64::from_bits(bits),
            _ => f64::from(f32::from_bits(bits as u32)),
        }
    }

    fn whole(self, bits: u64) -> i64 {
        match self {
            Element::Int { bits: width, signed: true } => {
                let unused = 64 - u32::from(width);
                (bits << unused) as i64 >> unused
            }
            Element::S32 => i64::from(bits as i32),
            _ => bits as i64,
        }
    }

    fn of_number(self, number: f64) -> u64 {
        const NAN: u64 = 0x7fff_ffff;
        match self {
            Element::F64 => number.to_bits(),
            Element::F16 => narrow::<Binary16>(number, Round::Nearest),
            _ if number.is_nan() => NAN,
            _ => u64::from((number as f32).to_bits()),
        }
    }
}

/// Which of a product's matrices a fragment is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    A,
    B,
    /// What is added, and the sum.
    C,
}

/// How elements lie in the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// One after another, lane by lane, and again from the beginning where there is room.
    Opaque,
    /// As `mma` has most shapes: eight groups of four lanes.
    Groups,
    /// As `mma.m8n8k4` has 16-bit elements: four products, each of two quads of lanes.
    Quads { column_major: bool },
}

/// m, n and k of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// Where an element is: in which of the warp's products, in which row and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub product: usize,
    pub row: usize,
    pub column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub role: Role,
    pub element: Element,
    pub arrangement: Arrangement,
    pub sides: Sides,
}

impl Form {
    pub fn rows(&self) -> usize {
        if self.role == Role::B { self.sides.k } else { self.sides.m }
    }

    pub fn columns(&self) -> usize {
        if self.role == Role::A { self.sides.k } else { self.sides.n }
    }

    fn products(&self) -> usize {
        if matches!(self.arrangement, Arrangement::Quads { .. }) { 4 } else { 1 }
    }

    /// Whether so many elements a lane are all of it.
    pub fn fits(&self, elements: usize) -> bool {
        let (there, wanted) = (elements * super::LANES, self.rows() * self.columns() * self.products());
        match self.arrangement {
            Arrangement::Opaque => there >= wanted && there.is_multiple_of(wanted),
            _ => there == wanted,
        }
    }

    /// Where the element is that a lane holds as its `index`-th of `elements`.
    pub fn cell(&self, lane: usize, index: usize, elements: usize) -> Cell {
        match self.arrangement {
            Arrangement::Opaque => {
                let place = (lane * elements + index) % (self.rows() * self.columns());
                // The side over which products are summed is the inner one.
                let (row, column) = match self.role {
                    Role::B => (place % self.rows(), place / self.rows()),
                    _ => (place / self.columns(), place % self.columns()),
                };
                Cell { product: 0, row, column }
            }
            Arrangement::Groups => self.grouped(lane / 4, lane % 4, index),
            Arrangement::Quads { column_major } => self.in_quads(lane, index, column_major),
        }
    }

    fn grouped(&self, group: usize, within: usize, index: usize) -> Cell {
        let each = self.element.per_register();
        let (register, part) = (index / each, index % each);
        let (row, column) = match self.role {
            Role::A if self.sides.m == 16 => {
                (group + 8 * (register % 2), within * each + part + register / 2 * 4 * each)
            }
            Role::A => (group, within * each + part + register * 4 * each),
            Role::B => (within * each + part + register * 4 * each, group),
            Role::C => (group + 8 * (index / 2), within * 2 + index % 2),
        };
        Cell { product: 0, row, column }
    }

    fn in_quads(&self, lane: usize, index: usize, column_major: bool) -> Cell {
        let product = lane / 4 % 4;
        let upper = if lane < 16 { 0 } else { 4 };
        let (row, column) = match (self.role, column_major) {
            (Role::A, false) => (lane % 4 + upper, index),
            (Role::A, true) => (index + upper, lane % 4),
            (Role::B, false) => (lane % 4, index + upper),
            (Role::B, true) => (index, lane % 4 + upper),
            (Role::C, _) if self.element == Element::F32 => {
                ((lane & 1) + (index & 2) + upper, (index & 4) + (lane & 2) + (index & 1))
            }
            (Role::C, _) => (lane % 4 + upper, index),
        };
        Cell { product, row, column }
    }
}

/// How products of whole numbers are made and summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    Products {
        saturate: bool,
    },
    /// Of single bits: how many differ, or are both set.
    Differing,
    BothSet,
}

/// A matrix, or four, by rows; elements as their bits.
pub struct Matrix {
    pub form: Form,
    cells: Vec<u64>,
}

impl Matrix {
    pub fn new(form: Form) -> Matrix {
        Matrix { form, cells: vec![0; form.rows() * form.columns() * form.products()] }
    }

    fn place(&self, cell: Cell) -> usize {
        (cell.product * self.form.rows() + cell.row) * self.form.columns() + cell.column
    }

    pub fn set(&mut self, cell: Cell, bits: u64) {
        let place = self.place(cell);
        self.cells[place] = bits;
    }

    pub fn get(&self, cell: Cell) -> u64 {
        self.cells[self.place(cell)]
    }
}

/// a · b + c, in d's elements. Products are exact and summed in double precision, in order; what is narrower is rounded once.
pub fn multiply(a: &Matrix, b: &Matrix, c: &Matrix, d: Form, sum: Sum) -> Matrix {
    let mut result = Matrix::new(d);
    let Sides { m, n, k } = d.sides;
    if a.form.element.is_whole() {
        let (left, right) = (numbers(a, Element::whole), numbers(b, Element::whole));
        for place in 0..m * n {
            let (row, column) = (place / n, place % n);
            let pairs = (0..k).map(|inner| (left[row * k + inner], right[inner * n + column]));
            let of = |(x, y): (i64, i64)| match sum {
                Sum::Products { .. } => x * y,
                Sum::Differing => x ^ y,
                Sum::BothSet => x & y,
            };
            let total = c.form.element.whole(c.cells[place]) + pairs.map(of).sum::<i64>();
            let total = match sum {
                Sum::Products { saturate: true } => total.clamp(i32::MIN.into(), i32::MAX.into()),
                _ => total,
            };
            result.cells[place] = u64::from(total as u32);
        }
        return result;
    }
    let (left, right) = (numbers(a, Element::number), numbers(b, Element::number));
    for (place, cell) in result.cells.iter_mut().enumerate() {
        let (product, row, column) = (place / (m * n), place / n % m, place % n);
        let (left, right) = (&left[(product * m + row) * k..][..k], &right[product * k * n + column..]);
        let start = c.form.element.number(c.cells[place]);
        let pairs = left.iter().enumerate().map(|(inner, x)| (*x, right[inner * n]));
        let total = match d.element {
            Element::F64 => pairs.fold(start, |total, (x, y)| x.mul_add(y, total)),
            // The product of two narrower numbers is exact.
            _ => pairs.fold(start, |total, (x, y)| total + x * y),
        };
        *cell = d.element.of_number(total);
    }
    result
}

fn numbers<T>(matrix: &Matrix, of: fn(Element, u64) -> T) -> Vec<T> {
    matrix.cells.iter().map(|bits| of(matrix.form.element, *bits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Every element of a fragment is held by one lane, and none beside it.
    #[test]
    fn each_element_lies_in_one_place() {
        let form = |role, element, arrangement, m, n, k| Form {
            role,
            element,
            arrangement,
            sides: Sides { m, n, k },
        };
        let int = |bits| Element::Int { bits, signed: true };
        let mut forms = Vec::new();
        for (element, sum, shapes) in [
            (Element::F16, Element::F32, &[(16, 8, 8), (16, 8, 16)][..]),
            (Element::Tf32, Element::F32, &[(16, 8, 4), (16, 8, 8)]),
            (Element::F64, Element::F64, &[(8, 8, 4)]),
            (int(8), Element::S32, &[(8, 8, 16), (16, 8, 16), (16, 8, 32)]),
            (int(4), Element::S32, &[(8, 8, 32), (16, 8, 32), (16, 8, 64)]),
            (Element::Bit, Element::S32, &[(8, 8, 128), (16, 8, 128), (16, 8, 256)]),
        ] {
            for (m, n, k) in shapes {
                for (role, element) in [(Role::A, element), (Role::B, element), (Role::C, sum)] {
                    forms.push(form(role, element, Arrangement::Groups, *m, *n, *k));
                }
            }
        }
        for column_major in [false, true] {
            let quads = Arrangement::Quads { column_major };
            for (role, element) in [
                (Role::A, Element::F16),
                (Role::B, Element::F16),
                (Role::C, Element::F32),
                (Role::C, Element::F16),
            ] {
                forms.push(form(role, element, quads, 8, 8, 4));
            }
        }
        for form in forms {
            let whole = form.rows() * form.columns() * form.products();
            let elements = whole / super::super::LANES;
            assert!(form.fits(elements), "{form:?}");
            let cells: HashSet<(usize, usize, usize)> = (0..whole)
                .map(|place| form.cell(place / elements, place % elements, elements))
                .map(|cell| (cell.product, cell.row, cell.column))
                .collect();
            assert_eq!(cells.len(), whole, "{form:?}");
            assert!(cells.iter().all(|(_, row, column)| *row < form.rows() && *column < form.columns()));
        }
    }
}
