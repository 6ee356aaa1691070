//! One argument of a call as it crosses: how an honest client writes it, and every lie about it that we know.

use std::ops::Range;

use farwarp_protocol::handle::{Id, ObjectKind};

use crate::scene::{ALLOCATION_BYTES, Scene, id};

/// What must become of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The session ends by this rule and the driver hears nothing.
    Stopped(&'static str),
    /// By some rule.
    StoppedSomehow,
    /// Whether it is lawful is the driver's to say, or it says something else that is lawful: it is answered with a code, or
    /// the session ends. The judge must not object.
    Judged,
}

use Verdict::{Judged, Stopped};

#[derive(Debug, Clone)]
pub struct Lie {
    /// Its kind, for the table of counts.
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub honest: Vec<u8>,
    pub lies: Vec<Lie>,
}

/// Addresses that are not the session's: of another session, and of the worker's own memory.
#[derive(Debug, Clone, Default)]
pub struct Foreign {
    pub other_session: Vec<u64>,
    pub of_the_worker: Vec<u64>,
}

pub const KINDS: [ObjectKind; 11] = [
    ObjectKind::Context,
    ObjectKind::Stream,
    ObjectKind::Event,
    ObjectKind::Module,
    ObjectKind::Function,
    ObjectKind::Library,
    ObjectKind::Kernel,
    ObjectKind::MemPool,
    ObjectKind::AllocationHandle,
    ObjectKind::LinkState,
    ObjectKind::GraphExec,
];

impl Field {
    pub fn new(name: &str, honest: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), honest: honest.into(), lies: Vec::new() }
    }

    pub fn lie(mut self, kind: &'static str, bytes: impl Into<Vec<u8>>, verdict: Verdict) -> Self {
        self.lies.push(Lie { kind, bytes: bytes.into(), verdict });
        self
    }

    fn lie_u64(self, kind: &'static str, value: u64, verdict: Verdict) -> Self {
        self.lie(kind, value.to_le_bytes(), verdict)
    }

    /// A handle that must be one of `kinds`; whatever is not is stopped by `rule`.
    pub fn handle(
        name: &str,
        scene: &Scene,
        foreign: &Foreign,
        kinds: &[ObjectKind],
        rule: &'static str,
    ) -> Self {
        let stop = Stopped(rule);
        let mut field = Self::new(name, scene.alive(kinds[0]).0.to_le_bytes());
        for kind in kinds {
            field = field
                .lie_u64("handle: unknown", id(*kind, 1, 7).0, stop)
                .lie_u64("handle: of another session", id(*kind, 9, 6).0, stop)
                .lie_u64("handle: old generation", Id::new(*kind, 0, 0x11).0, stop)
                .lie_u64("handle: newer generation", Id::new(*kind, 2, 0x11).0, stop);
        }
        for freed in scene.freed.iter().filter(|id| id.kind().is_some_and(|kind| kinds.contains(&kind))) {
            field = field.lie_u64("handle: freed", freed.0, stop);
        }
        for orphan in scene.orphans.iter().filter(|id| id.kind().is_some_and(|kind| kinds.contains(&kind))) {
            field = field.lie_u64("handle: parent dead", orphan.0, stop);
        }
        for other in KINDS.into_iter().filter(|kind| !kinds.contains(kind)) {
            field = field.lie_u64("handle: wrong kind", scene.alive(other).0, stop);
        }
        let streams_own = kinds.contains(&ObjectKind::Stream);
        let numbers: &[u64] = if streams_own { &[0, 3] } else { &[0, 1, 2, 3] };
        for number in numbers.iter().chain(&[1 << 47, u64::MAX]) {
            field = field.lie_u64("handle: a number", *number, stop);
        }
        for address in foreign.of_the_worker.iter().take(2) {
            field = field.lie_u64("handle: an address of the worker's", *address, stop);
        }
        field
    }

    /// An id for something new.
    pub fn new_id(name: &str, scene: &Scene, kind: ObjectKind) -> Self {
        let stop = Stopped("BadNewId");
        let mut field = Self::new(name, id(kind, scene.fresh, 5).0.to_le_bytes())
            .lie_u64("new id: taken", scene.alive(kind).0, stop)
            .lie_u64("new id: no id", 0, stop)
            .lie_u64("new id: no id", 1, stop)
            .lie_u64("new id: no id", u64::MAX, stop);
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            field = field.lie_u64("new id: wrong kind", id(other, 5, 5).0, stop);
        }
        field
    }

    /// Device memory, of which the call uses `bytes`.
    pub fn address(name: &str, scene: &Scene, foreign: &Foreign, bytes: u64) -> Self {
        Self::within(name, scene.address..scene.address + ALLOCATION_BYTES, scene, foreign, bytes)
    }

    /// An address of which the call uses `bytes`, all of them in this range of the session's and in no other.
    pub fn within(
        name: &str,
        Range { start, end }: Range<u64>,
        scene: &Scene,
        foreign: &Foreign,
        bytes: u64,
    ) -> Self {
        let stop = Stopped("OutOfRange");
        let mut field = Self::new(name, start.to_le_bytes());
        for outside in [0, 1, start - 1, end, start ^ 1 << 40, u64::MAX, u64::MAX - 8, 1 << 63] {
            field = field.lie_u64("address: outside", outside, stop);
        }
        for cut in 1..bytes.min(8) {
            field = field.lie_u64("address: half outside", end - cut, stop);
        }
        field = field
            .lie_u64("address: freed", scene.freed_address, stop)
            .lie_u64("address: of a dead context", scene.orphan_address, stop)
            .lie_u64("address: a handle", scene.stream.0, stop);
        for address in &foreign.other_session {
            field = field.lie_u64("address: of another session", *address, stop);
        }
        for address in &foreign.of_the_worker {
            field = field.lie_u64("address: of the worker's own", *address, stop);
        }
        field
    }

    pub fn device(name: &str) -> Self {
        let mut field = Self::new(name, 0i32.to_le_bytes());
        for ordinal in [-1, 1, 64, i32::MAX, i32::MIN] {
            field = field.lie("device: none", ordinal.to_le_bytes(), Stopped("NoSuchDevice"));
        }
        field
    }

    /// A number whose meaning is the driver's: an enum, a flag, a value.
    pub fn number(name: &str, honest: &[u8]) -> Self {
        let mut field = Self::new(name, honest);
        for fill in [0x00, 0x7f, 0xff] {
            field = field.lie("number: the driver judges", vec![fill; honest.len()], Judged);
        }
        field
    }

    /// A `bool` of the codec.
    pub fn flag(name: &str) -> Self {
        let field = Self::new(name, [0]).lie("flag: neither", [2], Stopped("Codec"));
        field.lie("flag: neither", [0xff], Stopped("Codec"))
    }

    /// A name of up to [`farwarp_protocol::limits::NAME_BYTES_MAX`] bytes.
    pub fn name(name: &str, honest: &str) -> Self {
        let max = farwarp_protocol::limits::NAME_BYTES_MAX;
        let said = |said: u64, text: &[u8]| [&said.to_le_bytes()[..], text].concat();
        let bytes = honest.as_bytes();
        let count = bytes.len() as u64;
        Self::new(name, said(count, bytes))
            .lie("text: unknown", said(4, b"none"), Judged)
            .lie("text: empty", said(0, b""), Judged)
            .lie("text: NUL inside", said(3, b"a\0b"), Stopped("BadName"))
            .lie("text: cap", said(max as u64, &vec![b'n'; max]), Judged)
            .lie("text: cap + 1", said(max as u64 + 1, &vec![b'n'; max + 1]), Stopped("TooMuch"))
            .lie("text: no UTF-8", said(2, &[0xff, 0xfe]), Stopped("Codec"))
            .lie("text: said more than sent", said(u64::MAX, bytes), Stopped("Codec"))
            .lie("text: said more than sent", said(1 << 40, bytes), Stopped("Codec"))
            .lie("text: said more than sent", said(16 << 20, bytes), Stopped("Codec"))
    }
}
