//! Unified addressing: what is known of an address, and hints about where memory should be.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use farwarp_face::*;

use crate::driver::current::current;
use crate::driver::edge::{In, Out, Result, api};
use crate::driver::job::Action;
use crate::driver::machine::machine;
use crate::driver::mirror::Location;
use crate::driver::stream::resolve;
use crate::driver::{pointer, ranges};

api! {
    fn cuPointerGetAttribute(data: Out<c_void>, attribute: u32, address: u64) {
        machine()?;
        data.require()?;
        pointer::attribute(attribute, address)?.put(data)
    }

    fn cuPointerGetAttributes(count: u32, attributes: In<u32>, data: In<*mut c_void>, address: u64) {
        current()?;
        let (attributes, places) = (attributes.list(count as usize)?, data.list(count as usize)?);
        for (attribute, place) in attributes.into_iter().zip(places) {
            pointer::attribute_or_nothing(attribute, address)?.put(Out::is_at(place))?;
        }
        Ok(())
    }

    fn cuPointerSetAttribute(value: In<u32>, attribute: u32, address: u64) {
        machine()?;
        let value = value.get()?;
        if attribute != SYNC_MEMOPS {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let range = ranges::find(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        range.sync_memops.store(value != 0, Ordering::Relaxed);
        Ok(())
    }

    fn cuMemAdvise(address: u64, bytes: usize, advice: u32, _device: i32) {
        advise(address, bytes, advice)
    }

    fn cuMemAdvise_v2(address: u64, bytes: usize, advice: u32, _location: Location) {
        advise(address, bytes, advice)
    }

    fn cuMemPrefetchAsync | cuMemPrefetchAsync_ptsz(address: u64, bytes: usize, _device: i32, stream: u64) {
        prefetch(address, bytes, stream)
    }

    fn cuMemPrefetchAsync_v2 | cuMemPrefetchAsync_v2_ptsz(
        address: u64,
        bytes: usize,
        _location: Location,
        flags: u32,
        stream: u64,
    ) {
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        prefetch(address, bytes, stream)
    }
}

const SYNC_MEMOPS: u32 = 6;
/// `CUmem_advise` has the values 1 to 6.
const ADVICE: std::ops::RangeInclusive<u32> = 1..=6;

/// Memory is where it is: advice is taken and changes nothing.
fn advise(address: u64, bytes: usize, advice: u32) -> Result {
    current()?;
    managed(address, bytes)?;
    if ADVICE.contains(&advice) { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

fn prefetch(address: u64, bytes: usize, stream: u64) -> Result {
    let place = resolve(stream)?;
    managed(address, bytes)?;
    place.add(Vec::new(), Action::Nothing);
    Ok(())
}

/// Hints are for managed memory.
fn managed(address: u64, bytes: usize) -> Result {
    let range = ranges::find(address).filter(|range| range.is_managed()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let inside = bytes > 0 && address.checked_add(bytes as u64).is_some_and(|end| end <= range.end());
    if inside { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
