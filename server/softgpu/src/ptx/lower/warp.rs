//! What the lanes of a warp, and the warps of a block, do together.

use super::super::PtxError;
use super::super::alu;
use super::super::ir::*;
use super::super::parse::Operand;
use super::Body;

impl<'t, 'p: 't> Body<'_, 'p, 't> {
    pub(super) fn warp(&mut self, opcode: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mods: Vec<&str> = opcode.split('.').collect();
        match mods[0] {
            "bar" | "barrier" => self.barrier(opcode, &mods, operands),
            "shfl" => self.shuffle(opcode, &mods, operands),
            "vote" => self.vote(opcode, &mods, operands),
            "match" => self.match_lanes(opcode, &mods, operands),
            "redux" => self.reduce(opcode, &mods, operands),
            "activemask" => {
                let d = self.destination(operands.first())?;
                self.emit(Op::ActiveMask { d });
                Ok(())
            }
            "elect" => {
                let Some(Operand::Pair(d, p)) = operands.first() else { return self.unsupported(opcode) };
                let d = if *d == "_" { SINK } else { self.destination(Some(&Operand::Name(d)))? };
                let p = self.pred_named(p)?;
                let members = self.source(operands.get(1), "u32")?;
                self.emit(Op::Elect { d, p, members });
                Ok(())
            }
            "nanosleep" => {
                self.emit(Op::Sleep);
                Ok(())
            }
            _ if mods.contains(&"mbarrier_init") || mods.contains(&"proxy") => self.unsupported(opcode),
            _ => {
                self.emit(Op::Fence);
                Ok(())
            }
        }
    }

    /// `bar.sync a, b;` `bar.arrive a, b;` `bar.red.popc.u32 d, a, b, p;` `bar.warp.sync m;`
    fn barrier(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let does = |what: &str| mods.contains(&what);
        if does("warp") {
            let members = self.source(operands.first(), "u32")?;
            self.emit(Op::WarpSync { members });
            return Ok(());
        }
        if does("cluster") {
            // A cluster is one block here.
            let id = self.constant(0);
            self.emit(Op::Barrier { id, threads: None, kind: BarrierKind::Sync });
            return Ok(());
        }
        if does("sync") || does("arrive") {
            let id = match operands.first() {
                Some(id) => self.source(Some(id), "u32")?,
                None => ZERO,
            };
            let threads = operands.get(1).map(|count| self.source(Some(count), "u32")).transpose()?;
            let kind = if does("arrive") { BarrierKind::Arrive } else { BarrierKind::Sync };
            self.emit(Op::Barrier { id, threads, kind });
            return Ok(());
        }
        if !does("red") || operands.len() < 3 {
            return self.unsupported(opcode);
        }
        let id = self.source(operands.get(1), "u32")?;
        let threads = match operands.len() {
            4.. => Some(self.source(operands.get(2), "u32")?),
            _ => None,
        };
        let (p, negate) = self.pred_source(operands.last())?;
        let how = if does("popc") {
            BarrierReduce::Count(self.destination(operands.first())?)
        } else {
            let Some(Operand::Name(d)) = operands.first() else { return self.unsupported(opcode) };
            let d = self.pred_named(d)?;
            if does("and") { BarrierReduce::And(d) } else { BarrierReduce::Or(d) }
        };
        self.emit(Op::Barrier { id, threads, kind: BarrierKind::Reduce { how, p, negate } });
        Ok(())
    }

    /// `shfl.sync.bfly.b32 d|p, a, b, c, members;` without `.sync` there are no members.
    fn shuffle(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mode = match mods.iter().find(|modifier| matches!(**modifier, "up" | "down" | "bfly" | "idx")) {
            Some(&"up") => Shuffle::Up,
            Some(&"down") => Shuffle::Down,
            Some(&"bfly") => Shuffle::Butterfly,
            Some(_) => Shuffle::Index,
            None => return self.unsupported(opcode),
        };
        let (d, ok) = self.with_predicate(operands.first())?;
        let a = self.source(operands.get(1), "b32")?;
        let b = self.source(operands.get(2), "b32")?;
        let c = self.source(operands.get(3), "b32")?;
        let members = self.members(operands.get(4))?;
        self.emit(Op::Shuffle { mode, d, ok, a, b, c, members });
        Ok(())
    }

    fn with_predicate(&mut self, operand: Option<&Operand<'t>>) -> Result<(Reg, Option<Pred>), PtxError> {
        match operand {
            Some(Operand::Pair(d, p)) => {
                let d = if *d == "_" { SINK } else { self.destination(Some(&Operand::Name(d)))? };
                Ok((d, if *p == "_" { None } else { Some(self.pred_named(p)?) }))
            }
            operand => Ok((self.destination(operand)?, None)),
        }
    }

    /// Without a mask, whoever is here.
    fn members(&mut self, operand: Option<&Operand<'t>>) -> Result<Reg, PtxError> {
        match operand {
            Some(members) => self.source(Some(members), "u32"),
            None => {
                let d = self.new_reg();
                self.emit(Op::ActiveMask { d });
                Ok(d)
            }
        }
    }

    /// `vote.sync.ballot.b32 d, p, members;` `vote.sync.all.pred q, p, members;`
    fn vote(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mode = mods.iter().find_map(|modifier| match *modifier {
            "all" => Some(Vote::All),
            "any" => Some(Vote::Any),
            "uni" => Some(Vote::Uniform),
            "ballot" => Some(Vote::Ballot),
            _ => None,
        });
        let Some(mode) = mode else { return self.unsupported(opcode) };
        let (p, negate) = self.pred_source(operands.get(1))?;
        let members = self.members(operands.get(2))?;
        let to = if mode == Vote::Ballot {
            Outcome::Ballot(self.destination(operands.first())?)
        } else {
            let Some(Operand::Name(d)) = operands.first() else { return self.unsupported(opcode) };
            Outcome::Preds(Some(self.pred_named(d)?), None)
        };
        self.emit(Op::Vote { mode, to, p, negate, members });
        Ok(())
    }

    fn match_lanes(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let wide = match mods.last() {
            Some(&"b32") => false,
            Some(&"b64") => true,
            _ => return self.unsupported(opcode),
        };
        let (d, ok) = self.with_predicate(operands.first())?;
        let a = self.source(operands.get(1), "b64")?;
        let members = self.members(operands.get(2))?;
        self.emit(match mods.contains(&"all") {
            true => Op::MatchAll { d, ok, a, wide, members },
            false => Op::MatchAny { d, a, wide, members },
        });
        Ok(())
    }

    fn reduce(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let ty = mods.last().copied().unwrap_or("");
        let Some(run) = mods.get(2).and_then(|operation| alu::atom(operation, ty)) else {
            return self.unsupported(opcode);
        };
        let d = self.destination(operands.first())?;
        let a = self.source(operands.get(1), ty)?;
        let members = self.members(operands.get(2))?;
        self.emit(Op::Reduce { run, d, a, members });
        Ok(())
    }
}
