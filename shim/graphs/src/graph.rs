//! Graphs: nodes, what each does, and what each waits for.

use crate::state::State;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use farwarp_protocol::graph as wire;
use farwarp_protocol::handle::Id;
use std::collections::{HashMap, HashSet};

/// `CUgraphEdgeData`, byte by byte.
pub type EdgeData = [u8; 8];

pub struct Graph {
    pub number: u32,
    pub owner: Owner,
    pub nodes: Vec<Id>,
    next_local: u32,
    /// Of a copy: which node each was copied to.
    pub copies: HashMap<Id, Id>,
    pub conditionals: Vec<u64>,
    /// User objects and how many references on each.
    pub held: HashMap<Id, u32>,
}

/// Who decides when a graph dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Program,
    /// The node of which it is the child graph or a body.
    Node(Id),
    Exec,
}

pub struct Node {
    pub graph: Id,
    /// Its number in its graph.
    pub local: u32,
    pub does: Does,
    pub after: Vec<Edge>,
    pub enabled: bool,
    /// What the program was given pointers to.
    pub shown: Shown,
}

#[derive(Clone)]
pub enum Does {
    Plain(wire::Work),
    Child(Id),
    Conditional {
        context: u64,
        handle: u64,
        kind: u32,
        bodies: Vec<Id>,
    },
    /// An allocation, by its number, and the free of one.
    Allocate(u64),
    Free(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub from: Id,
    pub data: EdgeData,
}

/// Arrays that a question about a node answered with; they live as long as the node, or until the next such question.
#[derive(Default)]
pub struct Shown {
    pub words: Box<[u64]>,
    pub bytes: Box<[u8]>,
    pub operations: Box<[crate::mirror::MemoryOperation]>,
}

/// `CUgraphNodeType`.
pub mod node_type {
    pub const KERNEL: u32 = 0;
    pub const COPY: u32 = 1;
    pub const FILL: u32 = 2;
    pub const HOST: u32 = 3;
    pub const GRAPH: u32 = 4;
    pub const EMPTY: u32 = 5;
    pub const WAIT_EVENT: u32 = 6;
    pub const RECORD_EVENT: u32 = 7;
    pub const ALLOCATE: u32 = 10;
    pub const FREE: u32 = 11;
    pub const MEMORY_OPERATIONS: u32 = 12;
    pub const CONDITIONAL: u32 = 13;
}

impl Does {
    /// `CUgraphNodeType`.
    pub fn node_type(&self) -> u32 {
        use node_type::*;
        use wire::Work;
        match self {
            Does::Plain(Work::Kernel(_)) => KERNEL,
            Does::Plain(Work::Copy(_)) => COPY,
            Does::Plain(Work::Fill(_)) => FILL,
            Does::Plain(Work::Host { .. }) => HOST,
            Does::Child(_) => GRAPH,
            Does::Allocate(_) => ALLOCATE,
            Does::Free(_) => FREE,
            Does::Plain(Work::Empty) => EMPTY,
            Does::Plain(Work::WaitEvent(_)) => WAIT_EVENT,
            Does::Plain(Work::RecordEvent(_)) => RECORD_EVENT,
            Does::Plain(Work::MemoryOperations(_)) => MEMORY_OPERATIONS,
            Does::Conditional { .. } | Does::Plain(Work::Conditional(_)) => CONDITIONAL,
        }
    }

    /// Graphs that live and die with the node.
    pub fn graphs(&self) -> &[Id] {
        match self {
            Does::Child(graph) => std::slice::from_ref(graph),
            Does::Conditional { bodies, .. } => bodies,
            Does::Plain(_) | Does::Allocate(_) | Does::Free(_) => &[],
        }
    }
}

/// What has to be done once nothing is locked any more.
#[derive(Default)]
#[must_use]
pub struct Aftermath {
    /// User objects' last functions and their arguments.
    pub destructors: Vec<(u64, u64)>,
    pub conditionals: Vec<(Id, Vec<u64>)>,
    /// Memory that nobody names or has any more: its context and address.
    pub memory: Vec<(u64, u64)>,
}

impl State {
    pub fn new_graph(&mut self, owner: Owner) -> Result<Id, Code> {
        let graph = Graph {
            number: self.next_graph_number(),
            owner,
            nodes: Vec::new(),
            next_local: 0,
            copies: HashMap::new(),
            conditionals: Vec::new(),
            held: HashMap::new(),
        };
        self.graphs.insert(graph).ok_or(CUDA_ERROR_OUT_OF_MEMORY)
    }

    /// CUDA answers a graph that is none as a value that is none.
    pub fn graph(&self, graph: u64) -> Result<&Graph, Code> {
        self.graphs.get(Id(graph)).filter(|graph| graph.owner != Owner::Exec).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    pub fn graph_mut(&mut self, graph: Id) -> Result<&mut Graph, Code> {
        self.graphs.get_mut(graph).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    pub fn node(&self, node: u64) -> Result<&Node, Code> {
        self.nodes.get(Id(node)).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    pub fn node_mut(&mut self, node: u64) -> Result<&mut Node, Code> {
        self.nodes.get_mut(Id(node)).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    /// Adds a node that waits for nodes of the same graph.
    pub fn add_node(&mut self, graph: Id, does: Does, after: Vec<Edge>) -> Result<Id, Code> {
        self.check_edges(graph, &after)?;
        let local = self.graph_mut(graph)?.next_local;
        let node = Node { graph, local, does, after, enabled: true, shown: Shown::default() };
        let below = node.does.graphs().to_vec();
        self.memory_named(&node.does);
        let id = self.nodes.insert(node).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        for child in below {
            self.graph_mut(child)?.owner = Owner::Node(id);
        }
        let within = self.graph_mut(graph)?;
        within.next_local += 1;
        within.nodes.push(id);
        Ok(id)
    }

    /// Each of another node of that graph, none twice.
    pub fn check_edges(&self, graph: Id, after: &[Edge]) -> Result<(), Code> {
        let mut seen = HashSet::with_capacity(after.len());
        let fits = |edge: &Edge| self.nodes.get(edge.from).is_some_and(|node| node.graph == graph);
        if after.iter().all(|edge| fits(edge) && seen.insert(edge.from)) {
            Ok(())
        } else {
            Err(CUDA_ERROR_INVALID_VALUE)
        }
    }

    /// All edges of a graph, in the order of the nodes that wait.
    pub fn edges(&self, graph: &Graph) -> Vec<(Id, Id, EdgeData)> {
        let nodes = graph.nodes.iter().filter_map(|id| Some((*id, self.nodes.get(*id)?)));
        nodes.flat_map(|(id, node)| node.after.iter().map(move |edge| (edge.from, id, edge.data))).collect()
    }

    pub fn dependents(&self, node: Id) -> Result<Vec<(Id, EdgeData)>, Code> {
        let graph = self.graphs.get(self.node(node.0)?.graph).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let edges = self.edges(graph).into_iter().filter(|(from, ..)| *from == node);
        Ok(edges.map(|(_, to, data)| (to, data)).collect())
    }

    pub fn destroy_node(&mut self, id: Id) -> Result<Aftermath, Code> {
        let node = self.node(id.0)?;
        let graph = node.graph;
        if matches!(node.does, Does::Conditional { .. }) || self.has_memory_nodes(graph) {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let siblings = std::mem::take(&mut self.graph_mut(graph)?.nodes);
        for sibling in &siblings {
            if let Some(sibling) = self.nodes.get_mut(*sibling) {
                sibling.after.retain(|edge| edge.from != id);
            }
        }
        self.graph_mut(graph)?.nodes = siblings.into_iter().filter(|sibling| *sibling != id).collect();
        let mut aftermath = Aftermath::default();
        self.remove_node(id, &mut aftermath);
        Ok(aftermath)
    }

    /// A graph of the program's, with all that is in it.
    pub fn destroy_graph(&mut self, graph: u64) -> Result<Aftermath, Code> {
        if self.graph(graph)?.owner != Owner::Program {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let mut aftermath = Aftermath::default();
        self.remove_graph(Id(graph), &mut aftermath);
        Ok(aftermath)
    }

    pub fn remove_graph(&mut self, id: Id, aftermath: &mut Aftermath) {
        let Some(graph) = self.graphs.remove(id) else { return };
        self.captures.graph_gone(id);
        for (object, count) in graph.held {
            aftermath.destructors.extend(self.release_object(object, count, false).ok().flatten());
        }
        if !graph.conditionals.is_empty() && graph.owner != Owner::Exec {
            aftermath.conditionals.push((id, graph.conditionals));
        }
        for node in graph.nodes {
            self.remove_node(node, aftermath);
        }
    }

    fn remove_node(&mut self, id: Id, aftermath: &mut Aftermath) {
        let Some(node) = self.nodes.remove(id) else { return };
        for graph in node.does.graphs() {
            self.remove_graph(*graph, aftermath);
        }
        if let Does::Allocate(number) | Does::Free(number) = node.does {
            self.memory().unnamed(number, aftermath);
        }
    }

    /// One node more names memory.
    pub fn memory_named(&mut self, does: &Does) {
        if let Does::Allocate(number) | Does::Free(number) = does {
            self.memory().named(*number);
        }
    }

    /// An executable graph by its handle.
    pub fn exec(&self, exec: u64) -> Result<&crate::exec::Exec, Code> {
        self.execs.get(Id(exec)).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    /// The node of a graph and of all graphs below it for which `found` holds.
    pub fn contains(&self, graph: Id, found: &dyn Fn(&Node) -> bool) -> bool {
        let Some(graph) = self.graphs.get(graph) else { return false };
        graph
            .nodes
            .iter()
            .filter_map(|id| self.nodes.get(*id))
            .any(|node| found(node) || node.does.graphs().iter().any(|below| self.contains(*below, found)))
    }
}
