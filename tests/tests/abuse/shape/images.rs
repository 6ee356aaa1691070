//! Images on their way up, and links.

use farwarp_protocol::call::IMAGE_PIECE;
use farwarp_protocol::codec::encode;
use farwarp_protocol::handle::ObjectKind;
use farwarp_protocol::limits::IMAGE_BYTES_MAX;

use super::Shape;
use crate::field::{Field, Foreign, Verdict};
use crate::scene::Scene;
use Verdict::{Judged, Stopped};

pub fn upload(scene: &Scene) -> Field {
    Field::new("upload", scene.upload.to_le_bytes())
        .lie("upload: unknown", 0u64.to_le_bytes(), Stopped("Upload"))
        .lie("upload: unknown", u64::MAX.to_le_bytes(), Stopped("Upload"))
        .lie("upload: not all there", scene.half_upload.to_le_bytes(), Stopped("Upload"))
}

pub fn image_piece(scene: &Scene) -> Shape {
    let said = |value: u64| value.to_le_bytes();
    let stop = Stopped("Upload");
    Shape::new(
        "IMAGE_PIECE",
        IMAGE_PIECE,
        vec![
            Field::new("upload", said(0x99)).lie("upload: of another size", said(scene.half_upload), stop),
            Field::new("image_bytes", said(16))
                .lie("length: cap + 1", said(IMAGE_BYTES_MAX as u64 + 1), Stopped("TooMuch"))
                .lie("length: overflows", said(u64::MAX), Stopped("TooMuch"))
                .lie("length: said less than sent", said(15), stop)
                .lie("length: said less than sent", said(0), stop)
                .lie("length: cap", said(IMAGE_BYTES_MAX as u64), Judged),
            Field::new("piece", [b' '; 16])
                .lie("upload: a piece inside a word", [b' '; 15], stop)
                .lie("upload: an empty piece", [], stop)
                .lie("length: said less than sent", [b' '; 17], stop),
        ],
    )
    .anywhere()
    .open()
}

pub fn jit_values() -> Field {
    let list = |options: &[(u32, u64)]| encode(&options.to_vec());
    let mut field = Field::new("jit", list(&[(7, 4)]))
        .lie("length: said more than sent", u64::MAX.to_le_bytes(), Stopped("Codec"))
        .lie(
            "length: said more than sent",
            [(1u64 << 32).to_le_bytes(), [0; 8]].concat(),
            Verdict::StoppedSomehow,
        );
    for option in [2, 3, 4, 5, 6, 17, 18, 19, 25, 26, 27, 28, 99, u32::MAX] {
        field = field.lie("option: a pointer or unknown", list(&[(option, 0x1000)]), Stopped("JitOption"));
    }
    field
}

pub fn links(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let link = || Field::handle("link", scene, foreign, &[ObjectKind::LinkState], "NoSuchObject");
    let jit = || {
        let room = |name: &str| Field::number(name, &[0; 4]);
        vec![jit_values(), room("info_log_bytes"), room("error_log_bytes")]
    };
    let with_jit = |mut fields: Vec<Field>| {
        fields.extend(jit());
        fields
    };
    let kind = Field::number("kind", &1u32.to_le_bytes());
    let add = vec![link(), upload(scene), kind, Field::name("name", "input")];
    vec![
        Shape::row("cuLinkCreate_v2", with_jit(vec![Field::new_id("link", scene, ObjectKind::LinkState)])),
        Shape::row("cuLinkAddData_v2", with_jit(add)),
        Shape::row("cuLinkComplete", vec![link(), Field::number("at", &[0; 8])]),
        Shape::row("cuLinkDestroy", vec![link()]).anywhere(),
    ]
}
