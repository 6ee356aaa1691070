//! The functions of the driver about graphs and captures, with the header's names and, where it has structs, their mirrors. The
//! first argument is the libcuda around.

mod add;
mod capturing;
mod executing;
mod generic;
mod memory;
mod nodes;
mod objects;
mod topology;

pub use add::*;
pub use capturing::*;
pub use executing::*;
pub use generic::*;
pub use memory::*;
pub use nodes::*;
pub use objects::*;
pub use topology::*;

use crate::graph::Aftermath;
use crate::host::Host;

/// Does what had to wait until nothing is locked: the last functions of user objects, and goodbye to conditional handles
/// and memory.
pub(crate) fn finish(host: &dyn Host, aftermath: Aftermath) {
    for (graph, handles) in aftermath.conditionals {
        host.conditionals_gone(graph, &handles);
    }
    for (context, address) in aftermath.memory {
        host.release(context, address);
    }
    objects::destroy(&aftermath.destructors);
}
