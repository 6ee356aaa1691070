//! Everything that can be said wrong in one call, as frames with the verdict that they must get.

use farwarp_protocol::call;
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::limits::{BODY_BYTES_MAX, CLIENT_THREADS_MAX, HEADER_BYTES};
use farwarp_protocol::table::{self, Answer};

use crate::client::frame;
use crate::field::Verdict;
use crate::scene::{Scene, id};
use crate::shape::Shape;
use Verdict::{Judged, Stopped, StoppedSomehow};
use farwarp_protocol::handle::ObjectKind;

pub struct Case {
    /// For the table of counts.
    pub kind: &'static str,
    /// For whoever must mend it.
    pub what: String,
    pub frame: Vec<u8>,
    pub verdict: Verdict,
    /// The frame as a whole may be none: the connection is broken after it.
    pub breaks: bool,
}

impl Case {
    fn new(kind: &'static str, what: String, header: Header, body: &[u8], verdict: Verdict) -> Self {
        Self { kind, what, frame: frame(header, body), verdict, breaks: false }
    }
}

/// The lies about the arguments of a call.
pub fn of_arguments(shape: &Shape, header: Header) -> Vec<Case> {
    let fields = shape.fields.iter().enumerate();
    let mut cases: Vec<Case> = fields
        .flat_map(|(at, field)| field.lies.iter().map(move |lie| (at, field, lie)))
        .map(|(at, field, lie)| {
            let what =
                format!("{}: {} = {:02x?}", shape.name, field.name, &lie.bytes[..lie.bytes.len().min(24)]);
            Case::new(lie.kind, what, header, &shape.with(at, &lie.bytes), lie.verdict)
        })
        .collect();
    let longer = [&shape.honest()[..], &[0]].concat();
    if !shape.open_end {
        let what = format!("{} and a byte more", shape.name);
        cases.push(Case::new("body: a byte more", what, header, &longer, StoppedSomehow));
    }
    cases
}

/// A call about a context, a slot or an operation that is none.
pub fn of_header(shape: &Shape, header: Header, scene: &Scene) -> Vec<Case> {
    let body = shape.honest();
    let mut cases = Vec::new();
    let mut add = |kind, what: String, header, verdict| {
        cases.push(Case::new(kind, format!("{} {what}", shape.name), header, &body, verdict));
    };
    let contexts = [
        ("context: unknown", id(ObjectKind::Context, 1, 7).0),
        ("context: dead", scene.dead_context.0),
        ("context: wrong kind", scene.stream.0),
        ("context: wrong kind", u64::MAX),
        ("context: none", 0),
    ];
    for (kind, about) in contexts.into_iter().filter(|_| shape.in_context) {
        add(kind, format!("about {about:#x}"), Header { about, ..header }, Stopped("NoContext"));
    }
    for slot in [CLIENT_THREADS_MAX as u16 + 1, u16::MAX] {
        add("slot: none", format!("of slot {slot}"), Header { slot, ..header }, Stopped("NoSuchSlot"));
    }
    cases
}

/// The frame cut at every byte of its body, and with every byte of it flipped, in part and in whole.
pub fn of_bytes(shape: &Shape, header: Header) -> Vec<Case> {
    let body = shape.honest();
    let mut cases = Vec::new();
    for cut in 0..body.len() {
        let verdict = if cut < shape.fixed_bytes() { StoppedSomehow } else { Judged };
        let what = format!("{} cut at byte {cut}", shape.name);
        cases.push(Case::new("frame: cut", what, header, &body[..cut], verdict));
    }
    let whole = frame(header, &body);
    for (at, flip) in (0..whole.len()).flat_map(|at| [0x01, 0x80, 0xff].map(|flip| (at, flip))) {
        let mut bytes = whole.clone();
        bytes[at] ^= flip;
        cases.push(Case {
            kind: "frame: a byte flipped",
            what: format!("{}, byte {at} ^ {flip:#x}", shape.name),
            frame: bytes,
            verdict: Judged,
            breaks: true,
        });
    }
    cases
}

/// Frames that are no call at all, and calls that the server does not have.
pub fn of_no_call(honest: Header) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |kind, what: String, header: Header, verdict| {
        cases.push(Case { breaks: true, ..Case::new(kind, what, header, &[], verdict) });
    };
    for row in table::rows().filter(|row| matches!(row.answer, Answer::Here | Answer::Deny)) {
        let header = Header { op: call::op(row.name), ..honest };
        add("operation: answered elsewhere", row.name.into(), header, Stopped("UnknownOp"));
    }
    for (name, op) in call::OWN_OPS.iter().filter(|(name, _)| name.starts_with("NOTICE")) {
        add("operation: a notice's", (*name).into(), Header { op: *op, ..honest }, Stopped("UnknownOp"));
    }
    for op in [0, 1, 0x7fff_ffff, u32::MAX] {
        add("operation: unknown", format!("{op:#x}"), Header { op, ..honest }, Stopped("UnknownOp"));
    }
    let reply = Header { kind: RecordKind::Reply, op: 0, ..honest };
    add("direction: a reply", "to call 1".into(), Header { about: 1, ..reply }, Stopped("NoCall"));
    for (name, op) in call::OWN_OPS {
        let notice = Header { kind: RecordKind::Notice, op: *op, ..honest };
        add("direction: a notice", (*name).into(), notice, Stopped("NoCall"));
    }
    for number in [honest.number + 1, honest.number + 1000, u64::MAX / 2] {
        add("sequence: a gap", format!("{number}"), Header { number, ..honest }, Stopped("Gap"));
    }
    let control =
        |kind, number| Header { kind, op: 0, number, about: 0, slot: 0, flags: 0, code: 0, body_bytes: 0 };
    add(
        "sequence: greeted twice",
        "greeting".into(),
        control(RecordKind::Greeting, 0),
        Stopped("GreetedTwice"),
    );
    for number in [1 << 20, u64::MAX] {
        add(
            "sequence: unsent acknowledged",
            format!("{number}"),
            control(RecordKind::Ack, number),
            Stopped("AckedUnsent"),
        );
    }
    for flags in [2, 4, 0x80 | FLAG_ASKED, 0xff] {
        add(
            "header: unknown flags",
            format!("{flags:#x}"),
            Header { flags, ..honest },
            Stopped("UnknownFlags"),
        );
    }
    add("header: a code in a call", "1".into(), Header { code: 1, ..honest }, Stopped("UnusedField"));
    cases.extend(broken_headers(honest));
    cases
}

fn broken_headers(honest: Header) -> Vec<Case> {
    let frame = |kind, what: String, bytes: [u8; HEADER_BYTES], verdict| Case {
        kind,
        what,
        frame: bytes.to_vec(),
        verdict,
        breaks: true,
    };
    let mut cases = Vec::new();
    for bytes in [BODY_BYTES_MAX as u32 + 1, 1 << 31, u32::MAX] {
        let header = Header { body_bytes: bytes, ..honest };
        cases.push(frame("header: too long a body", format!("{bytes}"), header.encode(), Stopped("TooLong")));
    }
    for kind in [0, 6, 0x7f, 0xff] {
        let mut bytes = honest.encode();
        bytes[26] = kind;
        cases.push(frame("header: unknown kind", format!("{kind}"), bytes, Stopped("UnknownKind")));
    }
    cases
}
