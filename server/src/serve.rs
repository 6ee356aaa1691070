//! The table as handlers: which function answers which operation.
#![allow(unsafe_code)] // calls functions of the driver by the type that their row gives them.

use crate::by_hand;
use crate::executor::{Call, Executor, Reply};
use crate::param::{Hold, Reader};
use crate::refusal::Refusal;
use cudarc::driver::sys::*;
use farwarp_protocol::call::{self, op};
use farwarp_protocol::error::{CUDA_ERROR_NOT_SUPPORTED, Code};
use farwarp_protocol::param::*;
use once_cell::sync::Lazy;
use std::collections::HashMap;

pub type Handler = fn(&mut Executor, &Call) -> Result<Reply, Refusal>;

/// Rows that are answered in the client, or not at all, have no handler: a frame that names one is refused.
pub fn handler(op: u32) -> Option<Handler> {
    static HANDLERS: Lazy<HashMap<u32, Handler>> = Lazy::new(handlers);
    HANDLERS.get(&op).copied()
}

fn handlers() -> HashMap<u32, Handler> {
    let mut handlers: HashMap<u32, Handler> = HashMap::new();
    macro_rules! insert {
        (chapter $chapter:literal; $(
            $(#[doc = $doc:literal])* #[since($since:literal)]
            $word:ident fn $name:ident $(| $alias:ident)? ($($args:tt)*);
        )*) => {$( insert_row!($word $name); )*};
    }
    macro_rules! insert_row {
        (ask $name:ident) => {
            handlers.insert(op(stringify!($name)), rows::$name);
        };
        (tell $name:ident) => {
            handlers.insert(op(stringify!($name)), rows::$name);
        };
        (here $name:ident) => {};
        (hand $name:ident) => {};
        (deny $name:ident) => {};
    }
    farwarp_protocol::for_each_chapter! { insert }
    handlers.extend(BY_HAND.iter().copied());
    handlers
}

/// Operations that are our own, and the rows by hand that keep their name on the wire.
const BY_HAND: &[(u32, Handler)] = &[
    (call::THREAD_GONE, by_hand::thread_gone),
    (call::CONTEXT_NEW, by_hand::context_new),
    (call::CONTEXT_GONE, by_hand::context_gone),
    (call::SYNCHRONIZE_CONTEXT, by_hand::synchronize_context),
    (op("cuCtxEnablePeerAccess"), by_hand::enable_peer),
    (op("cuCtxDisablePeerAccess"), by_hand::disable_peer),
    (call::SYNCHRONIZE_STREAM, by_hand::synchronize_stream),
    (call::SYNCHRONIZE_EVENT, by_hand::synchronize_event),
    (call::IMAGE_PIECE, by_hand::image_piece),
    (call::LOAD_MODULE, by_hand::load_module),
    (call::LOAD_LIBRARY, by_hand::load_library),
    (call::UNLOAD, by_hand::unload),
    (call::FIND_FUNCTION, by_hand::find_function),
    (call::FIND_VARIABLE, by_hand::find_variable),
    (call::LIBRARY_MODULE, by_hand::library_module),
    (call::KERNEL_FUNCTION, by_hand::kernel_function),
    (call::FUNCTION_ATTRIBUTES, by_hand::function_attributes),
    (call::LAUNCH, by_hand::launch),
    (call::COPY_TO_DEVICE, by_hand::copy_to_device),
    (call::COPY_TO_HOST, by_hand::copy_to_host),
    (call::COPY_ON_DEVICE, by_hand::copy_on_device),
    (call::BOX_TO_DEVICE, by_hand::box_to_device),
    (call::BOX_TO_HOST, by_hand::box_to_host),
    (call::BOX_ON_DEVICE, by_hand::box_on_device),
    (call::FILL, by_hand::fill),
    (call::ARRAY_CREATE, by_hand::array_create),
    (call::ARRAY_LEVEL, by_hand::array_level),
    (call::ARRAY_DESTROY, by_hand::array_destroy),
    (call::BOX_TO_ARRAY, by_hand::box_to_array),
    (call::BOX_FROM_ARRAY, by_hand::box_from_array),
    (call::BOX_BETWEEN, by_hand::box_between),
    (op("cuTexObjectCreate"), by_hand::texture_create),
    (op("cuTexObjectDestroy"), by_hand::texture_destroy),
    (op("cuSurfObjectCreate"), by_hand::surface_create),
    (op("cuSurfObjectDestroy"), by_hand::surface_destroy),
    (call::LAND, by_hand::land),
    (call::TO_DEVICE_LATER, by_hand::to_device_later),
    (call::LATER_BYTES, by_hand::later_bytes),
    (call::ALLOCATE, by_hand::allocate),
    (call::FREE, by_hand::free),
    (call::FENCE, by_hand::fence),
    (call::SHARE, by_hand::share),
    (call::UNSHARE, by_hand::unshare),
    (call::ADOPT, by_hand::adopt),
    (call::PATCH, by_hand::patch),
    (call::FIND_MANAGED, by_hand::find_managed),
    (op("cuMemGetInfo_v2"), by_hand::memory_info),
    (op("cuIpcGetMemHandle"), by_hand::show_memory),
    (op("cuIpcOpenMemHandle_v2"), by_hand::open_memory),
    (op("cuIpcCloseMemHandle"), by_hand::close_memory),
    (call::HOST_CALL, by_hand::host_call),
    (call::HOST_CALL_DONE, by_hand::host_call_done),
    (op("cuMemPoolCreate"), by_hand::pool_create),
    (op("cuMemPoolDestroy"), by_hand::pool_destroy),
    (op("cuMemPoolSetAttribute"), by_hand::pool_set_attribute),
    (op("cuMemPoolGetAttribute"), by_hand::pool_get_attribute),
    (op("cuMemPoolSetAccess"), by_hand::pool_set_access),
    (op("cuMemPoolGetAccess"), by_hand::pool_get_access),
    (op("cuMemAllocAsync"), by_hand::allocate_in_order),
    (op("cuMemFreeAsync"), by_hand::free_in_order),
    (op("cuDeviceGetDefaultMemPool"), by_hand::default_pool),
    (op("cuMemAddressReserve"), by_hand::address_reserve),
    (op("cuMemAddressFree"), by_hand::address_free),
    (op("cuMemCreate"), by_hand::physical_create),
    (op("cuMemRelease"), by_hand::physical_release),
    (op("cuMemMap"), by_hand::map),
    (op("cuMemUnmap"), by_hand::unmap),
    (op("cuMemSetAccess"), by_hand::set_access),
    (op("cuLinkCreate_v2"), by_hand::link_create),
    (op("cuLinkAddData_v2"), by_hand::link_add),
    (op("cuLinkComplete"), by_hand::link_complete),
    (op("cuLinkDestroy"), by_hand::link_destroy),
    (op("cuOccupancyMaxPotentialBlockSizeWithFlags"), by_hand::potential_block_size),
    (op("cuOccupancyMaxPotentialClusterSize"), by_hand::potential_cluster_size),
    (op("cuOccupancyMaxActiveClusters"), by_hand::active_clusters),
    (op("cuStreamGetAttribute"), by_hand::stream_get_attribute),
    (op("cuStreamSetAttribute"), by_hand::stream_set_attribute),
    (op("cuStreamCopyAttributes"), by_hand::stream_copy_attributes),
    (op("cuStreamBatchMemOp_v2"), by_hand::batch_memory_operations),
    (call::GRAPH_INSTANTIATE, by_hand::graph_instantiate),
    (call::GRAPH_CHANGE, by_hand::graph_change),
    (call::GRAPH_LAUNCH, by_hand::graph_launch),
    (call::GRAPH_UPLOAD, by_hand::graph_upload),
    (call::GRAPH_EXEC_GONE, by_hand::graph_exec_gone),
    (call::GRAPH_CONDITIONAL, by_hand::graph_conditional),
    (call::GRAPH_CONDITIONALS_GONE, by_hand::graph_conditionals_gone),
    (op("cuStreamCreateWithPriority"), by_hand::stream_create),
    (op("cuStreamDestroy_v2"), by_hand::stream_destroy),
    (op("cuEventCreate"), by_hand::event_create),
    (op("cuEventDestroy_v2"), by_hand::event_destroy),
];

#[allow(non_snake_case)]
mod rows {
    use super::*;

    macro_rules! handle {
        (chapter $chapter:literal; $(
            $(#[doc = $doc:literal])* #[since($since:literal)]
            $word:ident fn $name:ident $(| $alias:ident)? (
                $($arg:ident : $kind:ty $([$length:expr])? $(= $life:ident $(in $parent:ident)?)?),* $(,)?
            );
        )*) => {$( handle_row! { $word $name ($($arg: $kind, [$($length)?]);*) } )*};
    }

    macro_rules! handle_row {
        (here $name:ident $args:tt) => {};
        (hand $name:ident $args:tt) => {};
        (deny $name:ident $args:tt) => {};
        (ask $name:ident $args:tt) => {
            handle_remote! { $name $args }
        };
        (tell $name:ident $args:tt) => {
            handle_remote! { $name $args }
        };
    }

    macro_rules! handle_remote {
        ($name:ident ($($arg:ident: $kind:ty, [$($length:expr)?]);*)) => {
            pub fn $name(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
                #[allow(unused_mut)] // a row without arguments reads nothing
                let mut reader = Reader::new(call.body);
                $(let $arg = <$kind as Hold>::read(&mut reader)?;)*
                reader.finish()?;
                executor.enter(call)?;
                $(let mut $arg = <$kind as Hold>::hold($arg, length!($($length)?), executor, call)?;)*
                let Some(address) = executor.driver.address(stringify!($name)) else { return Ok(missing()) };
                // SAFETY: the row's types are cuda.h's, which the parity test holds; the arguments were checked above.
                let code = unsafe {
                    let function: unsafe extern "C" fn($(<$kind as Kind>::C),*) -> Code = std::mem::transmute(address);
                    function($(<$kind as Hold>::arg(&mut $arg)),*)
                };
                #[allow(unused_mut)] // a row without results returns nothing
                let mut reply = Vec::new();
                if code == 0 {
                    $(<$kind as Hold>::back($arg, &mut reply);)*
                }
                Ok(Reply::Now(code, reply))
            }
        };
    }

    macro_rules! length {
        () => {
            0
        };
        ($length:expr) => {
            $length as usize
        };
    }

    fn missing() -> Reply {
        Reply::Now(CUDA_ERROR_NOT_SUPPORTED, Vec::new())
    }

    farwarp_protocol::for_each_chapter! { handle }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::table::{self, Answer};

    #[test]
    fn what_is_answered_in_the_client_or_denied_has_no_handler() {
        for row in table::rows().filter(|row| matches!(row.answer, Answer::Here | Answer::Deny)) {
            assert!(handler(op(row.name)).is_none(), "{}", row.name);
        }
    }

    #[test]
    fn every_row_that_crosses_by_its_own_name_has_a_handler() {
        for row in table::rows().filter(|row| matches!(row.answer, Answer::Ask | Answer::Tell)) {
            assert!(handler(op(row.name)).is_some(), "{}", row.name);
        }
    }
}
