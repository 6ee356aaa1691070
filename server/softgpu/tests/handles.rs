//! What is refused: numbers that name nothing, calls before their time, and calls without a context.

mod common;

use common::*;

const GARBAGE: [u64; 7] = [3, 0x10, 0xDEAD_BEEF, 0x50F7_0000_0008, 0x7FFF_FFFF_FFFF, u64::MAX, 1 << 63];

#[test]
fn a_number_that_names_nothing_is_refused_everywhere() {
    context();
    for garbage in GARBAGE {
        assert_eq!(cuStreamQuery(garbage), INVALID_HANDLE);
        assert_eq!(cuStreamSynchronize(garbage), INVALID_HANDLE);
        assert_eq!(cuStreamDestroy_v2(garbage), INVALID_HANDLE);
        assert_eq!(cuEventQuery(garbage), INVALID_HANDLE);
        assert_eq!(cuEventRecord(garbage, 0), INVALID_HANDLE);
        assert_eq!(cuEventDestroy_v2(garbage), INVALID_HANDLE);
        assert_eq!(cuCtxSetCurrent(garbage), INVALID_CONTEXT);
        assert_eq!(cuCtxDestroy_v2(garbage), INVALID_CONTEXT);
        assert_eq!(cuModuleUnload(garbage), INVALID_HANDLE);
        assert_eq!(cuModuleGetFunction(&mut 0, garbage, c"f".as_ptr()), INVALID_HANDLE);
        assert_eq!(cuLibraryUnload(garbage), INVALID_HANDLE);
        assert_eq!(cuLibraryGetKernel(&mut 0, garbage, c"f".as_ptr()), INVALID_HANDLE);
        assert_eq!(launch(garbage, 1, 1, 0, &[]), INVALID_HANDLE);
        assert_eq!(cuMemRelease(garbage), INVALID_VALUE);
    }
}

#[test]
fn a_handle_of_another_kind_is_refused() {
    context();
    let (stream, event) = (stream(0), event(0));
    assert_eq!(cuStreamQuery(event), INVALID_HANDLE);
    assert_eq!(cuEventQuery(stream), INVALID_HANDLE);
    assert_eq!(launch(stream, 1, 1, 0, &[]), INVALID_HANDLE);
}

#[test]
fn a_freed_handle_is_refused() {
    context();
    let (stream, event) = (stream(0), event(0));
    ok(cuStreamDestroy_v2(stream));
    ok(cuEventDestroy_v2(event));
    assert_eq!(cuStreamQuery(stream), INVALID_HANDLE);
    assert_eq!(cuEventQuery(event), INVALID_HANDLE);
    assert_eq!(cuStreamDestroy_v2(stream), INVALID_HANDLE);
}

#[test]
fn nothing_works_before_initialization() {
    if !is_child() {
        return passes_in_child("nothing_works_before_initialization", &[]);
    }
    assert_eq!(cuDeviceGetCount(&mut 0), NOT_INITIALIZED);
    assert_eq!(cuMemAlloc_v2(&mut 0, 8), NOT_INITIALIZED);
    assert_eq!(cuCtxSynchronize(), NOT_INITIALIZED);
    assert_eq!(cuStreamQuery(0), NOT_INITIALIZED);
    assert_eq!(cuMemFree_v2(8), NOT_INITIALIZED);
    assert_eq!(out(cuDriverGetVersion), 13050);
    assert_eq!(cuInit(1), INVALID_VALUE);
    ok(cuInit(0));
    ok(cuInit(0));
    assert_eq!(out(cuDeviceGetCount), 1);
}

#[test]
fn a_thread_without_a_context_is_told_so() {
    context();
    std::thread::spawn(|| {
        assert_eq!(cuMemAlloc_v2(&mut 0, 8), INVALID_CONTEXT);
        assert_eq!(cuStreamCreate(&mut 0, 0), INVALID_CONTEXT);
        assert_eq!(cuCtxSynchronize(), INVALID_CONTEXT);
        assert_eq!(cuCtxPopCurrent_v2(&mut 0), INVALID_CONTEXT);
        assert_eq!(out(cuCtxGetCurrent), 0);
    })
    .join()
    .unwrap();
}

#[test]
fn contexts_are_stacked_by_thread() {
    let first = context();
    let second = context();
    assert_eq!(out(cuCtxGetCurrent), second);
    assert_eq!(out(cuCtxPopCurrent_v2), second);
    assert_eq!(out(cuCtxGetCurrent), first);
    ok(cuCtxPushCurrent_v2(second));
    ok(cuCtxDestroy_v2(first));
    ok(cuCtxSynchronize());
    ok(cuCtxDestroy_v2(second));
    assert_eq!(out(cuCtxGetCurrent), first);
    assert_eq!(cuCtxSynchronize(), CONTEXT_IS_DESTROYED);
    assert_eq!(cuCtxPushCurrent_v2(second), INVALID_CONTEXT);
}

#[test]
fn the_primary_context_keeps_its_handle_and_loses_its_contents() {
    if !is_child() {
        return passes_in_child("the_primary_context_keeps_its_handle_and_loses_its_contents", &[]);
    }
    ok(cuInit(0));
    let active = || {
        let (mut flags, mut active) = (0, 0);
        ok(cuDevicePrimaryCtxGetState(0, &mut flags, &mut active));
        active
    };
    assert_eq!(active(), 0);
    let context: Handle = out(|context| cuDevicePrimaryCtxRetain(context, 0));
    assert_eq!(out(|context| cuDevicePrimaryCtxRetain(context, 0)), context);
    ok(cuCtxSetCurrent(context));
    let memory = alloc(64);
    ok(cuDevicePrimaryCtxRelease_v2(0));
    assert_eq!(active(), 1);
    ok(cuDevicePrimaryCtxRelease_v2(0));
    assert_eq!(active(), 0);
    assert_eq!(cuDevicePrimaryCtxRelease_v2(0), INVALID_CONTEXT);
    assert_eq!(cuCtxSynchronize(), CONTEXT_IS_DESTROYED);
    assert_eq!(out(|context| cuDevicePrimaryCtxRetain(context, 0)), context);
    assert_eq!(cuMemFree_v2(memory), INVALID_VALUE);
    assert_eq!(cuDevicePrimaryCtxRetain(&mut 0, 7), INVALID_DEVICE);
}

#[test]
fn the_environment_says_what_the_machine_is() {
    let settings = [
        ("FARWARP_SOFTGPU_CC", "12.1"),
        ("FARWARP_SOFTGPU_DEVICES", "3"),
        ("FARWARP_SOFTGPU_MEMORY", "64MiB"),
        ("CUDA_VISIBLE_DEVICES", "2,GPU-66617277,7,1"),
    ];
    if !is_child() {
        return passes_in_child("the_environment_says_what_the_machine_is", &settings);
    }
    ok(cuInit(0));
    assert_eq!(out(cuDeviceGetCount), 2, "the list ends at the first that is not there");
    let attribute = |attribute, device| out(|value| cuDeviceGetAttribute(value, attribute, device));
    assert_eq!((attribute(75, 0), attribute(76, 0)), (12, 1));
    assert_eq!((attribute(33, 0), attribute(33, 1)), (3, 1), "bus of the third, then of the first");
    assert_eq!(out(|bytes| cuDeviceTotalMem_v2(bytes, 1)), 64 << 20);
    assert_eq!(
        (attribute(88, 0), attribute(115, 0)),
        (0, 1),
        "pageable memory is out of reach, pools are built"
    );
    assert_eq!(cuDeviceGetAttribute(&mut 0, 9999, 0), INVALID_VALUE);
}

#[test]
fn kernels_see_memory_of_another_device_once_they_were_let_and_copies_always() {
    let settings = [("FARWARP_SOFTGPU_DEVICES", "2")];
    if !is_child() {
        return passes_in_child(
            "kernels_see_memory_of_another_device_once_they_were_let_and_copies_always",
            &settings,
        );
    }
    ok(cuInit(0));
    let other: Handle = out(|context| cuCtxCreate_v2(context, 0, 1));
    let memory = alloc(64);
    let own: Handle = out(|context| cuCtxCreate_v2(context, 0, 0));
    write(memory, &[5u32]);
    let poke = function(module(POKE), "poke");
    ok(cuCtxEnablePeerAccess(other, 0));
    assert_eq!(cuCtxEnablePeerAccess(own, 0), INVALID_DEVICE);
    ok(launch(poke, 1, 1, 0, &[memory]));
    ok(cuCtxSynchronize());
    assert_eq!(read::<u32>(memory, 1), [7]);
    ok(cuCtxDisablePeerAccess(other));
    ok(launch(poke, 1, 1, 0, &[memory]));
    assert_eq!(cuCtxSynchronize(), ILLEGAL_ADDRESS);
}

/// Writes 7 where its parameter says.
const POKE: &str = ".visible .entry poke(.param .u64 to) {
    .reg .b64 %rd<2>;
    .reg .b32 %r<2>;
    ld.param.u64 %rd1, [to];
    mov.u32 %r1, 7;
    st.global.u32 [%rd1], %r1;
    ret;
}";
