//! Copies of graphs: clones, child graphs, what an executable graph was made of.

use crate::graph::Node;
use crate::graph::{Does, Edge, Owner, Shown};
use crate::state::State;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::handle::Id;
use std::collections::HashMap;

/// Graphs within graphs; deeper ones are a program that turns in circles.
const DEPTH_MAX: usize = 64;

impl State {
    /// A copy of a graph and of all graphs below it. It knows which node each was copied to.
    pub fn copy_graph(&mut self, graph: Id, owner: Owner) -> Result<Id, Code> {
        let mut copies = HashMap::new();
        let copy = self.copy_level(graph, owner, &mut copies, 0)?;
        self.graph_mut(copy)?.copies = copies;
        Ok(copy)
    }

    fn copy_level(
        &mut self,
        graph: Id,
        owner: Owner,
        copies: &mut HashMap<Id, Id>,
        depth: usize,
    ) -> Result<Id, Code> {
        if depth > DEPTH_MAX {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let copy = self.new_graph(owner)?;
        let original = self.graphs.get(graph).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let (nodes, conditionals) = (original.nodes.clone(), original.conditionals.clone());
        let held: Vec<(Id, u32)> = original.held.iter().map(|(object, count)| (*object, *count)).collect();
        for (object, count) in &held {
            self.retain_object(*object, *count)?;
        }
        let within = self.graph_mut(copy)?;
        within.conditionals = conditionals;
        within.held = held.into_iter().collect();
        for id in &nodes {
            self.copy_node(*id, copy, copies, depth)?;
        }
        // Edges may point to nodes that were made later.
        for id in &nodes {
            let after = self.nodes.get(*id).map(|node| node.after.clone()).unwrap_or_default();
            let after = after.iter().map(|edge| Edge { from: copies[&edge.from], data: edge.data }).collect();
            self.node_mut(copies[id].0)?.after = after;
        }
        Ok(copy)
    }

    fn copy_node(
        &mut self,
        id: Id,
        graph: Id,
        copies: &mut HashMap<Id, Id>,
        depth: usize,
    ) -> Result<(), Code> {
        let (does, local, enabled) = {
            let node = self.node(id.0)?;
            (node.does.clone(), node.local, node.enabled)
        };
        let copy =
            Node { graph, local, does: does.clone(), after: Vec::new(), enabled, shown: Shown::default() };
        self.memory_named(&does);
        let copy = self.nodes.insert(copy).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        self.graph_mut(graph)?.nodes.push(copy);
        copies.insert(id, copy);
        let below: Vec<Id> = does.graphs().to_vec();
        let mut copied = Vec::with_capacity(below.len());
        for graph in below {
            copied.push(self.copy_level(graph, Owner::Node(copy), copies, depth + 1)?);
        }
        match &mut self.node_mut(copy.0)?.does {
            Does::Child(graph) => *graph = copied[0],
            Does::Conditional { bodies, .. } => *bodies = copied,
            Does::Plain(_) | Does::Allocate(_) | Does::Free(_) => {}
        }
        Ok(())
    }
}
