//! `scripts/gpu-check` with the software GPU in the driver's place: what it runs, what it compares, and that it sees a difference.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use farwarp_tests::{Household, Outcome, Product, root, run};
use serde_json::Value;

/// A few programs and one chapter of the probe, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn gpu_check_runs_programs_on_both_roads_and_reports_what_each_cost() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let programs = Product::find().program("vector_add.cudart13-static");
    let programs = programs.parent().expect("a program lies in a folder");
    let names = "vector_add,printf_formats,driver_api";
    let words = ["--only", names, "--skip", "python", "--probe", "attributes"];
    let (outcome, report) = gpu_check(programs, &words, out.path());
    assert!(outcome.status.success(), "{outcome}");
    let runs = report["programs"].as_array().expect("a list");
    assert_eq!(runs.len(), 3, "{report}");
    for run in runs {
        assert_eq!(run["verdict"], "same", "{run}");
        assert!(run["calls"].as_u64() > Some(10) && run["round_trips"].as_u64() > Some(0), "{run}");
        assert!(run["round_trips"].as_u64() <= run["calls"].as_u64().map(|calls| 2 * calls), "{run}");
    }
    assert!(report["probe"]["chapters"]["attributes"]["entries"].as_u64() > Some(50), "{report}");
    let table = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(table.trim_end().ends_with("3 the same, 0 not"), "{table}");
    assert!(out.path().join("report.md").is_file());
}

#[test]
fn gpu_check_sees_what_differs_and_goes_on() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let programs = tempfile::tempdir().expect("a temporary folder");
    let program = |name: &str, text: &str| {
        let path = programs.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("and made to run");
    };
    program("prints", "echo ${LD_PRELOAD:+through the road}");
    program("ends", "[ -z \"$LD_PRELOAD\" ]");
    program("hangs", "[ -z \"$LD_PRELOAD\" ] || exec sleep 60");
    program("agrees", "echo the same");
    let words =
        ["--only", "prints,ends,absent,agrees,hangs", "--skip", "python,probe,seccomp", "--budget-s", "12"];
    let (outcome, report) = gpu_check(programs.path(), &words, out.path());
    assert_eq!(outcome.status.code(), Some(1), "{outcome}");
    let verdicts: Vec<&Value> =
        report["programs"].as_array().expect("a list").iter().map(|run| &run["verdict"]).collect();
    assert_eq!(verdicts, ["DIFFERS", "DIFFERS", "not compiled", "same", "DIFFERS"], "{report}");
    assert_eq!(report["programs"][4]["remote_status"], "timeout");
    assert!(
        report["programs"][0]["remote_said"].as_str().is_some_and(|said| said.contains("through the road"))
    );
}

fn gpu_check(programs: &Path, words: &[&str], out: &Path) -> (Outcome, Value) {
    let product = Product::find();
    let dist: PathBuf = product.dist().canonicalize().expect("dist/ is there");
    let household = Household::new();
    let mut command: Command = household.command(Path::new("python3"));
    command.arg(root().join("scripts/gpu-check")).args(words).arg("--dist").arg(&dist);
    command.arg("--driver").arg(dist.join("lib/farwarp/softgpu/libcuda.so.1"));
    command.arg("--programs").arg(programs).arg(out);
    let outcome = run(&mut command, LIMIT);
    let report =
        fs::read(out.join("report.json")).unwrap_or_else(|error| panic!("no report: {error}\n{outcome}"));
    let report = serde_json::from_slice(&report).expect("a report is JSON");
    (outcome, report)
}
