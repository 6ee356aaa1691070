//! Values: bodies of calls and of their answers, what is said before the log begins, between gate and worker, and to the agent.
//! What can be read is written again as the same bytes; a reader that takes two texts for one value would be a hole in that.

use farwarp_protocol::admission::{Answer, ControlAnswer, ControlRequest, DataOpening, Opening};
use farwarp_protocol::agent::{Reply, Request};
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::call::*;
use farwarp_protocol::codec::{Decode, Encode, decode, decode_prefix, encode};
use farwarp_protocol::describe::describe;
use farwarp_protocol::graph::{Change, Plan};
use farwarp_protocol::handle::Id;
use farwarp_protocol::handoff::{FromWorker, ToWorker};
use farwarp_protocol::image::check_whole;
use farwarp_protocol::snapshot::{Hello, Snapshot};
use farwarp_protocol::table;
use farwarp_protocol::ticket::{Secret, Ticket};

pub const TICKET_WORDS: &[&[u8]] = &[
    b"farwarp://",
    b"?key=",
    b"&secret=",
    b"&",
    b"=",
    b":",
    b"[::1]",
    b"65535",
    b"65536",
    b"0",
    b"\n",
    b" ",
    "é".as_bytes(),
];

/// Reads a value that the bytes begin with, and all of them as one.
fn value<T: Decode<()> + Encode>(bytes: &[u8]) {
    if let Ok((value, used)) = decode_prefix::<T>(bytes) {
        assert!(used <= bytes.len(), "{used} of {} bytes were used", bytes.len());
        assert_eq!(encode(&value), bytes[..used], "a value of two texts");
        assert_eq!(decode::<T>(bytes).is_ok(), used == bytes.len(), "what follows a value is no part of it");
    }
}

macro_rules! values {
    ($bytes:expr, $($type:ty),* $(,)?) => { $(value::<$type>($bytes);)* };
}

/// Bodies of calls and answers; the first four bytes say of which operation.
pub fn bodies(bytes: &[u8]) {
    let Some((op, body)) = bytes.split_first_chunk::<4>() else { return };
    let which = u32::from_le_bytes(*op);
    let all = table::rows().count() + OWN_OPS.len();
    let named = table::rows()
        .map(|row| farwarp_protocol::call::op(row.name))
        .chain(OWN_OPS.iter().map(|(_, op)| *op));
    // Whatever it is, in words for a log: of this operation, and of one of ours.
    assert!(describe(which, body).len() < 4096 + 16 * body.len());
    let ours = named.into_iter().nth(which as usize % all).expect("one of them");
    assert!(describe(ours, body).len() < 4096 + 16 * body.len());
    values!(
        body,
        Hello,
        Snapshot,
        ContextNew,
        ContextGone,
        ImagePiece,
        LoadModule,
        LoadLibrary,
        JitOptions,
        Loaded,
        LinkAdd,
        LinkOutput,
        PotentialBlockSize,
        Layout,
        Unload,
        FindFunction,
        FindVariable,
        Range,
        LibraryModule,
        KernelFunction,
        Attributes,
        Launch,
        CopyToDevice,
        CopyToHost,
        CopyOnDevice,
        BoxToDevice,
        BoxToHost,
        BoxOnDevice,
        Land,
        ToDeviceLater,
        LaterBytes,
        Across,
        Fill,
        Allocate,
        HostCall,
        StreamAttribute,
        MemoryOperation,
        GraphInstantiate,
        GraphChange,
        GraphLaunch,
        GraphConditional,
        PoolNew,
        PhysicalNew,
        Change,
        Block,
        Shape,
        Id,
    );
    boxes(body);
    if let Ok((layout, _)) = decode_prefix::<Layout>(body) {
        layout.bytes();
    }
}

/// What is reckoned of boxes whose numbers are a peer's.
fn boxes(body: &[u8]) {
    let Ok(((block, shape, most), _)) = decode_prefix::<(Block, Shape, u64)>(body) else { return };
    let (bytes, span) = (shape.bytes(), if shape.is_empty() { None } else { block.span(shape) });
    if let (Some(bytes), Some(span)) = (bytes, span)
        && bytes <= 1 << 16
        && most > 0
    {
        let parts: u64 =
            shape.parts(most).map(|part| part.shape.bytes().expect("a part of what can be reckoned")).sum();
        assert_eq!(parts, bytes, "the parts are the whole");
        let last = block.row(shape.depth - 1, shape.height - 1) + shape.width;
        assert_eq!(last - block.start, span, "the last row ends where the span does");
    }
}

/// What gate, worker, agent and client say to each other.
pub fn messages(bytes: &[u8]) {
    values!(
        bytes,
        Opening,
        Answer,
        DataOpening,
        ControlRequest,
        ControlAnswer,
        ToWorker,
        FromWorker,
        Request,
        Reply
    );
}

pub fn ticket(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A secret's file and a ticket's are read alike.
    let _ = text.parse::<Secret>();
    if let Ok(ticket) = text.parse::<Ticket>() {
        let written = ticket.to_string();
        let again: Ticket = written.parse().expect("a ticket that was written by us");
        assert_eq!(again.to_string(), written);
        assert!(!ticket.address.contains(char::is_control), "an address that commands a terminal");
    }
}

/// Plans of graphs, and the two things that are asked of an image before a driver sees it.
pub fn plan(bytes: &[u8]) {
    let _whole_or_not = check_whole(bytes);
    let Ok(plan) = Plan::decode(bytes) else { return };
    assert_eq!(Plan::decode(&plan.encode()).as_ref(), Ok(&plan), "a plan survives the wire");
    plan.touches_host();
    assert_eq!(plan.changes_to(&plan), Some(Vec::new()), "nothing changes between a plan and itself");
    for step in plan.levels.iter().flatten() {
        assert!(step.after.len() <= bytes.len());
    }
}
