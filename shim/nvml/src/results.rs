//! Every `nvmlReturn_t` and its text.
#![allow(non_camel_case_types)] // NVML's own spelling.

use std::ffi::CStr;

/// An enum crosses the C boundary as an integer.
pub type nvmlReturn_t = u32;

/// What `nvmlErrorString` says; NVML has a text for a number that is no result, too.
pub fn error_text(result: nvmlReturn_t) -> &'static CStr {
    RESULTS.iter().find(|(code, _)| *code == result).map_or(c"Unknown Error", |(_, text)| text)
}

macro_rules! results {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        $(#[allow(dead_code)] // The list is NVML's, whole; we return some of it.
        pub const $name: nvmlReturn_t = $code;)*

        const RESULTS: &[(nvmlReturn_t, &CStr)] = &[$(($name, $text)),*];
    };
}

results! {
    NVML_SUCCESS = 0, c"Success";
    NVML_ERROR_UNINITIALIZED = 1, c"Uninitialized";
    NVML_ERROR_INVALID_ARGUMENT = 2, c"Invalid Argument";
    NVML_ERROR_NOT_SUPPORTED = 3, c"Not Supported";
    NVML_ERROR_NO_PERMISSION = 4, c"Insufficient Permissions";
    NVML_ERROR_ALREADY_INITIALIZED = 5, c"Already Initialized";
    NVML_ERROR_NOT_FOUND = 6, c"Not Found";
    NVML_ERROR_INSUFFICIENT_SIZE = 7, c"Insufficient Size";
    NVML_ERROR_INSUFFICIENT_POWER = 8, c"Insufficient External Power";
    NVML_ERROR_DRIVER_NOT_LOADED = 9, c"Driver Not Loaded";
    NVML_ERROR_TIMEOUT = 10, c"Timeout";
    NVML_ERROR_IRQ_ISSUE = 11, c"Interrupt Request Issue";
    NVML_ERROR_LIBRARY_NOT_FOUND = 12, c"NVML Shared Library Not Found";
    NVML_ERROR_FUNCTION_NOT_FOUND = 13, c"Function Not Found";
    NVML_ERROR_CORRUPTED_INFOROM = 14, c"Corrupted infoROM";
    NVML_ERROR_GPU_IS_LOST = 15, c"GPU is lost";
    NVML_ERROR_RESET_REQUIRED = 16, c"GPU requires reset";
    NVML_ERROR_OPERATING_SYSTEM = 17, c"GPU access blocked by the operating system";
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18, c"Driver/library version mismatch";
    NVML_ERROR_IN_USE = 19, c"In use by another client";
    NVML_ERROR_MEMORY = 20, c"Insufficient Memory";
    NVML_ERROR_NO_DATA = 21, c"No data";
    NVML_ERROR_VGPU_ECC_NOT_SUPPORTED = 22, c"VGPU ECC not supported";
    NVML_ERROR_INSUFFICIENT_RESOURCES = 23, c"Insufficient resources";
    NVML_ERROR_FREQ_NOT_SUPPORTED = 24, c"Frequency not supported";
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25, c"Argument version mismatch";
    NVML_ERROR_DEPRECATED = 26, c"Deprecated function";
    NVML_ERROR_NOT_READY = 27, c"Not ready";
    NVML_ERROR_GPU_NOT_FOUND = 28, c"GPU not found";
    NVML_ERROR_INVALID_STATE = 29, c"Invalid state";
    NVML_ERROR_RESET_TYPE_NOT_SUPPORTED = 30, c"Reset type not supported";
    NVML_ERROR_UNKNOWN = 999, c"Unknown Error";
}
