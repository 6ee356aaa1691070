//! A graph as what is done in which order: child graphs among their parents' nodes, bodies of conditional nodes on levels of
//! their own.

use crate::graph::{Does, Graph};
use crate::state::State;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::graph::{Conditional, Edge, LEVELS_MAX, Plan, Step, Work};
use farwarp_protocol::handle::Id;
use std::collections::{HashMap, HashSet, VecDeque};

/// Why a graph cannot be made executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nodes wait for each other in a circle, of which this is one.
    Circle(Id),
    /// The plan would be larger than plans may be.
    TooLarge,
    /// A conditional handle that no node looks at.
    UnusedHandle,
}

impl From<Fault> for Code {
    fn from(_: Fault) -> Code {
        CUDA_ERROR_INVALID_VALUE
    }
}

impl State {
    pub fn plan(&self, graph: Id) -> Result<Plan, Fault> {
        let mut plan = Plan { levels: vec![Vec::new()] };
        let mut looked_at = Vec::new();
        self.plan_level(graph, 0, &[], &mut plan, &mut looked_at)?;
        let unused = self.graphs.get(graph).into_iter().flat_map(|graph| &graph.conditionals);
        match unused.into_iter().any(|handle| !looked_at.contains(handle)) {
            true => Err(Fault::UnusedHandle),
            false => plan.check_nesting().map(|()| plan).map_err(|_| Fault::TooLarge),
        }
    }

    /// Adds a graph's steps behind `entry`; returns those that nothing in it waits for.
    fn plan_level(
        &self,
        graph: Id,
        level: usize,
        entry: &[u32],
        plan: &mut Plan,
        looked_at: &mut Vec<u64>,
    ) -> Result<Vec<u32>, Fault> {
        let Some(graph) = self.graphs.get(graph) else { return Ok(Vec::new()) };
        let mut steps: HashMap<Id, u32> = HashMap::with_capacity(graph.nodes.len());
        let mut waited_for: HashSet<Id> = HashSet::with_capacity(graph.nodes.len());
        for id in self.in_order(graph)? {
            let Some(node) = self.nodes.get(id) else { continue };
            let mut after: Vec<Edge> =
                node.after.iter().map(|edge| Edge { from: steps[&edge.from], data: edge.data }).collect();
            waited_for.extend(node.after.iter().map(|edge| edge.from));
            if node.after.is_empty() {
                after.extend(entry.iter().map(|from| Edge { from: *from, data: [0; 8] }));
            }
            let step = match &node.does {
                // Memory has its address for good; when it is whose is settled at the launch.
                Does::Allocate(_) | Does::Free(_) => push(plan, level, Work::Empty, after, true),
                Does::Plain(work) => push(plan, level, work.clone(), after, node.enabled),
                Does::Child(child) => {
                    let begin = push(plan, level, Work::Empty, after, true);
                    let ends = self.plan_level(*child, level, &[begin], plan, looked_at)?;
                    // A child graph that is empty ends where it begins.
                    let ends = if ends.is_empty() { vec![begin] } else { ends };
                    let after = ends.into_iter().map(|from| Edge { from, data: [0; 8] }).collect();
                    push(plan, level, Work::Empty, after, true)
                }
                Does::Conditional { context, handle, kind, bodies } => {
                    looked_at.push(*handle);
                    let mut levels = Vec::with_capacity(bodies.len());
                    for body in bodies {
                        if plan.levels.len() == LEVELS_MAX {
                            return Err(Fault::TooLarge);
                        }
                        plan.levels.push(Vec::new());
                        let below = plan.levels.len() - 1;
                        levels.push(below as u32);
                        self.plan_level(*body, below, &[], plan, looked_at)?;
                    }
                    let (context, handle, kind) = (*context, *handle, *kind);
                    let work = Work::Conditional(Conditional { context, handle, kind, bodies: levels });
                    push(plan, level, work, after, true)
                }
            };
            steps.insert(id, step);
        }
        let last = graph.nodes.iter().filter(|id| !waited_for.contains(id));
        Ok(last.filter_map(|id| steps.get(id).copied()).collect())
    }

    /// The nodes of a graph, each behind those that it waits for, else as they were made.
    fn in_order(&self, graph: &Graph) -> Result<Vec<Id>, Fault> {
        let mut missing: HashMap<Id, usize> = HashMap::with_capacity(graph.nodes.len());
        let mut behind: HashMap<Id, Vec<Id>> = HashMap::new();
        for id in &graph.nodes {
            let after = self.nodes.get(*id).map_or(&[][..], |node| &node.after);
            missing.insert(*id, after.len());
            after.iter().for_each(|edge| behind.entry(edge.from).or_default().push(*id));
        }
        let mut due: VecDeque<Id> = graph.nodes.iter().filter(|id| missing[id] == 0).copied().collect();
        let mut order = Vec::with_capacity(graph.nodes.len());
        while let Some(id) = due.pop_front() {
            order.push(id);
            for follower in behind.remove(&id).unwrap_or_default() {
                let left = missing.get_mut(&follower).expect("edges stay within their graph");
                *left -= 1;
                if *left == 0 {
                    due.push_back(follower);
                }
            }
        }
        match graph.nodes.iter().find(|id| missing[id] > 0) {
            Some(circle) => Err(Fault::Circle(*circle)),
            None => Ok(order),
        }
    }
}

fn push(plan: &mut Plan, level: usize, work: Work, after: Vec<Edge>, enabled: bool) -> u32 {
    let steps = &mut plan.levels[level];
    steps.push(Step { work, after, enabled });
    steps.len() as u32 - 1
}
