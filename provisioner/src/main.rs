//! The `farwarp` command. All of it is in the library, so that tests can have it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    farwarp_provisioner::cli::main()
}
