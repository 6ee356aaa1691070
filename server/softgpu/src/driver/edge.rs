//! The C boundary: how an argument is read, how an answer is written, and how a body becomes an `extern "C"` function.
//! Nothing here knows what a call does.
#![allow(unsafe_code)] // Programs hand over bare pointers; the argument types below are the only places that follow them.

use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use farwarp_face::*;
use farwarp_graphs::Word;

/// A body ends with the driver's own number for what went wrong.
pub type Result<T = ()> = std::result::Result<T, CUresult>;

/// Makes driver functions of Rust bodies. `fn name | alias` also makes the variant whose default stream is per thread.
macro_rules! api {
    ($(fn $name:ident $(| $alias:ident)? ($($args:tt)*) $body:block)*) => { $(
        $crate::driver::edge::function! { Legacy $name ($($args)*) $body }
        $crate::driver::edge::alias! { $($alias)? ($($args)*) $body }
    )* };
}
pub(crate) use api;

macro_rules! alias {
    ($args:tt $body:block) => {};
    ($alias:ident $args:tt $body:block) => {
        $crate::driver::edge::function! { PerThread $alias $args $body }
    };
}
pub(crate) use alias;

macro_rules! function {
    ($default:ident $name:ident ($($arg:ident: $kind:ty),* $(,)?) $body:block) => {
        pub extern "C" fn $name($($arg: $kind),*) -> farwarp_face::CUresult {
            const OF_EVENTS: bool = farwarp_graphs::concerns_events(stringify!($name));
            $crate::driver::edge::answer($crate::driver::edge::DefaultStream::$default, || {
                // While a stream captures, calls may become nodes, or be refused.
                if farwarp_graphs::is_any(OF_EVENTS) {
                    let words: &[u64] = &[$(farwarp_graphs::Word::word($arg)),*];
                    if let Some(done) = $crate::driver::graph::divert(stringify!($name), words) {
                        return done;
                    }
                }
                $body
            })
        }
    };
}
pub(crate) use function;

/// What stream 0 means to the caller of the function that is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultStream {
    Legacy,
    PerThread,
}

thread_local! {
    static DEFAULT_STREAM: std::cell::Cell<DefaultStream> = const { std::cell::Cell::new(DefaultStream::Legacy) };
}

/// The meaning of stream 0 in the call that this thread is in.
pub fn default_stream() -> DefaultStream {
    DEFAULT_STREAM.get()
}

/// Runs a body. A panic is our fault and becomes an error; it never reaches the program.
pub fn answer(default_stream: DefaultStream, body: impl FnOnce() -> Result) -> CUresult {
    // Restored afterwards: a host callback or a destructor may call the driver from inside a call.
    let outer = DEFAULT_STREAM.replace(default_stream);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    DEFAULT_STREAM.set(outer);
    match outcome {
        Ok(Ok(())) => CUDA_SUCCESS,
        Ok(Err(error)) => error,
        Err(_) => CUDA_ERROR_UNKNOWN,
    }
}

/// Where an answer goes. The program promises that it is NULL or room for a `T`.
#[derive(Debug)]
#[repr(transparent)]
pub struct Out<T>(*mut T);

// Not derived: a place is copied, not what lies there.
impl<T> Clone for Out<T> {
    fn clone(&self) -> Out<T> {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> Out<T> {
    /// Writes the answer; NULL is `CUDA_ERROR_INVALID_VALUE`.
    pub fn put(self, value: T) -> Result {
        self.require()?;
        self.put_if_wanted(value);
        Ok(())
    }

    /// Writes the answer unless the pointer is NULL.
    pub fn put_if_wanted(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: not NULL, hence room for a T by the program's promise. Nothing is said about its alignment.
            unsafe { self.0.write_unaligned(value) };
        }
    }

    /// For calls that must not act when they could not answer.
    pub fn require(self) -> Result {
        if self.0.is_null() { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(()) }
    }

    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// A place at an address which the program gave inside another argument.
    pub fn at(address: u64) -> Out<T> {
        Out(std::ptr::with_exposed_provenance_mut(address as usize))
    }

    /// The same place, seen as raw bytes: for answers whose size depends on the question.
    pub fn address(self) -> u64 {
        self.0.addr() as u64
    }
}

impl<T: Copy> Out<T> {
    /// The number that the program left there: some answers begin as a question.
    pub fn get(self) -> Result<T> {
        In(self.0.cast_const()).get()
    }

    /// Element `index` of the array that begins there.
    pub fn put_at(self, index: usize, value: T) {
        Out(self.0.wrapping_add(index)).put_if_wanted(value);
    }
}

impl Out<c_char> {
    /// Writes `text` and its NUL into `len` bytes, cut where it must be.
    pub fn put_text(self, text: &str, len: i32) -> Result {
        self.require()?;
        let room = usize::try_from(len).ok().filter(|room| *room > 0).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let kept = &text.as_bytes()[..text.len().min(room - 1)];
        for (index, byte) in kept.iter().chain(&[0]).enumerate() {
            self.put_at(index, *byte as c_char);
        }
        Ok(())
    }
}

impl Out<c_void> {
    /// Writes an answer whose type the program chose by another argument.
    pub fn put_as<T>(self, value: T) -> Result {
        Out(self.0.cast::<T>()).put(value)
    }

    pub fn is_at(address: *mut c_void) -> Out<c_void> {
        Out(address)
    }
}

/// What a question is read from. The program promises that it is NULL or points to a `T` (or an array of them).
#[derive(Debug)]
#[repr(transparent)]
pub struct In<T>(*const T);

impl<T> Clone for In<T> {
    fn clone(&self) -> In<T> {
        *self
    }
}

impl<T> Copy for In<T> {}

impl<T: Copy> In<T> {
    pub fn get(self) -> Result<T> {
        if self.0.is_null() { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(self.read()) }
    }

    /// `count` of them; none may lie at NULL.
    pub fn list(self, count: usize) -> Result<Vec<T>> {
        if count > 0 && self.0.is_null() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if count > LIST_LIMIT {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        Ok((0..count).map(|index| In(self.0.wrapping_add(index)).read()).collect())
    }

    fn read(self) -> T {
        // SAFETY: the callers have looked for NULL; otherwise it points to a T by the program's promise.
        unsafe { self.0.read_unaligned() }
    }

    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The thing that lies at an address which the program gave inside another argument.
    pub fn at(address: u64) -> In<T> {
        In(std::ptr::with_exposed_provenance(address as usize))
    }

    pub fn address(self) -> u64 {
        self.0.addr() as u64
    }
}

/// No driver call takes a longer list: a count beyond it is garbage, and following it would crash the program.
const LIST_LIMIT: usize = 1 << 20;

/// A NUL-terminated string of the program.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct Text(*const c_char);

impl Text {
    /// The string that begins at an address which the program gave as something else.
    pub fn at(address: u64) -> Text {
        Text(std::ptr::with_exposed_provenance(address as usize))
    }

    pub fn get(self) -> Result<String> {
        Ok(self.c_string()?.to_string_lossy().into_owned())
    }

    pub fn c_string(self) -> Result<CString> {
        if self.0.is_null() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        // SAFETY: not NULL, hence a NUL-terminated string by the program's promise.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_owned())
    }
}

/// The `len` bytes at an address that the program gave. They are copied at once: they are the program's to change.
pub fn bytes_at(address: u64, len: usize) -> Vec<u8> {
    let start: *const u8 = std::ptr::with_exposed_provenance(address as usize);
    // SAFETY: the program promises `len` readable bytes there; a Vec never aliases them.
    unsafe { std::slice::from_raw_parts(start, len) }.to_vec()
}

/// The body of `cuGetExportTable`.
pub fn export_table(host: &'static dyn Host, table: Out<*const c_void>, id: In<[u8; 16]>) -> Result {
    // SAFETY: both are NULL or point to what their types say, by the program's promise.
    match unsafe { get_export_table(host, table.0, id.0.cast()) } {
        CUDA_SUCCESS => Ok(()),
        error => Err(error),
    }
}

/// A function of the program and what it wants to be told: `CUhostFn`, `CUstreamCallback`.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct UserData(*mut c_void);

// SAFETY: the driver never follows it; it only carries it back to the program.
unsafe impl Send for UserData {}

impl<T> Word for Out<T> {
    fn word(self) -> u64 {
        self.0.expose_provenance() as u64
    }
}

impl<T> Word for In<T> {
    fn word(self) -> u64 {
        self.0.expose_provenance() as u64
    }
}

impl Word for Text {
    fn word(self) -> u64 {
        self.0.expose_provenance() as u64
    }
}

/// Which device it is; no capture looks at it.
impl Word for crate::driver::mirror::Location {
    fn word(self) -> u64 {
        self.id as u64
    }
}

impl Word for UserData {
    fn word(self) -> u64 {
        self.0.expose_provenance() as u64
    }
}

pub type HostFunction = Option<unsafe extern "C" fn(UserData)>;
pub type StreamCallback = Option<unsafe extern "C" fn(u64, CUresult, UserData)>;
pub type BlockSizeToSharedBytes = Option<unsafe extern "C" fn(i32) -> usize>;

/// A function of the program's and what it wants to be told, by their addresses.
pub fn host_function_at(function: u64, data: u64) -> (HostFunction, UserData) {
    let pointer = std::ptr::with_exposed_provenance::<c_void>(function as usize);
    // SAFETY: the program gave the address as that of such a function; NULL is none.
    let function = unsafe { std::mem::transmute::<*const c_void, HostFunction>(pointer) };
    (function, UserData(std::ptr::with_exposed_provenance_mut(data as usize)))
}

/// Runs a host function.
pub fn call_host_function(function: HostFunction, data: UserData) {
    if let Some(function) = function {
        // SAFETY: the program gave the function to be called so.
        unsafe { function(data) };
    }
}

/// Runs a stream callback.
pub fn call_stream_callback(function: StreamCallback, stream: u64, status: CUresult, data: UserData) {
    if let Some(function) = function {
        // SAFETY: the program gave the function to be called so.
        unsafe { function(stream, status, data) };
    }
}

/// How much dynamic shared memory a block of that size wants, as the program computes it.
pub fn shared_bytes_for(function: BlockSizeToSharedBytes, block_size: i32, otherwise: usize) -> usize {
    // SAFETY: the program gave the function to be called so.
    function.map_or(otherwise, |function| unsafe { function(block_size) })
}
