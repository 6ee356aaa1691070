//! What streams promise: order, waiting, and that nobody waits who need not.

mod common;

use std::ffi::c_void;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use common::*;

const GEQ: u32 = 0;
const EQ: u32 = 1;
const AND: u32 = 2;

/// A stream that does nothing until its word becomes 1.
fn held() -> (Handle, u64) {
    let (stream, gate) = (stream(NON_BLOCKING), pinned(64));
    ok(cuStreamWaitValue32_v2(stream, gate, 1, EQ));
    (stream, gate)
}

fn open(gate: u64) {
    word(gate).store(1, SeqCst);
}

#[test]
fn calls_return_while_their_stream_is_held() {
    context();
    let (stream, gate) = held();
    let memory = alloc(4096);
    let begun = Instant::now();
    for _ in 0..100 {
        ok(cuMemsetD32Async(memory, 7, 1024, stream));
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(cuStreamQuery(stream), NOT_READY);
    open(gate);
    ok(cuStreamSynchronize(stream));
    assert_eq!(read::<u32>(memory, 1024), vec![7; 1024]);
}

#[test]
fn work_of_one_stream_is_done_in_order() {
    context();
    let (stream, gate) = held();
    let memory = alloc(4);
    let seen = pinned(400);
    for round in 0..100u32 {
        ok(cuMemsetD32Async(memory, round, 1, stream));
        ok(cuMemcpyDtoHAsync_v2(seen + u64::from(round) * 4, memory, 4, stream));
    }
    open(gate);
    ok(cuStreamSynchronize(stream));
    for round in 0..100u32 {
        assert_eq!(word(seen + u64::from(round) * 4).load(SeqCst), round);
    }
}

#[test]
fn the_legacy_stream_is_behind_and_before_every_blocking_stream() {
    context();
    let (blocking, gate, memory, seen) = (stream(0), pinned(64), alloc(4), pinned(64));
    ok(cuStreamWaitValue32_v2(blocking, gate, 1, EQ));
    ok(cuMemsetD32Async(memory, 1, 1, blocking));
    // Legacy: after the set above, before the set below.
    ok(cuMemcpyDtoHAsync_v2(seen, memory, 4, 0));
    let second = stream(0);
    ok(cuMemsetD32Async(memory, 2, 1, second));
    assert_eq!(cuStreamQuery(0), NOT_READY);
    assert_eq!(cuStreamQuery(second), NOT_READY);
    open(gate);
    ok(cuCtxSynchronize());
    assert_eq!(word(seen).load(SeqCst), 1);
    assert_eq!(read::<u32>(memory, 1), [2]);
}

#[test]
fn a_non_blocking_stream_passes_the_legacy_stream() {
    context();
    let (gate, memory) = (pinned(64), alloc(4));
    ok(cuStreamWaitValue32_v2(0, gate, 1, EQ));
    let free = stream(NON_BLOCKING);
    ok(cuMemsetD32Async(memory, 5, 1, free));
    ok(cuStreamSynchronize(free));
    assert_eq!(cuStreamQuery(0), NOT_READY);
    open(gate);
    ok(cuCtxSynchronize());
}

#[test]
fn a_stream_waits_for_the_event_as_it_was_recorded() {
    context();
    let (first, gate) = held();
    let (second, memory, event) = (stream(NON_BLOCKING), alloc(4), event(0));
    ok(cuMemsetD32Async(memory, 1, 1, first));
    ok(cuEventRecord(event, first));
    ok(cuStreamWaitEvent(second, event, 0));
    ok(cuMemsetD32Async(memory, 2, 1, second));
    assert_eq!(cuEventQuery(event), NOT_READY);
    // Recorded again, on a stream that never gets there, and destroyed: the wait above is about the first record.
    let (never, other_gate) = held();
    ok(cuEventRecord(event, never));
    ok(cuEventDestroy_v2(event));
    open(gate);
    ok(cuStreamSynchronize(second));
    assert_eq!(read_on(second, memory), 2);
    open(other_gate);
    ok(cuCtxSynchronize());
}

/// One word, without touching the legacy stream.
fn read_on(stream: Handle, memory: u64) -> u32 {
    let seen = pinned(4);
    ok(cuMemcpyDtoHAsync_v2(seen, memory, 4, stream));
    ok(cuStreamSynchronize(stream));
    word(seen).load(SeqCst)
}

#[test]
fn a_wait_sees_what_another_stream_writes() {
    context();
    let (waiter, writer, memory) = (stream(NON_BLOCKING), stream(NON_BLOCKING), alloc(16));
    ok(cuMemsetD8_v2(memory, 0, 16));
    ok(cuCtxSynchronize());
    ok(cuStreamWaitValue32_v2(waiter, memory, 3, GEQ));
    ok(cuStreamWaitValue64_v2(waiter, memory + 8, 4, AND));
    ok(cuStreamWriteValue32_v2(writer, memory, 5, 0));
    ok(cuStreamSynchronize(writer));
    assert_eq!(cuStreamQuery(waiter), NOT_READY);
    ok(cuStreamWriteValue32_v2(writer, memory + 8, 6, 0));
    ok(cuStreamSynchronize(waiter));
}

#[test]
fn a_batch_of_memory_operations_keeps_its_order() {
    context();
    let (stream, memory, gate) = (stream(NON_BLOCKING), alloc(8), pinned(64));
    ok(cuMemsetD8_v2(memory, 0, 8));
    ok(cuCtxSynchronize());
    // Wait (1) for the gate, write (2) the first word, wait (4) and write (5) by eight bytes.
    let list =
        [[1, gate, 1, u64::from(EQ), 0, 0], [2, memory, 9, 0, 0, 0], [4, memory, 9, u64::from(EQ), 0, 0]];
    ok(cuStreamBatchMemOp_v2(stream, 3, list.as_ptr(), 0));
    assert_eq!(cuStreamQuery(stream), NOT_READY);
    open(gate);
    ok(cuStreamSynchronize(stream));
    assert_eq!(read_on(stream, memory), 9);
    let unknown = [[77, memory, 0, 0, 0, 0]];
    assert_eq!(cuStreamBatchMemOp_v2(stream, 1, unknown.as_ptr(), 0), INVALID_VALUE);
}

#[test]
fn a_thousand_waiting_streams_cost_no_thread_each() {
    context();
    let gate = pinned(64);
    let before = threads();
    let streams: Vec<Handle> = (0..1000).map(|_| stream(NON_BLOCKING)).collect();
    for stream in &streams {
        ok(cuStreamWaitValue32_v2(*stream, gate, 1, EQ));
    }
    // The other tests of this process start the driver's own few threads at the same time.
    assert!(threads() < before + 50);
    open(gate);
    ok(cuCtxSynchronize());
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

extern "C" fn add_one(data: *mut c_void) {
    word(data.expose_provenance() as u64).fetch_add(1, SeqCst);
}

extern "C" fn double(data: *mut c_void) {
    let word = word(data.expose_provenance() as u64);
    word.store(word.load(SeqCst) * 2, SeqCst);
}

#[test]
fn host_functions_run_in_their_turn() {
    context();
    let (stream, gate) = held();
    let number = pinned(64);
    let data = std::ptr::with_exposed_provenance_mut(number as usize);
    ok(cuLaunchHostFunc(stream, add_one, data));
    ok(cuLaunchHostFunc(stream, double, data));
    ok(cuLaunchHostFunc(stream, add_one, data));
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(word(number).load(SeqCst), 0);
    open(gate);
    ok(cuStreamSynchronize(stream));
    assert_eq!(word(number).load(SeqCst), 3);
}

#[test]
fn stream_zero_is_each_threads_own_in_the_per_thread_functions() {
    let context = context();
    let id = || out(|id| cuStreamGetId_ptsz(0, id));
    let mine = id();
    assert_eq!(mine, id());
    assert_eq!(mine, out(|id| cuStreamGetId(2, id)));
    assert_ne!(mine, out(|id| cuStreamGetId(0, id)));
    let theirs = std::thread::spawn(move || {
        ok(cuCtxSetCurrent(context));
        out(|id| cuStreamGetId_ptsz(0, id))
    });
    assert_ne!(mine, theirs.join().unwrap());
}

#[test]
fn one_threads_synchronise_holds_up_no_other_thread() {
    let context = context();
    let (stream, gate) = held();
    let waiting = std::thread::spawn(move || {
        ok(cuCtxSetCurrent(context));
        ok(cuStreamSynchronize(stream));
    });
    let other = common::stream(NON_BLOCKING);
    let memory = alloc(4);
    ok(cuMemsetD32Async(memory, 3, 1, other));
    ok(cuStreamSynchronize(other));
    open(gate);
    waiting.join().unwrap();
}

#[test]
fn events_measure_the_time_between_them() {
    context();
    let (stream, gate) = held();
    let (begin, end, plain) = (event(0), event(0), event(2));
    ok(cuEventQuery(begin));
    assert_eq!(cuEventElapsedTime_v2(&mut 0.0, begin, end), INVALID_HANDLE);
    ok(cuEventRecord(begin, common::stream(NON_BLOCKING)));
    ok(cuEventSynchronize(begin));
    ok(cuEventRecord(end, stream));
    ok(cuEventRecord(plain, stream));
    assert_eq!(cuEventElapsedTime_v2(&mut 0.0, begin, end), NOT_READY);
    std::thread::sleep(Duration::from_millis(50));
    open(gate);
    ok(cuEventSynchronize(end));
    ok(cuEventSynchronize(plain));
    let milliseconds = out(|ms| cuEventElapsedTime_v2(ms, begin, end));
    assert!((49.0..5000.0).contains(&milliseconds), "{milliseconds} ms");
    assert_eq!(out(|ms| cuEventElapsedTime_v2(ms, end, begin)), -milliseconds);
    assert_eq!(cuEventElapsedTime_v2(&mut 0.0, begin, plain), INVALID_HANDLE);
}

#[test]
fn a_context_is_destroyed_with_its_streams_still_waiting() {
    let context = context();
    let (_stream, _gate) = held();
    let begun = Instant::now();
    ok(cuCtxDestroy_v2(context));
    assert!(begun.elapsed() < Duration::from_secs(1));
}
