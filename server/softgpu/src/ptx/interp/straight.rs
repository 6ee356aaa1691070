//! Instructions of which each lane does its own.
#![allow(unsafe_code)] // lends a destination row and source rows of one register file at the same time.

use super::super::Fault;
use super::super::alu::LANES;
use super::super::ir::*;
use super::{Env, Path, Warp, each, lanes_where};

impl Warp {
    /// Runs one instruction in the lanes of a mask. What it returns is how much waiting it looks like.
    #[inline(always)]
    pub(super) fn straight(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        inst: &Inst,
    ) -> Result<Option<u32>, Fault> {
        match &inst.op {
            Op::Alu { run, d, a, b, c, apart: true } => {
                debug_assert!(d != a && d != b && d != c);
                let end = path.rows as usize + (*d).max(*a).max(*b).max(*c) as usize;
                assert!(end < self.rows.len());
                let base = self.rows.as_mut_ptr();
                // SAFETY: all four rows were just seen to be in bounds, and the destination is none of the sources, which
                // decoding made sure of; the sources may be one another, being shared.
                unsafe {
                    let base = base.add(path.rows as usize);
                    run(
                        &mut *base.add(*d as usize),
                        &*base.add(*a as usize),
                        &*base.add(*b as usize),
                        &*base.add(*c as usize),
                        mask,
                    );
                }
            }
            Op::Alu { run, d, a, b, c, apart: false } => {
                let mut scratch = self.scratch;
                run(&mut scratch, self.row(path, *a), self.row(path, *b), self.row(path, *c), mask);
                self.put(path, mask, *d, &scratch);
            }
            Op::Load { access, d, signed } => {
                return self.load(env, path, mask, access, d, *signed, inst.line).map(Some);
            }
            Op::Store { access, s } => self.store(env, path, mask, access, s, inst.line)?,
            Op::Compare { run, a, b, with, to } => {
                let mut outcome = run(self.row(path, *a), self.row(path, *b));
                let mut complement = !outcome;
                if let Some(Combine { logic, p, negate }) = with {
                    let p = if *negate { !self.pred(path, *p) } else { self.pred(path, *p) };
                    outcome = logic.of(outcome, p);
                    complement = logic.of(complement, p);
                }
                self.outcome(path, mask, *to, outcome, complement);
            }
            Op::Select { d, a, b, p } => {
                let set = self.pred(path, *p);
                let (a, b) = (*self.row(path, *a), *self.row(path, *b));
                let chosen = std::array::from_fn(|lane| if set >> lane & 1 == 1 { a[lane] } else { b[lane] });
                self.put(path, mask, *d, &chosen);
            }
            Op::Carry { run, carry, d, a, b, c } => {
                let (a, b, c) = (*self.row(path, *a), *self.row(path, *b), *self.row(path, *c));
                let (mut result, mut carried) = ([0; LANES], *self.row(path, *carry));
                run(&mut result, &mut carried, &a, &b, &c, mask);
                self.put(path, mask, *carry, &carried);
                self.put(path, mask, *d, &result);
            }
            Op::Four { run, d, s } => {
                let [a, b, c, e] = s.map(|s| *self.row(path, s));
                let mut result = [0; LANES];
                run(&mut result, &a, &b, &c, &e, mask);
                self.put(path, mask, *d, &result);
            }
            Op::Lop3 { table, d, a, b, c } => {
                let (a, b, c) = (*self.row(path, *a), *self.row(path, *b), *self.row(path, *c));
                let mut result = [0; LANES];
                super::super::alu::lop3(&mut result, &a, &b, &c, *table, mask);
                self.put(path, mask, *d, &result);
            }
            Op::Test { run, a, d } => {
                let outcome = run(self.row(path, *a));
                self.set_pred(path, mask, *d, outcome);
            }
            Op::PredLogic { logic, d, a, b } => {
                let value = logic.of(self.pred(path, *a), self.pred(path, *b));
                self.set_pred(path, mask, *d, value);
            }
            Op::PredNot { d, a } => {
                let value = !self.pred(path, *a);
                self.set_pred(path, mask, *d, value);
            }
            Op::PredSet { d, value } => self.set_pred(path, mask, *d, if *value { u32::MAX } else { 0 }),
            Op::Special { d, which } => self.special(env, path, mask, *d, *which),
            Op::FrameAddress { d, offset } => self.fill(path, mask, *d, u64::from(path.local + offset)),
            Op::Unpack { d, count, bits, a } => self.unpack(path, mask, d, *count, *bits, *a),
            Op::Pack { d, s, count, bits } => self.pack(path, mask, *d, s, *count, *bits),
            Op::Atom { access, run, d, b, c } => {
                self.atom(env, path, mask, access, *run, *d, [*b, *c], inst.line)?;
                return Ok(Some(ATOMIC_LOOKS_LIKE_WAITING));
            }
            Op::Texture(op) => self.texture(env, path, mask, op, inst.line)?,
            Op::Surface(op) => self.surface(env, path, mask, op, inst.line)?,
            Op::ImageQuery { which, of_surface, d, image } => {
                self.image_query(env, path, mask, (*which, *of_surface), (*d, *image), inst.line)?;
            }
            Op::CopyAsync { .. } => self.copy_async(env, path, mask, &inst.op, inst.line)?,
            Op::IsSpace { space, d, a } => {
                let a = *self.row(path, *a);
                let inside = |window: u64, address: u64| (window..window + WINDOW_BYTES).contains(&address);
                let outcome = lanes_where(u32::MAX, |lane| match space {
                    Space::Shared => inside(SHARED_WINDOW, a[lane]),
                    Space::Local => inside(LOCAL_WINDOW, a[lane]),
                    _ => a[lane] < SHARED_WINDOW,
                });
                self.set_pred(path, mask, *d, outcome);
            }
            Op::ActiveMask { d } => self.fill(path, mask, *d, u64::from(mask)),
            Op::Fence => std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst),
            _ => {}
        }
        Ok(None)
    }

    /// Writes the lanes of a mask.
    pub(super) fn put(&mut self, path: &Path, mask: u32, d: Reg, values: &[u64; LANES]) {
        if d == SINK {
            return;
        }
        let row = self.row_mut(path, d);
        if mask == u32::MAX {
            *row = *values;
        } else {
            each(mask, |lane| row[lane] = values[lane]);
        }
    }

    pub(super) fn outcome(&mut self, path: &Path, mask: u32, to: Outcome, outcome: u32, complement: u32) {
        match to {
            Outcome::Preds(p, q) => {
                for (pred, value) in [(p, outcome), (q, complement)] {
                    if let Some(pred) = pred {
                        self.set_pred(path, mask, pred, value);
                    }
                }
            }
            Outcome::Mask(d) => self.put_bits(path, mask, d, outcome, u64::from(u32::MAX)),
            Outcome::Float(d) => self.put_bits(path, mask, d, outcome, u64::from(1f32.to_bits())),
            Outcome::Ballot(d) => self.fill(path, mask, d, u64::from(outcome)),
        }
    }

    fn put_bits(&mut self, path: &Path, mask: u32, d: Reg, bits: u32, one: u64) {
        let values = std::array::from_fn(|lane| if bits >> lane & 1 == 1 { one } else { 0 });
        self.put(path, mask, d, &values);
    }

    fn unpack(&mut self, path: &Path, mask: u32, d: &[Reg; 4], count: u8, bits: u8, a: Reg) {
        let a = *self.row(path, a);
        for (index, d) in d.iter().take(count as usize).enumerate() {
            let part = |value: u64| {
                if bits >= 64 { value } else { value >> (index as u32 * u32::from(bits)) & ((1 << bits) - 1) }
            };
            self.put(path, mask, *d, &a.map(part));
        }
    }

    fn pack(&mut self, path: &Path, mask: u32, d: Reg, s: &[Reg; 4], count: u8, bits: u8) {
        let mut packed = [0u64; LANES];
        for (index, s) in s.iter().take(count as usize).enumerate() {
            let row = self.row(path, *s);
            for (lane, value) in packed.iter_mut().enumerate() {
                let part = if bits >= 64 { row[lane] } else { row[lane] & ((1 << bits) - 1) };
                *value |= part << (index as u32 * u32::from(bits));
            }
        }
        self.put(path, mask, d, &packed);
    }

    fn special(&mut self, env: &Env, path: &Path, mask: u32, d: Reg, which: Special) {
        let lane_bits = |f: fn(u32) -> u32| std::array::from_fn(|lane| u64::from(f(lane as u32)));
        let threads: u32 = env.block_shape.iter().product();
        let values = match which {
            Special::Tid(axis) => self.tid[axis],
            Special::LaneId => lane_bits(|lane| lane),
            Special::LanesEqual => lane_bits(|lane| 1 << lane),
            Special::LanesLess => lane_bits(|lane| (1 << lane) - 1),
            Special::LanesLessEqual => lane_bits(|lane| u32::MAX >> (31 - lane)),
            Special::LanesGreater => lane_bits(|lane| !(u32::MAX >> (31 - lane))),
            Special::LanesGreaterEqual => lane_bits(|lane| u32::MAX << lane),
            uniform => {
                [match uniform {
                    Special::Ntid(axis) => u64::from(env.block_shape[axis]),
                    Special::Ctaid(axis) => u64::from(env.block[axis]),
                    Special::Nctaid(axis) => u64::from(env.grid[axis]),
                    Special::WarpId => u64::from(self.number),
                    Special::WarpCount => u64::from(threads.div_ceil(LANES as u32)),
                    Special::SmId => u64::from(env.block[0] % env.multiprocessors),
                    Special::SmCount => u64::from(env.multiprocessors),
                    Special::GridId => env.grid_number,
                    Special::Clock => clock_ns(),
                    Special::ClockHigh => clock_ns() >> 32,
                    Special::GlobalTimer => wall_ns(),
                    Special::GlobalTimerHigh => wall_ns() >> 32,
                    Special::DynamicSharedBytes => u64::from(env.dynamic_shared_bytes),
                    Special::TotalSharedBytes => env.shared.len() as u64,
                    Special::WorkspaceHigh => env.workspace >> 32,
                    Special::WorkspaceLow => u64::from(env.workspace as u32),
                    Special::One => 1,
                    _ => 0,
                }; LANES]
            }
        };
        self.put(path, mask, d, &values);
    }
}

/// How much of its turn an atomic costs, so that a lock that is held elsewhere is not asked for in vain for long.
const ATOMIC_LOOKS_LIKE_WAITING: u32 = 16;

/// One tick is a nanosecond; a GPU's differ in length too.
fn clock_ns() -> u64 {
    static BEGAN: once_cell::sync::Lazy<std::time::Instant> =
        once_cell::sync::Lazy::new(std::time::Instant::now);
    BEGAN.elapsed().as_nanos() as u64
}

fn wall_ns() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
