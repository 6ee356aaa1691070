//! Attributes of streams, batches of waits and writes, and copies whose bytes travel late.

use farwarp_protocol::call::*;
use farwarp_protocol::codec::encode;
use farwarp_protocol::handle::ObjectKind;

use super::Shape;
use super::boxes::{box_shape, pitch, place, rows};
use crate::field::{Field, Foreign, Verdict};
use crate::scene::{ALLOCATION_BYTES, Scene};
use Verdict::{Judged, Stopped};

pub fn shapes(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let stream = |name: &str| Field::handle(name, scene, foreign, &[ObjectKind::Stream], "NoSuchObject");
    let source =
        || vec![place("start", scene, foreign, 32), pitch(), rows(), box_shape(true), stream("stream")];
    let mut to_device = source();
    to_device.push(
        Field::new("token", 6u64.to_le_bytes())
            .lie("token: waited for already", scene.host_call.to_le_bytes(), Stopped("HostCallTwice"))
            .lie("token: waited for already", scene.later.to_le_bytes(), Stopped("HostCallTwice")),
    );
    let bytes = |count: usize| vec![7; count];
    let stop = Stopped("BoxBytes");
    vec![
        Shape::row("cuStreamGetAttribute", vec![stream("stream"), attribute()]),
        Shape::row("cuStreamSetAttribute", vec![stream("stream"), attribute(), window(scene, foreign)]),
        Shape::row("cuStreamCopyAttributes", vec![stream("to"), stream("from")]),
        Shape::row(
            "cuStreamBatchMemOp_v2",
            vec![stream("stream"), batch(scene, foreign), Field::number("flags", &[0; 4])],
        ),
        Shape::new("LAND", LAND, source()),
        Shape::new("TO_DEVICE_LATER", TO_DEVICE_LATER, to_device),
        Shape::new(
            "LATER_BYTES",
            LATER_BYTES,
            vec![
                // Of a copy that could not be issued the bytes are not wanted any more.
                Field::new("token", scene.later.to_le_bytes())
                    .lie("token: never given", 0u64.to_le_bytes(), Judged)
                    .lie("token: never given", scene.host_call.to_le_bytes(), Judged),
                Field::new("bytes", bytes(16))
                    .lie("length: said more than sent", bytes(15), stop)
                    .lie("length: said more than sent", bytes(0), stop)
                    .lie("length: said less than sent", bytes(17), stop),
            ],
        )
        .anywhere()
        .open(),
    ]
}

fn attribute() -> Field {
    let mut field = Field::new("attribute", STREAM_WINDOW.to_le_bytes());
    for unknown in [0, 2, 4, 5, 6, 7, 11, 0xff, u32::MAX] {
        field = field.lie("option: a pointer or unknown", unknown.to_le_bytes(), Stopped("StreamAttribute"));
    }
    field
}

/// An access policy window, which is about a range.
fn window(scene: &Scene, foreign: &Foreign) -> Field {
    let of = |address: u64, bytes: u64| {
        let mut value = [0; 64];
        value[..8].copy_from_slice(&address.to_le_bytes());
        value[8..16].copy_from_slice(&bytes.to_le_bytes());
        value
    };
    let stop = Stopped("OutOfRange");
    let mut field = Field::new("value", of(scene.address, 16))
        .lie("length: 0", of(scene.address, 0), Judged)
        .lie("length: cap", of(scene.address, ALLOCATION_BYTES), Judged)
        .lie("length: cap + 1", of(scene.address, ALLOCATION_BYTES + 1), stop)
        .lie("length: overflows", of(scene.address, u64::MAX), stop);
    for lie in Field::address("", scene, foreign, 16).lies {
        let address = u64::from_le_bytes(lie.bytes.try_into().expect("an address"));
        field = field.lie(lie.kind, of(address, 16), stop);
    }
    field
}

fn batch(scene: &Scene, foreign: &Foreign) -> Field {
    let of = |operation, address| MemoryOperation { operation, address, value: 1, flags: 0 };
    let honest = of(2, scene.address);
    let list = |count: usize| encode(&vec![honest.clone(); count]);
    let mut field = Field::new("operations", list(1))
        .lie("length: 0", list(0), Judged)
        .lie("length: cap", list(BATCH_MAX as usize), Judged)
        .lie("length: cap + 1", list(BATCH_MAX as usize + 1), Stopped("TooMuch"))
        .lie("length: said more than sent", u64::MAX.to_le_bytes(), Stopped("Codec"));
    for unknown in [0, 7, MemoryOperation::ATOMIC_REDUCTION, 9, u32::MAX] {
        let bytes = encode(&vec![honest.clone(), of(unknown, scene.address)]);
        field = field.lie("option: a pointer or unknown", bytes, Stopped("MemoryOperation"));
    }
    for (operation, width) in [(1, 4), (2, 4), (4, 8), (5, 8)] {
        for lie in Field::address("", scene, foreign, width).lies {
            let address = u64::from_le_bytes(lie.bytes.try_into().expect("an address"));
            let bytes = encode(&vec![honest.clone(), of(operation, address)]);
            field = field.lie(lie.kind, bytes, Stopped("OutOfRange"));
        }
    }
    field
}
