//! What copies and sets say of where and how much.

use farwarp_protocol::limits::PIECE_BYTES;

use crate::field::{Field, Foreign, Verdict};
use crate::scene::{ALLOCATION_BYTES, Scene};
use Verdict::{Judged, Stopped};

pub fn piece() -> Field {
    let bytes = |count: usize| vec![7; count];
    Field::new("bytes", bytes(16))
        .lie("length: 0", bytes(0), Judged)
        .lie("length: cap", bytes(ALLOCATION_BYTES as usize), Judged)
        .lie("length: cap + 1", bytes(ALLOCATION_BYTES as usize + 1), Stopped("OutOfRange"))
        .lie("length: cap + 1", bytes(PIECE_BYTES + 1), Stopped("TooMuch"))
}

pub fn copy_bytes(piece: Option<u64>) -> Field {
    let said = |value: u64| value.to_le_bytes();
    let stop = Stopped("OutOfRange");
    let huge = if piece.is_some() { Stopped("TooMuch") } else { stop };
    let mut field = Field::new("bytes", said(16))
        .lie("length: 0", said(0), Judged)
        .lie("length: 1", said(1), Judged)
        .lie("length: cap", said(ALLOCATION_BYTES), Judged)
        .lie("length: cap + 1", said(ALLOCATION_BYTES + 1), stop)
        .lie("length: overflows", said(u64::MAX), huge)
        .lie("length: overflows", said(1 << 63), huge);
    if let Some(piece) = piece {
        field = field.lie("length: cap", said(piece), stop).lie("length: cap + 1", said(piece + 1), huge);
    }
    field
}

/// The contexts of a copy's two sides.
pub fn across(scene: &Scene) -> Field {
    let of = |to: u64, from: u64| [&[1][..], &to.to_le_bytes(), &from.to_le_bytes(), &[0]].concat();
    let (alive, dead) = (scene.context.0, scene.dead_context.0);
    Field::new("across", [0])
        .lie("context: dead", of(dead, alive), Stopped("NoContext"))
        .lie("context: dead", of(alive, dead), Stopped("NoContext"))
        .lie("context: none", of(0, 0), Stopped("NoContext"))
        .lie("context: wrong kind", of(alive, scene.stream.0), Stopped("NoContext"))
        .lie("flag: neither", [2], Stopped("Codec"))
        .lie("frame: cut", [1], Verdict::StoppedSomehow)
        .lie("context: none", of(alive, alive), Judged)
        .lie("flag: both", [of(alive, alive).as_slice(), &[1]].concat(), Verdict::StoppedSomehow)
}

pub fn pitch() -> Field {
    Field::new("pitch", 16u64.to_le_bytes())
        .lie("box: rows run into each other", 15u64.to_le_bytes(), Stopped("BadBox"))
        .lie("box: rows run into each other", 0u64.to_le_bytes(), Stopped("BadBox"))
        .lie("box: overflows", u64::MAX.to_le_bytes(), Stopped("BadBox"))
        .lie("box: reaches out", ALLOCATION_BYTES.to_le_bytes(), Stopped("OutOfRange"))
}

pub fn rows() -> Field {
    Field::number("rows", &2u64.to_le_bytes())
}

/// Two rows of sixteen bytes. `piece` when all of it travels at once.
pub fn box_shape(piece: bool) -> Field {
    let of = |width: u64, height: u64, depth: u64| [width, height, depth].map(u64::to_le_bytes).concat();
    let too_large = if piece { Stopped("BadBox") } else { Stopped("OutOfRange") };
    let mut field = Field::new("shape", of(16, 2, 1))
        .lie("box: reaches out", of(1, ALLOCATION_BYTES, 1), Verdict::StoppedSomehow)
        .lie("box: rows run into each other", of(17, 2, 1), Verdict::StoppedSomehow)
        .lie("box: slices run into each other", of(1, 3, 2), Verdict::StoppedSomehow)
        .lie("box: too large", of(1, 1 << 32, 1), too_large);
    for huge in
        [of(u64::MAX, u64::MAX, u64::MAX), of(1 << 63, 2, 1), of(2, 1, u64::MAX), of(1 << 32, 1 << 32, 1)]
    {
        field = field.lie("box: overflows", huge, Verdict::StoppedSomehow);
    }
    for empty in [of(0, 2, 1), of(16, 0, 1), of(16, 2, 0)] {
        let verdict = if piece || empty[..8] != [0; 8] { Stopped("BadBox") } else { Judged };
        field = field.lie("box: empty", empty, verdict);
    }
    field
}

pub fn box_bytes() -> Field {
    Field::new("bytes", [7; 32])
        .lie("length: said more than sent", [7; 31], Stopped("BoxBytes"))
        .lie("length: said more than sent", [], Stopped("BoxBytes"))
        .lie("length: said less than sent", [7; 33], Stopped("BoxBytes"))
}

pub fn fill_length(name: &str) -> Field {
    let mut field = Field::new(name, 1u64.to_le_bytes()).lie("length: 0", 0u64.to_le_bytes(), Judged);
    for huge in [ALLOCATION_BYTES + 1, 1 << 61, 1 << 62, 1 << 63, u64::MAX] {
        field = field.lie("length: overflows", huge.to_le_bytes(), Verdict::StoppedSomehow);
    }
    field
}

/// A box that reaches around the end of the address space is no box.
pub fn place(name: &str, scene: &Scene, foreign: &Foreign, bytes: u64) -> Field {
    let around = |field: Field, start: u64| {
        field.with("address: outside", &start.to_le_bytes(), Verdict::StoppedSomehow)
    };
    around(around(Field::address(name, scene, foreign, bytes), u64::MAX), u64::MAX - 8)
}
