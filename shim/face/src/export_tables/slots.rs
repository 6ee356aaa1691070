//! The functions in the slots of the export tables. Where they lie in which table is the business of the parent module.
//!
//! Each is a C function: it checks its pointers for NULL, answers a `CUresult`, and lets no panic out. What it computes
//! stands in safe files: `context_storage`, `integrity`, and the host.
#![allow(unsafe_code)] // Each function writes where a C caller says.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::{CUDART_INTERFACE, INTEGRITY_CHECK};
use crate::context_storage::{self, Destructor};
use crate::host::host;
use crate::integrity::Question;
use crate::{
    CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_UNKNOWN, CUDA_SUCCESS, CUcontext,
    CUdevice, CUmodule, CUresult,
};

/// Every slot that no known program calls. C lets a function ignore its arguments.
pub(super) extern "C" fn not_supported() -> CUresult {
    CUDA_ERROR_NOT_SUPPORTED
}

/// A request that needs nothing done.
pub(super) extern "C" fn accept() -> CUresult {
    CUDA_SUCCESS
}

pub(super) unsafe extern "C" fn load_wrapper(module: *mut CUmodule, wrapper: *const c_void) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { load(module, wrapper) }
}

/// The three options are zero wherever the call has been seen; what else they could ask for is not known.
pub(super) unsafe extern "C" fn load_wrapper_with_options(
    module: *mut CUmodule,
    wrapper: *const c_void,
    option_a: usize,
    option_b: usize,
    option_c: usize,
) -> CUresult {
    if (option_a, option_b, option_c) != (0, 0, 0) {
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    // SAFETY: the caller's promise.
    unsafe { load(module, wrapper) }
}

/// The same for a bare fatbin, with its arguments in another order.
pub(super) unsafe extern "C" fn load_fatbin_with_options(
    fatbin: *const c_void,
    module: *mut CUmodule,
    option_a: usize,
    option_b: usize,
    option_c: usize,
) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { load_wrapper_with_options(module, fatbin, option_a, option_b, option_c) }
}

/// `CUDART_INTERFACE[2]`: the runtime learns each device's primary context at start, and nothing is activated by it.
pub(super) unsafe extern "C" fn primary_context(context: *mut CUcontext, device: CUdevice) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { answer(context, || host()?.primary_context(device)) }
}

/// `TOOLS_RUNTIME_CALLBACK_HOOKS[2]`: which callbacks a profiler has enabled. None: all zero.
pub(super) unsafe extern "C" fn runtime_hooks(hooks: *mut *mut c_void, size: *mut usize) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { answer_two(hooks, size, || Ok((HOOKS.address(), 1024))) }
}

/// `TOOLS_RUNTIME_CALLBACK_HOOKS[6]`: one flag for each kind of them.
pub(super) unsafe extern "C" fn runtime_hook_flags(flags: *mut *mut c_void, size: *mut usize) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { answer_two(flags, size, || Ok((HOOK_FLAGS.address(), 14))) }
}

/// `TOOLS_TLS[2]`: its answer is handed on to [`context_id`], so it is the current context.
pub(super) unsafe extern "C" fn thread_context(context: *mut CUcontext) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { answer(context, || Ok(host()?.current_context())) }
}

/// `TOOLS_CONTEXT[4]`: a number that no other living context has. Zero where there is no context.
pub(super) unsafe extern "C" fn context_id(context: CUcontext, id: *mut u64) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe {
        answer(id, || {
            let context = if context.is_null() { host()?.current_context() } else { context };
            Ok(context.addr() as u64)
        })
    }
}

type CDestructor = unsafe extern "C" fn(context: CUcontext, key: *mut c_void, value: *mut c_void);

/// `CONTEXT_LOCAL_STORAGE[0]`.
pub(super) unsafe extern "C" fn put(
    context: CUcontext,
    key: *mut c_void,
    value: *mut c_void,
    destructor: Option<CDestructor>,
) -> CUresult {
    guarded(|| {
        let host = host()?;
        let context = context_storage::meant(host, context)?;
        let destructor = destructor.map(|function| destruction(function, context, key, value));
        context_storage::put(host, context, key.addr(), value.expose_provenance(), destructor)
    })
}

/// `CONTEXT_LOCAL_STORAGE[1]`.
pub(super) unsafe extern "C" fn delete(context: CUcontext, key: *mut c_void) -> CUresult {
    guarded(|| {
        let host = host()?;
        context_storage::remove(host, context_storage::meant(host, context)?, key.addr())
    })
}

/// `CONTEXT_LOCAL_STORAGE[2]`, called before every call of the runtime.
pub(super) unsafe extern "C" fn get(
    value: *mut *mut c_void,
    context: CUcontext,
    key: *mut c_void,
) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe {
        answer(value, || {
            let host = host()?;
            let kept = context_storage::get(host, context_storage::meant(host, context)?, key.addr())?;
            Ok(ptr::with_exposed_provenance_mut(kept))
        })
    }
}

/// `CONTEXT_CHECKS[2]`: nothing is wrong with the context, and there is nothing to say about it.
pub(super) unsafe extern "C" fn check_context(
    _context: CUcontext,
    wrong: *mut u32,
    detail: *mut *mut c_void,
) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { answer_two(wrong, detail, || Ok((0, ptr::null_mut()))) }
}

/// `CONTEXT_CHECKS[3]`: nothing is wrong; a plain number, not a `CUresult`.
pub(super) extern "C" fn check() -> u32 {
    0
}

/// `INTEGRITY_CHECK[1]`.
pub(super) unsafe extern "C" fn integrity_check(version: u32, unix_s: u64, hash: *mut [u8; 16]) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe {
        answer(hash, || {
            let host = host()?;
            let question = Question {
                driver_version: host.driver_version(),
                version,
                process: std::process::id(),
                thread: libc::pthread_self() as u32,
                runtime_table: CUDART_INTERFACE.as_ptr().addr() as u64,
                integrity_table: INTEGRITY_CHECK.as_ptr().addr() as u64,
                integrity_function: INTEGRITY_CHECK[1].0.addr() as u64,
                unix_s,
                devices: &host.visible_devices(),
            };
            Ok(question.answer())
        })
    }
}

/// `1734DC26…[4]`: what NVIDIA's driver says here is not known; zeros are accepted.
pub(super) unsafe extern "C" fn matrix_product_hints(first: *mut u32, second: *mut u32) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe { answer_two(first, second, || Ok((0, 0))) }
}

/// # Safety
/// `module` is NULL or writable; `image` is NULL, a fatbin wrapper or a fatbin.
unsafe fn load(module: *mut CUmodule, image: *const c_void) -> CUresult {
    if image.is_null() {
        return CUDA_ERROR_INVALID_VALUE;
    }
    // SAFETY: the caller's promise.
    unsafe { answer(module, || host()?.load_module(image)) }
}

/// A C destructor with its arguments, to be called once, on whichever thread takes the context down.
fn destruction(
    function: CDestructor,
    context: CUcontext,
    key: *mut c_void,
    value: *mut c_void,
) -> Destructor {
    let [context, key, value] = [context, key, value].map(|pointer| pointer.expose_provenance());
    Box::new(move || {
        let [context, key, value] = [context, key, value].map(ptr::with_exposed_provenance_mut);
        // SAFETY: whoever gave the function promised that it takes these three.
        unsafe { function(context, key, value) }
    })
}

/// Writes what `make` makes, if it does.
///
/// # Safety
/// `out` is NULL or writable.
unsafe fn answer<T>(out: *mut T, make: impl FnOnce() -> Result<T, CUresult>) -> CUresult {
    if out.is_null() {
        return CUDA_ERROR_INVALID_VALUE;
    }
    guarded(|| {
        let made = make()?;
        // SAFETY: not NULL, hence writable; a packed structure in the caller may hold it unaligned.
        unsafe { out.write_unaligned(made) };
        Ok(())
    })
}

/// # Safety
/// `first` and `second` are NULL or writable.
unsafe fn answer_two<A, B>(
    first: *mut A,
    second: *mut B,
    make: impl FnOnce() -> Result<(A, B), CUresult>,
) -> CUresult {
    if second.is_null() {
        return CUDA_ERROR_INVALID_VALUE;
    }
    let mut kept = None;
    // SAFETY: the caller's promise.
    let result = unsafe {
        answer(first, || {
            let (a, b) = make()?;
            kept = Some(b);
            Ok(a)
        })
    };
    if let Some(b) = kept {
        // SAFETY: not NULL, hence writable.
        unsafe { second.write_unaligned(b) };
    }
    result
}

/// A panic here would end the user's program; it becomes an error of the call.
fn guarded(body: impl FnOnce() -> Result<(), CUresult>) -> CUresult {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CUDA_SUCCESS,
        Ok(Err(error)) => error,
        Err(_panic) => CUDA_ERROR_UNKNOWN,
    }
}

/// Zeroed memory that is handed out by address, far larger than what callers are told, in case a newer one looks further.
struct Zeroed(UnsafeCell<[u64; Zeroed::SIZE / 8]>);

impl Zeroed {
    const SIZE: usize = 16 * 1024;

    const fn new() -> Self {
        Self(UnsafeCell::new([0; Self::SIZE / 8]))
    }

    fn address(&self) -> *mut c_void {
        self.0.get().cast()
    }
}

// SAFETY: no Rust code reads or writes it; a profiler in the program may, as it may in NVIDIA's driver.
unsafe impl Sync for Zeroed {}

static HOOKS: Zeroed = Zeroed::new();
static HOOK_FLAGS: Zeroed = Zeroed::new();

#[cfg(test)]
mod tests {
    use std::mem::transmute;
    use std::ptr::without_provenance_mut;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::export_tables::get_export_table;
    use crate::{CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_HANDLE, DeviceIdentity, Host, context_gone};

    /// One context, 0x77, which is current and primary; asking for device 13 is a bug in the host.
    struct OneContext;

    const CONTEXT: usize = 0x77;

    impl Host for OneContext {
        fn driver_version(&self) -> u32 {
            13050
        }
        fn visible_devices(&self) -> Vec<DeviceIdentity> {
            vec![DeviceIdentity { uuid: [1; 16], pci_domain: 0, pci_bus: 2, pci_device: 0 }]
        }
        fn primary_context(&self, device: CUdevice) -> Result<CUcontext, CUresult> {
            assert_ne!(device, 13, "a bug in the host");
            Ok(without_provenance_mut(CONTEXT))
        }
        fn current_context(&self) -> CUcontext {
            without_provenance_mut(CONTEXT)
        }
        fn is_live(&self, context: CUcontext) -> bool {
            context.addr() == CONTEXT
        }
        fn load_module(&self, image: *const c_void) -> Result<CUmodule, CUresult> {
            Ok(image.cast_mut())
        }
    }

    /// The slot, fetched as a program fetches it.
    fn slot(id: u128, place: usize) -> *const c_void {
        let mut table: *const c_void = ptr::null();
        let id = id.to_be_bytes();
        // SAFETY: a writable pointer, 16 readable bytes, and a place inside the table.
        unsafe {
            assert_eq!(get_export_table(&OneContext, &mut table, id.as_ptr().cast()), CUDA_SUCCESS);
            table.cast::<*const c_void>().add(place).read()
        }
    }

    const CUDART: u128 = 0x6BD5FB6C_5BF4_E74A_8987_D93912FD9DF9;
    const STORAGE: u128 = 0xC693336E_1121_DF11_A8C3_68F355D89593;
    const INTEGRITY: u128 = 0xD4082055_BDE6_704B_8D34_BA123C66E1F2;

    #[test]
    fn a_table_that_is_refused_leaves_null() {
        let mut table: *const c_void = ptr::dangling();
        let id = [0xFFu8; 16];
        // SAFETY: a writable pointer and 16 readable bytes; then NULLs, which are promised to be refused.
        unsafe {
            let result = get_export_table(&OneContext, &mut table, id.as_ptr().cast());
            assert_eq!((result, table), (CUDA_ERROR_INVALID_VALUE, ptr::null()));
            let result = get_export_table(&OneContext, ptr::null_mut(), id.as_ptr().cast());
            assert_eq!(result, CUDA_ERROR_INVALID_VALUE);
            assert_eq!(get_export_table(&OneContext, &mut table, ptr::null()), CUDA_ERROR_INVALID_VALUE);
        }
    }

    #[test]
    fn a_panic_in_the_host_becomes_an_error_of_the_call() {
        type PrimaryContext = unsafe extern "C" fn(*mut CUcontext, CUdevice) -> CUresult;
        let mut context = ptr::null_mut();
        // SAFETY: the slot has this type.
        unsafe {
            let primary_context: PrimaryContext = transmute(slot(CUDART, 2));
            assert_eq!(primary_context(&mut context, 13), CUDA_ERROR_UNKNOWN);
            assert_eq!(primary_context(&mut context, 0), CUDA_SUCCESS);
            assert_eq!(primary_context(ptr::null_mut(), 0), CUDA_ERROR_INVALID_VALUE);
        }
        assert_eq!(context.addr(), CONTEXT);
    }

    #[test]
    fn a_slot_that_nobody_calls_says_so() {
        for place in [3, 4, 5, 9, 10, 11] {
            // SAFETY: the slot ignores whatever arguments it is given.
            let unknown: extern "C" fn() -> CUresult = unsafe { transmute(slot(CUDART, place)) };
            assert_eq!(unknown(), CUDA_ERROR_NOT_SUPPORTED, "slot {place}");
        }
    }

    #[test]
    fn options_that_are_not_understood_are_refused() {
        type Load = unsafe extern "C" fn(*mut CUmodule, *const c_void, usize, usize, usize) -> CUresult;
        let mut module = ptr::null_mut();
        // SAFETY: the slot has this type, and the host does not look at the image.
        unsafe {
            let load: Load = transmute(slot(CUDART, 6));
            assert_eq!(load(&mut module, ptr::dangling(), 0, 0, 1), CUDA_ERROR_NOT_SUPPORTED);
            assert_eq!(load(&mut module, ptr::null(), 0, 0, 0), CUDA_ERROR_INVALID_VALUE);
            assert_eq!(load(&mut module, ptr::dangling(), 0, 0, 0), CUDA_SUCCESS);
        }
        assert_eq!(module, ptr::dangling_mut());
    }

    #[test]
    fn a_value_beside_the_current_context_lives_until_the_context_goes() {
        type Put = unsafe extern "C" fn(CUcontext, *mut c_void, *mut c_void, Option<CDestructor>) -> CUresult;
        type Get = unsafe extern "C" fn(*mut *mut c_void, CUcontext, *mut c_void) -> CUresult;
        static DESTROYED: AtomicUsize = AtomicUsize::new(0);
        unsafe extern "C" fn destroy(context: CUcontext, key: *mut c_void, value: *mut c_void) {
            DESTROYED.fetch_add(context.addr() + key.addr() + value.addr(), Ordering::Relaxed);
        }
        let [context, key, value] = [CONTEXT, 0x100, 0x1000].map(without_provenance_mut::<c_void>);
        let mut found = ptr::null_mut();
        // SAFETY: the slots have these types.
        unsafe {
            let put: Put = transmute(slot(STORAGE, 0));
            let get: Get = transmute(slot(STORAGE, 2));
            assert_eq!(get(&mut found, ptr::null_mut(), key), CUDA_ERROR_INVALID_HANDLE);
            assert_eq!(put(ptr::null_mut(), key, value, Some(destroy)), CUDA_SUCCESS);
            assert_eq!(get(&mut found, context, key), CUDA_SUCCESS);
            assert_eq!(found.addr(), 0x1000);
            assert_eq!(get(&mut found, without_provenance_mut(0x78), key), CUDA_ERROR_INVALID_CONTEXT);
            context_gone(context);
            assert_eq!(DESTROYED.load(Ordering::Relaxed), CONTEXT + 0x1100);
            assert_eq!(get(&mut found, context, key), CUDA_ERROR_INVALID_HANDLE);
        }
    }

    #[test]
    fn the_integrity_check_speaks_of_this_thread_and_these_tables() {
        type Check = unsafe extern "C" fn(u32, u64, *mut [u8; 16]) -> CUresult;
        let mut hash = [0; 16];
        // SAFETY: the slot has this type.
        unsafe {
            let check: Check = transmute(slot(INTEGRITY, 1));
            assert_eq!(check(13052, 1_700_000_000, &mut hash), CUDA_SUCCESS);
        }
        let expected = Question {
            driver_version: 13050,
            version: 13052,
            process: std::process::id(),
            // SAFETY: asks nothing of its caller.
            thread: unsafe { libc::pthread_self() } as u32,
            runtime_table: table_address(CUDART) as u64,
            integrity_table: table_address(INTEGRITY) as u64,
            integrity_function: slot(INTEGRITY, 1).addr() as u64,
            unix_s: 1_700_000_000,
            devices: &OneContext.visible_devices(),
        };
        assert_eq!(hash, expected.answer());
    }

    fn table_address(id: u128) -> usize {
        let mut table: *const c_void = ptr::null();
        // SAFETY: a writable pointer and 16 readable bytes.
        unsafe { get_export_table(&OneContext, &mut table, id.to_be_bytes().as_ptr().cast()) };
        table.addr()
    }
}
