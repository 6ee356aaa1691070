//! Pools, and memory whose addresses and bytes are had apart.

use farwarp_protocol::codec::encode;
use farwarp_protocol::handle::ObjectKind;

use super::Shape;
use crate::field::{Field, Foreign, Verdict};
use crate::scene::{ALLOCATION_BYTES, PHYSICAL_BYTES, RESERVED_BYTES, Scene};
use Verdict::{Judged, Stopped};

pub fn shapes(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let mut shapes = pools(scene, foreign);
    shapes.extend(virtual_memory(scene, foreign));
    shapes
}

fn pools(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let pool = || Field::handle("pool", scene, foreign, &[ObjectKind::MemPool], "NoSuchObject");
    let stream = || Field::handle("stream", scene, foreign, &[ObjectKind::Stream], "NoSuchObject");
    let fresh = || Field::new_id("pool", scene, ObjectKind::MemPool);
    let word = |name: &str, value: u64| Field::number(name, &value.to_le_bytes());
    let attribute = || Field::number("attribute", &4u32.to_le_bytes());
    let pooled = scene.pooled..scene.pooled + ALLOCATION_BYTES;
    let stop = Stopped("OutOfRange");
    let memory = Field::within("address", pooled, scene, foreign, 0)
        .lie("address: inside an allocation", (scene.pooled + 8).to_le_bytes(), stop)
        .lie("address: freed", scene.freed_pooled.to_le_bytes(), stop)
        .lie("address: of no pool", scene.address.to_le_bytes(), stop)
        .lie("address: of no pool", scene.reserved.to_le_bytes(), stop);
    vec![
        Shape::row(
            "cuMemPoolCreate",
            vec![fresh(), Field::device("device"), word("max_bytes", 0), Field::number("usage", &[0; 2])],
        )
        .anywhere(),
        Shape::row("cuDeviceGetDefaultMemPool", vec![fresh(), Field::device("device")]).anywhere(),
        Shape::row("cuMemPoolDestroy", vec![pool()]).anywhere(),
        Shape::row("cuMemAllocAsync", vec![pool(), word("bytes", 256), stream()]),
        Shape::row("cuMemFreeAsync", vec![memory, stream()]),
        Shape::row("cuMemPoolSetAttribute", vec![pool(), attribute(), word("value", 0)]).anywhere(),
        Shape::row("cuMemPoolGetAttribute", vec![pool(), attribute()]).anywhere(),
        Shape::row("cuMemPoolSetAccess", vec![pool(), access()]).anywhere(),
        Shape::row("cuMemPoolGetAccess", vec![pool(), Field::device("device")]).anywhere(),
    ]
}

fn virtual_memory(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let physical =
        || Field::handle("physical", scene, foreign, &[ObjectKind::AllocationHandle], "NoSuchObject");
    let word = |name: &str, value: u64| Field::number(name, &value.to_le_bytes());
    let mapped = |name: &str| {
        let mapped = scene.reserved..scene.reserved + PHYSICAL_BYTES;
        Field::within(name, mapped, scene, foreign, PHYSICAL_BYTES).lie(
            "address: no mapping",
            scene.address.to_le_bytes(),
            Stopped("OutOfRange"),
        )
    };
    // Behind the part that is mapped.
    let free = scene.reserved + PHYSICAL_BYTES..scene.reserved + RESERVED_BYTES;
    let stop = Stopped("OutOfRange");
    let free = Field::within("address", free, scene, foreign, PHYSICAL_BYTES)
        .lie("address: mapped already", scene.reserved.to_le_bytes(), stop)
        .lie("address: no reservation", scene.address.to_le_bytes(), stop)
        .lie("address: no reservation", scene.pooled.to_le_bytes(), stop);
    let whole = scene.reserved_to_free..scene.reserved_to_free + RESERVED_BYTES;
    let whole = Field::within("address", whole, scene, foreign, RESERVED_BYTES)
        .lie("address: mapped already", scene.reserved.to_le_bytes(), stop)
        .lie("address: no reservation", scene.address.to_le_bytes(), stop);
    vec![
        Shape::row(
            "cuMemAddressReserve",
            vec![word("bytes", PHYSICAL_BYTES), word("alignment", 0), wished(foreign)],
        )
        .anywhere(),
        Shape::row("cuMemAddressFree", vec![whole, exactly(RESERVED_BYTES)]).anywhere(),
        Shape::row(
            "cuMemCreate",
            vec![
                Field::new_id("physical", scene, ObjectKind::AllocationHandle),
                Field::device("device"),
                word("bytes", PHYSICAL_BYTES),
                Field::number("compression", &[0]),
                Field::number("usage", &[0; 2]),
            ],
        )
        .anywhere(),
        Shape::row("cuMemRelease", vec![physical()]).anywhere(),
        Shape::row("cuMemMap", vec![free, mapping_bytes(), word("offset", 0), physical()]).anywhere(),
        Shape::row("cuMemUnmap", vec![mapped("address"), exactly(PHYSICAL_BYTES)]).anywhere(),
        Shape::row("cuMemSetAccess", vec![mapped("address"), exactly(PHYSICAL_BYTES), access()]).anywhere(),
    ]
}

/// Where a reservation would like to be, which the driver takes for a wish.
fn wished(foreign: &Foreign) -> Field {
    let addresses = foreign.of_the_worker.iter();
    addresses.fold(Field::number("wished", &[0; 8]), |field, address| {
        field.lie("address: of the worker's own", address.to_le_bytes(), Judged)
    })
}

/// A length of which every other value is wrong.
fn exactly(bytes: u64) -> Field {
    let said = |value: u64| value.to_le_bytes();
    let mut field = Field::new("bytes", said(bytes));
    for (kind, value) in [
        ("length: 0", 0),
        ("length: 1", 1),
        ("length: less than there is", bytes - 1),
        ("length: cap + 1", bytes + 1),
        ("length: cap + 1", 2 * bytes),
        ("length: overflows", 1 << 63),
        ("length: overflows", u64::MAX),
    ] {
        field = field.lie(kind, said(value), Stopped("OutOfRange"));
    }
    field
}

fn mapping_bytes() -> Field {
    let said = |value: u64| value.to_le_bytes();
    let (stop, cap) = (Stopped("OutOfRange"), RESERVED_BYTES - PHYSICAL_BYTES);
    Field::new("bytes", said(PHYSICAL_BYTES))
        .lie("length: 0", said(0), stop)
        .lie("length: cap", said(cap), Judged)
        .lie("length: cap + 1", said(cap + 1), stop)
        .lie("length: overflows", said(1 << 63), stop)
        .lie("length: overflows", said(u64::MAX), stop)
}

/// Which devices may do what.
fn access() -> Field {
    let list = |list: &[(i32, u32)]| encode(&list.to_vec());
    let mut field = Field::new("access", list(&[(0, 3)]))
        .lie("length: 0", list(&[]), Judged)
        .lie("number: the driver judges", list(&[(0, u32::MAX)]), Judged)
        .lie("length: said more than sent", u64::MAX.to_le_bytes(), Stopped("Codec"));
    for device in [-1, 1, 64, i32::MAX, i32::MIN] {
        field = field.lie("device: none", list(&[(0, 3), (device, 3)]), Stopped("NoSuchDevice"));
    }
    field
}
