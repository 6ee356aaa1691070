//! Arrays, copies from and to them, and the objects that kernels reach them by.

use farwarp_protocol::call::*;
use farwarp_protocol::handle::ObjectKind;

use super::boxes::{box_bytes, box_shape, pitch, place, rows};
use crate::field::{Field, Foreign, Verdict};
use crate::scene::Scene;
use crate::shape::Shape;
use Verdict::Stopped;

pub fn shapes(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let handle =
        |name: &str, kinds: &[ObjectKind]| Field::handle(name, scene, foreign, kinds, "NoSuchObject");
    let array = || handle("array", &[ObjectKind::Array]);
    let stream = || handle("stream", &[ObjectKind::Stream]);
    let long = |name: &str, value: u64| Field::number(name, &value.to_le_bytes());
    let short = |name: &str, value: u32| Field::number(name, &value.to_le_bytes());
    let tag = |value: u32| {
        Field::new("tag", value.to_le_bytes()).lie("flag: neither", [9, 0, 0, 0], Stopped("Codec"))
    };
    let at = || {
        ["x", "y", "z"]
            .map(|axis| long(axis, 0).with("box: overflows", &u64::MAX.to_le_bytes(), Stopped("BadBox")))
    };
    let within =
        |fields: Vec<Field>| -> Vec<Field> { [array()].into_iter().chain(at()).chain(fields).collect() };
    vec![
        Shape::new(
            "ARRAY_CREATE",
            ARRAY_CREATE,
            vec![
                Field::new_id("array", scene, ObjectKind::Array),
                long("width", 4),
                long("height", 2),
                long("depth", 0),
                short("format", 0x20),
                short("channels", 1),
                short("flags", 2),
                Field::new("levels", [0; 4]).lie("new id: wrong kind", [1, 0, 0, 0], Stopped("BadNewId")),
            ],
        ),
        Shape::new(
            "ARRAY_LEVEL",
            ARRAY_LEVEL,
            vec![
                handle("whole", &[ObjectKind::MipmappedArray]),
                short("level", 1),
                Field::new_id("array", scene, ObjectKind::Array),
            ],
        ),
        Shape::new(
            "ARRAY_DESTROY",
            ARRAY_DESTROY,
            vec![handle("array", &[ObjectKind::Array, ObjectKind::MipmappedArray])],
        )
        .anywhere(),
        Shape::new(
            "BOX_TO_ARRAY",
            BOX_TO_ARRAY,
            within(vec![box_shape(true), stream(), Field::flag("settled"), box_bytes()]),
        )
        .open(),
        Shape::new("BOX_FROM_ARRAY", BOX_FROM_ARRAY, within(vec![box_shape(true), stream()])),
        Shape::new("BOX_BETWEEN", BOX_BETWEEN, {
            let memory = vec![tag(0), place("start", scene, foreign, 32), pitch(), rows(), tag(1)];
            memory.into_iter().chain(within(vec![box_shape(false), stream()])).collect()
        }),
        Shape::row(
            "cuTexObjectCreate",
            vec![tag(0), array(), Field::number("description", &[0; 104]), Field::flag("view")],
        ),
        Shape::row("cuTexObjectDestroy", vec![long("object", 7)]),
        Shape::row("cuSurfObjectCreate", vec![tag(0), array()]),
        Shape::row("cuSurfObjectDestroy", vec![long("object", 7)]),
    ]
}
