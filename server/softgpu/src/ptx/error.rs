//! What can be wrong with a PTX text, and what can go wrong while a kernel runs.

/// A text, or one entry of it, that this engine does not take. Lines are counted from 1 in the whole text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PtxError {
    /// The text breaks PTX's grammar: CUDA_ERROR_INVALID_PTX.
    #[error("line {line}: {what}")]
    Syntax { line: u32, what: String },
    /// An instruction, or a form of it, that the engine does not have: CUDA_ERROR_NOT_SUPPORTED. It is named.
    #[error("line {line}: {what} is not supported by the software GPU")]
    Unsupported { line: u32, what: String },
    /// A symbol that neither the text nor the driver knows: CUDA_ERROR_INVALID_PTX.
    #[error("line {line}: unknown symbol `{symbol}`")]
    UnknownSymbol { line: u32, symbol: String },
    /// There is no such entry: CUDA_ERROR_NOT_FOUND.
    #[error("no entry `{0}`")]
    NoEntry(String),
}

/// Why a grid stopped before its end. Each maps to one CUresult.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// CUDA_ERROR_ILLEGAL_ADDRESS (700).
    #[error("illegal {} of {bytes} bytes at {address:#x} (PTX line {line})", if *.write { "write" } else { "read" })]
    IllegalAddress { address: u64, bytes: u32, write: bool, line: u32 },
    /// CUDA_ERROR_MISALIGNED_ADDRESS (716).
    #[error("misaligned access of {bytes} bytes at {address:#x} (PTX line {line})")]
    MisalignedAddress { address: u64, bytes: u32, line: u32 },
    /// CUDA_ERROR_ILLEGAL_INSTRUCTION (715).
    #[error("illegal instruction (PTX line {line}): {what}")]
    IllegalInstruction { what: String, line: u32 },
    /// CUDA_ERROR_HARDWARE_STACK_ERROR (714).
    #[error("call stack of a thread exhausted (PTX line {line})")]
    HardwareStackError { line: u32 },
    /// CUDA_ERROR_LAUNCH_FAILED (719): `trap` was executed.
    #[error("trap (PTX line {line})")]
    Trap { line: u32 },
    /// CUDA_ERROR_ASSERT (710). `message` is the line that CUDA prints on stderr.
    #[error("{message}")]
    Assert { message: String },
    /// CUDA_ERROR_INVALID_ADDRESS_SPACE (717): an atomic on memory that has none.
    #[error("instruction on the wrong address space at {address:#x} (PTX line {line})")]
    InvalidAddressSpace { address: u64, line: u32 },
    /// CUDA_ERROR_INVALID_PC (718): a call through a pointer that is no function.
    #[error("call of {target:#x}, which is no function (PTX line {line})")]
    InvalidPc { target: u64, line: u32 },
    /// CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701).
    #[error("launch asks for {asked} {what}, the limit is {limit}")]
    LaunchOutOfResources { what: &'static str, asked: u64, limit: u64 },
    /// CUDA_ERROR_NOT_SUPPORTED (801): something known only at run time that the engine does not have, by name.
    #[error("{0} is not supported by the software GPU")]
    Unsupported(String),
    /// The grid was cancelled by [`Engine::cancel`](super::Engine::cancel).
    #[error("cancelled")]
    Cancelled,
    /// CUDA_ERROR_LAUNCH_FAILED (719): the engine itself failed. A bug of ours, told and not hidden.
    #[error("the PTX engine failed: {0}")]
    Internal(String),
}
