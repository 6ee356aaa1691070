//! Kernels through the driver: launches, variables, what they print, and how they fail. What single instructions compute is
//! tested beside the engine.

mod common;

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use common::*;

/// out[i] = a[i] + b[i]
const ADD: &str = "
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 out, .param .u32 n)
{
    .reg .pred %p; .reg .u32 %r<6>; .reg .u64 %d<8>; .reg .f32 %f<4>;
    ld.param.u64 %d0, [a]; ld.param.u64 %d1, [b]; ld.param.u64 %d2, [out]; ld.param.u32 %r0, [n];
    mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x;
    mad.lo.u32 %r4, %r1, %r2, %r3;
    setp.ge.u32 %p, %r4, %r0;
    @%p bra END;
    mul.wide.u32 %d3, %r4, 4;
    add.u64 %d4, %d0, %d3; add.u64 %d5, %d1, %d3; add.u64 %d6, %d2, %d3;
    ld.global.f32 %f0, [%d4]; ld.global.f32 %f1, [%d5];
    add.f32 %f2, %f0, %f1;
    st.global.f32 [%d6], %f2;
END:
    ret;
}";

/// Writes `value` to `at`.
const STORE: &str = "
.visible .entry store(.param .u64 at, .param .u32 value)
{
    .reg .u64 %d; .reg .u32 %r;
    ld.param.u64 %d, [at]; ld.param.u32 %r, [value];
    st.global.u32 [%d], %r;
    ret;
}";

/// Writes `value` to its own word, then waits until the other word has come as far.
const MEET: &str = "
.visible .entry meet(.param .u64 own, .param .u64 other, .param .u32 value)
{
    .reg .pred %p; .reg .u64 %d<2>; .reg .u32 %r<2>;
    ld.param.u64 %d0, [own]; ld.param.u64 %d1, [other]; ld.param.u32 %r0, [value];
    st.volatile.global.u32 [%d0], %r0;
AGAIN:
    ld.volatile.global.u32 %r1, [%d1];
    setp.lt.u32 %p, %r1, %r0;
    @%p bra AGAIN;
    ret;
}";

const SPIN: &str = "
.visible .entry spin()
{
AGAIN:
    bra AGAIN;
}";

fn vectors(n: usize) -> (u64, u64, u64) {
    let (a, b, out) = (alloc(n * 4), alloc(n * 4), alloc(n * 4));
    write(a, &(0..n).map(|i| i as f32).collect::<Vec<_>>());
    write(b, &(0..n).map(|i| 2.0 * i as f32).collect::<Vec<_>>());
    (a, b, out)
}

fn tripled(n: usize) -> Vec<f32> {
    (0..n).map(|i| 3.0 * i as f32).collect()
}

#[test]
fn a_kernel_computes_what_it_says() {
    context();
    let (a, b, out) = vectors(10_000);
    let add = function(module(ADD), "add");
    ok(launch(add, 40, 256, 0, &[a, b, out, 10_000]));
    assert_eq!(read::<f32>(out, 10_000), tripled(10_000));
}

#[test]
fn parameters_may_come_as_one_buffer() {
    context();
    let (a, b, out) = vectors(100);
    let add = function(module(ADD), "add");
    let params = [a, b, out, 100];
    let bytes = 28u64;
    let mut extra = [1, address(&params), 2, address(std::slice::from_ref(&bytes)), 0];
    let null = std::ptr::null_mut();
    ok(cuLaunchKernel(add, 1, 1, 1, 128, 1, 1, 0, 0, null, extra.as_mut_ptr()));
    assert_eq!(read::<f32>(out, 100), tripled(100));
    let (mut offset, mut size) = (0, 0);
    ok(cuFuncGetParamInfo(add, 3, &mut offset, &mut size));
    assert_eq!((offset, size), (24, 4));
    assert_eq!(cuFuncGetParamInfo(add, 4, &mut offset, &mut size), INVALID_VALUE);
}

#[test]
fn a_kernel_handle_is_taken_where_a_function_is_meant() {
    context();
    let text = ptx(ADD);
    let code = text.as_ptr().expose_provenance() as u64;
    let library: Handle = out(|library| cuLibraryLoadData(library, code, 0, 0, 0, 0, 0, 0));
    let kernel: Handle = out(|kernel| cuLibraryGetKernel(kernel, library, c"add".as_ptr()));
    let (a, b, sum) = vectors(64);
    ok(launch(kernel, 1, 64, 0, &[a, b, sum, 64]));
    assert_eq!(read::<f32>(sum, 64), tripled(64));
    ok(cuLibraryUnload(library));
    assert_eq!(launch(kernel, 1, 64, 0, &[a, b, sum, 64]), INVALID_HANDLE);
}

#[test]
fn a_launch_that_does_not_fit_is_refused() {
    context();
    let add = function(module(ADD), "add");
    let launch = |grid: [u32; 3], block: [u32; 3], shared| {
        let zero = 0u64;
        let mut params = [address(std::slice::from_ref(&zero)); 4];
        let null = std::ptr::null_mut();
        cuLaunchKernel(
            add,
            grid[0],
            grid[1],
            grid[2],
            block[0],
            block[1],
            block[2],
            shared,
            0,
            params.as_mut_ptr(),
            null,
        )
    };
    ok(launch([1, 1, 1], [1024, 1, 1], 48 << 10));
    assert_eq!(launch([0, 1, 1], [1, 1, 1], 0), INVALID_VALUE);
    assert_eq!(launch([1, 65_536, 1], [1, 1, 1], 0), INVALID_VALUE);
    assert_eq!(launch([1, 1, 1], [1025, 1, 1], 0), INVALID_VALUE);
    assert_eq!(launch([1, 1, 1], [32, 33, 1], 0), INVALID_VALUE);
    assert_eq!(launch([1, 1, 1], [1, 1, 65], 0), INVALID_VALUE);
    assert_eq!(launch([1, 1, 1], [1, 1, 1], (48 << 10) + 1), INVALID_VALUE);
    ok(cuFuncSetAttribute(add, 8, 64 << 10));
    ok(launch([1, 1, 1], [1, 1, 1], 64 << 10));
    assert_eq!(cuFuncSetAttribute(add, 8, 1 << 30), INVALID_VALUE);
    assert_eq!(out(|value| cuFuncGetAttribute(value, 0, add)), 1024);
    let no_params = cuLaunchKernel(add, 1, 1, 1, 1, 1, 1, 0, 0, std::ptr::null_mut(), std::ptr::null_mut());
    assert_eq!(no_params, INVALID_VALUE);
    ok(cuCtxSynchronize());
}

#[test]
fn variables_begin_with_their_values_and_with_each_others_addresses() {
    context();
    let module = module(
        ".const .align 4 .u32 factors[3] = {2, 3, 5};
         .visible .global .align 4 .u32 count = 41;
         .visible .global .align 8 .u64 where = count;
         .visible .entry use(.param .u64 at)
         {
             .reg .u64 %d<4>; .reg .u32 %r<4>;
             ld.param.u64 %d0, [at];
             ld.global.u64 %d1, [where];
             ld.u32 %r0, [%d1];
             add.u32 %r1, %r0, 1;
             st.u32 [%d1], %r1;
             ld.const.u32 %r2, [factors+8];
             st.global.u32 [%d0], %r2;
             ret;
         }",
    );
    let (mut count, mut bytes) = (0, 0);
    ok(cuModuleGetGlobal_v2(&mut count, &mut bytes, module, c"count".as_ptr()));
    assert_eq!((bytes, read::<u32>(count, 1)), (4, vec![41]));
    let seen = alloc(4);
    ok(launch(function(module, "use"), 1, 1, 0, &[seen]));
    assert_eq!(read::<u32>(seen, 1), [5]);
    assert_eq!(read::<u32>(count, 1), [42]);
    assert_eq!(cuModuleGetGlobal_v2(&mut count, &mut bytes, module, c"nothing".as_ptr()), NOT_FOUND);
    assert_eq!(cuModuleGetFunction(&mut 0, module, c"nothing".as_ptr()), NOT_FOUND);
}

#[test]
fn a_module_unloaded_behind_a_launch_still_runs_to_its_end() {
    context();
    let (stream, gate, seen) = (stream(NON_BLOCKING), pinned(64), pinned(4));
    let module = module(
        ".visible .global .align 4 .u32 value = 77;
         .visible .entry tell(.param .u64 at)
         {
             .reg .u64 %d; .reg .u32 %r;
             ld.param.u64 %d, [at];
             ld.global.u32 %r, [value];
             st.global.u32 [%d], %r;
             ret;
         }",
    );
    let tell = function(module, "tell");
    ok(cuStreamWaitValue32_v2(stream, gate, 1, 1));
    ok(launch(tell, 1, 1, stream, &[seen]));
    ok(cuModuleUnload(module));
    assert_eq!(launch(tell, 1, 1, stream, &[seen]), INVALID_HANDLE);
    word(gate).store(1, SeqCst);
    ok(cuStreamSynchronize(stream));
    assert_eq!(word(seen).load(SeqCst), 77);
}

#[test]
fn kernels_that_wait_for_each_other_finish() {
    context();
    let meet = function(module(MEET), "meet");
    let words = alloc(8);
    ok(cuMemsetD8_v2(words, 0, 8));
    ok(cuCtxSynchronize());
    let streams = [stream(NON_BLOCKING), stream(NON_BLOCKING)];
    for value in 1..=20 {
        ok(launch(meet, 1, 1, streams[0], &[words, words + 4, value]));
        ok(launch(meet, 1, 1, streams[1], &[words + 4, words, value]));
    }
    ok(cuCtxSynchronize());
    assert_eq!(read::<u32>(words, 2), [20, 20]);
}

#[test]
fn more_kernels_wait_for_each_other_than_there_are_cores() {
    context();
    let meet = function(module(MEET), "meet");
    let words = alloc(64 * 4);
    ok(cuMemsetD8_v2(words, 0, 64 * 4));
    ok(cuCtxSynchronize());
    // A ring: each waits for the next.
    for place in 0..64u64 {
        let (own, other) = (words + place * 4, words + (place + 1) % 64 * 4);
        ok(launch(meet, 1, 1, stream(NON_BLOCKING), &[own, other, 1]));
    }
    ok(cuCtxSynchronize());
}

#[test]
fn a_kernel_sees_what_the_host_writes_while_it_runs() {
    context();
    let meet = function(module(MEET), "meet");
    let (words, stream) = (pinned(8), stream(NON_BLOCKING));
    ok(launch(meet, 1, 1, stream, &[words, words + 4, 9]));
    assert_eq!(cuStreamQuery(stream), NOT_READY);
    while word(words).load(SeqCst) != 9 {
        std::thread::yield_now();
    }
    word(words + 4).store(9, SeqCst);
    ok(cuStreamSynchronize(stream));
}

#[test]
fn a_context_is_destroyed_in_mid_kernel() {
    let context = context();
    let spin = function(module(SPIN), "spin");
    ok(launch(spin, 64, 64, 0, &[]));
    let begun = Instant::now();
    ok(cuCtxDestroy_v2(context));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_process_ends_in_mid_kernel() {
    if is_child() {
        context();
        ok(launch(function(module(SPIN), "spin"), 64, 64, 0, &[]));
        std::process::exit(42);
    }
    let begun = Instant::now();
    let output = in_child("a_process_ends_in_mid_kernel", &[]);
    assert_eq!(output.status.code(), Some(42), "{output:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn broken_ptx_is_refused() {
    context();
    for text in ["", "hello", ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry f( {"] {
        let text = std::ffi::CString::new(text).unwrap();
        assert_eq!(
            cuModuleLoadData(&mut 0, text.as_ptr().expose_provenance() as u64),
            INVALID_PTX,
            "{text:?}"
        );
    }
    assert_eq!(cuModuleLoadData(&mut 0, 0), INVALID_VALUE);
    let elf = b"\x7FELF\x02\x01\x01\x41\0\0\0\0\0\0\0\0";
    assert_eq!(cuModuleLoadData(&mut 0, address(elf)), NO_BINARY_FOR_GPU);
}

/// What a fault leaves behind: every later call that does work returns the fault.
#[track_caller]
fn is_dead(error: i32) {
    assert_eq!(cuCtxSynchronize(), error);
    assert_eq!(cuCtxSynchronize(), error);
    assert_eq!(cuMemAlloc_v2(&mut 0, 8), error);
    assert_eq!(cuStreamCreate(&mut 0, 0), error);
    assert_eq!(cuStreamQuery(0), error);
    assert_eq!(cuMemFree_v2(0x1000), error);
    assert_eq!(cuCtxCreate_v2(&mut 0, 0, 0), error);
    // What needs no device still answers.
    ok(cuDeviceGetCount(&mut 0));
    ok(cuCtxGetDevice(&mut 0));
}

#[test]
fn an_illegal_address_ends_the_process_use_of_cuda() {
    if !is_child() {
        return passes_in_child("an_illegal_address_ends_the_process_use_of_cuda", &[]);
    }
    context();
    let store = function(module(STORE), "store");
    let memory = alloc(100);
    ok(launch(store, 1, 1, 0, &[memory + 96, 1]));
    ok(cuCtxSynchronize());
    ok(launch(store, 1, 1, 0, &[memory + 100, 1]));
    is_dead(ILLEGAL_ADDRESS);
}

#[test]
fn freed_memory_is_illegal() {
    if !is_child() {
        return passes_in_child("freed_memory_is_illegal", &[]);
    }
    context();
    let store = function(module(STORE), "store");
    let memory = alloc(1 << 20);
    ok(launch(store, 1, 1, 0, &[memory, 1]));
    ok(cuMemFree_v2(memory));
    ok(launch(store, 1, 1, 0, &[memory, 1]));
    is_dead(ILLEGAL_ADDRESS);
}

#[test]
fn memory_that_is_unmapped_is_illegal() {
    if !is_child() {
        return passes_in_child("memory_that_is_unmapped_is_illegal", &[]);
    }
    context();
    let store = function(module(STORE), "store");
    let at: u64 = out(|at| cuMemAddressReserve(at, 2 << 20, 0, 0, 0));
    let prop = AllocationProp { kind: 1, location: Location { kind: 1, id: 0 }, ..AllocationProp::default() };
    let memory: Handle = out(|handle| cuMemCreate(handle, 2 << 20, &prop, 0));
    ok(cuMemMap(at, 2 << 20, 0, memory, 0));
    let description = AccessDesc { location: Location { kind: 1, id: 0 }, flags: 3 };
    ok(cuMemSetAccess(at, 2 << 20, &description, 1));
    ok(launch(store, 1, 1, 0, &[at, 6]));
    assert_eq!(read::<u32>(at, 1), [6]);
    ok(cuMemUnmap(at, 2 << 20));
    ok(launch(store, 1, 1, 0, &[at, 1]));
    is_dead(ILLEGAL_ADDRESS);
}

#[test]
fn memory_of_the_program_is_not_the_kernels() {
    if !is_child() {
        return passes_in_child("memory_of_the_program_is_not_the_kernels", &[]);
    }
    context();
    let mine = [7u32; 16];
    ok(launch(function(module(STORE), "store"), 1, 1, 0, &[address(&mine), 1]));
    is_dead(ILLEGAL_ADDRESS);
    assert_eq!(std::hint::black_box(mine), [7; 16]);
}

#[test]
fn a_trap_is_a_failed_launch() {
    if !is_child() {
        return passes_in_child("a_trap_is_a_failed_launch", &[]);
    }
    context();
    ok(launch(function(module(".visible .entry f() { trap; }"), "f"), 1, 1, 0, &[]));
    is_dead(LAUNCH_FAILED);
}

#[test]
fn a_fault_frees_those_who_wait_for_the_dead() {
    if !is_child() {
        return passes_in_child("a_fault_frees_those_who_wait_for_the_dead", &[]);
    }
    context();
    let module = module(&format!("{STORE}{SPIN}"));
    let (stream, other) = (stream(NON_BLOCKING), common::stream(NON_BLOCKING));
    ok(launch(function(module, "spin"), 1, 1, stream, &[]));
    ok(cuStreamWaitValue32_v2(other, pinned(4), 1, 1));
    ok(launch(function(module, "store"), 1, 1, common::stream(NON_BLOCKING), &[0x10, 1]));
    assert_eq!(cuStreamSynchronize(stream), ILLEGAL_ADDRESS);
    is_dead(ILLEGAL_ADDRESS);
}

#[test]
fn a_cooperative_grid_must_fit_at_once() {
    context();
    let store = function(module(STORE), "store");
    let memory = alloc(4);
    let (at, value) = (memory, 5u64);
    let mut params = [address(std::slice::from_ref(&at)), address(std::slice::from_ref(&value))];
    ok(cuLaunchCooperativeKernel(store, 1, 1, 1, 1, 1, 1, 0, 0, params.as_mut_ptr()));
    assert_eq!(read::<u32>(memory, 1), [5]);
    let huge = cuLaunchCooperativeKernel(store, 1 << 20, 1, 1, 1, 1, 1, 0, 0, params.as_mut_ptr());
    assert_eq!(huge, COOPERATIVE_LAUNCH_TOO_LARGE);
}

#[test]
fn what_kernels_print_comes_when_the_program_synchronises() {
    if is_child() {
        context();
        let module = module(
            ".extern .func (.param .b32 r) vprintf (.param .b64 f, .param .b64 a);
             .global .align 1 .b8 text[8] = {110, 61, 37, 100, 10, 0};
             .visible .entry tell(.param .u32 n)
             {
                 .local .align 8 .b8 room[8]; .reg .u32 %r<2>; .reg .u64 %d<4>;
                 ld.param.u32 %r0, [n];
                 mov.u64 %d0, room; cvta.local.u64 %d1, %d0;
                 st.local.u32 [%d0], %r0;
                 mov.u64 %d2, text; cvta.global.u64 %d3, %d2;
                 { .param .b64 p0; .param .b64 p1; .param .b32 r0;
                   st.param.b64 [p0], %d3; st.param.b64 [p1], %d1;
                   call.uni (r0), vprintf, (p0, p1);
                   ld.param.b32 %r1, [r0]; }
                 ret;
             }",
        );
        let tell = function(module, "tell");
        for n in 1..=2 {
            ok(launch(tell, 1, 1, 0, &[n]));
        }
        ok(cuCtxSynchronize());
        c_print(c"between\n");
        ok(launch(tell, 1, 1, 0, &[3]));
        ok(cuCtxSynchronize());
        return;
    }
    let output = in_child("what_kernels_print_comes_when_the_program_synchronises", &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("n=1\nn=2\nbetween\nn=3\n"), "{text}");
}
