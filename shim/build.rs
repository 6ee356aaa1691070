//! Gives the library the name that programs ask for: rustc sets no SONAME, and without it a preloaded libcuda is not taken for one.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    // Our thread and the program's atexit handlers outlive any dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
