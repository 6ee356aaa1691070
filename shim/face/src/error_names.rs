//! Every `CUresult` of `cuda.h`: its number, its name and its text. Not when each is returned.
//!
//! The texts are what drivers say, and programs print them and compare them. Codes 47, 202 and 916 have no counterpart in
//! the runtime whose text could be compared with; theirs are in our words.

use std::ffi::CStr;

use crate::CUresult;

/// What `cuGetErrorName` answers, or `None` for a number that is no `CUresult` of this header.
pub fn error_name(error: CUresult) -> Option<&'static CStr> {
    find(error).map(|row| row.name)
}

/// What `cuGetErrorString` answers, or `None` for a number that is no `CUresult` of this header.
pub fn error_text(error: CUresult) -> Option<&'static CStr> {
    find(error).map(|row| row.text)
}

struct ErrorRow {
    code: CUresult,
    name: &'static CStr,
    text: &'static CStr,
}

fn find(error: CUresult) -> Option<&'static ErrorRow> {
    let place = ERRORS.binary_search_by_key(&error, |row| row.code).ok()?;
    Some(&ERRORS[place])
}

macro_rules! errors {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        $(pub const $name: CUresult = $code;)*

        /// In ascending order of the codes.
        const ERRORS: &[ErrorRow] = &[$(ErrorRow {
            code: $code,
            name: match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => unreachable!(),
            },
            text: $text,
        }),*];
    };
}

errors! {
    CUDA_SUCCESS = 0, c"no error";
    CUDA_ERROR_INVALID_VALUE = 1, c"invalid argument";
    CUDA_ERROR_OUT_OF_MEMORY = 2, c"out of memory";
    CUDA_ERROR_NOT_INITIALIZED = 3, c"initialization error";
    CUDA_ERROR_DEINITIALIZED = 4, c"driver shutting down";
    CUDA_ERROR_PROFILER_DISABLED = 5, c"profiler disabled while using external profiling tool";
    CUDA_ERROR_PROFILER_NOT_INITIALIZED = 6, c"profiler not initialized: call cuProfilerInitialize()";
    CUDA_ERROR_PROFILER_ALREADY_STARTED = 7, c"profiler already started";
    CUDA_ERROR_PROFILER_ALREADY_STOPPED = 8, c"profiler already stopped";
    CUDA_ERROR_STUB_LIBRARY = 34, c"CUDA driver is a stub library";
    CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER = 36, c"API call is not supported in the installed CUDA driver";
    CUDA_ERROR_DEVICE_UNAVAILABLE = 46, c"CUDA-capable device(s) is/are busy or unavailable";
    CUDA_ERROR_MULTICAST_RESOURCE_FULL = 47, c"multicast resource is full";
    CUDA_ERROR_NO_DEVICE = 100, c"no CUDA-capable device is detected";
    CUDA_ERROR_INVALID_DEVICE = 101, c"invalid device ordinal";
    CUDA_ERROR_DEVICE_NOT_LICENSED = 102, c"device doesn't have valid Grid license";
    CUDA_ERROR_INVALID_IMAGE = 200, c"device kernel image is invalid";
    CUDA_ERROR_INVALID_CONTEXT = 201, c"invalid device context";
    CUDA_ERROR_CONTEXT_ALREADY_CURRENT = 202, c"context already current to this thread";
    CUDA_ERROR_MAP_FAILED = 205, c"mapping of buffer object failed";
    CUDA_ERROR_UNMAP_FAILED = 206, c"unmapping of buffer object failed";
    CUDA_ERROR_ARRAY_IS_MAPPED = 207, c"array is mapped";
    CUDA_ERROR_ALREADY_MAPPED = 208, c"resource already mapped";
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209, c"no kernel image is available for execution on the device";
    CUDA_ERROR_ALREADY_ACQUIRED = 210, c"resource already acquired";
    CUDA_ERROR_NOT_MAPPED = 211, c"resource not mapped";
    CUDA_ERROR_NOT_MAPPED_AS_ARRAY = 212, c"resource not mapped as array";
    CUDA_ERROR_NOT_MAPPED_AS_POINTER = 213, c"resource not mapped as pointer";
    CUDA_ERROR_ECC_UNCORRECTABLE = 214, c"uncorrectable ECC error encountered";
    CUDA_ERROR_UNSUPPORTED_LIMIT = 215, c"limit is not supported on this architecture";
    CUDA_ERROR_CONTEXT_ALREADY_IN_USE = 216, c"exclusive-thread device already in use by a different thread";
    CUDA_ERROR_PEER_ACCESS_UNSUPPORTED = 217, c"peer access is not supported between these two devices";
    CUDA_ERROR_INVALID_PTX = 218, c"a PTX JIT compilation failed";
    CUDA_ERROR_INVALID_GRAPHICS_CONTEXT = 219, c"invalid OpenGL or DirectX context";
    CUDA_ERROR_NVLINK_UNCORRECTABLE = 220, c"uncorrectable NVLink error detected during the execution";
    CUDA_ERROR_JIT_COMPILER_NOT_FOUND = 221, c"PTX JIT compiler library not found";
    CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222, c"the provided PTX was compiled with an unsupported toolchain.";
    CUDA_ERROR_JIT_COMPILATION_DISABLED = 223, c"PTX JIT compilation was disabled";
    CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY = 224, c"the provided execution affinity is not supported";
    CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC = 225, c"the provided PTX contains unsupported call to cudaDeviceSynchronize";
    CUDA_ERROR_CONTAINED = 226, c"Invalid access of peer GPU memory over nvlink or a hardware error";
    CUDA_ERROR_INSUFFICIENT_LOADER_VERSION = 227, c"Loader version is insufficient for fatbin";
    CUDA_ERROR_INVALID_SOURCE = 300, c"device kernel image is invalid";
    CUDA_ERROR_FILE_NOT_FOUND = 301, c"file not found";
    CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND = 302, c"shared object symbol not found";
    CUDA_ERROR_SHARED_OBJECT_INIT_FAILED = 303, c"shared object initialization failed";
    CUDA_ERROR_OPERATING_SYSTEM = 304, c"OS call failed or operation not supported on this OS";
    CUDA_ERROR_INVALID_HANDLE = 400, c"invalid resource handle";
    CUDA_ERROR_ILLEGAL_STATE = 401, c"the operation cannot be performed in the present state";
    CUDA_ERROR_LOSSY_QUERY = 402, c"attempted introspection would be semantically lossy";
    CUDA_ERROR_NOT_FOUND = 500, c"named symbol not found";
    CUDA_ERROR_NOT_READY = 600, c"device not ready";
    CUDA_ERROR_ILLEGAL_ADDRESS = 700, c"an illegal memory access was encountered";
    CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701, c"too many resources requested for launch";
    CUDA_ERROR_LAUNCH_TIMEOUT = 702, c"the launch timed out and was terminated";
    CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING = 703, c"launch uses incompatible texturing mode";
    CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED = 704, c"peer access is already enabled";
    CUDA_ERROR_PEER_ACCESS_NOT_ENABLED = 705, c"peer access has not been enabled";
    CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE = 708, c"cannot set while device is active in this process";
    CUDA_ERROR_CONTEXT_IS_DESTROYED = 709, c"context is destroyed";
    CUDA_ERROR_ASSERT = 710, c"device-side assert triggered";
    CUDA_ERROR_TOO_MANY_PEERS = 711, c"peer mapping resources exhausted";
    CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED = 712, c"part or all of the requested memory range is already mapped";
    CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED = 713, c"pointer does not correspond to a registered memory region";
    CUDA_ERROR_HARDWARE_STACK_ERROR = 714, c"hardware stack error";
    CUDA_ERROR_ILLEGAL_INSTRUCTION = 715, c"an illegal instruction was encountered";
    CUDA_ERROR_MISALIGNED_ADDRESS = 716, c"misaligned address";
    CUDA_ERROR_INVALID_ADDRESS_SPACE = 717, c"operation not supported on global/shared address space";
    CUDA_ERROR_INVALID_PC = 718, c"invalid program counter";
    CUDA_ERROR_LAUNCH_FAILED = 719, c"unspecified launch failure";
    CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE = 720, c"too many blocks in cooperative launch";
    CUDA_ERROR_TENSOR_MEMORY_LEAK = 721, c"tensor memory not completely freed";
    CUDA_ERROR_NOT_PERMITTED = 800, c"operation not permitted";
    CUDA_ERROR_NOT_SUPPORTED = 801, c"operation not supported";
    CUDA_ERROR_SYSTEM_NOT_READY = 802, c"system not yet initialized";
    CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803, c"system has unsupported display driver / cuda driver combination";
    CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE = 804, c"forward compatibility was attempted on non supported HW";
    CUDA_ERROR_MPS_CONNECTION_FAILED = 805, c"MPS client failed to connect to the MPS control daemon or the MPS server";
    CUDA_ERROR_MPS_RPC_FAILURE = 806, c"the remote procedural call between the MPS server and the MPS client failed";
    CUDA_ERROR_MPS_SERVER_NOT_READY = 807, c"MPS server is not ready to accept new MPS client requests";
    CUDA_ERROR_MPS_MAX_CLIENTS_REACHED = 808, c"the hardware resources required to create MPS client have been exhausted";
    CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED = 809, c"the hardware resources required to support device connections have been exhausted";
    CUDA_ERROR_MPS_CLIENT_TERMINATED = 810, c"the MPS client has been terminated by the server";
    CUDA_ERROR_CDP_NOT_SUPPORTED = 811, c"is using CUDA Dynamic Parallelism, but the current configuration, like MPS, does not support it";
    CUDA_ERROR_CDP_VERSION_MISMATCH = 812, c"unsupported interaction between different versions of CUDA Dynamic Parallelism";
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900, c"operation not permitted when stream is capturing";
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901, c"operation failed due to a previous error during capture";
    CUDA_ERROR_STREAM_CAPTURE_MERGE = 902, c"operation would result in a merge of separate capture sequences";
    CUDA_ERROR_STREAM_CAPTURE_UNMATCHED = 903, c"capture was not ended in the same stream as it began";
    CUDA_ERROR_STREAM_CAPTURE_UNJOINED = 904, c"capturing stream has unjoined work";
    CUDA_ERROR_STREAM_CAPTURE_ISOLATION = 905, c"dependency created on uncaptured work in another stream";
    CUDA_ERROR_STREAM_CAPTURE_IMPLICIT = 906, c"operation would make the legacy stream depend on a capturing blocking stream";
    CUDA_ERROR_CAPTURED_EVENT = 907, c"operation not permitted on an event last recorded in a capturing stream";
    CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD = 908, c"attempt to terminate a thread-local capture sequence from another thread";
    CUDA_ERROR_TIMEOUT = 909, c"wait operation timed out";
    CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE = 910, c"the graph update was not performed because it included changes which violated constraints specific to instantiated graph update";
    CUDA_ERROR_EXTERNAL_DEVICE = 911, c"an async error has occured in external entity outside of CUDA";
    CUDA_ERROR_INVALID_CLUSTER_SIZE = 912, c"a kernel launch error has occurred due to cluster misconfiguration";
    CUDA_ERROR_FUNCTION_NOT_LOADED = 913, c"the function handle is not loaded when calling an API that requires a loaded function";
    CUDA_ERROR_INVALID_RESOURCE_TYPE = 914, c"one or more resources passed in are not valid resource types for the operation";
    CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION = 915, c"one or more resources are insufficient or non-applicable for the operation";
    CUDA_ERROR_KEY_ROTATION = 916, c"operation failed because a key rotation is in progress";
    CUDA_ERROR_STREAM_DETACHED = 917, c"API call not permitted since the green context associated with the stream has been destroyed";
    CUDA_ERROR_GRAPH_RECAPTURE_FAILURE = 918, c"recapturing to the source graph failed and had to be terminated";
    CUDA_ERROR_FABRIC_NOT_READY = 919, c"GPU fabric is not ready within the probe wait budget; application may retry (see CUDA_FABRIC_INIT_TIMEOUT_MS)";
    CUDA_ERROR_UNKNOWN = 999, c"unknown error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_own_code_in_ascending_order() {
        assert!(ERRORS.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn every_error_is_found_under_its_code() {
        for row in ERRORS {
            assert_eq!(error_name(row.code), Some(row.name));
            assert_eq!(error_text(row.code), Some(row.text));
        }
    }

    #[test]
    fn well_known_errors_have_the_driver_s_words() {
        assert_eq!(error_name(CUDA_SUCCESS), Some(c"CUDA_SUCCESS"));
        assert_eq!(error_text(2), Some(c"out of memory"));
        assert_eq!(error_name(999), Some(c"CUDA_ERROR_UNKNOWN"));
    }

    #[test]
    fn a_number_that_is_no_error_has_neither_name_nor_text() {
        for code in [9, 99, 998, 1000, u32::MAX] {
            assert_eq!(error_name(code), None);
            assert_eq!(error_text(code), None);
        }
    }
}
