//! Limits that a server is started with, met by real programs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use farwarp_tests::{Household, Product, Road, run, wait_until};
use tempfile::TempDir;

use crate::{LIMIT, is_right};

/// A server with words of its own.
struct Limited {
    household: Household,
    folder: TempDir,
    process: Child,
}

impl Limited {
    fn start(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (product, household) = (Product::find(), Household::new());
        let driver =
            product.dist().join("lib/farwarp/softgpu/libcuda.so.1").canonicalize().expect("it was built");
        let process = household
            .command(&product.dist().join("bin/farwarp-server"))
            .args(words)
            .arg("--driver")
            .arg(driver)
            .arg("--ticket-file")
            .arg(folder.path().join("ticket"))
            .env("FARWARP_LOG", "warn")
            .stdin(Stdio::null())
            .stderr(File::create(folder.path().join("log")).expect("a file in a folder of ours"))
            .spawn()
            .expect("the server starts");
        let server = Self { household, folder, process };
        assert!(wait_until(LIMIT, || server.ticket().is_file()), "{}", server.log());
        server
    }

    fn ticket(&self) -> PathBuf {
        self.folder.path().join("ticket")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn command(&self, program: &str) -> Command {
        let product = Product::find();
        let mut command = product.on(Road::Remote, &self.household, &product.program(program));
        command.env("FARWARP_TICKET", self.ticket()).env("FARWARP_QUIET", "1");
        command
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_endless_kernel_is_reported_and_ended_at_the_limit_and_the_next_session_is_clean() {
    let server = Limited::start(&["--stall-limit", "4s"]);
    let outcome = run(&mut server.command("endless.driver"), LIMIT);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(!outcome.status.success() && said.contains("no progress"), "{outcome}\n{}", server.log());
    let log = server.log();
    assert!(log.contains("no progress") && log.contains("a kernel or copy has not ended"), "{log}");
    is_right(&mut server.command("vector_add.cudart12-static"));
}

#[test]
fn memory_beyond_the_quota_is_out_of_memory_for_the_program_and_nothing_worse() {
    let server = Limited::start(&["--device-memory", "256M"]);
    let held = |mebibytes: &str| {
        let outcome = run(server.command("allocations.driver").args(["hold", mebibytes]), LIMIT);
        assert!(outcome.status.success(), "{outcome}\n{}", server.log());
        String::from_utf8_lossy(&outcome.stdout).trim().to_owned()
    };
    assert_eq!(held("128"), "fits, no fault");
    assert_eq!(held("1024"), "does not fit, no fault");
}
