//! Calls as they cross: the number of an operation, and the bodies of the rows that are by hand.
//!
//! The body of an `ask` or `tell` row is its arguments in order, written by the kinds of [`crate::param`]. A `hand` row's is
//! one of the structs here, each named for what it asks, because several functions of CUDA ask the same.

use crate::boxes::{Block, Shape};
use crate::codec::{Decode, Encode};
use crate::error::Code;
use crate::graph::Change;
use crate::handle::Id;
use crate::limits::KERNEL_PARAM_BYTES_MAX;
use crate::table;

/// The number of an operation on the wire: a hash of its name, so that no table's order matters.
pub const fn op(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let mut hash = 0x811c_9dc5u32;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    hash
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* pub const $name: u32 = op(stringify!($name));)*
        /// Operations that are no function of CUDA's.
        pub const OWN_OPS: &[(&str, u32)] = &[$((stringify!($name), $name)),*];
    };
}

ops! {
    /// First of a session: [`crate::snapshot::Hello`], answered by a [`crate::snapshot::Snapshot`].
    HELLO;
    /// Last of a session that ends in order; the worker frees everything.
    GOODBYE;
    /// A client thread ended; its slot may be given to another.
    THREAD_GONE;
    /// [`ContextNew`].
    CONTEXT_NEW;
    /// [`ContextGone`].
    CONTEXT_GONE;
    /// [`ImagePiece`]: part of an image that a later load names.
    IMAGE_PIECE;
    /// [`LoadModule`] with the functions of what was loaded for an answer: [`Loaded`].
    LOAD_MODULE;
    /// [`LoadLibrary`], answered by [`Loaded`].
    LOAD_LIBRARY;
    /// [`Unload`].
    UNLOAD;
    /// [`FindFunction`], answered by its [`Layout`].
    FIND_FUNCTION;
    /// [`FindVariable`], answered by a [`Variable`].
    FIND_VARIABLE;
    /// [`FindVariable`], of a library and managed; about no context.
    FIND_MANAGED;
    /// Where a managed variable begins that was found: it is shared from now on, and began as zeros to whoever asks. Its bytes come as
    /// patches before the answer.
    ADOPT;
    /// [`LibraryModule`].
    LIBRARY_MODULE;
    /// [`KernelFunction`].
    KERNEL_FUNCTION;
    /// An id of a function or kernel; answered by every attribute, as [`Attributes`].
    FUNCTION_ATTRIBUTES;
    /// [`Launch`].
    LAUNCH;
    /// [`CopyToDevice`] and then the bytes.
    COPY_TO_DEVICE;
    /// [`CopyToHost`], answered by the bytes.
    COPY_TO_HOST;
    /// [`CopyOnDevice`].
    COPY_ON_DEVICE;
    /// [`BoxToDevice`] and then the bytes, without gaps.
    BOX_TO_DEVICE;
    /// [`BoxToHost`], answered by the bytes, without gaps.
    BOX_TO_HOST;
    /// [`BoxOnDevice`].
    BOX_ON_DEVICE;
    /// [`Fill`].
    FILL;
    /// [`crate::arrays::ArrayNew`].
    ARRAY_CREATE;
    /// [`crate::arrays::ArrayLevel`].
    ARRAY_LEVEL;
    /// An array of either kind.
    ARRAY_DESTROY;
    /// [`crate::arrays::BoxToArray`] and then the bytes, without gaps.
    BOX_TO_ARRAY;
    /// [`crate::arrays::BoxFromArray`], answered by the bytes, without gaps.
    BOX_FROM_ARRAY;
    /// [`crate::arrays::BoxBetween`].
    BOX_BETWEEN;
    /// [`Land`], answered when all its bytes have gone as [`NOTICE_PIECE`]s.
    LAND;
    /// [`ToDeviceLater`]: its token comes as a [`NOTICE_HOST_CALL`] when the bytes are wanted.
    TO_DEVICE_LATER;
    /// [`LaterBytes`] and then the next part of the bytes.
    LATER_BYTES;
    /// [`Allocate`], answered by a [`Range`] that is at least as large; the program's allocations are cut from it.
    ALLOCATE;
    /// Where a range begins that [`ALLOCATE`] gave.
    FREE;
    /// A [`Range`] of the program's memory that kernels are to see at the same address: about the context whose it is. It begins as zeros.
    SHARE;
    /// Where such a range begins, that is the program's alone again.
    UNSHARE;
    /// A patch ([`crate::patch`]): what the program has changed in ranges that it shares.
    PATCH;
    /// The number of a fence, answered and noticed when everything before it is done.
    FENCE;
    /// Waits for everything in a context; about the calling thread's current one.
    SYNCHRONIZE_CONTEXT;
    /// A stream.
    SYNCHRONIZE_STREAM;
    /// An event.
    SYNCHRONIZE_EVENT;
    /// [`HostCall`]: a function of the program's in stream order.
    HOST_CALL;
    /// A token of [`NOTICE_HOST_CALL`]: that function has returned.
    HOST_CALL_DONE;
    /// [`GraphInstantiate`]: an image that was sent before is a plan, which is made executable.
    GRAPH_INSTANTIATE;
    /// [`GraphChange`].
    GRAPH_CHANGE;
    /// [`GraphLaunch`].
    GRAPH_LAUNCH;
    /// [`GraphLaunch`], of which only what comes before its first launch is done.
    GRAPH_UPLOAD;
    /// An executable graph that is destroyed.
    GRAPH_EXEC_GONE;
    /// [`GraphConditional`], answered by its value.
    GRAPH_CONDITIONAL;
    /// A graph whose conditional values are no longer named.
    GRAPH_CONDITIONALS_GONE;
    /// Notice: a told call failed. About that call, with its code; the body is its context.
    NOTICE_FAILED;
    /// Notice: an error after which the process or the context is lost; about the call that met it, as far as is known. The body
    /// is the context.
    NOTICE_FATAL;
    /// Notice: the number of a [`LAND`], and the bytes of its next part without gaps.
    NOTICE_PIECE;
    /// Notice: everything before the fence of this number, and of those before it, is done.
    NOTICE_FENCE;
    /// Notice: a patch, what the GPU has changed in ranges that are shared. It comes before whatever says that the GPU has come so far.
    NOTICE_PATCH;
    /// Notice: [`HostCallDue`].
    NOTICE_HOST_CALL;
}

/// A context of the program's, primary ones too. The id is chosen by the client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ContextNew {
    pub context: Id,
    pub device: i32,
    pub flags: u32,
    pub primary: bool,
}

/// A context is destroyed, or a primary one released for the last time or reset, and all that lives in it with it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ContextGone {
    pub context: Id,
}

/// Pieces of one image carry the same `upload`, in order; the bytes follow.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ImagePiece {
    pub upload: u64,
    pub image_bytes: u64,
}

/// `cuModuleLoadData` and its kin.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LoadModule {
    pub upload: u64,
    pub module: Id,
    /// A fat binary as `cuModuleLoadFatBinary` takes it.
    pub fatbin: bool,
    pub jit: JitOptions,
}

/// `cuLibraryLoadData`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LoadLibrary {
    pub upload: u64,
    pub library: Id,
    pub jit: JitOptions,
}

/// Options of the compiler whose value is a plain number. Any other is a pointer, or is not known here, and does not cross.
pub const JIT_OPTIONS_CROSSING: &[u32] =
    &[0, 1, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 29, 30, 31, 32, 33, 34, 35];

/// Options of the compiler that are numbers; its log buffers are the shim's own affair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct JitOptions {
    pub values: Vec<(u32, u64)>,
    /// How much of the two logs the program has room for.
    pub info_log_bytes: u32,
    pub error_log_bytes: u32,
}

/// What a load found. The logs come also when it failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Loaded {
    /// Every function of the image, or none where they are too many: then each is asked for.
    pub functions: Option<Vec<(String, Layout)>>,
    pub info_log: String,
    pub error_log: String,
}

/// `cuLinkAddData`: the upload is the input.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LinkAdd {
    pub link: Id,
    pub upload: u64,
    /// `CUjitInputType`.
    pub kind: u32,
    /// For messages; empty where the program gave none.
    pub name: String,
    pub jit: JitOptions,
}

/// What a link has to say. The logs come also with a failure; a piece of what was made may follow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct LinkOutput {
    /// All that was made.
    pub bytes: u64,
    pub info_log: String,
    pub error_log: String,
}

/// `cuOccupancyMaxPotentialBlockSizeWithFlags`; answered by the grid's and the block's size.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PotentialBlockSize {
    pub function: Id,
    /// What the program's function said for each size of block; empty where there is none.
    pub shared_bytes_by_block: Vec<(i32, u64)>,
    pub shared_bytes: u64,
    pub limit: i32,
    pub flags: u32,
}

/// Where each parameter of a kernel lies in its parameter buffer: (offset, size) in bytes, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Layout {
    pub params: Vec<(u32, u32)>,
}

impl Layout {
    /// Whether a kernel can have such parameters: one behind the other, within what CUDA allows. Whoever gathers them reads so many bytes.
    pub fn is_plausible(&self) -> bool {
        let mut end = 0;
        self.params.iter().all(|&(offset, bytes)| {
            let begins = u64::from(offset) >= end;
            end = u64::from(offset) + u64::from(bytes);
            begins && end <= KERNEL_PARAM_BYTES_MAX as u64
        })
    }

    /// Bytes of the whole parameter buffer.
    pub fn bytes(&self) -> usize {
        self.params.iter().map(|(offset, size)| *offset as usize + *size as usize).max().unwrap_or(0)
    }
}

/// A module or library, and all that came out of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Unload {
    pub object: Id,
}

/// A function of a module, or a kernel of a library; `found` is the id that it shall have.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FindFunction {
    pub within: Id,
    pub name: String,
    pub found: Id,
}

/// A variable of a module or library.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FindVariable {
    pub within: Id,
    pub name: String,
}

/// What the driver says of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Variable {
    pub range: Range,
    /// The program reads and writes it too, at the same address.
    pub managed: bool,
}

/// A piece of the device's address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Range {
    pub address: u64,
    pub bytes: u64,
}

impl Range {
    pub fn end(self) -> u64 {
        self.address.saturating_add(self.bytes)
    }

    pub fn contains(self, address: u64) -> bool {
        self.address <= address && address < self.end()
    }

    /// Whether all of the other range lies in this one.
    pub fn encloses(self, other: Range) -> bool {
        self.address <= other.address
            && other.address.checked_add(other.bytes).is_some_and(|end| end <= self.end())
    }

    /// An arena's two parts: of the first the server gives device memory, from the second the client takes addresses for memory
    /// that both may see.
    pub fn parts_of_arena(self) -> (Range, Range) {
        let bytes = self.bytes / 4 * 3;
        (Range { bytes, ..self }, Range { address: self.address + bytes, bytes: self.bytes - bytes })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LibraryModule {
    pub library: Id,
    pub module: Id,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KernelFunction {
    pub kernel: Id,
    pub function: Id,
}

/// One number for each `CUfunction_attribute` from 0 on, or the code with which the driver refused it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Attributes {
    pub values: Vec<Result<i32, i32>>,
}

/// What names memory of one session to another of the same ticket: part of a chunk that its worker offers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MemoryHandle {
    pub key: crate::handoff::OfferKey,
    pub chunk_bytes: u64,
    pub offset: u64,
    pub bytes: u64,
    /// As the server counts devices.
    pub device: i32,
}

impl MemoryHandle {
    /// Whether the part lies in the chunk.
    pub fn is_inside(&self) -> bool {
        let end = self.offset.checked_add(self.bytes);
        self.bytes > 0 && end.is_some_and(|end| end <= self.chunk_bytes)
    }
}

/// A launch; the parameter buffer follows.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Launch {
    pub function: Id,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub stream: u64,
    /// `CUlaunchAttribute`s: the number and the value's bytes. Only those without a pointer or handle cross.
    pub attributes: Vec<(u32, [u8; 64])>,
}

/// `settled`: the program's call was synchronous, so whatever it calls afterwards, in any stream, comes after the copy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CopyToDevice {
    pub destination: u64,
    pub stream: u64,
    pub settled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CopyToHost {
    pub source: u64,
    pub bytes: u64,
    pub stream: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CopyOnDevice {
    pub destination: u64,
    pub source: u64,
    pub bytes: u64,
    pub stream: u64,
    pub across: Option<Across>,
}

/// A box whose rows lie apart on the device. The host's half travels without gaps: at most [`crate::limits::PIECE_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BoxToDevice {
    pub destination: Block,
    pub shape: Shape,
    pub stream: u64,
    pub settled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BoxToHost {
    pub source: Block,
    pub shape: Shape,
    pub stream: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BoxOnDevice {
    pub destination: Block,
    pub source: Block,
    pub shape: Shape,
    pub stream: u64,
    pub across: Option<Across>,
}

/// A copy into pinned memory of the program's, at most [`crate::limits::LATER_BYTES_MAX`] in parts of [`crate::limits::PIECE_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Land {
    pub source: Block,
    pub shape: Shape,
    pub stream: u64,
}

/// A copy from pinned memory of the program's that something before it may still change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ToDeviceLater {
    pub destination: Block,
    pub shape: Shape,
    pub stream: u64,
    pub token: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LaterBytes {
    pub token: u64,
}

/// The contexts in which the two sides of a copy lie, where they are of two devices or the program named them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Across {
    pub destination: Id,
    pub source: Id,
    /// It comes after everything that both contexts and the current one were given before, and before all that they get later.
    pub alone: bool,
}

/// Rows of one value, of 1, 2 or 4 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Fill {
    pub destination: u64,
    pub pitch: u64,
    pub value: u32,
    pub value_bytes: u8,
    /// Values a row.
    pub count: u64,
    pub rows: u64,
    pub stream: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Allocate {
    pub bytes: u64,
}

/// The worker blocks the stream until the client has said that `token` is done.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HostCall {
    pub stream: u64,
    pub token: u64,
}

/// It is the turn of a program's function in its stream, or will never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct HostCallDue {
    pub token: u64,
    /// How the stream stands: not 0 behind an error that ended its context.
    pub code: Code,
    /// The driver did not take it, and its call has failed with the code.
    pub refused: bool,
}

/// Attributes of streams that cross, all of them plain values: access policy window, synchronization policy, priority, and the
/// two about memory synchronization domains.
pub const STREAM_ATTRIBUTES: &[u32] = &[STREAM_WINDOW, 3, STREAM_PRIORITY, 9, 10];
pub const STREAM_WINDOW: u32 = 1;
pub const STREAM_PRIORITY: u32 = 8;

/// `cuStreamSetAttribute`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StreamAttribute {
    pub stream: u64,
    pub attribute: u32,
    pub value: [u8; 64],
}

/// The range that an access policy window is about: it begins with an address and a length.
pub fn window_of(value: &[u8; 64]) -> (u64, u64) {
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|index| value[at + index]));
    (word(0), word(8))
}

/// Operations of one batch: CUDA takes no more.
pub const BATCH_MAX: u32 = 256;

/// One of `cuStreamBatchMemOp`'s operations.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MemoryOperation {
    /// `CUstreamBatchMemOpType`.
    pub operation: u32,
    pub address: u64,
    pub value: u64,
    pub flags: u32,
}

impl MemoryOperation {
    pub const ATOMIC_REDUCTION: u32 = 8;

    /// Bytes of the word that it waits for or writes; zero where it names no memory, nothing where it is not known.
    pub fn width(&self) -> Option<u64> {
        match self.operation {
            1 | 2 => Some(4),
            4 | 5 => Some(8),
            3 | 6 => Some(0),
            _ => None,
        }
    }
}

/// `exec` may be live: then it means something new from now on, and what was launched still runs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GraphInstantiate {
    pub upload: u64,
    pub exec: Id,
    /// The graph whose conditional values the plan uses.
    pub graph: Id,
}

/// Some steps of an executable graph do something else from now on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GraphChange {
    pub exec: Id,
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GraphLaunch {
    pub exec: Id,
    pub stream: u64,
}

/// `cuGraphConditionalHandleCreate`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GraphConditional {
    pub graph: Id,
    pub context: Id,
    pub default: u32,
    pub flags: u32,
}

/// `cuMemPoolCreate`, on a device as the server counts them. The id is chosen by the client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PoolNew {
    pub pool: Id,
    pub device: i32,
    pub max_bytes: u64,
    pub usage: u16,
}

/// `cuMemCreate`, on a device as the server counts them. The id is chosen by the client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PhysicalNew {
    pub physical: Id,
    pub device: i32,
    pub bytes: u64,
    pub compression: u8,
    pub usage: u16,
}

/// The function, or operation of our own, that a number stands for.
pub fn name_of(number: u32) -> Option<&'static str> {
    let own = OWN_OPS.iter().map(|(name, _)| *name);
    table::rows().map(|row| row.name).chain(own).find(|name| op(name) == number)
}

/// What both sides must agree on: every row's name, word and arguments, and the operations that are our own.
pub fn fingerprint() -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut mix = |text: &str| {
        // Compilers differ in how they space what they print of a row.
        for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()).chain([0xff]) {
            hash = (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for row in table::rows() {
        mix(row.name);
        mix(&format!("{:?}", row.answer));
        for arg in row.args {
            mix(arg.kind);
            mix(arg.length.unwrap_or(""));
        }
    }
    OWN_OPS.iter().for_each(|(name, _)| mix(name));
    mix(WIRE_VERSION);
    hash
}

/// Changed by hand when a struct of the wire changes its shape.
const WIRE_VERSION: &str = "memory 3, notices 1";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn no_two_operations_share_a_number() {
        let names = table::rows().map(|row| row.name).chain(OWN_OPS.iter().map(|(name, _)| *name));
        let mut seen = HashMap::new();
        for name in names {
            if let Some(other) = seen.insert(op(name), name) {
                panic!("{name} and {other} have the same number");
            }
        }
    }

    #[test]
    fn a_parameter_buffer_ends_with_its_last_parameter() {
        assert_eq!(Layout { params: vec![(0, 1), (8, 8), (16, 20)] }.bytes(), 36);
        assert_eq!(Layout::default().bytes(), 0);
    }
}
