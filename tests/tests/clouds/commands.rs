//! Provider `exec`: a program computes on a machine that a shell script of the user's own makes and ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use farwarp_tests::{Household, Product, run, wait_until};

use crate::LIMIT;

/// A "cloud" of directories: each machine is a process group, its directory its record.
const SCRIPT: &str = r#"#!/bin/sh
root=$(dirname "$0")/machines
mkdir -p "$root"
alive() { [ -f "$root/$1/pid" ] && kill -0 "$(cat "$root/$1/pid")" 2>/dev/null; }
case $1 in
create)
    id=$(echo "$FARWARP_TAG" | cut -d: -f3)
    mkdir -p "$root/$id/bin" "$root/$id/lib/farwarp"
    echo "$FARWARP_TAG" >"$root/$id/tag"
    ln -s "$DIST/lib/farwarp/softgpu" "$root/$id/lib/farwarp/softgpu"
    ln -s "$DIST/bin/farwarp-server" "$root/$id/bin/farwarp-server"
    export FARWARP_BOX="$root/$id" FARWARP_HOST=127.0.0.1 FARWARP_PORT="$PORT"
    setsid sh -c "$FARWARP_SCRIPT" >"$root/$id/log" 2>&1 </dev/null &
    echo $! >"$root/$id/pid"
    echo "{\"id\": \"$id\"}" ;;
status)
    if [ ! -d "$root/$FARWARP_REMOTE" ]; then echo '{"state": "absent"}'
    elif alive "$FARWARP_REMOTE"; then echo "{\"state\": \"running\", \"address\": \"127.0.0.1:$PORT\"}"
    else echo '{"state": "stopped", "message": "its process is gone"}'; fi ;;
destroy)
    [ -d "$root/$FARWARP_REMOTE" ] || exit 0
    kill -KILL "-$(cat "$root/$FARWARP_REMOTE/pid")" 2>/dev/null
    rm -r "${root:?}/$FARWARP_REMOTE" ;;
list)
    cd "$root" || exit 1
    comma=
    printf '['
    for d in *; do
        [ -f "$d/tag" ] && printf '%s{"id": "%s", "tag": "%s"}' "$comma" "$d" "$(cat "$d/tag")" && comma=,
    done
    printf ']\n' ;;
logs) cat "$root/$FARWARP_REMOTE/log" ;;
esac
"#;

#[test]
fn a_program_computes_on_a_machine_that_a_script_of_the_users_makes_and_ends() {
    // In this order: the household ends its leases while there still are commands for it.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (product, household) = (Product::find(), Household::new());
    let script = folder.path().join("cloud.sh");
    fs::write(&script, SCRIPT).expect("a file of our own");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("a bound socket has an address").port();
    drop(socket);
    let command =
        |verb: &str| format!("DIST={} PORT={port} {} {verb}", product.dist().display(), script.display());
    let commands =
        ["create", "status", "destroy", "list", "logs"].map(|verb| format!("{verb} = '{}'\n", command(verb)));
    household.configure(&format!(
        "[profiles.default]\nprovider = 'exec'\nquiet = '1s'\n[provider.exec]\nprice = '$1'\npoll = '100ms'\n\
         verify = '200ms'\nttl = '1m'\nresume_grace = '20s'\n{}",
        commands.concat()
    ));
    let program = product.program("vector_add.cudart12-static");
    let outcome = run(household.command(&program).env("LD_PRELOAD", product.shim()), LIMIT);
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert!(outcome.status.success() && said.contains("wrong=0"), "{outcome}");
    assert!(
        String::from_utf8_lossy(&outcome.stderr).contains("renting a machine at $1.00/h (exec)"),
        "{outcome}"
    );
    let machines = || fs::read_dir(folder.path().join("machines")).map_or(0, Iterator::count);
    assert!(wait_until(LIMIT, || machines() == 0), "the machine is left");
    let outcome = run(household.farwarp().args(["cost", "--json"]), LIMIT);
    let cost: serde_json::Value = serde_json::from_slice(&outcome.stdout).expect("JSON");
    assert!(cost["micro_dollars"].as_u64().is_some_and(|sum| sum > 0), "{cost}");
}
