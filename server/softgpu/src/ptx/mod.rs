//! The PTX engine: text in, kernels run on the host's cores. It knows PTX and nothing of the driver API above it.
//!
//! The road of a kernel: [`Program::index`] finds what a text holds, [`compile`] parses and decodes one entry and what
//! it calls, [`Engine::submit`] runs a grid of it. Device memory is the host's own memory at the same address; what a
//! kernel may touch is asked of [`Memory`].
//!
//! | file | what |
//! |---|---|
//! | `program.rs` | the whole-text index: entries, functions, variables |
//! | `opcodes.rs` | whether the engine has every instruction of a text |
//! | `lex.rs`, `parse.rs` | tokens; one body into statements |
//! | `lower.rs`, `lower/` | statements into decoded instructions, by opcode family |
//! | `ir.rs` | the decoded instructions |
//! | `alu.rs`, `alu/` | what an arithmetic instruction does to 32 lanes |
//! | `kernel.rs` | an entry with all it calls, ready to run |
//! | `interp.rs`, `interp/` | a warp: its registers, its lanes in lockstep, its divergence |
//! | `texture.rs` | texels: where they lie, what is between and beyond them |
//! | `heap.rs` | what kernels allocate |
//! | `engine.rs` | host threads, time slices, grids and blocks |

mod alu;
mod engine;
mod error;
mod heap;
mod interp;
mod ir;
mod kernel;
mod lex;
mod lower;
mod memory;
mod opcodes;
mod parse;
mod program;
mod texture;

pub use engine::{Engine, GridId, Launch};
pub use error::{Fault, PtxError};
pub use heap::Heap;
pub use kernel::{Kernel, KernelInfo, compile};
pub use memory::{MemRange, Memory};
pub use program::{EntryInfo, ParamInfo, Program, Reloc, Space, Variable};
pub use texture::{Edge, Format, Image, Sampler, Surface, Texture};
