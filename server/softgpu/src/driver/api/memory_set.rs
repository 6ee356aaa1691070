//! Memory management: sets.

use crate::driver::copy::{Fill, Pace};
use crate::driver::edge::{Result, api};
use crate::driver::stream::resolve;

use Pace::{Asynchronous, Synchronous};

api! {
    fn cuMemsetD8_v2 | cuMemsetD8_v2_ptds(to: u64, value: u8, count: usize) {
        fill(to, value.into(), 1, count, 0, Synchronous)
    }

    fn cuMemsetD16_v2 | cuMemsetD16_v2_ptds(to: u64, value: u16, count: usize) {
        fill(to, value.into(), 2, count, 0, Synchronous)
    }

    fn cuMemsetD32_v2 | cuMemsetD32_v2_ptds(to: u64, value: u32, count: usize) {
        fill(to, value, 4, count, 0, Synchronous)
    }

    fn cuMemsetD8Async | cuMemsetD8Async_ptsz(to: u64, value: u8, count: usize, stream: u64) {
        fill(to, value.into(), 1, count, stream, Asynchronous)
    }

    fn cuMemsetD16Async | cuMemsetD16Async_ptsz(to: u64, value: u16, count: usize, stream: u64) {
        fill(to, value.into(), 2, count, stream, Asynchronous)
    }

    fn cuMemsetD32Async | cuMemsetD32Async_ptsz(to: u64, value: u32, count: usize, stream: u64) {
        fill(to, value, 4, count, stream, Asynchronous)
    }

    fn cuMemsetD2D8_v2 | cuMemsetD2D8_v2_ptds(to: u64, pitch: usize, value: u8, width: usize, height: usize) {
        rows(to, pitch, value.into(), 1, [width, height], 0, Synchronous)
    }

    fn cuMemsetD2D16_v2 | cuMemsetD2D16_v2_ptds(to: u64, pitch: usize, value: u16, width: usize, height: usize) {
        rows(to, pitch, value.into(), 2, [width, height], 0, Synchronous)
    }

    fn cuMemsetD2D32_v2 | cuMemsetD2D32_v2_ptds(to: u64, pitch: usize, value: u32, width: usize, height: usize) {
        rows(to, pitch, value, 4, [width, height], 0, Synchronous)
    }

    fn cuMemsetD2D8Async | cuMemsetD2D8Async_ptsz(
        to: u64,
        pitch: usize,
        value: u8,
        width: usize,
        height: usize,
        stream: u64,
    ) {
        rows(to, pitch, value.into(), 1, [width, height], stream, Asynchronous)
    }

    fn cuMemsetD2D16Async | cuMemsetD2D16Async_ptsz(
        to: u64,
        pitch: usize,
        value: u16,
        width: usize,
        height: usize,
        stream: u64,
    ) {
        rows(to, pitch, value.into(), 2, [width, height], stream, Asynchronous)
    }

    fn cuMemsetD2D32Async | cuMemsetD2D32Async_ptsz(
        to: u64,
        pitch: usize,
        value: u32,
        width: usize,
        height: usize,
        stream: u64,
    ) {
        rows(to, pitch, value, 4, [width, height], stream, Asynchronous)
    }
}

fn fill(to: u64, value: u32, width: u64, count: usize, stream: u64, pace: Pace) -> Result {
    Fill { to, pitch: 0, value, width, count: count as u64, height: 1 }.issue(&resolve(stream)?, pace)
}

fn rows(
    to: u64,
    pitch: usize,
    value: u32,
    width: u64,
    [count, height]: [usize; 2],
    stream: u64,
    pace: Pace,
) -> Result {
    let fill = Fill { to, pitch: pitch as u64, value, width, count: count as u64, height: height as u64 };
    fill.issue(&resolve(stream)?, pace)
}
