//! An executable graph as it crosses: everything that it does, and what each of that waits for. Child graphs are no longer seen
//! here, as their nodes stand among the others; the bodies of conditional nodes are levels of their own.

use crate::codec::{CodecError, Decode, Encode, decode_prefix, encode_onto};

/// What a graph does, level by level; the first is the graph's own, the others are bodies of conditional nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub levels: Vec<Vec<Step>>,
}

/// One thing that a graph does. It waits for steps of its level that stand before it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Step {
    pub work: Work,
    pub after: Vec<Edge>,
    /// A step that is switched off does nothing, in its turn.
    pub enabled: bool,
}

/// What a step does from now on. It is of the same kind as before and waits for the same.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    pub level: u32,
    pub step: u32,
    pub work: Work,
    pub enabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Edge {
    pub from: u32,
    /// `CUgraphEdgeData`, byte by byte.
    pub data: [u8; 8],
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Work {
    Empty,
    Kernel(Kernel),
    Copy(Copy),
    Fill(Fill),
    /// A function of the program's and its argument; it never crosses.
    Host {
        function: u64,
        data: u64,
    },
    RecordEvent(u64),
    WaitEvent(u64),
    MemoryOperations(MemoryOperations),
    Conditional(Conditional),
}

/// A launch whose parameters are already in one buffer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Kernel {
    /// A function, or a kernel, which means its function in the context.
    pub function: u64,
    pub context: u64,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    /// `CUlaunchAttribute`s by number.
    pub attributes: Vec<(u32, [u8; 64])>,
    pub params: Vec<u8>,
}

/// `CUDA_MEMCPY3D` between plain memory: what its offsets amount to is in the sides' addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Copy {
    pub context: u64,
    pub to: Side,
    pub from: Side,
    /// Bytes a row, rows a slice, slices.
    pub shape: [u64; 3],
}

/// One side of a copy: where it begins, and how far its rows and slices are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Side {
    pub host: bool,
    pub address: u64,
    pub pitch: u64,
    /// Rows of a slice.
    pub rows: u64,
}

/// `CUDA_MEMSET_NODE_PARAMS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Fill {
    pub context: u64,
    pub address: u64,
    pub pitch: u64,
    pub value: u32,
    pub element_bytes: u32,
    /// In elements.
    pub width: u64,
    pub height: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MemoryOperations {
    pub context: u64,
    pub operations: Vec<MemoryOperation>,
    pub flags: u32,
}

/// A wait or a write of `CUstreamBatchMemOpParams`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct MemoryOperation {
    pub operation: u32,
    pub address: u64,
    pub value: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Conditional {
    pub context: u64,
    /// The driver's own value: kernels receive it.
    pub handle: u64,
    /// `CUgraphConditionalNodeType`.
    pub kind: u32,
    /// The plan's levels that are its bodies.
    pub bodies: Vec<u32>,
}

/// Bodies of one conditional node, and operations of one memory operation node: CUDA's own limit for the latter.
pub const BODIES_MAX: usize = 1 << 10;
pub const OPERATIONS_MAX: usize = 256;

impl MemoryOperation {
    /// How long the word is that it waits for or writes, if it does either.
    pub fn bytes(&self) -> Option<u64> {
        match self.operation {
            1 | 2 => Some(4),
            4 | 5 => Some(8),
            _ => None,
        }
    }
}

impl Copy {
    pub fn touches_host(&self) -> bool {
        self.to.host || self.from.host
    }

    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

impl Side {
    /// From the first byte to behind the last of what a copy of this shape touches.
    pub fn span(&self, shape: [u64; 3]) -> Option<u64> {
        let [width, height, depth] = shape;
        let rows = self.pitch.checked_mul(height.checked_sub(1)?)?;
        let slices = self.pitch.checked_mul(self.rows)?.checked_mul(depth.checked_sub(1)?)?;
        let bytes = slices.checked_add(rows)?.checked_add(width)?;
        self.address.checked_add(bytes)?;
        Some(bytes)
    }
}

impl Fill {
    pub fn span(&self) -> Option<u64> {
        let row = self.width.checked_mul(self.element_bytes.into())?;
        self.pitch.checked_mul(self.height.checked_sub(1)?)?.checked_add(row)
    }
}

impl Work {
    /// Whether a step that does this may do that instead.
    pub fn is_like(&self, other: &Work) -> bool {
        match (self, other) {
            (Work::Conditional(one), Work::Conditional(another)) => one == another,
            (one, another) => std::mem::discriminant(one) == std::mem::discriminant(another),
        }
    }

    /// Whether it happens in the client, or reads or writes the client's memory.
    pub fn touches_host(&self) -> bool {
        match self {
            Work::Host { .. } => true,
            Work::Copy(copy) => copy.touches_host(),
            _ => false,
        }
    }
}

impl Plan {
    pub fn touches_host(&self) -> bool {
        self.levels.iter().flatten().any(|step| step.work.touches_host())
    }

    /// What makes a later plan of this one, if only what its steps do has changed.
    pub fn changes_to(&self, later: &Plan) -> Option<Vec<Change>> {
        if self.levels.len() != later.levels.len() {
            return None;
        }
        let mut changes = Vec::new();
        for (level, (old, new)) in self.levels.iter().zip(&later.levels).enumerate() {
            if old.len() != new.len() {
                return None;
            }
            for (step, (old, new)) in old.iter().zip(new).enumerate() {
                if old.after != new.after || !old.work.is_like(&new.work) {
                    return None;
                }
                if old != new {
                    let (level, step) = (level as u32, step as u32);
                    changes.push(Change { level, step, work: new.work.clone(), enabled: new.enabled });
                }
            }
        }
        Some(changes)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let steps: usize = self.levels.iter().map(Vec::len).sum();
        encode_onto(&(self.levels.len() as u32, steps as u32), &mut bytes);
        for (level, steps) in self.levels.iter().enumerate() {
            for step in steps {
                encode_onto(&(level as u32), &mut bytes);
                encode_onto(step, &mut bytes);
            }
        }
        bytes
    }

    /// Reads a plan and holds it to what makes it one: steps wait for earlier ones, bodies are later levels.
    pub fn decode(bytes: &[u8]) -> Result<Plan, PlanError> {
        let ((levels, steps), mut at) = decode_prefix::<(u32, u32)>(bytes)?;
        if levels as usize > LEVELS_MAX {
            return Err(PlanError::Levels { got: levels });
        }
        let mut plan = Plan { levels: vec![Vec::new(); levels as usize] };
        for _ in 0..steps {
            let ((level, step), used) = decode_prefix::<(u32, Step)>(&bytes[at..])?;
            at += used;
            let steps = plan.levels.get_mut(level as usize).ok_or(PlanError::Level { level, levels })?;
            check(&step, level, steps.len(), levels)?;
            steps.push(step);
        }
        if bytes.len() > at {
            return Err(PlanError::Trailing { left: bytes.len() - at });
        }
        plan.check_nesting().map(|()| plan)
    }

    /// Each level is the body of one conditional node, once, and none lies too deep: who builds a plan descends into it.
    pub fn check_nesting(&self) -> Result<(), PlanError> {
        let mut depth = vec![0; self.levels.len()];
        for (level, steps) in self.levels.iter().enumerate() {
            for step in steps {
                let Work::Conditional(conditional) = &step.work else { continue };
                // Bodies are later levels, so whoever names this level was looked at before.
                let below = depth[level] + 1;
                for body in &conditional.bodies {
                    if std::mem::replace(&mut depth[*body as usize], below) > 0 {
                        return Err(PlanError::Shared { level: *body });
                    }
                    if below > NESTED_MAX {
                        return Err(PlanError::Deep { level: *body });
                    }
                }
            }
        }
        Ok(())
    }
}

fn check(step: &Step, level: u32, at: usize, levels: u32) -> Result<(), PlanError> {
    if let Some(edge) = step.after.iter().find(|edge| edge.from as usize >= at) {
        return Err(PlanError::Forward { step: at, waits_for: edge.from });
    }
    match &step.work {
        Work::MemoryOperations(batch) if batch.operations.len() > OPERATIONS_MAX => {
            Err(PlanError::Operations { got: batch.operations.len() })
        }
        Work::Conditional(conditional) => {
            let body = conditional.bodies.iter().find(|body| **body <= level || **body >= levels);
            match body {
                Some(body) => Err(PlanError::Level { level: *body, levels }),
                None if conditional.bodies.len() > BODIES_MAX => {
                    Err(PlanError::Bodies { got: conditional.bodies.len() })
                }
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Levels of one plan.
pub const LEVELS_MAX: usize = 1 << 14;
/// Conditional nodes within bodies of conditional nodes: far more than programs nest, and few for a stack.
pub const NESTED_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("{left} bytes follow a plan that should have ended")]
    Trailing { left: usize },
    #[error("a plan of {got} levels")]
    Levels { got: u32 },
    #[error("level {level} of a plan of {levels}, where it may not be named")]
    Level { level: u32, levels: u32 },
    #[error("level {level} of a plan is the body of two conditional steps")]
    Shared { level: u32 },
    #[error("level {level} of a plan lies within more than {NESTED_MAX} bodies")]
    Deep { level: u32 },
    #[error("step {step} waits for step {waits_for}, which is not before it")]
    Forward { step: usize, waits_for: u32 },
    #[error("{got} operations in one step")]
    Operations { got: usize },
    #[error("{got} bodies of one conditional step")]
    Bodies { got: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(work: Work, after: &[u32]) -> Step {
        let after = after.iter().map(|from| Edge { from: *from, data: [0; 8] }).collect();
        Step { work, after, enabled: true }
    }

    fn conditional(bodies: &[u32]) -> Work {
        Work::Conditional(Conditional { context: 1, handle: 2, kind: 0, bodies: bodies.to_vec() })
    }

    #[test]
    fn a_plan_arrives_as_it_was_sent() {
        let plan = Plan {
            levels: vec![
                vec![
                    step(Work::Empty, &[]),
                    step(conditional(&[1]), &[0]),
                    step(Work::RecordEvent(9), &[0, 1]),
                ],
                vec![step(Work::WaitEvent(7), &[])],
            ],
        };
        let mut bytes = plan.encode();
        assert_eq!(Plan::decode(&bytes), Ok(plan));
        bytes.push(0);
        assert_eq!(Plan::decode(&bytes), Err(PlanError::Trailing { left: 1 }));
    }

    #[test]
    fn steps_wait_only_for_earlier_ones_and_bodies_are_later_levels() {
        let refused = |levels: Vec<Vec<Step>>| Plan::decode(&Plan { levels }.encode()).unwrap_err();
        assert_eq!(
            refused(vec![vec![step(Work::Empty, &[0])]]),
            PlanError::Forward { step: 0, waits_for: 0 }
        );
        let itself = refused(vec![vec![step(conditional(&[0]), &[])]]);
        assert_eq!(itself, PlanError::Level { level: 0, levels: 1 });
        let none = refused(vec![vec![step(conditional(&[1]), &[])]]);
        assert_eq!(none, PlanError::Level { level: 1, levels: 1 });
        assert!(Plan::decode(&crate::codec::encode(&(u32::MAX, 0u32))).is_err());
        assert!(Plan::decode(&crate::codec::encode(&(1u32, u32::MAX))).is_err());
    }

    #[test]
    fn a_level_is_the_body_of_one_conditional_and_none_lies_too_deep() {
        let refused = |levels: Vec<Vec<Step>>| Plan::decode(&Plan { levels }.encode());
        let twice = vec![vec![step(conditional(&[1]), &[]), step(conditional(&[1]), &[])], vec![]];
        assert_eq!(refused(twice), Err(PlanError::Shared { level: 1 }));
        assert_eq!(
            refused(vec![vec![step(conditional(&[1, 1]), &[])], vec![]]),
            Err(PlanError::Shared { level: 1 })
        );
        let nested = |levels: usize| -> Vec<Vec<Step>> {
            let mut nested: Vec<Vec<Step>> =
                (1..levels as u32).map(|below| vec![step(conditional(&[below]), &[])]).collect();
            nested.push(vec![]);
            nested
        };
        assert!(refused(nested(NESTED_MAX + 1)).is_ok());
        let deep = NESTED_MAX as u32 + 1;
        assert_eq!(refused(nested(NESTED_MAX + 2)), Err(PlanError::Deep { level: deep }));
    }

    #[test]
    fn only_what_steps_do_can_change() {
        let plan = |event, after: &[u32]| Plan {
            levels: vec![vec![step(Work::Empty, &[]), step(Work::RecordEvent(event), after)]],
        };
        let change = Change { level: 0, step: 1, work: Work::RecordEvent(8), enabled: true };
        assert_eq!(plan(7, &[0]).changes_to(&plan(8, &[0])), Some(vec![change]));
        assert_eq!(plan(7, &[0]).changes_to(&plan(7, &[0])), Some(vec![]));
        assert_eq!(plan(7, &[0]).changes_to(&plan(7, &[])), None);
        let other = Plan { levels: vec![vec![step(Work::Empty, &[]), step(Work::WaitEvent(7), &[0])]] };
        assert_eq!(plan(7, &[0]).changes_to(&other), None);
    }

    #[test]
    fn what_a_side_spans_never_goes_around_the_world() {
        let side = Side { host: false, address: 1000, pitch: 64, rows: 4 };
        assert_eq!(side.span([16, 2, 3]), Some(64 + 2 * 256 + 16));
        assert_eq!(Side { address: u64::MAX, ..side }.span([16, 1, 1]), None);
        assert_eq!(Side { pitch: u64::MAX, ..side }.span([16, 3, 1]), None);
    }
}
