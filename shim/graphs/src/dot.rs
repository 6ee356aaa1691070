//! A graph in the DOT language, for `cuGraphDebugDotPrint`.

use crate::graph::{Does, node_type};
use crate::state::State;
use farwarp_protocol::graph::Work;
use farwarp_protocol::handle::Id;
use std::fmt::Write as _;

/// `CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE` and `_HANDLES`.
const VERBOSE: u32 = 1;
const HANDLES: u32 = 1 << 10;

impl State {
    pub fn dot(&self, graph: Id, flags: u32) -> String {
        let mut text = "digraph dot {\n".to_owned();
        self.dot_level(graph, flags, &mut text);
        text + "}\n"
    }

    /// Writing to a text cannot fail.
    fn dot_level(&self, id: Id, flags: u32, text: &mut String) {
        let Some(graph) = self.graphs.get(id) else { return };
        let number = graph.number;
        let _ =
            writeln!(text, "subgraph cluster_{number} {{\nlabel=\"graph_{number}\" graph[style=\"dashed\"];");
        let name = |local: u32| format!("graph_{number}_node_{local}");
        let nodes = || graph.nodes.iter().filter_map(|id| Some((*id, self.nodes.get(*id)?)));
        for (id, node) in nodes() {
            let mut label = format!("{}\\n{}", node.local, kind(&node.does));
            if flags & (VERBOSE | HANDLES) != 0 {
                let _ = write!(label, "\\n{:#x}", id.0);
            }
            if flags & VERBOSE != 0 {
                label += &details(&node.does);
            }
            let _ = writeln!(
                text,
                "\"{}\"[style=\"solid\" shape=\"rectangle\" label=\"{label}\"];",
                name(node.local)
            );
        }
        for (_, node) in nodes() {
            for edge in &node.after {
                if let Some(from) = self.nodes.get(edge.from) {
                    let _ = writeln!(text, "\"{}\" -> \"{}\";", name(from.local), name(node.local));
                }
            }
        }
        nodes()
            .flat_map(|(_, node)| node.does.graphs())
            .for_each(|below| self.dot_level(*below, flags, text));
        text.push_str("}\n");
    }
}

fn kind(does: &Does) -> &'static str {
    match does.node_type() {
        node_type::KERNEL => "KERNEL",
        node_type::COPY => "MEMCPY",
        node_type::FILL => "MEMSET",
        node_type::HOST => "HOST",
        node_type::GRAPH => "GRAPH",
        node_type::WAIT_EVENT => "WAIT_EVENT",
        node_type::RECORD_EVENT => "EVENT_RECORD",
        node_type::MEMORY_OPERATIONS => "BATCH_MEM_OP",
        node_type::ALLOCATE => "MEM_ALLOC",
        node_type::FREE => "MEM_FREE",
        node_type::CONDITIONAL => "CONDITIONAL",
        _ => "EMPTY",
    }
}

fn details(does: &Does) -> String {
    match does {
        Does::Plain(Work::Kernel(kernel)) => {
            let ([x, y, z], [a, b, c]) = (kernel.grid, kernel.block);
            format!("\\n\\<\\<\\<({x},{y},{z}),({a},{b},{c}),{}\\>\\>\\>", kernel.shared_bytes)
        }
        Does::Plain(Work::Copy(copy)) => {
            let [width, height, depth] = copy.shape;
            format!(
                "\\n{:#x} from {:#x}: {width} x {height} x {depth} bytes",
                copy.to.address, copy.from.address
            )
        }
        Does::Plain(Work::Fill(fill)) => {
            format!("\\n{:#x}: {} x {} of {:#x}", fill.address, fill.width, fill.height, fill.value)
        }
        _ => String::new(),
    }
}
