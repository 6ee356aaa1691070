//! Launches, and questions about launches.

use farwarp_protocol::call::LAUNCH;
use farwarp_protocol::codec::encode;
use farwarp_protocol::handle::ObjectKind;
use farwarp_protocol::limits::KERNEL_PARAM_BYTES_MAX;

use super::Shape;
use crate::field::{Field, Foreign, Verdict};
use crate::scene::Scene;
use Verdict::{Judged, Stopped};

fn configuration(scene: &Scene, foreign: &Foreign) -> Vec<Field> {
    let attributes = |list: &[(u32, [u8; 64])]| encode(&list.to_vec());
    let one = 1u32.to_le_bytes();
    let mut attribute = Field::new("attributes", attributes(&[])).lie(
        "length: said more than sent",
        u64::MAX.to_le_bytes(),
        Stopped("Codec"),
    );
    for id in [0, 1, 3, 7, 9, 12, 13, 15, u32::MAX] {
        let bytes = attributes(&[(id, [0xff; 64])]);
        attribute = attribute.lie("option: a pointer or unknown", bytes, Stopped("LaunchAttribute"));
    }
    let kinds = [ObjectKind::Function, ObjectKind::Kernel];
    let mut fields = vec![Field::handle("function", scene, foreign, &kinds, "NoSuchObject")];
    fields.extend(
        ["grid x", "grid y", "grid z", "block x", "block y", "block z"].map(|name| Field::number(name, &one)),
    );
    fields.extend([
        Field::number("shared_bytes", &[0; 4]),
        Field::handle("stream", scene, foreign, &[ObjectKind::Stream], "NoSuchObject"),
        attribute,
    ]);
    fields
}

pub fn shapes(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let clusters = |name| Shape::row(name, configuration(scene, foreign));
    let mut launch = configuration(scene, foreign);
    let params = |count: usize| vec![0; count];
    launch.push(
        Field::new("parameters", params(12))
            .lie("length: said less than sent", params(0), Judged)
            .lie("length: said less than sent", params(11), Judged)
            .lie("length: cap", params(KERNEL_PARAM_BYTES_MAX), Judged)
            .lie("length: cap + 1", params(KERNEL_PARAM_BYTES_MAX + 1), Stopped("TooMuch")),
    );
    let kinds = [ObjectKind::Function, ObjectKind::Kernel];
    let by_block = |list: &[(i32, u64)]| encode(&list.to_vec());
    vec![
        Shape::new("LAUNCH", LAUNCH, launch).open(),
        clusters("cuOccupancyMaxPotentialClusterSize"),
        clusters("cuOccupancyMaxActiveClusters"),
        Shape::row(
            "cuOccupancyMaxPotentialBlockSizeWithFlags",
            vec![
                Field::handle("function", scene, foreign, &kinds, "NoSuchObject"),
                Field::new("shared_bytes_by_block", by_block(&[(32, 64)]))
                    .lie("length: 0", by_block(&[]), Judged)
                    .lie("number: the driver judges", by_block(&[(i32::MIN, u64::MAX)]), Judged)
                    .lie("length: said more than sent", u64::MAX.to_le_bytes(), Stopped("Codec")),
                Field::number("shared_bytes", &[0; 8]),
                Field::number("limit", &[0; 4]),
                Field::number("flags", &[0; 4]),
            ],
        ),
    ]
}
