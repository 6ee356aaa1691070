//! How the road from a program to its GPU behaves: real programs in processes of their own, a server on loopback, the software
//! GPU behind it. What the same program does directly on the software GPU is what it must do here.

mod allocations;
mod answers;
mod connection;
mod costs;
mod faults;
mod graphs;
mod memory;
mod process;

use std::time::Duration;

use farwarp_tests::{Outcome, Product, Server, run};

/// Far beyond what any of these programs needs on a busy machine; reached only by one that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs one of tests/programs to its good end, through farwarp.
fn well(server: &Server, name: &str, arguments: &[&str]) -> Outcome {
    let program = Product::find().program(&format!("{name}.driver"));
    let outcome = run(server.command(&program).args(arguments), LIMIT);
    assert!(outcome.status.success(), "{name} {arguments:?}: {outcome}\n--- the server\n{}", server.log());
    outcome
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stdout).into_owned()
}

/// The same bytes and the same end on both roads, the end being a good one.
fn well_on_both_roads(name: &str, arguments: &[&str]) {
    well_with_devices(1, name, arguments);
}

/// The same, on a machine with so many devices.
fn well_with_devices(devices: usize, name: &str, arguments: &[&str]) {
    let server = Server::start();
    let devices = [("FARWARP_SOFTGPU_DEVICES", devices.to_string())];
    let program = Product::find().program(&format!("{name}.driver"));
    let direct = run(server.directly(&program).args(arguments).envs(devices.clone()), LIMIT);
    assert!(direct.status.success(), "{name} {arguments:?} directly on the software GPU: {direct}");
    let remote = run(server.command(&program).args(arguments).envs(devices), LIMIT);
    assert!(remote.status.success(), "{name} {arguments:?}: {remote}\n--- the server\n{}", server.log());
    assert!(remote.stdout == direct.stdout, "=== directly: {direct}\n=== through farwarp: {remote}");
}
