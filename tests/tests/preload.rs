//! Preloading the library into programs that do not use CUDA changes nothing: LD_PRELOAD reaches every child of a shell.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farwarp_tests::{Household, Product, root, run};

const LIMIT: Duration = Duration::from_secs(30);

/// What a process can see of itself that a library could have changed: threads, open files, signals, environment.
const LOOK_AT_ONESELF: &str = "
import os
print(len(os.listdir('/proc/self/task')), 'thread,', len(os.listdir('/proc/self/fd')), 'descriptors')
print([line for line in open('/proc/self/status') if line.startswith(('SigPnd', 'SigBlk', 'SigIgn', 'SigCgt', 'Shd', 'Seccomp', 'NoNewPrivs', 'Umask'))])
print(sorted((name, value) for name, value in os.environ.items() if name != 'LD_PRELOAD'))
";

#[test]
fn a_preloaded_shell_says_the_same() {
    unchanged("bash", &["-c", "echo $((6 * 7)); printf '%s\\n' a b | sort -r; type cat; exit 3"]);
}

#[test]
fn a_preloaded_python_has_the_same_threads_files_and_signals() {
    unchanged("python3", &["-c", LOOK_AT_ONESELF]);
}

#[test]
fn a_preloaded_linker_says_the_same() {
    unchanged("ld", &["--verbose"]);
}

#[test]
fn a_preloaded_ls_lists_the_same() {
    unchanged("ls", &["-la", root().to_str().expect("the clone's path is text")]);
}

#[test]
fn dist_is_as_promised_and_shows_only_the_fields_names() {
    let mut check = Command::new("python3");
    check.arg(root().join("scripts/check-dist")).arg(Product::find().dist());
    let outcome = run(&mut check, LIMIT);
    assert!(outcome.status.success(), "{outcome}");
}

/// Runs it with and without, and looks for an agent afterwards.
fn unchanged(program: &str, arguments: &[&str]) {
    let product = Product::find();
    assert_preloading_takes_place(&product);
    let household = Household::new();
    let plain = run(household.command(Path::new(program)).args(arguments), LIMIT);
    let preloaded =
        run(household.command(Path::new(program)).args(arguments).env("LD_PRELOAD", product.shim()), LIMIT);
    assert!(
        plain.status == preloaded.status
            && plain.stdout == preloaded.stdout
            && plain.stderr == preloaded.stderr,
        "without: {plain}\nwith: {preloaded}"
    );
    assert!(!household.runtime().exists(), "an agent was looked for");
}

/// A library that the loader refused would change nothing either.
fn assert_preloading_takes_place(product: &Product) {
    let household = Household::new();
    let shim = product.shim();
    let maps =
        run(household.command(Path::new("cat")).arg("/proc/self/maps").env("LD_PRELOAD", &shim), LIMIT);
    let real = shim.canonicalize().expect("the library is there");
    let name = real.to_str().expect("the clone's path is text");
    assert!(String::from_utf8_lossy(&maps.stdout).contains(name), "{name} is not among {maps}");
}
