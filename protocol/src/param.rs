//! The kinds of argument that a row may name, and what each is in the C signature.
//!
//! A kind is a type without values. How it is checked and written stands in the shim's `param.rs`, how it is
//! read, looked up and handed to the driver in the server's; both are compiled for each row that crosses the wire.
//! Handles and device addresses are plain numbers here: nobody on either side may follow one.

use crate::handle::ObjectKind;
use std::ffi::{c_char, c_void};
use std::marker::PhantomData;

pub trait Kind {
    /// What stands in the C signature, or an integer that is passed the same way.
    type C;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $c:ty;)*) => {$(
        $(#[$doc])*
        pub enum $name {}
        impl Kind for $name { type C = $c; }
    )*};
}

macro_rules! scalars {
    ($($name:ty),*) => {$(impl Kind for $name { type C = $name; })*};
}

scalars!(i32, u32, i64, u64, usize, f32, u8, u16);

kinds! {
    /// A device's ordinal.
    Device = i32;
    /// A device address: a number with a live range behind it, never an id, because programs add offsets to it.
    DevPtr = u64;
    /// The 32-bit device address of the functions without a version.
    DevPtrV1 = u32;
    /// Device memory that the call would take; counted against the session's quota.
    DeviceBytes = usize;
    /// The elements behind an untyped pointer.
    Bytes = c_void;
    /// A NUL-terminated string.
    Text = c_char;
    /// The name of a file on the client's machine; it never crosses.
    Path = c_char;
    /// PTX, a cubin or a fatbin; its length is inside it.
    Image = c_void;
    /// Host memory whose bytes the call takes with it.
    HostBytes = *const c_void;
    /// A host address that only the shim may follow.
    HostPtr = *mut c_void;
}

/// An enum by value. A program may pass a number that this build does not know, so it crosses as an integer.
pub struct Enum<T>(PhantomData<T>);
impl<T> Kind for Enum<T> {
    type C = u32;
}

/// A struct by value.
pub struct Struct<T>(PhantomData<T>);
impl<T> Kind for Struct<T> {
    type C = T;
}

/// A function of the program; nobody but the shim ever calls it.
pub struct HostFn<T>(PhantomData<T>);
impl<T> Kind for HostFn<T> {
    type C = *const c_void;
}

/// Read by the call.
pub struct In<K>(PhantomData<K>);
impl<K: Kind> Kind for In<K> {
    type C = *const K::C;
}

/// Written by the call.
pub struct Out<K>(PhantomData<K>);
impl<K: Kind> Kind for Out<K> {
    type C = *mut K::C;
}

/// Read and written by the call.
pub struct InOut<K>(PhantomData<K>);
impl<K: Kind> Kind for InOut<K> {
    type C = *mut K::C;
}

/// NULL is lawful.
impl<K: Kind> Kind for Option<K> {
    type C = K::C;
}

/// A kind that names an object of the driver.
pub trait Handle: Kind<C = u64> {
    /// What an id given here must name.
    const KIND: ObjectKind;
}

macro_rules! handles {
    ($($name:ident),*) => {$(
        pub enum $name {}
        impl Kind for $name { type C = u64; }
        impl Handle for $name { const KIND: ObjectKind = ObjectKind::$name; }
    )*};
}

handles!(Context, Event, Module, Function, Library, Kernel, LinkState, MemPool, AllocationHandle);

kinds! {
    /// A stream: an id, or one of CUDA's default streams.
    Stream = u64;
    /// A function, or a kernel where CUDA takes one for it.
    Launchable = u64;
    /// A `CUmemLocation` by value: two integers of four bytes, which are passed as one of eight.
    Location = u64;
    /// An array, and one of several levels.
    Array = u64;
    MipmappedArray = u64;
    /// What kernels read and write arrays by: the driver's own value.
    TexObject = u64;
    SurfObject = u64;
    /// A green context.
    GreenCtx = u64;
    /// A graph.
    Graph = u64;
    /// A node of a graph.
    GraphNode = u64;
    /// An executable graph.
    GraphExec = u64;
    /// What dies with the last graph that holds it.
    UserObject = u64;
    /// What a conditional node looks at: the driver's own value, as kernels receive it.
    ConditionalHandle = u64;
}

/// NULL as a stream: whichever default stream the symbol means that was called.
pub const STREAM_NULL: u64 = 0;
/// `CU_STREAM_LEGACY`.
pub const STREAM_LEGACY: u64 = 1;
/// `CU_STREAM_PER_THREAD`.
pub const STREAM_PER_THREAD: u64 = 2;
