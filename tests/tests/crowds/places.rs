//! Places in which programs run that are not a person's desk: no home, no runtime directory, a container.

use std::process::Command;

use farwarp_tests::{Household, Product, Road, Server};

use crate::{can_unshare, is_right};

const PROGRAM: &str = "vector_add.cudart12-static";

#[test]
fn without_a_home_that_can_be_written_and_without_a_runtime_directory_it_computes() {
    let (product, household) = (Product::find(), Household::new());
    let mut command = product.on(Road::Remote, &household, &product.program(PROGRAM));
    // Nobody, not even root, makes a file there; the runtime directory keeps apart the agents of tests.
    is_right(command.env("HOME", "/proc/sys").env_remove("XDG_RUNTIME_DIR").env_remove("FARWARP_STATE"));
}

#[test]
fn without_any_home_it_computes() {
    let (product, household) = (Product::find(), Household::new());
    let mut command = product.on(Road::Remote, &household, &product.program(PROGRAM));
    is_right(command.env_remove("HOME").env_remove("XDG_RUNTIME_DIR").env_remove("FARWARP_STATE"));
}

#[test]
fn from_within_a_container_it_reaches_its_server_and_leaves_nothing() {
    if !can_unshare("a program in a container") {
        return;
    }
    let server = Server::start();
    let program = Product::find().program(PROGRAM);
    // As in a container: other users, process numbers, mounts and host name, and of /proc/sys nothing.
    let inside = "mount -t tmpfs none /proc/sys && exec \"$0\"";
    let contained = server.command(&program);
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        "--ipc",
        "--uts",
        "sh",
        "-c",
        inside,
    ]);
    command.arg(contained.get_program());
    for (name, value) in contained.get_envs() {
        // The shell need not have it: only the program is to be preloaded.
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    is_right(&mut command);
    server.is_clean_within(crate::LIMIT);
}
