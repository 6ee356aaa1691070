//! What a driver answers to some 3,000 wrong uses, calls beside a capture and calls after a fault: recorded by scripts/gpu-probe on the software
//! GPU and through the road, and compared. On a machine with a GPU the same records are made of NVIDIA's driver, which then has the word.
//!
//! Where the road departs on purpose stands in DEPARTURES, with the reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farwarp_tests::{Product, Server, root, run};
use serde_json::Value;

/// The probe has limits of its own, chapter by chapter.
const LIMIT: Duration = Duration::from_secs(400);

const CHAPTERS: [&str; 3] = ["wrong_uses", "capture", "faults"];

/// Parts of names of rows, and why the road answers otherwise there.
const DEPARTURES: &[(&str, &str)] = &[
    ("ShareableHandle", "memory is not shared with other processes"),
    ("cuPointerSetAttribute", "its one attribute, synchronous copies, is refused"),
    ("cuEventRecordWithFlags/", "told: its failure is heard by the thread's next call"),
    ("cuStreamWaitEvent/", "told: its failure is heard by the thread's next call"),
    (
        "cuLaunchKernel/block beyond the kernel's bound",
        "told: its failure is heard by the thread's next call",
    ),
    ("stream of another context/", "told: its failure is heard by the thread's next call"),
    ("cuMemcpyHtoD/from unmapped memory", "copied from by the program's own process, as by memcpy"),
    ("primary context reset/cuStreamSynchronize of an old stream", "the manual allows either code"),
    (
        "store to freed memory/",
        "what was freed lately is still backed: it is given out again or back, but does not fault",
    ),
];

#[test]
fn the_road_answers_as_the_software_gpu_does() {
    let server = Server::start();
    let softgpu = Product::find().dist().join("lib/farwarp/softgpu/libcuda.so.1");
    let direct = record(&server, server.directly(Path::new("python3")), &softgpu, "direct");
    let mut through = server.command(Path::new("python3"));
    // The probe opens the library itself; its own process shall have none.
    through.env_remove("LD_PRELOAD");
    let road = record(&server, through, &Product::find().shim(), "road");
    assert!(direct.len() > 2000, "{} rows", direct.len());

    let names: std::collections::BTreeSet<&String> = direct.keys().chain(road.keys()).collect();
    let (mut faults, mut departed) = (Vec::new(), vec![false; DEPARTURES.len()]);
    for name in names {
        if direct.get(name) == road.get(name) {
            continue;
        }
        match DEPARTURES.iter().position(|(part, _)| name.contains(part)) {
            Some(known) => departed[known] = true,
            None => faults.push(format!("{name}: {:?} directly, {:?}", direct.get(name), road.get(name))),
        }
    }
    for ((part, _), _) in DEPARTURES.iter().zip(departed).filter(|(_, departed)| !departed) {
        println!("no departure any more: {part}");
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    println!("{} rows, {} kinds of departures", direct.len(), DEPARTURES.len());
}

/// Each row's answer, by chapter and name.
fn record(server: &Server, mut python: Command, driver: &Path, name: &str) -> BTreeMap<String, Value> {
    let place = server.file(name);
    python.arg(root().join("scripts/gpu-probe")).args(["--only", &CHAPTERS.join(",")]);
    let outcome = run(python.arg("--driver").arg(driver).arg(&place), LIMIT);
    assert!(outcome.status.success(), "{outcome}");
    let mut rows = BTreeMap::new();
    for chapter in CHAPTERS {
        let text = fs::read(place.join(format!("{chapter}.json"))).expect("a chapter");
        let chapter_of: Value = serde_json::from_slice(&text).expect("JSON");
        let entries = chapter_of["entries"].as_object().expect("entries by name");
        assert!(chapter_of["ended"] == "in order", "{name}: {chapter} ended {}", chapter_of["ended"]);
        rows.extend(entries.iter().map(|(row, answer)| (format!("{chapter}: {row}"), answer.clone())));
    }
    rows
}
