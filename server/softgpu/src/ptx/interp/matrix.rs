//! Matrices of a warp: gathered from its lanes' registers or memory, multiplied, and given back.

use super::super::Fault;
use super::super::alu::{Cell, LANES, Matrix, multiply};
use super::super::ir::*;
use super::{Env, Path, Warp};

/// Rows of a matrix that is loaded by rows, and 16-bit elements of each.
const ROWS: usize = 8;
const ROW_BYTES: u64 = 16;

impl Warp {
    pub(super) fn matrix(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        work: &MatrixWork,
        line: u32,
    ) -> Result<(), Fault> {
        match work {
            MatrixWork::Multiply { d, a, b, c, sum } => {
                let [a, b, c] = [a, b, c].map(|fragment| self.gather(path, fragment));
                let product = multiply(&a, &b, &c, d.form, *sum);
                self.scatter(path, mask, d, &product);
                Ok(())
            }
            MatrixWork::Load { to, from } => self.load_matrix(env, path, mask, to, from, line),
            MatrixWork::Store { from, to } => self.store_matrix(env, path, mask, from, to, line),
            MatrixWork::LoadRows { d, transposed, space, address, offset } => {
                let place = (*space, *address, *offset);
                self.load_rows(env, path, mask, d, *transposed, place, line)
            }
            MatrixWork::Transpose { d, a } => {
                let a = *self.row(path, *a);
                let turned = std::array::from_fn(|lane| turned(&a, lane));
                self.put(path, mask, *d, &turned);
                Ok(())
            }
        }
    }

    fn gather(&self, path: &Path, fragment: &Fragment) -> Matrix {
        let mut matrix = Matrix::new(fragment.form);
        let (each_register, bits) = packing(fragment);
        let elements = each_register * fragment.registers.len();
        for (index, register) in fragment.registers.iter().enumerate() {
            for (lane, value) in self.row(path, *register).iter().enumerate() {
                for part in 0..each_register {
                    let cell = fragment.form.cell(lane, index * each_register + part, elements);
                    matrix.set(cell, value >> (part * bits) & u64::MAX >> (64 - bits));
                }
            }
        }
        matrix
    }

    fn scatter(&mut self, path: &Path, mask: u32, fragment: &Fragment, matrix: &Matrix) {
        let (each_register, bits) = packing(fragment);
        let elements = each_register * fragment.registers.len();
        for (index, register) in fragment.registers.iter().enumerate() {
            let mut values = [0; LANES];
            for (lane, value) in values.iter_mut().enumerate() {
                for part in 0..each_register {
                    let cell = fragment.form.cell(lane, index * each_register + part, elements);
                    *value |= matrix.get(cell) << (part * bits);
                }
            }
            self.put(path, mask, *register, &values);
        }
    }

    fn load_matrix(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        to: &Fragment,
        from: &Lines,
        line: u32,
    ) -> Result<(), Fault> {
        let (parts, bytes) = pieces(to);
        for (index, register) in to.registers.iter().enumerate() {
            let mut values = [0; LANES];
            for (lane, value) in values.iter_mut().enumerate().filter(|(lane, _)| mask >> lane & 1 == 1) {
                for part in 0..parts {
                    let address = self.element_address(path, lane, to, from, index, part);
                    let loaded = self.read_in(env, lane, from.space, address, bytes, line)?;
                    *value |= loaded << (part * usize::from(bytes) * 8);
                }
            }
            self.put(path, mask, *register, &values);
        }
        Ok(())
    }

    fn store_matrix(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        from: &Fragment,
        to: &Lines,
        line: u32,
    ) -> Result<(), Fault> {
        let (parts, bytes) = pieces(from);
        for (index, register) in from.registers.iter().enumerate() {
            let values = *self.row(path, *register);
            for (lane, value) in values.iter().enumerate().filter(|(lane, _)| mask >> lane & 1 == 1) {
                for part in 0..parts {
                    let address = self.element_address(path, lane, from, to, index, part);
                    let stored = value >> (part * usize::from(bytes) * 8);
                    self.write_in(env, lane, to.space, address, (bytes, stored), line)?;
                }
            }
        }
        Ok(())
    }

    /// Where a piece of a register lies in memory.
    fn element_address(
        &self,
        path: &Path,
        lane: usize,
        fragment: &Fragment,
        lines: &Lines,
        register: usize,
        part: usize,
    ) -> u64 {
        let form = &fragment.form;
        let per_register = form.element.per_register();
        let Cell { row, column, .. } =
            form.cell(lane, register * per_register + part, per_register * fragment.registers.len());
        let (outer, inner, end_to_end) =
            if lines.column_major { (column, row, form.rows()) } else { (row, column, form.columns()) };
        let stride =
            lines.stride.map_or(end_to_end as u64, |stride| self.row(path, stride)[lane] & 0xffff_ffff);
        let element = stride.wrapping_mul(outer as u64).wrapping_add(inner as u64);
        let base = self.row(path, lines.address)[lane].wrapping_add_signed(lines.offset);
        base.wrapping_add(element.wrapping_mul(form.element.bits() as u64) / 8)
    }

    #[allow(clippy::too_many_arguments)] // the parts of one instruction, already taken apart
    fn load_rows(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        d: &[Reg],
        transposed: bool,
        (space, address, offset): (Space, Reg, i64),
        line: u32,
    ) -> Result<(), Fault> {
        let addresses = *self.row(path, address);
        for (matrix, register) in d.iter().enumerate() {
            let mut values = [0; LANES];
            for row in 0..ROWS {
                let start = addresses[matrix * ROWS + row].wrapping_add_signed(offset);
                if !start.is_multiple_of(ROW_BYTES) {
                    return Err(Fault::MisalignedAddress { address: start, bytes: ROW_BYTES as u32, line });
                }
                for word in 0..ROW_BYTES / 4 {
                    let lane = matrix * ROWS + row;
                    values[row * 4 + word as usize] =
                        self.read_in(env, lane, space, start.wrapping_add(word * 4), 4, line)?;
                }
            }
            if transposed {
                values = std::array::from_fn(|lane| turned(&values, lane));
            }
            self.put(path, mask, *register, &values);
        }
        Ok(())
    }
}

/// Elements of one register, and bits of each.
fn packing(fragment: &Fragment) -> (usize, usize) {
    (fragment.form.element.per_register(), fragment.form.element.bits())
}

/// What is moved at once: an element, or a register of such as are no whole bytes; how many a register has, and the bytes of each.
fn pieces(fragment: &Fragment) -> (usize, u8) {
    match fragment.form.element.bits() {
        0..8 => (1, 4),
        bits => (fragment.form.element.per_register(), (bits / 8) as u8),
    }
}

/// The two elements that a lane has of the transposed matrix, of which each lane holds two side by side.
fn turned(rows: &[u64; LANES], lane: usize) -> u64 {
    let element = |row: usize, column: usize| rows[row * 4 + column / 2] >> (column % 2 * 16) & 0xffff;
    let (row, column) = (lane / 4, lane % 4 * 2);
    element(column, row) | element(column + 1, row) << 16
}
