//! A `libcuda.so.1` for the abuse tests. It stands in front of another one, passes every call on, and keeps a docket of what came:
//! how often each function was called, and the first argument that no driver ever gave.
//!
//! - `exports`: the table as C functions, none of which knows what it does
//! - `law`: which handles and addresses are alive, by what the driver behind has answered
//! - `docket`: the shared file that a test reads
//! - `behind`: the driver that does the work, found beside this library

mod behind;
mod docket;
mod exports;
mod law;
