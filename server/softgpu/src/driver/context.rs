//! A context: what a program does on one device, and what dies together. The thread's own stack of contexts is in `current`.

mod primary;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use farwarp_face::*;
use once_cell::sync::OnceCell;

use crate::driver::console::Console;
use crate::driver::device::Device;
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, Handles, fresh};
use crate::driver::machine::{self, engine};
use crate::driver::ranges::{Kind, Viewer, lock};
use crate::driver::stream::{Order, Stream};
use crate::driver::{arena, event, memory, module, stream};
use crate::ptx::{Fault, GridId, Heap};

pub use primary::Primary;

pub static CONTEXTS: Handles<Context> = Handles::new();

/// Jobs of one context that have not ended. A program that runs further ahead waits, as it would for a full queue of a device.
const JOBS_LIMIT: usize = 65_536;

pub struct Context {
    pub handle: Handle,
    /// Never used again, unlike a handle of a primary context.
    pub id: u64,
    pub device: &'static Device,
    pub api_version: u32,
    pub flags: AtomicU32,
    pub viewer: Arc<Viewer>,
    pub order: Mutex<Order>,
    /// The default streams of threads that have used theirs.
    pub thread_streams: Mutex<HashMap<u64, Arc<Stream>>>,
    pub console: Arc<Console>,
    pub limits: Mutex<HashMap<u32, usize>>,
    heap: OnceCell<Arc<Heap>>,
    pub cache_config: AtomicU32,
    pub shared_config: AtomicU32,
    /// Of the legacy stream, which is no object of its own.
    pub legacy_attributes: Mutex<stream::Attributes>,
    /// How often it must be detached before it goes, if it is to go that way.
    pub attached: AtomicU32,
    destroyed: AtomicBool,
    /// A fault that this context does not survive.
    fault: AtomicU32,
    /// The last failure of an asynchronous operation that it does survive: told once.
    failure: AtomicU32,
    jobs: Mutex<usize>,
    fewer_jobs: Condvar,
    /// Grids that run, by their jobs.
    grids: Mutex<HashMap<usize, GridId>>,
}

/// The limit that says how large the heap of kernels is, and what it says where nobody has set it.
pub const MALLOC_HEAP_SIZE: u32 = 2;
pub const HEAP_BYTES_DEFAULT: usize = 8 << 20;

/// What `cuCtxGetApiVersion` answers.
const API_VERSION: u32 = 3020;

/// Faults after which, as `cuda.h` says, the process must be terminated.
const FATAL_TO_PROCESS: &[CUresult] = &[
    CUDA_ERROR_TENSOR_MEMORY_LEAK,
    CUDA_ERROR_ILLEGAL_ADDRESS,
    CUDA_ERROR_LAUNCH_TIMEOUT,
    CUDA_ERROR_HARDWARE_STACK_ERROR,
    CUDA_ERROR_ILLEGAL_INSTRUCTION,
    CUDA_ERROR_MISALIGNED_ADDRESS,
    CUDA_ERROR_INVALID_ADDRESS_SPACE,
    CUDA_ERROR_INVALID_PC,
    CUDA_ERROR_LAUNCH_FAILED,
];

impl Context {
    pub fn create(device: &'static Device, flags: u32) -> Result<Arc<Context>> {
        Context::create_as(fresh(), device, flags)
    }

    fn create_as(handle: Handle, device: &'static Device, flags: u32) -> Result<Arc<Context>> {
        machine::alive()?;
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let context = Context {
            handle,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            device,
            api_version: API_VERSION,
            flags: AtomicU32::new(flags),
            viewer: Arc::new(Viewer { device: device.ordinal, peers: Mutex::default() }),
            order: Mutex::default(),
            thread_streams: Mutex::default(),
            console: Arc::new(Console::new()),
            limits: Mutex::default(),
            heap: OnceCell::new(),
            cache_config: AtomicU32::new(0),
            shared_config: AtomicU32::new(0),
            legacy_attributes: Mutex::default(),
            attached: AtomicU32::new(1),
            destroyed: AtomicBool::new(false),
            fault: AtomicU32::new(CUDA_SUCCESS),
            failure: AtomicU32::new(CUDA_SUCCESS),
            jobs: Mutex::new(0),
            fewer_jobs: Condvar::new(),
            grids: Mutex::default(),
        };
        Ok(CONTEXTS.add_as(handle, context))
    }

    /// Ends the context: what runs is cancelled, what waits is dropped, all that it owned is gone.
    pub fn destroy(&self) {
        if CONTEXTS.remove(self.handle).is_none() {
            return;
        }
        self.destroyed.store(true, Ordering::Release);
        self.cancel_grids();
        self.wait_for_jobs(0);
        self.console.flush();
        *lock(&self.order) = Order::default();
        lock(&self.thread_streams).clear();
        stream::forget_context(self.handle);
        event::forget_context(self.handle);
        module::forget_context(self.handle);
        crate::driver::texture::forget_context(self.handle);
        crate::driver::array::forget_context(self.handle);
        memory::forget_context(self.handle);
        crate::driver::ipc::forget_context(self.handle);
        farwarp_graphs::context_gone(self.handle);
        context_gone(std::ptr::without_provenance_mut(self.handle as usize));
    }

    /// Whether anything can still be done here, and if not, why.
    pub fn standing(&self) -> Result {
        if self.destroyed.load(Ordering::Acquire) {
            return Err(CUDA_ERROR_CONTEXT_IS_DESTROYED);
        }
        machine::alive()?;
        self.unhurt()
    }

    /// Whether no fault has ended it, destroyed or not.
    pub fn unhurt(&self) -> Result {
        match self.fault.load(Ordering::Acquire) {
            CUDA_SUCCESS => Ok(()),
            fault => Err(fault),
        }
    }

    /// What a call that synchronises returns: a fault for ever, another failure once.
    pub fn outcome(&self) -> Result {
        self.standing()?;
        match self.failure.swap(CUDA_SUCCESS, Ordering::AcqRel) {
            CUDA_SUCCESS => Ok(()),
            failure => Err(failure),
        }
    }

    /// An asynchronous operation of this context has failed.
    pub fn failed(&self, error: CUresult) {
        if FATAL_TO_PROCESS.contains(&error) {
            machine::die(error);
            // Others may be waiting for what the dead would have written.
            CONTEXTS.all().iter().for_each(|context| context.cancel_grids());
            self.cancel_grids();
        } else if error == CUDA_ERROR_ASSERT {
            let _ = self.fault.compare_exchange(CUDA_SUCCESS, error, Ordering::AcqRel, Ordering::Relaxed);
            self.cancel_grids();
        } else {
            self.failure.store(error, Ordering::Release);
        }
    }

    /// A kernel has ended badly: what the program is told. People are told more, on stderr.
    pub fn faulted(&self, fault: &Fault) -> Result {
        let error = match fault {
            Fault::Cancelled => return Ok(()),
            Fault::IllegalAddress { .. } => CUDA_ERROR_ILLEGAL_ADDRESS,
            Fault::MisalignedAddress { .. } => CUDA_ERROR_MISALIGNED_ADDRESS,
            Fault::IllegalInstruction { .. } => CUDA_ERROR_ILLEGAL_INSTRUCTION,
            Fault::HardwareStackError { .. } => CUDA_ERROR_HARDWARE_STACK_ERROR,
            Fault::Trap { .. } | Fault::Internal(_) => CUDA_ERROR_LAUNCH_FAILED,
            Fault::Assert { .. } => CUDA_ERROR_ASSERT,
            Fault::InvalidAddressSpace { .. } => CUDA_ERROR_INVALID_ADDRESS_SPACE,
            Fault::InvalidPc { .. } => CUDA_ERROR_INVALID_PC,
            Fault::LaunchOutOfResources { .. } => CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
            Fault::Unsupported(_) => CUDA_ERROR_NOT_SUPPORTED,
        };
        match fault {
            // The very line that CUDA prints.
            Fault::Assert { message } => eprintln!("{message}"),
            other => eprintln!("farwarp: a kernel on the software GPU failed: {other}"),
        }
        Err(error)
    }

    /// Where kernels allocate; made for the first that does, of the size that the limit says then.
    pub fn heap(&self) -> Result<&Arc<Heap>> {
        self.heap.get_or_try_init(|| {
            let set = lock(&self.limits).get(&MALLOC_HEAP_SIZE).copied();
            let bytes = set.unwrap_or(HEAP_BYTES_DEFAULT) as u64;
            let range = memory::allocate(self, bytes, arena::ALIGNMENT, Kind::Variable { managed: false })?;
            Ok(Arc::new(Heap::new(range.start, bytes)))
        })
    }

    pub fn has_heap(&self) -> bool {
        self.heap.get().is_some()
    }

    pub fn job_placed(&self) {
        *lock(&self.jobs) += 1;
    }

    pub fn job_ended(&self, job: usize) {
        lock(&self.grids).remove(&job);
        *lock(&self.jobs) -= 1;
        self.fewer_jobs.notify_all();
    }

    /// Blocks until there is room for another job.
    pub fn wait_for_room(&self) {
        self.wait_for_jobs(JOBS_LIMIT - 1);
    }

    /// Remembers how to cancel a grid, unless it has ended meanwhile.
    pub fn grid_runs(&self, job: usize, grid: GridId, ended: impl Fn() -> bool) {
        let mut grids = lock(&self.grids);
        if !ended() {
            grids.insert(job, grid);
        }
        drop(grids);
        // Between the last look and now the context may have ended: its own sweep has not seen this grid.
        if self.standing().is_err() {
            engine().cancel(grid);
        }
    }

    fn cancel_grids(&self) {
        let grids: Vec<GridId> = lock(&self.grids).values().copied().collect();
        grids.into_iter().for_each(|grid| engine().cancel(grid));
    }

    fn wait_for_jobs(&self, at_most: usize) {
        let mut jobs = lock(&self.jobs);
        while *jobs > at_most {
            jobs = self.fewer_jobs.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Whether a thread may make this handle current. That of a primary context always, retained or not: the runtime makes it
/// current first and retains it then.
pub fn nameable(handle: Handle) -> Result {
    let primary = machine::machine()?.devices.iter().any(|device| device.primary.handle == handle);
    if primary { Ok(()) } else { find(handle).map(drop) }
}

/// The context of that handle; one that was destroyed is not told from one that never was.
pub fn find(handle: Handle) -> Result<Arc<Context>> {
    CONTEXTS.get(handle).ok_or(CUDA_ERROR_INVALID_CONTEXT)
}
