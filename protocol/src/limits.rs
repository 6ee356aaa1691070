//! Every limit of the protocol, with its reason.

/// Bytes of the header in front of each record.
pub const HEADER_BYTES: usize = 32;

/// The longest body of a record. Bulk goes in pieces of [`PIECE_BYTES`]; what stands beside a piece is small.
pub const BODY_BYTES_MAX: usize = PIECE_BYTES + (64 << 10);

/// One piece of a copy or of an image: large enough that per-piece costs vanish, small enough that a launch
/// of another thread waits for at most one of them.
pub const PIECE_BYTES: usize = 1 << 20;

/// Records that the peer has not acknowledged are kept for a resume, up to this; then the sender waits.
pub const RESEND_BYTES_MAX: usize = 64 << 20;

/// The log lies in blocks of so many bytes: large enough to be handed on without a copy, small enough that a few bytes of one that are
/// not acknowledged keep little in memory.
pub const BLOCK_BYTES: usize = 256 << 10;

/// Blocks whose memory is kept for the next ones when nobody needs them: as much as is usually under way.
pub const BLOCKS_KEPT_MAX: usize = 64;

/// Read from a connection at a time, at least.
pub const READ_BYTES: usize = 256 << 10;

/// A larger buffer of received bytes is given back when it is empty.
pub const INBOX_BYTES_KEPT: usize = 4 << 20;

/// Received and not yet executed; beyond it the worker reads nothing more, and the connection's flow control holds the client
/// back. A worker that waits for room reads on, for the acknowledgement that makes room may lie behind calls: a client has at most
/// [`RESEND_BYTES_MAX`] of these on the way.
pub const UNREAD_BYTES_MAX: usize = 8 << 20;

/// The receiver acknowledges after so many bytes …
pub const ACK_EVERY_BYTES: usize = 256 << 10;
/// … or so many records, whichever comes first.
pub const ACK_EVERY_RECORDS: u64 = 256;

/// Pieces of one device-to-host copy that are asked for before the first has arrived.
pub const DTOH_PIECES_IN_FLIGHT: usize = 16;

/// The most that one copy may carry whose bytes come or go when its stream gets there: the worker keeps pinned memory for all of it meanwhile.
pub const LATER_BYTES_MAX: u64 = 32 << 20;

/// What such copies to the host may have under way together; beyond it the calling thread waits.
pub const LANDING_BYTES_MAX: u64 = 256 << 20;

/// The largest module image that is taken, all pieces together.
pub const IMAGE_BYTES_MAX: usize = 1 << 30;

/// Images of one session that are on their way or not loaded yet, all together: two of the largest.
pub const UPLOAD_BYTES_MAX: usize = 2 * IMAGE_BYTES_MAX;

/// The longest name of a function or variable in a module; mangled C++ names are long.
pub const NAME_BYTES_MAX: usize = 64 << 10;

/// Bytes of kernel parameters: CUDA's own limit since compute capability 7.0 and CUDA 12.1.
pub const KERNEL_PARAM_BYTES_MAX: usize = 32_764;

/// Threads of the program that may hold a place in the session at one time.
pub const CLIENT_THREADS_MAX: usize = 16_384;

/// Functions of the program that wait for their turn in a stream, all streams together.
pub const HOST_CALLS_MAX: usize = 65_536;

/// Contexts that a server may call lost, and are not destroyed yet. No program has so many.
pub const DEAD_CONTEXTS_MAX: usize = 4096;

/// Environment variables that travel with hello, and the bytes of each.
pub const VARIABLES_MAX: usize = 64;
pub const VARIABLE_BYTES_MAX: usize = 4096;

/// Ranges that a client may offer for the arena, and where a process's own addresses end.
pub const FREE_RANGES_MAX: usize = 64;
pub const ADDRESSES_END: u64 = 1 << 47;

/// Memory that programs and kernels share, of one session: each side holds a copy of it beside the memory itself.
pub const SHARED_BYTES_MAX: u64 = 4 << 30;
/// Pieces of such memory.
pub const SHARED_RANGES_MAX: usize = 16_384;
/// What may have come of it and not be in its place, which it is at once unless a thread is just then looking for what the program changed.
pub const PATCHES_BYTES_MAX: usize = 256 << 20;

/// Kernels of a library whose parameter layouts come with the load; of larger ones each is asked for at its first use.
pub const KERNELS_WITH_LOAD_MAX: usize = 512;

const _: () = {
    assert!(ACK_EVERY_BYTES * 4 < RESEND_BYTES_MAX);
    assert!(BODY_BYTES_MAX + HEADER_BYTES < RESEND_BYTES_MAX / 4);
    assert!(BODY_BYTES_MAX + HEADER_BYTES < UNREAD_BYTES_MAX);
    assert!(BODY_BYTES_MAX <= crate::codec::VALUE_BYTES_MAX);
    assert!(KERNEL_PARAM_BYTES_MAX < BODY_BYTES_MAX);
};
