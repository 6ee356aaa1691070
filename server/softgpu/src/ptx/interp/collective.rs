//! Operations in which lanes read each other: all lanes of the mask are here when one runs.

use super::super::alu::LANES;
use super::super::ir::*;
use super::{Path, Warp, each, lanes_where};

/// The row that names the lanes which must be here, if the operation is of this kind.
#[inline(always)]
pub fn members(op: &Op) -> Option<Reg> {
    match op {
        Op::WarpSync { members }
        | Op::Shuffle { members, .. }
        | Op::Vote { members, .. }
        | Op::MatchAny { members, .. }
        | Op::MatchAll { members, .. }
        | Op::Reduce { members, .. }
        | Op::Elect { members, .. }
        | Op::Matrix { members, .. } => Some(*members),
        _ => None,
    }
}

impl Warp {
    /// All the lanes that lanes of this mask name.
    pub(super) fn needed(&self, path: &Path, mask: u32, members: Reg) -> u32 {
        let named = self.row(path, members);
        let mut all = 0;
        each(mask, |lane| all |= named[lane] as u32);
        all
    }

    /// Lanes that name the same members work together. One instruction may serve several such groups: the tiles of a warp.
    pub(super) fn in_groups(&mut self, path: &Path, mask: u32, members: Reg, op: &Op) {
        let named = *self.row(path, members);
        let mut left = mask;
        while left != 0 {
            let first = named[left.trailing_zeros() as usize] as u32;
            let group = lanes_where(left, |lane| named[lane] as u32 == first);
            self.collective(path, group, op);
            left &= !group;
        }
    }

    fn collective(&mut self, path: &Path, mask: u32, op: &Op) {
        match op {
            Op::Shuffle { mode, d, ok, a, b, c, members: _ } => {
                self.shuffle(path, mask, *mode, (*d, *ok), [*a, *b, *c])
            }
            Op::Vote { mode, to, p, negate, .. } => {
                let set = if *negate { !self.pred(path, *p) } else { self.pred(path, *p) };
                let votes = set & mask;
                let outcome = match mode {
                    Vote::Ballot => votes,
                    Vote::All => all_or_none(votes == mask),
                    Vote::Any => all_or_none(votes != 0),
                    Vote::Uniform => all_or_none(votes == mask || votes == 0),
                };
                self.outcome(path, mask, *to, outcome, !outcome);
            }
            Op::MatchAny { d, a, wide, .. } => {
                let a = self.keys(path, *a, *wide);
                let values =
                    std::array::from_fn(|lane| u64::from(lanes_where(mask, |other| a[other] == a[lane])));
                self.put(path, mask, *d, &values);
            }
            Op::MatchAll { d, ok, a, wide, .. } => {
                let a = self.keys(path, *a, *wide);
                let first = a[mask.trailing_zeros() as usize];
                let same = lanes_where(mask, |lane| a[lane] == first) == mask;
                self.fill(path, mask, *d, if same { u64::from(mask) } else { 0 });
                if let Some(ok) = ok {
                    self.set_pred(path, mask, *ok, all_or_none(same));
                }
            }
            Op::Reduce { run, d, a, .. } => {
                let a = *self.row(path, *a);
                let first = mask.trailing_zeros() as usize;
                let mut result = a[first];
                each(mask & (mask - 1), |lane| result = run(result, a[lane], 0));
                self.fill(path, mask, *d, result);
            }
            Op::Elect { d, p, .. } => {
                let leader = mask.trailing_zeros();
                self.fill(path, mask, *d, u64::from(leader));
                self.set_pred(path, mask, *p, 1 << leader);
            }
            _ => {}
        }
    }

    fn keys(&self, path: &Path, a: Reg, wide: bool) -> [u64; LANES] {
        let row = *self.row(path, a);
        if wide { row } else { row.map(|value| u64::from(value as u32)) }
    }

    /// As the PTX ISA defines it: `c` holds the clamp and the segment mask. A lane that is not here gives whatever it last had.
    fn shuffle(
        &mut self,
        path: &Path,
        mask: u32,
        mode: Shuffle,
        (d, ok): (Reg, Option<Pred>),
        [a, b, c]: [Reg; 3],
    ) {
        let (a, b, c) = (*self.row(path, a), *self.row(path, b), *self.row(path, c));
        let mut values = [0; LANES];
        let mut valid = 0u32;
        each(mask, |lane| {
            let (by, c, lane32) = (b[lane] as u32 & 31, c[lane] as u32, lane as u32);
            let (clamp, segment) = (c & 31, c >> 8 & 31);
            let highest = lane32 & segment | clamp & !segment;
            let lowest = lane32 & segment;
            let (from, in_range) = match mode {
                Shuffle::Up => (lane32.wrapping_sub(by), lane32 as i32 - by as i32 >= highest as i32),
                Shuffle::Down => (lane32 + by, lane32 + by <= highest),
                Shuffle::Butterfly => (lane32 ^ by, (lane32 ^ by) <= highest),
                Shuffle::Index => (lowest | by & !segment, (lowest | by & !segment) <= highest),
            };
            let from = if in_range { from as usize % LANES } else { lane };
            values[lane] = u64::from(a[from] as u32);
            valid |= u32::from(in_range) << lane;
        });
        self.put(path, mask, d, &values);
        if let Some(ok) = ok {
            self.set_pred(path, mask, ok, valid);
        }
    }
}

fn all_or_none(yes: bool) -> u32 {
    if yes { u32::MAX } else { 0 }
}
