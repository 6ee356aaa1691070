//! Applications written in Python, unmodified, as their wheels come: the same output directly on the software GPU and through
//! shim, network and server, and what the road cost. `scripts/apps` installs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farwarp_tests::{Server, not_run, root, run};
use serde_json::Value;

/// An interpreter that imports a compiler, on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn a_kernel_that_numba_compiles_runs_on_both_roads() {
    // Without its linker library it uses the driver's: cuLinkCreate and what follows.
    both_roads("numba", "numba_add.py", &[("NUMBA_CUDA_LOG_LEVEL", "ERROR")]);
}

#[test]
fn cupys_own_kernels_run_on_both_roads() {
    let include = std::env::var_os("FARWARP_CUDA_INCLUDE").map(PathBuf::from).unwrap_or_default();
    let toolkit = include.parent().map(Path::to_owned).unwrap_or_default();
    let toolkit = toolkit.to_str().expect("a path that is text");
    // PTX instead of machine code, and none of its precompiled kernels.
    let how = [("CUPY_COMPILE_WITH_PTX", "1"), ("CUPY_ACCELERATORS", ""), ("CUDA_PATH", toolkit)];
    both_roads("cupy", "cupy_sum.py", &how);
}

/// Runs it where scripts/test has installed it.
fn both_roads(app: &str, script: &str, variables: &[(&str, &str)]) {
    let python = root().join(".work/apps").join(app).join("bin/python");
    let wanted = std::env::var("FARWARP_APPS").unwrap_or_default();
    if !wanted.split_whitespace().any(|name| name == app) {
        not_run(app, "its wheels are large; scripts/test --all installs and runs it");
        return;
    }
    assert!(python.is_file(), "{} is missing: run scripts/apps {app}", python.display());
    let server = Server::start();
    let script = root().join("tests/apps").join(script);
    let cache = server.file("cache");
    let bill = server.file("bill.json");
    let outcome = |mut command: std::process::Command| {
        command.arg("-W").arg("ignore").arg(&script).envs(variables.iter().copied());
        command.env("CUPY_CACHE_DIR", &cache).env("NUMBA_CACHE_DIR", &cache).env("FARWARP_STATS", &bill);
        let outcome = run(&mut command, LIMIT);
        // Each must compile for itself.
        let _ = fs::remove_dir_all(&cache);
        outcome
    };
    let direct = outcome(server.directly(&python));
    assert!(direct.status.success(), "{app} directly on the software GPU: {direct}");
    let remote = outcome(server.command(&python));
    assert!(remote.status.success(), "{app} through farwarp: {remote}\n--- the server\n{}", server.log());
    assert!(remote.stdout == direct.stdout, "=== directly: {direct}\n=== through farwarp: {remote}");
    let said = String::from_utf8_lossy(&remote.stdout).into_owned();
    assert!(said.contains(": right "), "{said}");
    let bill: Value = serde_json::from_slice(&fs::read(&bill).expect("the bill")).expect("JSON");
    assert!(bill["tells"].as_u64().is_some_and(|tells| tells > 0), "nothing went through farwarp: {bill:#}");
    println!(
        "{app}: {} round trips, {} told, {} answered here",
        bill["round_trips"], bill["tells"], bill["heres"]
    );
}
