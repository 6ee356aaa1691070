//! Memory that one session shows to others of its ticket. What is shown is a chunk of the arena; a handle names a part of it. The chunk's
//! descriptor goes by way of the gate, which knows whose ticket is whose.

use crate::executor::{Call, Executor, Reply};
use crate::outlet::Asker;
use crate::port::{Arrived, Market};
use crate::refusal::Refusal;
use farwarp_protocol::call::{MemoryHandle, Range};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE,
    CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_OPERATING_SYSTEM, CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Wants under way at a time; each is a client thread that waits.
const WANTS_MAX: usize = 64;

/// Memory that was asked for and has not come.
#[derive(Default)]
pub struct Imports {
    wanted: HashMap<u64, (Asker, MemoryHandle)>,
    next: u64,
}

/// Another session of the ticket may open an allocation: answered by its [`MemoryHandle`].
pub fn show_memory(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (address, bytes): (u64, u64) = decode(call.body)?;
    executor.enter(call)?;
    executor.ranges.check(address, bytes)?;
    let shown = executor.arena().show(address);
    Ok(shown
        .map(|shown| {
            let offset = address - shown.chunk.address;
            let chunk_bytes = shown.chunk.bytes;
            encode(&MemoryHandle { key: shown.key, chunk_bytes, offset, bytes, device: shown.device })
        })
        .into())
}

/// Answered by the address at which the memory lies here.
pub fn open_memory(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let wanted: MemoryHandle = decode(call.body)?;
    executor.device(wanted.device)?;
    if !wanted.is_inside() {
        return Err(Refusal::OutOfRange { address: wanted.offset, bytes: wanted.bytes });
    }
    executor.enter(call)?;
    let (Some(market), true) = (executor.market.clone(), executor.arena().has_chunks()) else {
        return Ok(Reply::Now(CUDA_ERROR_NOT_SUPPORTED, Vec::new()));
    };
    if executor.arena().offers(&wanted.key) {
        // A process opens other processes' memory, not its own.
        return Ok(Reply::Now(CUDA_ERROR_INVALID_CONTEXT, Vec::new()));
    }
    let again = executor.arena().open_again(&wanted.key, call.asker.context);
    if let Some(chunk) = again {
        return Ok(Reply::Now(0, executor.opened(call.asker, &wanted, chunk)));
    }
    Ok(match executor.want(&market, call.asker, wanted) {
        Ok(()) => Reply::Later,
        Err(code) => Reply::Now(code, Vec::new()),
    })
}

/// Waits for all that may still use it.
pub fn close_memory(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let address: u64 = decode(call.body)?;
    executor.ranges.check(address, 1)?;
    if !executor.arena().is_opened(address) {
        return Ok(Reply::Now(CUDA_ERROR_INVALID_VALUE, Vec::new()));
    }
    let context = executor.ranges.remove_allocation(address)?;
    executor.count_memory();
    let events = match executor.mark_context(context)? {
        Ok(events) => events,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    let (arena, outlet, asker) = (executor.arena.clone(), executor.outlet.clone(), call.asker);
    let then = move |code| {
        let closed = arena.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).close(address);
        let code = if code == 0 { closed.err().unwrap_or(0) } else { code };
        outlet.answer(asker, code, &[]);
    };
    executor.after(context, events, Box::new(then))?;
    Ok(Reply::Later)
}

impl Executor {
    /// Lets memory be shown to other sessions, and theirs be opened.
    pub fn show_memory(&mut self, market: Arc<Market>) {
        self.arena().show_through(market.clone());
        self.market = Some(market);
    }

    /// Opens what the gate has found since it was last looked.
    pub fn take_offered(&mut self) -> Result<(), Refusal> {
        let Some(market) = self.market.clone() else { return Ok(()) };
        while let Some(arrived) = market.take() {
            self.offered(arrived)?;
        }
        Ok(())
    }

    fn want(&mut self, market: &Market, asker: Asker, wanted: MemoryHandle) -> Result<(), Code> {
        if self.imports.wanted.len() == WANTS_MAX {
            return Err(CUDA_ERROR_OUT_OF_MEMORY);
        }
        self.imports.next += 1;
        let number = self.imports.next;
        market.want(number, wanted.key).map_err(|_| CUDA_ERROR_OPERATING_SYSTEM)?;
        self.imports.wanted.insert(number, (asker, wanted));
        Ok(())
    }

    fn offered(&mut self, Arrived { number, descriptor }: Arrived) -> Result<(), Refusal> {
        let Some((asker, wanted)) = self.imports.wanted.remove(&number) else { return Ok(()) };
        let context = asker.context;
        // The context may have gone while its call was under way.
        let device = self.contexts.get(&context).map(|context| context.device);
        let opened = match (descriptor, device) {
            (Some(descriptor), Some(device)) => {
                self.enter_context(context)?;
                let viewers = self.devices_that_look_into(context);
                // Another thread's call may have opened it meanwhile.
                let again = self.arena().open_again(&wanted.key, context);
                let open = || {
                    let chunk = (wanted.key, wanted.chunk_bytes);
                    self.arena().open(descriptor, chunk, (context, device), &viewers)
                };
                again.map_or_else(open, Ok)
            }
            (None, _) => Err(CUDA_ERROR_INVALID_HANDLE),
            (_, None) => Err(CUDA_ERROR_INVALID_CONTEXT),
        };
        match opened {
            Ok(chunk) => {
                let answer = self.opened(asker, &wanted, chunk);
                self.outlet.answer(asker, 0, &answer);
            }
            Err(code) => self.outlet.answer(asker, code, &[]),
        }
        Ok(())
    }

    /// The session may name a part of a chunk: the answer to its call.
    fn opened(&mut self, asker: Asker, wanted: &MemoryHandle, chunk: Range) -> Vec<u8> {
        let address = chunk.address + wanted.offset;
        self.ranges.born(Range { address, bytes: wanted.bytes }, asker.context);
        self.count_memory();
        encode(&address)
    }
}
