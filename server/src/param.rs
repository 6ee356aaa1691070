//! How an argument of an `ask` or `tell` row comes off the wire: decoded, looked up, handed to the driver, and back.

use crate::executor::{Call, Executor};
use crate::refusal::Refusal;
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::param::*;

/// What is left of a body.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Reader<'a> {
        Reader { rest: body }
    }

    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (bytes, rest) =
            self.rest.split_first_chunk().ok_or(Refusal::Short { missing: N - self.rest.len().min(N) })?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub fn finish(self) -> Result<(), Refusal> {
        if self.rest.is_empty() { Ok(()) } else { Err(Refusal::Trailing { left: self.rest.len() }) }
    }
}

pub trait Hold: Kind {
    /// As it crossed; a number that lengths may be reckoned from.
    type Wire;
    /// What the server owns while the driver is called.
    type Held;

    fn read(reader: &mut Reader) -> Result<Self::Wire, Refusal>;
    /// `length` is what the row says in brackets.
    fn hold(
        wire: Self::Wire,
        length: usize,
        executor: &mut Executor,
        call: &Call,
    ) -> Result<Self::Held, Refusal>;
    /// What the driver gets: a number, or a pointer to something that the server owns.
    fn arg(held: &mut Self::Held) -> Self::C;
    /// What goes back to the client.
    fn back(_held: Self::Held, _reply: &mut Vec<u8>) {}
}

macro_rules! scalars {
    ($($name:ty),*) => {$(
        impl Hold for $name {
            type Wire = $name;
            type Held = $name;
            fn read(reader: &mut Reader) -> Result<$name, Refusal> {
                Ok(<$name>::from_le_bytes(reader.take()?))
            }
            fn hold(wire: $name, _: usize, _: &mut Executor, _: &Call) -> Result<$name, Refusal> {
                Ok(wire)
            }
            fn arg(held: &mut $name) -> $name {
                *held
            }
        }

        impl Hold for Out<$name> {
            type Wire = ();
            type Held = $name;
            fn read(_: &mut Reader) -> Result<(), Refusal> {
                Ok(())
            }
            fn hold(_: (), _: usize, _: &mut Executor, _: &Call) -> Result<$name, Refusal> {
                // Cleared, so that nothing of the server's goes back where the driver writes nothing.
                Ok(<$name>::default())
            }
            fn arg(held: &mut $name) -> *mut $name {
                held
            }
            fn back(held: $name, reply: &mut Vec<u8>) {
                reply.extend_from_slice(&held.to_le_bytes());
            }
        }
    )*};
}

scalars!(i32, u32, i64, u64, f32, u8, u16, usize);

const _: () = assert!(size_of::<usize>() == size_of::<u64>());

impl<T> Hold for Enum<T> {
    type Wire = u32;
    type Held = u32;
    fn read(reader: &mut Reader) -> Result<u32, Refusal> {
        u32::read(reader)
    }
    fn hold(wire: u32, _: usize, _: &mut Executor, _: &Call) -> Result<u32, Refusal> {
        Ok(wire)
    }
    fn arg(held: &mut u32) -> u32 {
        *held
    }
}

impl<T> Hold for Out<Enum<T>> {
    type Wire = ();
    type Held = u32;
    fn read(_: &mut Reader) -> Result<(), Refusal> {
        Ok(())
    }
    fn hold(_: (), _: usize, _: &mut Executor, _: &Call) -> Result<u32, Refusal> {
        Ok(0)
    }
    fn arg(held: &mut u32) -> *mut u32 {
        held
    }
    fn back(held: u32, reply: &mut Vec<u8>) {
        <Out<u32>>::back(held, reply);
    }
}

impl Hold for Device {
    type Wire = i32;
    type Held = i32;
    fn read(reader: &mut Reader) -> Result<i32, Refusal> {
        i32::read(reader)
    }
    fn hold(wire: i32, _: usize, executor: &mut Executor, _: &Call) -> Result<i32, Refusal> {
        executor.device(wire)
    }
    fn arg(held: &mut i32) -> i32 {
        *held
    }
}

impl Hold for DevPtr {
    type Wire = u64;
    type Held = u64;
    fn read(reader: &mut Reader) -> Result<u64, Refusal> {
        u64::read(reader)
    }
    fn hold(wire: u64, length: usize, executor: &mut Executor, _: &Call) -> Result<u64, Refusal> {
        executor.ranges.check(wire, length as u64)?;
        executor.shared.writes(wire, crate::shared::Place::Anywhere);
        Ok(wire)
    }
    fn arg(held: &mut u64) -> u64 {
        *held
    }
}

impl Hold for Stream {
    type Wire = u64;
    type Held = u64;
    fn read(reader: &mut Reader) -> Result<u64, Refusal> {
        u64::read(reader)
    }
    fn hold(wire: u64, _: usize, executor: &mut Executor, call: &Call) -> Result<u64, Refusal> {
        executor.stream(call, wire)
    }
    fn arg(held: &mut u64) -> u64 {
        *held
    }
}

impl Hold for Launchable {
    type Wire = u64;
    type Held = u64;
    fn read(reader: &mut Reader) -> Result<u64, Refusal> {
        u64::read(reader)
    }
    fn hold(wire: u64, _: usize, executor: &mut Executor, _: &Call) -> Result<u64, Refusal> {
        executor.launchable(Id(wire))
    }
    fn arg(held: &mut u64) -> u64 {
        *held
    }
}

macro_rules! handles {
    ($($name:ident),*) => {$(
        impl Hold for $name {
            type Wire = u64;
            type Held = u64;
            fn read(reader: &mut Reader) -> Result<u64, Refusal> {
                u64::read(reader)
            }
            fn hold(wire: u64, _: usize, executor: &mut Executor, _: &Call) -> Result<u64, Refusal> {
                executor.objects.get(Id(wire), ObjectKind::$name)
            }
            fn arg(held: &mut u64) -> u64 {
                *held
            }
        }
    )*};
}

handles!(Context, Event, Function, Kernel, MemPool);
