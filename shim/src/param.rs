//! How an argument of an `ask` or `tell` row leaves the program and comes back: checked here, written in order.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::state::Shim;
use farwarp_protocol::codec::encode_onto;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_UNKNOWN, Code,
};
use farwarp_protocol::handle::Id;
use farwarp_protocol::param::*;

/// A call on its way: what of the shim its checks need, and the body as far as it is written.
pub struct Outgoing<'a> {
    pub shim: &'a Shim,
    pub body: Vec<u8>,
}

pub trait Travel: Kind {
    /// Checks the argument and writes what the server needs of it. `length` is what the row says in brackets.
    fn send(value: Self::C, length: usize, call: &mut Outgoing) -> Result<(), Code>;

    /// Takes from the reply what the call returns through this argument.
    ///
    /// # Safety
    /// `value` is the program's argument; where it is a pointer, the program vouches for what it points to.
    unsafe fn deliver(_value: Self::C, _reply: &mut &[u8]) -> Result<(), Code> {
        Ok(())
    }
}

macro_rules! scalars {
    ($($name:ty),*) => {$(
        impl Travel for $name {
            fn send(value: $name, _length: usize, call: &mut Outgoing) -> Result<(), Code> {
                call.body.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
        }
    )*};
}

scalars!(i32, u32, i64, u64, f32, u8, u16);

/// On the wire a number has a size.
impl Travel for usize {
    fn send(value: usize, length: usize, call: &mut Outgoing) -> Result<(), Code> {
        u64::send(value as u64, length, call)
    }
}

impl<T> Travel for Enum<T> {
    fn send(value: u32, length: usize, call: &mut Outgoing) -> Result<(), Code> {
        u32::send(value, length, call)
    }
}

impl Travel for DevPtr {
    fn send(value: u64, length: usize, call: &mut Outgoing) -> Result<(), Code> {
        if call.shim.memory().device(value, length as u64)?.shared {
            // The rows with such an argument wait for values and write them.
            crate::shared::refuse_signals();
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        u64::send(value, length, call)
    }
}

impl Travel for Stream {
    fn send(value: u64, _length: usize, call: &mut Outgoing) -> Result<(), Code> {
        let stream = crate::threads::resolve(value);
        if stream > STREAM_PER_THREAD {
            call.shim.objects().streams.get(Id(stream)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        }
        encode_onto(&stream, &mut call.body);
        Ok(())
    }
}

impl Travel for Launchable {
    fn send(value: u64, _length: usize, call: &mut Outgoing) -> Result<(), Code> {
        call.shim.objects().layout(value)?;
        encode_onto(&value, &mut call.body);
        Ok(())
    }
}

macro_rules! handles {
    ($($name:ident in $table:ident),*) => {$(
        impl Travel for $name {
            fn send(value: u64, _length: usize, call: &mut Outgoing) -> Result<(), Code> {
                call.shim.objects().$table.get(Id(value)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
                encode_onto(&value, &mut call.body);
                Ok(())
            }
        }
    )*};
}

/// CUDA calls a pool that is none an invalid value.
impl Travel for MemPool {
    fn send(value: u64, _length: usize, call: &mut Outgoing) -> Result<(), Code> {
        call.shim.objects().pools.get(Id(value)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        encode_onto(&value, &mut call.body);
        Ok(())
    }
}

/// A context, which must be alive.
impl Travel for Context {
    fn send(value: u64, _length: usize, call: &mut Outgoing) -> Result<(), Code> {
        call.shim.contexts().get(Id(value))?;
        call.shim.contexts().active(Id(value))?;
        encode_onto(&value, &mut call.body);
        Ok(())
    }
}

handles!(Event in events, Function in functions, Kernel in kernels);

/// A device's ordinal, as the server counts them.
impl Travel for Device {
    fn send(value: i32, length: usize, call: &mut Outgoing) -> Result<(), Code> {
        let ordinal = call.shim.server_ordinal(value)?;
        i32::send(ordinal, length, call)
    }
}

macro_rules! outputs {
    ($($name:ty),*) => {$(
        impl Travel for Out<$name> {
            fn send(value: *mut $name, _length: usize, _call: &mut Outgoing) -> Result<(), Code> {
                if value.is_null() { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(()) }
            }

            unsafe fn deliver(value: *mut $name, reply: &mut &[u8]) -> Result<(), Code> {
                let (bytes, rest) = reply.split_first_chunk().ok_or(CUDA_ERROR_UNKNOWN)?;
                *reply = rest;
                // SAFETY: `send` refused NULL, and the program vouches for the rest, as it does to the driver.
                unsafe { value.write_unaligned(<$name>::from_le_bytes(*bytes)) };
                Ok(())
            }
        }
    )*};
}

outputs!(i32, u32, u64, f32);

impl Travel for Out<usize> {
    fn send(value: *mut usize, _length: usize, _call: &mut Outgoing) -> Result<(), Code> {
        if value.is_null() { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(()) }
    }

    unsafe fn deliver(value: *mut usize, reply: &mut &[u8]) -> Result<(), Code> {
        // SAFETY: a usize and a u64 are the same here, and `send` refused NULL.
        unsafe { <Out<u64>>::deliver(value.cast(), reply) }
    }
}

impl<T> Travel for Out<Enum<T>> {
    fn send(value: *mut u32, length: usize, call: &mut Outgoing) -> Result<(), Code> {
        <Out<u32>>::send(value, length, call)
    }

    unsafe fn deliver(value: *mut u32, reply: &mut &[u8]) -> Result<(), Code> {
        // SAFETY: an enum of CUDA's is four bytes, and `send` refused NULL.
        unsafe { <Out<u32>>::deliver(value, reply) }
    }
}

const _: () = assert!(size_of::<usize>() == size_of::<u64>());
