//! Lanes that go different ways, meet again and read each other: kernels of nvcc's (`ptx/warp.cu`) against the same
//! reckoned here.

mod common;

use common::*;

const WARP: &str = include_str!("ptx/warp.ptx");

fn kernel(name: &str) -> Handle {
    context();
    let text = std::ffi::CString::new(WARP).unwrap();
    let module = out(|module| cuModuleLoadData(module, text.as_ptr() as u64));
    function(module, name)
}

/// What `threads` threads of `blocks` blocks leave in `words` words.
fn words_of(name: &str, blocks: u32, threads: u32, words: usize, more: &[u64]) -> Vec<u32> {
    let kernel = kernel(name);
    let memory = alloc(words * 4);
    write(memory, &vec![0u32; words]);
    ok(launch(kernel, blocks, threads, 0, &[&[memory], more].concat()));
    read(memory, words)
}

#[test]
fn loops_of_different_lengths_end_each_at_its_own() {
    let expected: Vec<u32> = (0..1000u32)
        .map(|i| {
            let (mut x, mut steps) = (i, 0);
            while x != 1 && steps < 200 && x != 0 {
                x = if x & 1 == 1 { 3 * x + 1 } else { x / 2 };
                if steps % 7 == 3 && x.is_multiple_of(5) {
                    steps += 2;
                    continue;
                }
                steps += 1;
            }
            steps * 1000 + x % 1000
        })
        .collect();
    assert_eq!(words_of("branches", 8, 128, 1000, &[1000]), expected);
}

#[test]
fn a_switch_sends_each_lane_its_own_way() {
    let expected: Vec<u32> = (0..96u32)
        .map(|i| match i % 9 {
            0 => i * 3,
            1 => i + 100,
            2 => i ^ 0x55,
            3 => !i,
            4 => i << 3,
            5 => i * i,
            6 => 7,
            _ => 0xdead_0000 + i,
        })
        .collect();
    assert_eq!(words_of("choices", 1, 96, 96, &[]), expected);
}

#[test]
fn lanes_read_each_other_as_the_isa_says() {
    let expected: Vec<u32> = (0..64u32)
        .flat_map(|i| {
            let (lane, base) = (i % 32, i / 32 * 32);
            let group: u32 = (0..32).filter(|other| other / 5 == lane / 5).map(|other| 1 << other).sum();
            [
                0x5555_5555,
                if lane >= 3 { i - 3 } else { i },
                if lane % 16 + 5 < 16 { i + 5 } else { i },
                base + (lane ^ 9),
                base + lane * 7 % 32,
                group,
                if lane < 11 { base + (lane + 1) % 11 + 11 } else { 0 },
                2,
            ]
        })
        .collect();
    assert_eq!(words_of("lanes", 1, 64, 512, &[]), expected);
}

#[test]
fn a_function_calls_itself_each_lane_as_deep_as_it_must() {
    let mut fibonacci = vec![0u32, 1];
    (2..13).for_each(|n| fibonacci.push(fibonacci[n - 1] + fibonacci[n - 2]));
    let expected: Vec<u32> = (0..64).map(|i| fibonacci[i % 13]).collect();
    assert_eq!(words_of("recursion", 1, 64, 64, &[]), expected);
}

#[test]
fn lanes_call_different_functions_through_one_pointer() {
    let expected: Vec<u32> =
        (0..64u32).map(|i| if i & 1 == 0 { (i + 1) * 2 } else { (i + 1) * (i + 1) }).collect();
    assert_eq!(words_of("pointers", 1, 64, 64, &[]), expected);
}

#[test]
fn a_barrier_holds_every_warp_of_its_block_and_no_other() {
    let sums = (0..256u32).map(|i| (i + 1) * (i + 2) / 2);
    let more = sums.clone().filter(|sum| *sum > 1000).count() as u32;
    let block: Vec<u32> = sums.map(|sum| sum + more * 1_000_000).collect();
    assert_eq!(words_of("scan", 9, 256, 9 * 256, &[]), block.repeat(9));
}

#[test]
fn a_lock_that_a_neighbour_holds_is_waited_for() {
    let locks = kernel("locks");
    let memory = alloc(8);
    write(memory, &[0u32, 0]);
    ok(launch(locks, 4, 96, 0, &[memory, memory + 4]));
    assert_eq!(read::<u32>(memory, 2), [0, 4 * 96]);
}

#[test]
fn threads_that_have_ended_are_not_waited_for_at_a_barrier() {
    let expected: Vec<u32> = (0..100).map(|i| if i % 3 == 0 { 0 } else { 66 }).collect();
    assert_eq!(words_of("early", 1, 100, 100, &[]), expected);
}

#[test]
fn each_thread_has_its_own_local_memory() {
    let expected: Vec<u32> = (0..64u32).map(|i| (0..24).map(|k| k * k + i).sum()).collect();
    assert_eq!(words_of("locals", 1, 64, 64, &[1]), expected);
}

#[test]
fn a_struct_by_value_arrives_whole() {
    let kernel = kernel("by_value");
    #[repr(C)]
    struct Mixed {
        c: i8,
        words: [i32; 5],
        d: f64,
        p: u64,
    }
    let mixed = Mixed { c: -3, words: [10, 20, 30, 40, 50], d: 0.25, p: 0 };
    let memory = alloc(16);
    let mut params = [address(std::slice::from_ref(&mixed)), address(std::slice::from_ref(&memory))];
    ok(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, 0, params.as_mut_ptr().cast(), std::ptr::null_mut()));
    assert_eq!(read::<f64>(memory, 2), [57.25, 5.0]);
    let _ = mixed.p;
}
