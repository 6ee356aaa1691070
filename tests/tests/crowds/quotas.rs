//! Limits that a server is started with, met by real programs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

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
        Self::with_device_memory("8GiB", words)
    }

    /// Its software GPU has so much.
    fn with_device_memory(memory: &str, words: &[&str]) -> Self {
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
            .env("FARWARP_SOFTGPU_MEMORY", memory)
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
fn memory_beyond_the_quota_is_out_of_memory_for_the_program_wherever_it_takes_it_from() {
    let server = Limited::start(&["--device-memory", "256M"]);
    let held = |mebibytes: &str, from: &str| {
        let outcome = run(server.command("allocations.driver").args(["hold", mebibytes, from]), LIMIT);
        assert!(outcome.status.success(), "{outcome}\n{}", server.log());
        String::from_utf8_lossy(&outcome.stdout).trim().to_owned()
    };
    for from in ["arena", "pool", "physical"] {
        assert_eq!(held("128", from), "fits, no fault", "{from}");
        assert_eq!(held("1024", from), "does not fit, no fault", "{from}");
    }
}

#[test]
fn of_twenty_programs_that_want_more_than_the_device_has_each_fits_or_is_told_so_by_the_call_that_allocates()
{
    const PROGRAMS: usize = 20;
    // Each wants two pieces of 16 MiB; 26 of those 40 are there. However they come, 6 programs get both and 13 at most.
    let server = Limited::with_device_memory("427MiB", &[]);
    let free = || {
        let outcome = run(server.command("allocations.driver").arg("free"), LIMIT);
        String::from_utf8_lossy(&outcome.stdout).trim().parse::<u64>().unwrap_or_else(|_| panic!("{outcome}"))
    };
    let before = free();
    let hold = |_| {
        let mut command = server.command("allocations.driver");
        command.args(["hold", "32"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().expect("the program starts")
    };
    let mut crowd: Vec<Child> = (0..PROGRAMS).map(hold).collect();
    let said: Vec<String> = crowd.iter_mut().map(|program| line(program.stdout.take())).collect();
    let fits = said.iter().filter(|said| *said == "fits, no fault").count();
    let does_not = said.iter().filter(|said| *said == "does not fit, no fault").count();
    assert_eq!(fits + does_not, PROGRAMS, "{said:?}\n{}", server.log());
    assert!((6..=13).contains(&fits), "{said:?}");
    let meanwhile = free();
    println!("{fits} of {PROGRAMS} programs fit; free before {before} MiB, meanwhile {meanwhile} MiB");
    assert!(meanwhile < 16, "another process sees what they took: {meanwhile} MiB are free");
    for mut program in crowd {
        // Its standard input ends.
        drop(program.stdin.take());
        let _ = program.wait();
    }
    assert!(wait_until(LIMIT, || free() == before), "what they had is free again");
}

fn line(stdout: Option<ChildStdout>) -> String {
    let mut line = String::new();
    let stdout = stdout.expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a pipe can be read");
    line.trim().to_owned()
}
