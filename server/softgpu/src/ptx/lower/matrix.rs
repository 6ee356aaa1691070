//! Matrices of a warp. What is taken is what PTX has for compute capability 8.6, sparse matrices aside.

use super::super::PtxError;
use super::super::alu::{Arrangement, Element, Form, Role, Sides, Sum};
use super::super::ir::*;
use super::super::parse::Operand;
use super::Body;

/// Shapes by the element of what is multiplied: of `mma`, and of `wmma`.
const MMA_SHAPES: &[(&str, &[&str])] = &[
    ("f16", &["m8n8k4", "m16n8k8", "m16n8k16"]),
    ("bf16", &["m16n8k8", "m16n8k16"]),
    ("tf32", &["m16n8k4", "m16n8k8"]),
    ("f64", &["m8n8k4"]),
    ("8", &["m8n8k16", "m16n8k16", "m16n8k32"]),
    ("4", &["m8n8k32", "m16n8k32", "m16n8k64"]),
    ("b1", &["m8n8k128", "m16n8k128", "m16n8k256"]),
];
const WMMA_SHAPES: &[(&str, &[&str])] = &[
    ("f16", &["m16n16k16", "m8n32k16", "m32n8k16"]),
    ("bf16", &["m16n16k16", "m8n32k16", "m32n8k16"]),
    ("tf32", &["m16n16k8"]),
    ("f64", &["m8n8k4"]),
    ("8", &["m16n16k16", "m8n32k16", "m32n8k16"]),
    ("4", &["m8n8k32"]),
    ("b1", &["m8n8k128"]),
];

impl<'t, 'p: 't> Body<'_, 'p, 't> {
    pub(super) fn matrix(&mut self, opcode: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mods: Vec<&str> = opcode.split('.').collect();
        let work = match (mods[0], mods.get(1)) {
            ("mma", Some(&"sync")) => self.multiply(opcode, &mods, MMA_SHAPES, operands)?,
            ("wmma", Some(&"mma")) => self.multiply(opcode, &mods, WMMA_SHAPES, operands)?,
            ("wmma", Some(&("load" | "store"))) => self.move_matrix(opcode, &mods, operands)?,
            ("ldmatrix", _) => self.load_rows(opcode, &mods, operands)?,
            ("movmatrix", _) if mods.ends_with(&["m8n8", "trans", "b16"]) => {
                let d = self.destination(operands.first())?;
                MatrixWork::Transpose { d, a: self.source(operands.get(1), "b32")? }
            }
            _ => return self.unsupported(opcode),
        };
        let members = self.constant(u32::MAX.into());
        self.emit(Op::Matrix { work: Box::new(work), members });
        Ok(())
    }

    /// `mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 d, a, b, c;` and `wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32 d, a, b, c;`
    fn multiply(
        &mut self,
        opcode: &str,
        mods: &[&str],
        shapes: &[(&str, &[&str])],
        operands: &[Operand<'t>],
    ) -> Result<MatrixWork, PtxError> {
        let types: Vec<Element> = mods.iter().filter_map(|name| Element::named(name)).collect();
        let wide = mods[0] == "wmma";
        let (d, a, b, c) = match types[..] {
            [d, a, b, c] => (d, a, b, c),
            // What `wmma` multiplies of 16-bit floats is not said.
            [d, c] if wide => (d, Element::F16, Element::F16, c),
            _ => return self.unsupported(opcode),
        };
        let shape = mods.iter().find_map(|name| Some((*name, sides(name)?)));
        let layouts: Vec<bool> =
            mods.iter().filter(|name| matches!(**name, "row" | "col")).map(|name| *name == "col").collect();
        let (Some((shape, sides)), [a_column_major, b_column_major]) = (shape, &layouts[..]) else {
            return self.unsupported(opcode);
        };
        let known = shapes.iter().any(|(of, shapes)| *of == family(a) && shapes.contains(&shape));
        let quads = !wide && a == Element::F16 && shape == "m8n8k4";
        // `mma` has one layout of most shapes, which the fragments are made for.
        let layout = wide || quads || (!a_column_major && *b_column_major);
        if !known || !layout || family(a) != family(b) || !sums_to(a, c) || !sums_to(a, d) {
            return self.unsupported(opcode);
        }
        let arrangement = |column_major: bool| match (wide, quads) {
            (true, _) => Arrangement::Opaque,
            (_, true) => Arrangement::Quads { column_major },
            _ => Arrangement::Groups,
        };
        let sum = self.sum(opcode, mods, a)?;
        let form = |role, element, column_major| Form {
            role,
            element,
            arrangement: arrangement(column_major),
            sides,
        };
        Ok(MatrixWork::Multiply {
            d: self.fragment(opcode, form(Role::C, d, false), operands.first())?,
            a: self.source_fragment(opcode, form(Role::A, a, *a_column_major), operands.get(1))?,
            b: self.source_fragment(opcode, form(Role::B, b, *b_column_major), operands.get(2))?,
            c: self.source_fragment(opcode, form(Role::C, c, false), operands.get(3))?,
            sum,
        })
    }

    fn sum(&self, opcode: &str, mods: &[&str], a: Element) -> Result<Sum, PtxError> {
        let says = |what: &str| mods.contains(&what);
        match a {
            Element::Bit if says("xor") => Ok(Sum::Differing),
            Element::Bit if says("and") => Ok(Sum::BothSet),
            Element::Bit => self.unsupported(opcode),
            // Other roundings of a sum in double precision.
            _ if says("rz") || says("rm") || says("rp") => self.unsupported(opcode),
            _ => Ok(Sum::Products { saturate: says("satfinite") }),
        }
    }

    /// `wmma.load.a.sync.aligned.row.m16n16k16.shared.f16 r, [p], stride;` `wmma.store.d.sync.aligned.row.m16n16k16.f32 [p], r, stride;`
    fn move_matrix(
        &mut self,
        opcode: &str,
        mods: &[&str],
        operands: &[Operand<'t>],
    ) -> Result<MatrixWork, PtxError> {
        let role = match mods.get(2) {
            Some(&"a") => Role::A,
            Some(&"b") => Role::B,
            Some(&("c" | "d")) => Role::C,
            _ => return self.unsupported(opcode),
        };
        let shape = mods.iter().find_map(|name| Some((*name, sides(name)?)));
        let (Some((shape, sides)), Some(element)) =
            (shape, mods.last().and_then(|name| Element::named(name)))
        else {
            return self.unsupported(opcode);
        };
        let column_major = mods.contains(&"col");
        let known = WMMA_SHAPES.iter().any(|(_, shapes)| shapes.contains(&shape));
        // Parts of bytes lie as products are summed.
        let packed = element.bits() < 8 && column_major != (role == Role::B);
        if !known || packed {
            return self.unsupported(opcode);
        }
        let form = Form { role, element, arrangement: Arrangement::Opaque, sides };
        let is_load = mods[1] == "load";
        let at = if is_load { 1 } else { 0 };
        let stride = operands.get(2).map(|stride| self.source(Some(stride), "u32")).transpose()?;
        let (space, address, offset) = self.matrix_address(mods, operands.get(at))?;
        let lines = Lines { space, address, offset, stride, column_major };
        Ok(match is_load {
            true => MatrixWork::Load { to: self.fragment(opcode, form, operands.first())?, from: lines },
            false => {
                MatrixWork::Store { from: self.source_fragment(opcode, form, operands.get(1))?, to: lines }
            }
        })
    }

    /// `ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 r, [p];`
    fn load_rows(
        &mut self,
        opcode: &str,
        mods: &[&str],
        operands: &[Operand<'t>],
    ) -> Result<MatrixWork, PtxError> {
        let count = match mods.iter().find(|name| matches!(**name, "x1" | "x2" | "x4")) {
            Some(&"x1") => 1,
            Some(&"x2") => 2,
            Some(_) => 4,
            None => return self.unsupported(opcode),
        };
        if !mods.contains(&"m8n8") || mods.last() != Some(&"b16") {
            return self.unsupported(opcode);
        }
        let d = self.registers_of(operands.first())?;
        if d.len() != count {
            return self.unsupported(opcode);
        }
        let (space, address, offset) = self.matrix_address(mods, operands.get(1))?;
        Ok(MatrixWork::LoadRows { d, transposed: mods.contains(&"trans"), space, address, offset })
    }

    fn matrix_address(
        &mut self,
        mods: &[&str],
        operand: Option<&Operand<'t>>,
    ) -> Result<(Space, Reg, i64), PtxError> {
        let shared = mods.iter().any(|name| matches!(*name, "shared" | "shared::cta"));
        let space = if shared { Space::Shared } else { Space::Generic };
        let access =
            Access { space, bytes: 1, count: 1, address: ZERO, offset: 0, ordered: false, waits: false };
        let access = self.addressed(access, operand)?;
        Ok((access.space, access.address, access.offset))
    }

    /// Registers to write, as many as the fragment needs.
    fn fragment(
        &self,
        opcode: &str,
        form: Form,
        operand: Option<&Operand<'t>>,
    ) -> Result<Fragment, PtxError> {
        let registers = self.registers_of(operand)?;
        match form.fits(registers.len() * form.element.per_register()) {
            true => Ok(Fragment { form, registers }),
            false => self.unsupported(opcode),
        }
    }

    fn registers_of(&self, operand: Option<&Operand<'t>>) -> Result<Vec<Reg>, PtxError> {
        match operand {
            Some(Operand::Vector(parts)) => parts.iter().map(|part| self.destination(Some(part))).collect(),
            operand => Ok(vec![self.destination(operand)?]),
        }
    }

    /// Registers to read; numbers may stand among them.
    fn source_fragment(
        &mut self,
        opcode: &str,
        form: Form,
        operand: Option<&Operand<'t>>,
    ) -> Result<Fragment, PtxError> {
        let ty = match form.element {
            Element::F32 => "f32",
            Element::F64 => "f64",
            _ => "b32",
        };
        let registers = match operand {
            Some(Operand::Vector(parts)) => {
                parts.iter().map(|part| self.source(Some(part), ty)).collect::<Result<_, _>>()?
            }
            operand => vec![self.source(operand, ty)?],
        };
        match form.fits(registers.len() * form.element.per_register()) {
            true => Ok(Fragment { form, registers }),
            false => self.unsupported(opcode),
        }
    }
}

/// What `MMA_SHAPES` calls an element.
fn family(element: Element) -> &'static str {
    match element {
        Element::F16 => "f16",
        Element::Bf16 => "bf16",
        Element::Tf32 => "tf32",
        Element::F64 => "f64",
        Element::Int { bits: 8, .. } => "8",
        Element::Int { .. } => "4",
        Element::Bit => "b1",
        Element::F32 | Element::S32 => "",
    }
}

/// Whether products of one element are summed in another.
fn sums_to(product: Element, sum: Element) -> bool {
    match product {
        Element::F16 => matches!(sum, Element::F16 | Element::F32),
        Element::Bf16 | Element::Tf32 => sum == Element::F32,
        Element::F64 => sum == Element::F64,
        _ => sum == Element::S32,
    }
}

/// `m16n8k16`
fn sides(name: &str) -> Option<Sides> {
    let (m, rest) = name.strip_prefix('m')?.split_once('n')?;
    let (n, k) = rest.split_once('k')?;
    Some(Sides { m: m.parse().ok()?, n: n.parse().ok()?, k: k.parse().ok()? })
}
