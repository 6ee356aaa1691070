//! What virtual memory management promises.

mod common;

use common::*;

const CHUNK: usize = 2 << 20;

fn prop(handle_types: u32) -> AllocationProp {
    AllocationProp {
        kind: 1,
        handle_types,
        location: Location { kind: 1, id: 0 },
        ..AllocationProp::default()
    }
}

fn create(bytes: usize) -> Handle {
    out(|handle| cuMemCreate(handle, bytes, &prop(1), 0))
}

fn reserve(bytes: usize) -> u64 {
    out(|address| cuMemAddressReserve(address, bytes, 0, 0, 0))
}

fn let_in(address: u64, bytes: usize, flags: u32) -> i32 {
    let description = AccessDesc { location: Location { kind: 1, id: 0 }, flags };
    cuMemSetAccess(address, bytes, &description, 1)
}

#[test]
fn memory_can_be_touched_only_while_it_is_mapped_and_let_in() {
    context();
    let (at, memory) = (reserve(2 * CHUNK), create(CHUNK));
    assert_eq!(cuMemsetD8_v2(at, 1, 16), INVALID_VALUE, "nothing is mapped");
    ok(cuMemMap(at, CHUNK, 0, memory, 0));
    assert_eq!(cuMemsetD8_v2(at, 1, 16), INVALID_VALUE, "nobody was let in");
    ok(let_in(at, CHUNK, 1));
    assert_eq!(cuMemsetD8_v2(at, 1, 16), INVALID_VALUE, "read only");
    ok(let_in(at, CHUNK, 3));
    ok(cuMemsetD8_v2(at, 1, 16));
    assert_eq!(cuMemsetD8_v2(at + CHUNK as u64, 1, 16), INVALID_VALUE, "beyond the mapping");
    assert_eq!(out(|flags| cuMemGetAccess(flags, &Location { kind: 1, id: 0 }, at)), 3);
    ok(cuCtxSynchronize());
    ok(cuMemUnmap(at, CHUNK));
    assert_eq!(cuMemsetD8_v2(at, 1, 16), INVALID_VALUE);
    ok(cuMemAddressFree(at, 2 * CHUNK));
    ok(cuMemRelease(memory));
}

#[test]
fn one_memory_shows_the_same_bytes_at_every_address() {
    context();
    let (first, second, memory) = (reserve(CHUNK), reserve(CHUNK), create(CHUNK));
    for at in [first, second] {
        ok(cuMemMap(at, CHUNK, 0, memory, 0));
        ok(let_in(at, CHUNK, 3));
    }
    ok(cuMemRelease(memory));
    write(first, &[1u32, 2, 3]);
    assert_eq!(read::<u32>(second, 3), [1, 2, 3]);
    ok(cuMemUnmap(first, CHUNK));
    assert_eq!(read::<u32>(second, 3), [1, 2, 3]);
    let again: Handle = out(|handle| cuMemRetainAllocationHandle(handle, second + 5));
    assert_eq!(again, memory);
    ok(cuMemRelease(again));
    assert_eq!(cuMemRelease(again), INVALID_VALUE);
}

#[test]
fn a_copy_may_cross_neighbouring_mappings() {
    context();
    let at = reserve(2 * CHUNK);
    for part in 0..2 {
        ok(cuMemMap(at + (part * CHUNK) as u64, CHUNK, 0, create(CHUNK), 0));
    }
    ok(let_in(at, 2 * CHUNK, 3));
    let across = at + CHUNK as u64 - 8;
    write(across, &[7u64, 8]);
    assert_eq!(read::<u64>(across, 2), [7, 8]);
    assert_eq!(cuMemUnmap(at, CHUNK / 2), INVALID_VALUE, "half a mapping");
    ok(cuMemUnmap(at, 2 * CHUNK));
}

#[test]
fn an_address_that_is_asked_for_and_free_is_given() {
    context();
    let at = reserve(CHUNK);
    ok(cuMemAddressFree(at, CHUNK));
    assert_eq!(out(|address| cuMemAddressReserve(address, CHUNK, 0, at, 0)), at);
    let elsewhere: u64 = out(|address| cuMemAddressReserve(address, CHUNK, 0, at, 0));
    assert_ne!(elsewhere, at, "the wish is taken");
}

#[test]
fn memory_travels_by_file_descriptor() {
    context();
    let memory = create(CHUNK);
    let descriptor: i32 = out(|out| cuMemExportToShareableHandle(out, memory, 1, 0));
    let other: Handle = out(|handle| cuMemImportFromShareableHandle(handle, descriptor as u64, 1));
    let (first, second) = (reserve(CHUNK), reserve(CHUNK));
    for (at, handle) in [(first, memory), (second, other)] {
        ok(cuMemMap(at, CHUNK, 0, handle, 0));
        ok(let_in(at, CHUNK, 3));
    }
    write(first, &[9u32]);
    assert_eq!(read::<u32>(second, 1), [9]);
    let private: Handle = out(|handle| cuMemCreate(handle, CHUNK, &prop(0), 0));
    assert_eq!(cuMemExportToShareableHandle(&mut 0, private, 1, 0), INVALID_VALUE);
}

#[test]
fn wrong_sizes_places_and_rights_are_refused() {
    context();
    let at = reserve(2 * CHUNK);
    let memory = create(CHUNK);
    assert_eq!(cuMemCreate(&mut 0, CHUNK + 4096, &prop(0), 0), INVALID_VALUE);
    assert_eq!(cuMemCreate(&mut 0, CHUNK, &AllocationProp { kind: 9, ..prop(0) }, 0), INVALID_VALUE);
    assert_eq!(cuMemMap(at, 2 * CHUNK, 0, memory, 0), INVALID_VALUE, "more than there is");
    assert_eq!(cuMemMap(at + 4096, CHUNK, 0, memory, 0), INVALID_VALUE, "not aligned");
    assert_eq!(cuMemMap(0x1000_0000_0000, CHUNK, 0, memory, 0), INVALID_VALUE, "not reserved");
    assert_eq!(cuMemMap(at, CHUNK, 0, 12345, 0), INVALID_VALUE);
    ok(cuMemMap(at, CHUNK, 0, memory, 0));
    assert_eq!(cuMemMap(at, CHUNK, 0, memory, 0), INVALID_VALUE, "taken");
    assert_eq!(let_in(at, CHUNK, 2), INVALID_VALUE);
    assert_eq!(cuMemAddressFree(at, 2 * CHUNK), INVALID_VALUE, "still mapped");
    assert_eq!(cuMemFree_v2(at), INVALID_VALUE);
}
