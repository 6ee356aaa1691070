//! What memory promises: it is there, it is yours, and what is not yours is refused.

mod common;

use common::*;

#[test]
fn memory_is_counted_and_given_back() {
    context();
    let (mut free, mut total) = (0, 0);
    ok(cuMemGetInfo_v2(&mut free, &mut total));
    assert_eq!(total, out(|bytes| cuDeviceTotalMem_v2(bytes, 0)));
    assert_eq!(cuMemAlloc_v2(&mut 0, total + 1), OUT_OF_MEMORY);
    assert_eq!(cuMemAlloc_v2(&mut 0, usize::MAX), OUT_OF_MEMORY);
    assert_eq!(cuMemAlloc_v2(&mut 0, 0), INVALID_VALUE);
    assert_eq!(cuMemAlloc_v2(std::ptr::null_mut(), 64), INVALID_VALUE);
    // Most of the device, again and again: what is freed can be had again.
    for _ in 0..20 {
        let memory = alloc(total / 4 * 3);
        assert_eq!(cuMemAlloc_v2(&mut 0, total / 2), OUT_OF_MEMORY);
        ok(cuMemFree_v2(memory));
    }
}

#[test]
fn a_freed_or_foreign_address_is_refused() {
    context();
    let memory = alloc(100);
    assert_eq!(cuMemFree_v2(memory + 8), INVALID_VALUE);
    ok(cuMemFree_v2(memory));
    assert_eq!(cuMemFree_v2(memory), INVALID_VALUE);
    assert_eq!(cuMemFree_v2(0xDEAD_BEEF_0000), INVALID_VALUE);
    ok(cuMemFree_v2(0));
    assert_eq!(cuMemcpyHtoD_v2(memory, address(&[0u8; 4]), 4), INVALID_VALUE);
    assert_eq!(cuMemsetD8_v2(memory, 0, 4), INVALID_VALUE);
}

#[test]
fn one_byte_too_many_is_refused() {
    context();
    let memory = alloc(100);
    let values = [1u8; 101];
    ok(cuMemcpyHtoD_v2(memory, address(&values), 100));
    assert_eq!(cuMemcpyHtoD_v2(memory, address(&values), 101), INVALID_VALUE);
    assert_eq!(cuMemsetD8_v2(memory + 1, 0, 100), INVALID_VALUE);
    assert_eq!(cuMemsetD32_v2(memory + 2, 0, 1), INVALID_VALUE, "not aligned");
    assert_eq!(cuMemsetD8_v2(memory, 0, usize::MAX), INVALID_VALUE);
    ok(cuMemcpyHtoD_v2(memory, 0, 0));
}

#[test]
fn a_host_address_without_memory_is_refused() {
    context();
    let memory = alloc(100);
    assert_eq!(cuMemcpyHtoD_v2(memory, 0x10, 100), INVALID_VALUE);
    assert_eq!(cuMemcpyDtoH_v2(0x10, memory, 100), INVALID_VALUE);
    assert_eq!(cuMemcpyDtoH_v2(u64::MAX - 10, memory, 100), INVALID_VALUE);
}

#[test]
fn addresses_know_their_allocation() {
    context();
    let memory = alloc(1000);
    let (mut base, mut size) = (0, 0);
    ok(cuMemGetAddressRange_v2(&mut base, &mut size, memory + 999));
    assert_eq!((base, size), (memory, 1000));
    assert_eq!(cuMemGetAddressRange_v2(&mut base, &mut size, memory + 1000), NOT_FOUND);
    assert_eq!(memory % 256, 0);
}

#[test]
fn sets_fill_what_they_name_and_nothing_else() {
    context();
    let memory = alloc(64);
    ok(cuMemsetD8_v2(memory, 0xEE, 64));
    ok(cuMemsetD32_v2(memory + 4, 0x0102_0304, 2));
    ok(cuMemsetD2D16_v2(memory + 16, 8, 0xABCD, 2, 3));
    let bytes = read::<u8>(memory, 64);
    assert_eq!(bytes[..16], [0xEE, 0xEE, 0xEE, 0xEE, 4, 3, 2, 1, 4, 3, 2, 1, 0xEE, 0xEE, 0xEE, 0xEE]);
    for row in 0..3 {
        let at = 16 + row * 8;
        assert_eq!(bytes[at..at + 8], [0xCD, 0xAB, 0xCD, 0xAB, 0xEE, 0xEE, 0xEE, 0xEE]);
    }
    assert_eq!(bytes[40..], [0xEE; 24]);
}

#[test]
fn rows_are_copied_with_their_pitches() {
    context();
    let (mut memory, mut pitch) = (0, 0);
    ok(cuMemAllocPitch_v2(&mut memory, &mut pitch, 10, 4, 4));
    assert!(pitch >= 10 && pitch % 4 == 0);
    let host: Vec<u8> = (0..40).collect();
    let mut back = vec![0u8; 40];
    let up = Memcpy2D {
        from: Side2D { memory_type: 1, host: address(&host), pitch: 10, ..Side2D::default() },
        to: Side2D { memory_type: 2, device: memory, pitch: pitch as u64, ..Side2D::default() },
        width_bytes: 10,
        height: 4,
    };
    ok(cuMemcpy2D_v2(&up));
    assert_eq!(read::<u8>(memory + pitch as u64 * 2, 10), (20..30).collect::<Vec<u8>>());
    // The last two bytes of the last three rows, through the unified type.
    let down = Memcpy2D {
        from: Side2D {
            x_bytes: 8,
            y: 1,
            memory_type: 4,
            device: memory,
            pitch: pitch as u64,
            ..Side2D::default()
        },
        to: Side2D { memory_type: 4, device: address_mut(&mut back), pitch: 2, ..Side2D::default() },
        width_bytes: 2,
        height: 3,
    };
    ok(cuMemcpy2D_v2(&down));
    assert_eq!(back[..6], [18, 19, 28, 29, 38, 39]);
    assert_eq!(cuMemcpy2D_v2(&Memcpy2D { from: Side2D { memory_type: 99, ..up.from }, ..up }), INVALID_VALUE);
    assert_eq!(cuMemcpy2D_v2(&Memcpy2D { height: 5, ..up }), INVALID_VALUE);
}

#[test]
fn pageable_memory_may_change_as_soon_as_the_call_returns() {
    context();
    let (stream, gate, memory) = (stream(NON_BLOCKING), pinned(64), alloc(1024));
    ok(cuStreamWaitValue32_v2(stream, gate, 1, 1));
    let mut values = vec![1u8; 1024];
    ok(cuMemcpyHtoDAsync_v2(memory, address(&values), 1024, stream));
    values.fill(2);
    word(gate).store(1, std::sync::atomic::Ordering::SeqCst);
    ok(cuStreamSynchronize(stream));
    assert_eq!(read::<u8>(memory, 1024), vec![1; 1024]);
}

#[test]
fn pinned_memory_is_read_when_the_stream_gets_there() {
    context();
    let (stream, gate, memory, source) = (stream(NON_BLOCKING), pinned(64), alloc(4), pinned(4));
    ok(cuStreamWaitValue32_v2(stream, gate, 1, 1));
    ok(cuMemcpyHtoDAsync_v2(memory, source, 4, stream));
    word(source).store(42, std::sync::atomic::Ordering::SeqCst);
    word(gate).store(1, std::sync::atomic::Ordering::SeqCst);
    ok(cuStreamSynchronize(stream));
    assert_eq!(read::<u32>(memory, 1), [42]);
}

#[test]
fn registered_memory_is_known_until_it_is_not() {
    context();
    let values = vec![0u8; 10_000];
    let at = address(&values);
    ok(cuMemHostRegister_v2(at, 10_000, 2));
    assert_eq!(cuMemHostRegister_v2(at + 100, 10, 0), ALREADY_REGISTERED);
    assert_eq!(out(|device| cuMemHostGetDevicePointer_v2(device, at + 5, 0)), at + 5);
    assert_eq!(out(|flags| cuMemHostGetFlags(flags, at)) & 2, 2);
    ok(cuMemHostUnregister(at));
    assert_eq!(cuMemHostUnregister(at), NOT_REGISTERED);
    assert_eq!(cuMemHostGetDevicePointer_v2(&mut 0, at, 0), INVALID_VALUE);
    assert_eq!(cuMemHostRegister_v2(0x10, 10, 0), INVALID_VALUE);
}

#[test]
fn every_pointer_is_classified_rightly() {
    context();
    let (device, host, managed) = (alloc(64), pinned(64), out(|p| cuMemAllocManaged(p, 64, 1)));
    let kind = |address| {
        let mut kind = 0u32;
        let code = cuPointerGetAttribute(std::ptr::from_mut(&mut kind).cast(), 2, address);
        (code, kind)
    };
    assert_eq!(kind(device + 63), (SUCCESS, 2));
    assert_eq!(kind(host), (SUCCESS, 1));
    assert_eq!(kind(managed), (SUCCESS, 2));
    assert_eq!(kind(address(&[0u8; 4])).0, INVALID_VALUE);
    let number = |attribute, address| -> u64 {
        out(|p: *mut u64| cuPointerGetAttribute(p.cast(), attribute, address))
    };
    assert_eq!(number(8, managed), 1);
    assert_eq!(number(8, device), 0);
    assert_eq!(number(11, device + 10), device);
    assert_eq!(number(12, device + 10), 64);
    assert_eq!(number(3, host + 1), host + 1);
    assert_ne!(number(7, device), number(7, managed));
    assert_eq!(cuPointerGetAttribute(std::ptr::from_mut(&mut 0u64).cast(), 999, device), INVALID_VALUE);
}

#[test]
fn memory_dies_with_its_context() {
    // Alone: another test could be given the address that is free then.
    if !is_child() {
        return passes_in_child("memory_dies_with_its_context", &[]);
    }
    let context = context();
    let memory = alloc(64);
    ok(cuCtxDestroy_v2(context));
    common::context();
    assert_eq!(cuMemsetD8_v2(memory, 0, 1), INVALID_VALUE);
    assert_eq!(cuMemFree_v2(memory), INVALID_VALUE);
}
