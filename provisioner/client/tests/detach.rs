//! A program that was started by itself is invisible to the one that started it, and takes nothing of it along.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use farwarp_agent_client::detach::{Program, is_foreign, start};
use rustix::process::{Pid, WaitOptions};

/// Runs a shell script detached and returns its pid and, once the script has ended its output with "end", that output.
fn run(script: &str, environment: &[(OsString, OsString)]) -> (u32, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let output = File::create(&path).unwrap();
    let arguments = ["-c".into(), format!("{script}\necho end").into()];
    let program = Program {
        path: Path::new("/bin/sh"),
        arguments: &arguments,
        environment,
        output: Some(output.as_fd()),
    };
    let pid = start(&program).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(&path).unwrap();
        if let Some(text) = text.strip_suffix("end\n") {
            return (pid, text.to_owned());
        }
        assert!(Instant::now() < until, "the script did not end: {text}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn status_fields(status: &str) -> HashMap<&str, &str> {
    status.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect()
}

#[test]
fn the_program_inherits_no_descriptor_no_signal_and_no_directory() {
    let _open = File::open("/dev/null").unwrap();
    // Rust itself ignores SIGPIPE, and `start` blocks everything. The shell reads its own status: while it waits for a command
    // its mask is another.
    let (_, text) =
        run("while read -r line; do echo \"$line\"; done < /proc/self/status; ls -l /proc/$$/fd; pwd", &[]);
    let fields = status_fields(&text);
    assert_eq!(fields["SigBlk"], "0000000000000000");
    assert_eq!(fields["SigIgn"], "0000000000000000");
    let descriptors: Vec<&str> = text.lines().filter(|line| line.contains("->")).collect();
    assert_eq!(descriptors.len(), 3, "{descriptors:?}");
    assert!(descriptors[0].ends_with("/dev/null"), "{descriptors:?}");
    assert!(text.ends_with("\n/\n"), "{text}");
}

#[test]
fn the_program_has_exactly_the_environment_given() {
    let (_, text) = run("cat /proc/$$/environ | tr '\\0' '\\n'", &[("ONLY".into(), "this".into())]);
    assert_eq!(text, "ONLY=this\n");
}

#[test]
fn the_program_is_in_a_session_of_its_own_and_nobodys_child_here() {
    let (pid, text) = run("cat /proc/$$/stat", &[]);
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    let (parent, session): (u32, u32) = (fields[1].parse().unwrap(), fields[3].parse().unwrap());
    assert_ne!(parent, std::process::id());
    assert_eq!(session, pid);
    // Neither it nor the process in between is ours to wait for.
    let waited = rustix::process::wait(WaitOptions::NOHANG);
    assert_eq!(waited.err(), Some(rustix::io::Errno::CHILD));
    assert!(rustix::process::waitpid(Pid::from_raw(pid as i32), WaitOptions::NOHANG).is_err());
}

#[test]
fn what_cannot_be_started_is_an_error_here() {
    let missing =
        Program { path: Path::new("/no/such/program"), arguments: &[], environment: &[], output: None };
    assert_eq!(start(&missing).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn what_was_meant_for_the_cuda_program_is_foreign() {
    let foreign = [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "CUDA_VISIBLE_DEVICES",
        "FARWARP_SOFTGPU_CC",
        "FARWARP_LEASE",
        "FARWARP_TICKET",
    ];
    assert!(foreign.iter().all(|name| is_foreign(name.as_ref())));
    assert!(!["HOME", "FARWARP_STATE", "PATH", "LD_PRELOADED"].iter().any(|name| is_foreign(name.as_ref())));
}
