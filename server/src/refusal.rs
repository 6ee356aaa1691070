//! What a client may not send: one variant a rule. Any of them ends the session before the driver is called.

use farwarp_protocol::boxes::Shape;
use farwarp_protocol::codec::CodecError;
use farwarp_protocol::graph::PlanError;
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::image::ImageError;
use farwarp_protocol::patch::PatchError;

macro_rules! refusals {
    ($($(#[$($said:tt)*])* $rule:ident $({ $($fields:tt)* })? $(($($inner:tt)*))?,)*) => {
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Refusal {
            $($(#[$($said)*])* $rule $({ $($fields)* })? $(($($inner)*))?,)*
        }

        impl Refusal {
            /// Every rule's name: the abuse tests compare it with what they met.
            pub const RULES: &[&str] = &[$(stringify!($rule)),*];

            pub fn rule(&self) -> &'static str {
                match self {
                    $(Self::$rule { .. } => stringify!($rule),)*
                }
            }
        }
    };
}

refusals! {
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
    #[error("a body that does not decode")]
    Codec(#[from] CodecError),
    #[error("{left} bytes after the last argument")]
    Trailing { left: usize },
    #[error("a record that is no call")]
    NoCall,
    #[error("slot {slot} of {max}")]
    NoSuchSlot { slot: u16, max: usize },
    #[error("{id:?} is no live {kind:?}")]
    NoSuchObject { id: Id, kind: ObjectKind },
    #[error("{id:?} is taken, or not an id of a {kind:?}")]
    BadNewId { id: Id, kind: ObjectKind },
    #[error("{id:?} belongs to its library and is not unloaded by itself")]
    NotItsOwn { id: Id },
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
    #[error("an image that no driver may see")]
    Image(#[from] ImageError),
    #[error("device {ordinal} of {count}")]
    NoSuchDevice { ordinal: i32, count: usize },
    #[error("a name with a NUL inside")]
    BadName,
    #[error("a graph that cannot be one")]
    Plan(#[from] PlanError),
    #[error("step {step} of level {level} of a graph that has no such")]
    NoSuchStep { level: u32, step: u32 },
    #[error("step {step} of level {level} of a graph shall be of another kind")]
    OtherWork { level: u32, step: u32 },
    #[error("conditional value {handle:#x} is none of this session's")]
    NoSuchConditional { handle: u64 },
    #[error("a graph that would touch the client's own memory")]
    HostStep,
    #[error("launch attribute {id} does not cross")]
    LaunchAttribute { id: u32 },
    #[error("option {option} of the compiler does not cross")]
    JitOption { option: u32 },
    #[error("stream attribute {attribute} does not cross")]
    StreamAttribute { attribute: u32 },
    #[error("memory operation {operation} is none that is known")]
    MemoryOperation { operation: u32 },
    #[error("{bytes} bytes from {address:#x} are in part something else already")]
    Taken { address: u64, bytes: u64 },
    #[error("what the client has changed cannot be read")]
    Patch(#[from] PatchError),
    #[error("host call {token} is waited for already")]
    HostCallTwice { token: u64 },
    #[error("host call {token} is not waited for")]
    NoSuchHostCall { token: u64 },
}
