//! What a client may not send: one variant a rule. Any of them ends the session before the driver is called.

use farwarp_protocol::boxes::Shape;
use farwarp_protocol::codec::CodecError;
use farwarp_protocol::graph::PlanError;
use farwarp_protocol::handle::{Id, ObjectKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("operation {op:#010x} is none that the server has a handler for")]
    UnknownOp { op: u32 },
    #[error("operation {op:#010x} before hello")]
    BeforeHello { op: u32 },
    #[error("a second hello")]
    HelloTwice,
    #[error("hello from another table, {theirs:016x} instead of {ours:016x}")]
    OtherTable { ours: u64, theirs: u64 },
    #[error("a body that ends {missing} bytes early")]
    Short { missing: usize },
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("{left} bytes after the last argument")]
    Trailing { left: usize },
    #[error("a record that is no call")]
    NoCall,
    #[error("{id:?} is no live {kind:?}")]
    NoSuchObject { id: Id, kind: ObjectKind },
    #[error("{id:?} is taken, or not an id of a {kind:?}")]
    BadNewId { id: Id, kind: ObjectKind },
    #[error("no live context {id:?} for a call that works in one")]
    NoContext { id: Id },
    #[error("{bytes} bytes from {address:#x} are not all in one live range")]
    OutOfRange { address: u64, bytes: u64 },
    #[error(
        "a box of {shape:?} that is empty, too large, or runs into itself or around the end of the address space"
    )]
    BadBox { shape: Shape },
    #[error("a box of {said} bytes came with {came}")]
    BoxBytes { said: u64, came: u64 },
    #[error("{what}: {got}, more than {max}")]
    TooMuch { what: &'static str, got: u64, max: u64 },
    #[error("upload {upload}: {why}")]
    Upload { upload: u64, why: &'static str },
    #[error("device {ordinal} of {count}")]
    NoSuchDevice { ordinal: i32, count: usize },
    #[error("a name with a NUL inside")]
    BadName,
    #[error("a graph that cannot be one: {0}")]
    Plan(#[from] PlanError),
    #[error("step {step} of level {level} of a graph that has no such")]
    NoSuchStep { level: u32, step: u32 },
    #[error("a graph that would touch the client's own memory")]
    HostStep,
    #[error("host call {token} is not waited for")]
    NoSuchHostCall { token: u64 },
}
