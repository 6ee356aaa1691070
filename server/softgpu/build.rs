//! Gives the library the name that programs look for, and keeps it where it is once it is loaded.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    // Threads run in it until the process ends: a dlclose must not take the code from under them.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
