//! Unmodified programs on both roads: directly on the software GPU, and through shim, network and server. The same bytes on
//! standard output and the same exit status, or the road is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use farwarp_tests::{Household, Product, Road, not_run, run};

/// Roads that are not built to their end yet; they are printed as not run.
const NOT_YET: &[Road] = &[];

/// As each .cu is linked.
const RUNTIMES: [&str; 4] = ["cudart13-static", "cudart13-shared", "cudart12-static", "cudart12-shared"];

/// Far beyond what any of them needs on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs of the classification, each with the addresses that the system happens to choose.
const CLASSIFICATIONS: usize = 200;

#[test]
fn vector_add_prints_the_same_on_both_roads() {
    each_runtime("vector_add");
}

#[test]
fn a_tiled_matrix_product_prints_the_same_on_both_roads() {
    each_runtime("matmul_tiled");
}

#[test]
fn streams_events_and_kernel_output_are_the_same_on_both_roads() {
    each_runtime("streams_printf");
}

#[test]
fn rectangles_and_boxes_of_the_runtime_are_the_same_on_both_roads() {
    each_runtime("rectangles");
}

#[test]
fn captured_and_built_graphs_of_the_runtime_are_the_same_on_both_roads() {
    each_runtime("graphs_runtime");
}

#[test]
fn a_c_program_on_the_driver_api_prints_the_same_on_both_roads() {
    both_roads(&Household::new(), &Product::find().program("driver_api.driver"));
}

#[test]
fn cudarcs_safe_layer_prints_the_same_on_both_roads() {
    both_roads(&Household::new(), Path::new(env!("CARGO_BIN_EXE_cudarc_client")));
}

#[test]
fn ten_thousand_pointers_are_classified_without_a_mistake() {
    let program = Product::find().program("pointer_classify.driver");
    let household = Household::new();
    for _ in 0..CLASSIFICATIONS {
        both_roads(&household, &program);
    }
}

fn each_runtime(name: &str) {
    let product = Product::find();
    let household = Household::new();
    let programs: Vec<PathBuf> =
        RUNTIMES.iter().map(|runtime| product.program(&format!("{name}.{runtime}"))).collect();
    for program in programs {
        both_roads(&household, &program);
    }
}

/// Each program checks its own result, so the direct run must also end well.
fn both_roads(household: &Household, program: &Path) {
    let product = Product::find();
    let outcome = |road| {
        let name = program.file_name().expect("a program has a name").display();
        if NOT_YET.contains(&road) {
            not_run(&format!("{name} ({road:?})"), "this road is not built yet");
            return None;
        }
        Some(run(&mut product.on(road, household, program), LIMIT))
    };
    let direct = outcome(Road::Direct);
    if let Some(direct) = &direct {
        assert!(direct.status.success(), "{} directly on the software GPU: {direct}", program.display());
    }
    if let (Some(remote), Some(direct)) = (outcome(Road::Remote), direct) {
        assert!(
            remote.stdout == direct.stdout && remote.status == direct.status,
            "{}\n=== directly: {direct}\n=== through farwarp: {remote}",
            program.display()
        );
    }
}
