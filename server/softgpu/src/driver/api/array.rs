//! Memory management: arrays, and copies from and to them in one dimension.

use farwarp_face::copies::{BoxCopy, Place, Side};
use farwarp_face::*;
use farwarp_protocol::arrays::{Descriptor2D, Descriptor3D};
use farwarp_protocol::boxes::Shape;

use crate::driver::array::{self, Array, MIPMAPPED};
use crate::driver::copy::{Copy, Pace};
use crate::driver::current::current;
use crate::driver::edge::{In, Out, Result, api};
use crate::driver::stream::resolve;

/// The default stream of the caller's kind.
const DEFAULT: u64 = 0;

api! {
    fn cuArrayCreate_v2(handle: Out<u64>, descriptor: In<Descriptor2D>) {
        let context = current()?;
        handle.require()?;
        handle.put(array::create(&context, descriptor.get()?.widened())?.handle)
    }

    fn cuArray3DCreate_v2(handle: Out<u64>, descriptor: In<Descriptor3D>) {
        let context = current()?;
        handle.require()?;
        handle.put(array::create(&context, descriptor.get()?)?.handle)
    }

    fn cuArrayGetDescriptor_v2(descriptor: Out<Descriptor2D>, handle: u64) {
        current()?;
        descriptor.put(Array::find(handle)?.descriptor.narrowed())
    }

    fn cuArray3DGetDescriptor_v2(descriptor: Out<Descriptor3D>, handle: u64) {
        current()?;
        descriptor.put(Array::find(handle)?.descriptor)
    }

    fn cuArrayDestroy(handle: u64) {
        current()?;
        array::destroy(handle)
    }

    fn cuMipmappedArrayCreate(handle: Out<u64>, descriptor: In<Descriptor3D>, levels: u32) {
        let context = current()?;
        handle.require()?;
        handle.put(array::create_mipmapped(&context, descriptor.get()?, levels)?.handle)
    }

    fn cuMipmappedArrayGetLevel(level: Out<u64>, handle: u64, number: u32) {
        current()?;
        let whole = MIPMAPPED.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        level.put(whole.levels.get(number as usize).ok_or(CUDA_ERROR_INVALID_VALUE)?.handle)
    }

    fn cuMipmappedArrayDestroy(handle: u64) {
        current()?;
        array::destroy_mipmapped(handle)
    }

    fn cuMemcpyDtoA_v2 | cuMemcpyDtoA_v2_ptds(to: u64, offset: usize, from: u64, bytes: usize) {
        copy(within(to, offset), Place::linear(Side::Device, from), bytes, DEFAULT, Pace::Synchronous)
    }

    fn cuMemcpyAtoD_v2 | cuMemcpyAtoD_v2_ptds(to: u64, from: u64, offset: usize, bytes: usize) {
        copy(Place::linear(Side::Device, to), within(from, offset), bytes, DEFAULT, Pace::Synchronous)
    }

    fn cuMemcpyHtoA_v2 | cuMemcpyHtoA_v2_ptds(to: u64, offset: usize, from: u64, bytes: usize) {
        copy(within(to, offset), Place::linear(Side::Host, from), bytes, DEFAULT, Pace::Synchronous)
    }

    fn cuMemcpyHtoAAsync_v2 | cuMemcpyHtoAAsync_v2_ptsz(
        to: u64,
        offset: usize,
        from: u64,
        bytes: usize,
        stream: u64,
    ) {
        copy(within(to, offset), Place::linear(Side::Host, from), bytes, stream, Pace::Asynchronous)
    }

    fn cuMemcpyAtoH_v2 | cuMemcpyAtoH_v2_ptds(to: u64, from: u64, offset: usize, bytes: usize) {
        copy(Place::linear(Side::Host, to), within(from, offset), bytes, DEFAULT, Pace::Synchronous)
    }

    fn cuMemcpyAtoHAsync_v2 | cuMemcpyAtoHAsync_v2_ptsz(
        to: u64,
        from: u64,
        offset: usize,
        bytes: usize,
        stream: u64,
    ) {
        copy(Place::linear(Side::Host, to), within(from, offset), bytes, stream, Pace::Asynchronous)
    }

    fn cuMemcpyAtoA_v2 | cuMemcpyAtoA_v2_ptds(
        to: u64,
        to_offset: usize,
        from: u64,
        from_offset: usize,
        bytes: usize,
    ) {
        copy(within(to, to_offset), within(from, from_offset), bytes, DEFAULT, Pace::Synchronous)
    }
}

fn within(array: u64, offset: usize) -> Place {
    Place::Array { array, x_bytes: offset as u64, y: 0, z: 0 }
}

fn copy(to: Place, from: Place, bytes: usize, stream: u64, pace: Pace) -> Result {
    let shape = Shape::linear(bytes as u64);
    Copy::new(BoxCopy { to, from, shape })?.issue(&resolve(stream)?, pace)
}
