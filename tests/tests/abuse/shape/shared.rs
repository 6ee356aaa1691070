//! Memory that the client and kernels see at one address.

use farwarp_protocol::call::*;
use farwarp_protocol::handle::ObjectKind;
use farwarp_protocol::limits::SHARED_BYTES_MAX;
use farwarp_protocol::patch;

use super::Shape;
use crate::field::{Field, Foreign, Verdict};
use crate::scene::{SHARED_BYTES, Scene};
use Verdict::{Judged, Stopped};

pub fn shapes(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let library = Field::handle("within", scene, foreign, &[ObjectKind::Library], "NoSuchObject");
    let beginning =
        |honest| shared_address(Field::address("address", scene, foreign, 0).honestly(honest), scene);
    vec![
        Shape::new("FIND_MANAGED", FIND_MANAGED, vec![library, Field::name("name", "both")]).in_or_outside(),
        Shape::new("SHARE", SHARE, share(scene, foreign)),
        Shape::new("UNSHARE", UNSHARE, vec![beginning(scene.shared)]).anywhere(),
        Shape::new("ADOPT", ADOPT, vec![beginning(scene.managed)]).anywhere(),
        Shape::new("PATCH", PATCH, vec![patch(scene)]).open().anywhere(),
    ]
}

/// Memory that the client may share lies where nothing of the session's lies.
fn share(scene: &Scene, foreign: &Foreign) -> Vec<Field> {
    let said = |value: u64| value.to_le_bytes();
    let mut address = Field::new("address", said(scene.to_share));
    let (shared, device) = (scene.shared, scene.address);
    for taken in [shared, shared + 8, shared - 8, shared + SHARED_BYTES - 1, device, device + 8, device - 8] {
        address = address.lie("address: something else already", said(taken), Stopped("Taken"));
    }
    for outside in [0, u64::MAX, u64::MAX - 8, 1 << 63, 1 << 47] {
        address = address.lie("address: outside", said(outside), Stopped("OutOfRange"));
    }
    for used in &foreign.of_the_worker {
        address = address.lie("address: of the worker's own", said(*used), Judged);
    }
    let bytes = Field::new("bytes", said(64))
        .lie("length: 0", said(0), Stopped("OutOfRange"))
        .lie("length: overflows", said(u64::MAX), Stopped("OutOfRange"))
        .lie("length: cap + 1", said(SHARED_BYTES_MAX), Stopped("TooMuch"))
        .lie("length: overflows", said(1 << 43), Stopped("TooMuch"));
    vec![address, bytes]
}

/// Where something begins that is shared, and nowhere else.
fn shared_address(field: Field, scene: &Scene) -> Field {
    let stop = Stopped("OutOfRange");
    field
        .lie("address: inside an allocation", (scene.shared + 8).to_le_bytes(), stop)
        .lie("address: not shared", scene.address.to_le_bytes(), stop)
        .lie("address: not shared", scene.to_share.to_le_bytes(), stop)
}

fn patch(scene: &Scene) -> Field {
    let of = |address: u64, bytes: usize| {
        let mut patch = Vec::new();
        patch::append(&mut patch, address, &vec![0; bytes], &vec![7; bytes]);
        patch
    };
    let said = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let (shared, stop) = (scene.shared, Stopped("Patch"));
    let whole = of(shared, SHARED_BYTES as usize);
    Field::new("patch", of(shared + 100, 50))
        .lie("patch: cut", whole[..whole.len() - 1].to_vec(), stop)
        .lie("patch: cut", whole[..15].to_vec(), stop)
        .lie("patch: says nothing", said(&[shared, 0]), stop)
        .lie("patch: says nothing", said(&[shared, 1, 0]), stop)
        .lie("patch: of no page", said(&[shared + 8, 1, 1, 7]), stop)
        .lie("patch: of no page", said(&[u64::MAX - 4095, 1, 1, 7]), stop)
        .lie("patch: beside what is shared", of(shared + SHARED_BYTES, 1), Stopped("OutOfRange"))
        .lie("patch: beside what is shared", of(shared - 1, 1), Stopped("OutOfRange"))
        .lie("patch: of device memory", of(scene.address, 8), Stopped("OutOfRange"))
        .lie("patch: half of it true", [whole.clone(), of(0x1000, 8)].concat(), Stopped("OutOfRange"))
        .lie("length: cap", whole, Judged)
        .lie("length: 0", [], Judged)
}
