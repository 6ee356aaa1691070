//! One piece of work as a call in a stream, or as a node of a graph.
#![allow(unsafe_code)] // Passes addresses to the driver; the model has seen to it that they hold what the work touches.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cudarc::driver::sys::{self, CUmemorytype};

use crate::driver::{Driver, Handle, Refused, Stream};
use crate::execute::{Functions, lock};
use crate::program::{Kind, Node};
use crate::work::{Kernel, Place, Shape, Work};

const BLOCK: u32 = 64;

/// What work needs to become a call.
pub struct Bench<'a> {
    pub driver: &'a Driver,
    pub functions: &'a Functions,
    pub things: &'a [AtomicU64],
    pub host_works: &'a Mutex<Vec<Arc<HostWork>>>,
    pub kinds: &'a BTreeMap<usize, Kind>,
    /// Of the step: where CUDA has several ways, each takes its turn.
    pub index: usize,
}

/// What a function of the host is given.
pub struct HostWork {
    at: u64,
    words: usize,
    value: u32,
    sleep: Duration,
}

/// A launch's function, parameters and words.
struct Launch {
    function: Handle,
    params: Vec<u64>,
    words: u32,
}

/// to[i] = 3 * to[i] + value
unsafe extern "C" fn host_function(data: *mut c_void) {
    // SAFETY: the program gave it a HostWork that lives to its end, and nobody else touches those words now.
    unsafe {
        let work = &*data.cast::<HostWork>();
        std::thread::sleep(work.sleep);
        for i in 0..work.words {
            let at = (work.at as *mut u32).add(i);
            at.write(at.read().wrapping_mul(3).wrapping_add(work.value));
        }
    }
}

impl Bench<'_> {
    /// In this stream; without one by the function that has no Async in its name, with the thread's own default stream or the legacy one.
    ///
    /// # Safety
    /// The model has found it lawful.
    pub unsafe fn perform(&self, work: &Work, stream: Option<Stream>, mine: bool) -> Result<(), Refused> {
        let driver = self.driver;
        // SAFETY: the caller's promise.
        unsafe {
            match (work, stream) {
                (Work::Copy { to, from, shape }, stream) if shape.is_line() => {
                    self.copy_line(to, from, shape.width, stream, mine)
                }
                (Work::Copy { to, from, shape }, stream) => self.copy_rows(to, from, shape, stream, mine),
                (Work::Set { to, shape, element, value }, stream) => {
                    self.set(to, shape, *element, *value, stream, mine)
                }
                (Work::Host { .. }, Some(stream)) => {
                    let data = self.host_work(work);
                    driver.host_function(stream.own, stream.handle, host_function, data)
                }
                (_, stream) => {
                    let stream = stream.unwrap_or(Stream { handle: 0, own: mine });
                    let mut launch = self.launch(work);
                    let mut params = launch.pointers();
                    let (function, grid, none) =
                        (launch.function, launch.words.div_ceil(BLOCK), std::ptr::null_mut());
                    let params = params.as_mut_ptr();
                    driver.launch(
                        stream.own,
                        function,
                        grid,
                        1,
                        1,
                        BLOCK,
                        1,
                        1,
                        0,
                        stream.handle,
                        params,
                        none,
                    )
                }
            }
        }
    }

    /// An executable graph of these nodes.
    ///
    /// # Safety
    /// The model has found them lawful.
    pub unsafe fn build(&self, body: &[Node], context: Handle) -> Result<Handle, Refused> {
        let driver = self.driver;
        let (mut graph, mut exec) = (0, 0);
        let mut nodes: Vec<Handle> = Vec::new();
        // SAFETY: what is written to are locals; the caller's promise for the rest.
        unsafe {
            driver.graph_create(false, &mut graph, 0)?;
            for node in body {
                let after: Vec<Handle> = node.after.iter().map(|&other| nodes[other]).collect();
                nodes.push(self.add(graph, &after, &node.work, context)?);
            }
            driver.graph_instantiate(false, &mut exec, graph, 0)?;
            driver.graph_destroy(false, graph)?;
        }
        Ok(exec)
    }

    /// # Safety
    /// As `build`.
    unsafe fn add(
        &self,
        graph: Handle,
        after: &[Handle],
        work: &Work,
        context: Handle,
    ) -> Result<Handle, Refused> {
        let (driver, mut node) = (self.driver, 0);
        let (before, count) = (after.as_ptr(), after.len());
        // SAFETY: the driver copies the parameters within the call.
        unsafe {
            match work {
                Work::Copy { to, from, shape } => {
                    let copy = self.copy_3d(to, from, shape, false);
                    driver.add_copy(false, &mut node, graph, before, count, &copy, context)?;
                }
                Work::Set { to, shape, element, value } => {
                    let set = sys::CUDA_MEMSET_NODE_PARAMS {
                        dst: self.at(to),
                        pitch: shape.to_pitch,
                        value: if *element == 4 { *value } else { value & ((1 << (8 * element)) - 1) },
                        elementSize: *element as u32,
                        width: shape.width / element,
                        height: shape.height,
                    };
                    driver.add_set(false, &mut node, graph, before, count, &set, context)?;
                }
                Work::Host { .. } => {
                    let host = sys::CUDA_HOST_NODE_PARAMS {
                        fn_: Some(host_function),
                        userData: self.host_work(work),
                    };
                    driver.add_host(false, &mut node, graph, before, count, &host)?;
                }
                _ => {
                    let mut launch = self.launch(work);
                    let mut pointers = launch.pointers();
                    let params = sys::CUDA_KERNEL_NODE_PARAMS {
                        func: launch.function as sys::CUfunction,
                        gridDimX: launch.words.div_ceil(BLOCK),
                        gridDimY: 1,
                        gridDimZ: 1,
                        blockDimX: BLOCK,
                        blockDimY: 1,
                        blockDimZ: 1,
                        sharedMemBytes: 0,
                        kernelParams: pointers.as_mut_ptr(),
                        extra: std::ptr::null_mut(),
                        kern: std::ptr::null_mut(),
                        ctx: std::ptr::null_mut(),
                    };
                    driver.add_kernel(false, &mut node, graph, before, count, &params)?;
                }
            }
        }
        Ok(node)
    }

    fn at(&self, place: &Place) -> u64 {
        self.things[place.buffer].load(Ordering::Acquire) + place.offset as u64
    }

    fn is_host(&self, place: &Place) -> bool {
        self.kinds[&place.buffer] != Kind::Device
    }

    fn launch(&self, work: &Work) -> Launch {
        let functions = self.functions;
        let (function, params, words) = match work {
            Work::Kernel { kernel, to, words, value } => {
                let (function, turns) = match kernel {
                    Kernel::Fill => (functions.fill, 0),
                    Kernel::Triple => (functions.triple, 0),
                    Kernel::Slow { turns } => (functions.triple, *turns),
                };
                (function, vec![self.at(to), u64::from(*value), *words as u64, u64::from(turns)], *words)
            }
            Work::Mix { to, from, words } => {
                (functions.mix, vec![self.at(to), self.at(from), *words as u64], *words)
            }
            Work::Sum { to, from, words } => {
                (functions.sum, vec![self.at(to), self.at(from), *words as u64], *words)
            }
            Work::Copy { .. } | Work::Set { .. } | Work::Host { .. } => unreachable!("no kernel does this"),
        };
        Launch { function, params, words: words as u32 }
    }

    fn host_work(&self, work: &Work) -> *mut c_void {
        let Work::Host { to, words, value, sleep_us } = *work else { unreachable!("a function of the host") };
        let sleep = Duration::from_micros(sleep_us);
        let work = Arc::new(HostWork { at: self.at(&to), words, value, sleep });
        let data = Arc::as_ptr(&work).cast_mut().cast();
        lock(self.host_works).push(work);
        data
    }

    /// # Safety
    /// As `perform`.
    unsafe fn copy_line(
        &self,
        to: &Place,
        from: &Place,
        bytes: usize,
        stream: Option<Stream>,
        mine: bool,
    ) -> Result<(), Refused> {
        let (driver, to_host, from_host) = (self.driver, self.is_host(to), self.is_host(from));
        let (to, from) = (self.at(to), self.at(from));
        let by_address = self.index % 2 == 1 || (to_host && from_host);
        // SAFETY: the caller's promise.
        unsafe {
            match stream {
                Some(Stream { handle, own }) if by_address => driver.copy_async(own, to, from, bytes, handle),
                Some(Stream { handle, own }) if from_host => {
                    driver.copy_up_async(own, to, from, bytes, handle)
                }
                Some(Stream { handle, own }) if to_host => {
                    driver.copy_down_async(own, to, from, bytes, handle)
                }
                Some(Stream { handle, own }) => driver.copy_across_async(own, to, from, bytes, handle),
                None if by_address => driver.copy(mine, to, from, bytes),
                None if from_host => driver.copy_up(mine, to, from, bytes),
                None if to_host => driver.copy_down(mine, to, from, bytes),
                None => driver.copy_across(mine, to, from, bytes),
            }
        }
    }

    /// # Safety
    /// As `perform`.
    unsafe fn copy_rows(
        &self,
        to: &Place,
        from: &Place,
        shape: &Shape,
        stream: Option<Stream>,
        mine: bool,
    ) -> Result<(), Refused> {
        let (driver, by_address) = (self.driver, self.index % 2 == 1);
        let copy = self.copy_3d(to, from, shape, by_address);
        let flat = flat(&copy);
        // SAFETY: the caller's promise.
        unsafe {
            match (stream, shape.depth) {
                (Some(stream), 1) => driver.copy_2d_async(stream.own, &flat, stream.handle),
                (Some(stream), _) => driver.copy_3d_async(stream.own, &copy, stream.handle),
                (None, 1) if self.index.is_multiple_of(3) => driver.copy_2d_unaligned(mine, &flat),
                (None, 1) => driver.copy_2d(mine, &flat),
                (None, _) => driver.copy_3d(mine, &copy),
            }
        }
    }

    fn copy_3d(&self, to: &Place, from: &Place, shape: &Shape, by_address: bool) -> sys::CUDA_MEMCPY3D {
        let kind = |host| match host {
            _ if by_address => CUmemorytype::CU_MEMORYTYPE_UNIFIED,
            true => CUmemorytype::CU_MEMORYTYPE_HOST,
            false => CUmemorytype::CU_MEMORYTYPE_DEVICE,
        };
        let (to_host, from_host) = (self.is_host(to), self.is_host(from));
        let (to, from, none) = (self.at(to), self.at(from), std::ptr::null_mut());
        // Of host and device address the one is read that the kind says.
        sys::CUDA_MEMCPY3D {
            srcXInBytes: 0,
            srcY: 0,
            srcZ: 0,
            srcLOD: 0,
            srcMemoryType: kind(from_host),
            srcHost: from as *const c_void,
            srcDevice: from,
            srcArray: std::ptr::null_mut(),
            reserved0: none,
            srcPitch: shape.from_pitch,
            srcHeight: shape.height,
            dstXInBytes: 0,
            dstY: 0,
            dstZ: 0,
            dstLOD: 0,
            dstMemoryType: kind(to_host),
            dstHost: to as *mut c_void,
            dstDevice: to,
            dstArray: std::ptr::null_mut(),
            reserved1: none,
            dstPitch: shape.to_pitch,
            dstHeight: shape.height,
            WidthInBytes: shape.width,
            Height: shape.height,
            Depth: shape.depth,
        }
    }

    /// # Safety
    /// As `perform`.
    unsafe fn set(
        &self,
        to: &Place,
        shape: &Shape,
        element: usize,
        value: u32,
        stream: Option<Stream>,
        mine: bool,
    ) -> Result<(), Refused> {
        let (driver, to, pitch) = (self.driver, self.at(to), shape.to_pitch);
        let (width, height) = (shape.width / element, shape.height);
        let (byte, half) = (value as u8, value as u16);
        // SAFETY: the caller's promise.
        unsafe {
            match (stream, shape.is_line(), element) {
                (Some(stream), true, 1) => driver.set_8_async(stream.own, to, byte, width, stream.handle),
                (Some(stream), true, 2) => driver.set_16_async(stream.own, to, half, width, stream.handle),
                (Some(stream), true, _) => driver.set_32_async(stream.own, to, value, width, stream.handle),
                (Some(Stream { handle, own }), false, 1) => {
                    driver.set_rows_8_async(own, to, pitch, byte, width, height, handle)
                }
                (Some(Stream { handle, own }), false, 2) => {
                    driver.set_rows_16_async(own, to, pitch, half, width, height, handle)
                }
                (Some(Stream { handle, own }), false, _) => {
                    driver.set_rows_32_async(own, to, pitch, value, width, height, handle)
                }
                (None, true, 1) => driver.set_8(mine, to, byte, width),
                (None, true, 2) => driver.set_16(mine, to, half, width),
                (None, true, _) => driver.set_32(mine, to, value, width),
                (None, false, 1) => driver.set_rows_8(mine, to, pitch, byte, width, height),
                (None, false, 2) => driver.set_rows_16(mine, to, pitch, half, width, height),
                (None, false, _) => driver.set_rows_32(mine, to, pitch, value, width, height),
            }
        }
    }
}

impl Launch {
    /// One for each parameter; longer than the kernel's list does no harm.
    fn pointers(&mut self) -> Vec<*mut c_void> {
        self.params.iter_mut().map(|param| (&raw mut *param).cast()).collect()
    }
}

/// The same in two dimensions.
fn flat(copy: &sys::CUDA_MEMCPY3D) -> sys::CUDA_MEMCPY2D {
    sys::CUDA_MEMCPY2D {
        srcXInBytes: 0,
        srcY: 0,
        srcMemoryType: copy.srcMemoryType,
        srcHost: copy.srcHost,
        srcDevice: copy.srcDevice,
        srcArray: copy.srcArray,
        srcPitch: copy.srcPitch,
        dstXInBytes: 0,
        dstY: 0,
        dstMemoryType: copy.dstMemoryType,
        dstHost: copy.dstHost,
        dstDevice: copy.dstDevice,
        dstArray: copy.dstArray,
        dstPitch: copy.dstPitch,
        WidthInBytes: copy.WidthInBytes,
        Height: copy.Height,
    }
}
