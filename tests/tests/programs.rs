//! Unmodified programs on both roads: directly on the software GPU, and through shim, network and server. The same bytes on
//! standard output and the same exit status, or the road is wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use farwarp_tests::{Household, Product, Road, not_run, root, run};

/// Roads that are not built to their end yet; they are printed as not run.
const NOT_YET: &[Road] = &[];

/// As a .cu is linked: most with the first of them only.
const RUNTIMES: [&str; 4] = ["cudart13-static", "cudart13-shared", "cudart12-static", "cudart12-shared"];

/// Far beyond what any of them needs on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs of the classification, each with the addresses that the system happens to choose.
const CLASSIFICATIONS: usize = 200;

#[test]
fn vector_add_prints_the_same_on_both_roads() {
    same_on_both_roads(&["vector_add"]);
}

#[test]
fn a_tiled_matrix_product_prints_the_same_on_both_roads() {
    same_on_both_roads(&["matmul_tiled"]);
}

#[test]
fn streams_events_and_kernel_output_are_the_same_on_both_roads() {
    same_on_both_roads(&["streams_printf"]);
}

#[test]
fn rectangles_and_boxes_of_the_runtime_are_the_same_on_both_roads() {
    same_on_both_roads(&["rectangles"]);
}

#[test]
fn what_gpus_are_bought_for_is_the_same_on_both_roads() {
    same_on_both_roads(&[
        "reductions",
        "scan",
        "histogram",
        "sort_bitonic",
        "sort_radix",
        "nbody",
        "stencil",
    ]);
    same_on_both_roads(&["transpose", "fft", "philox", "image_filters", "shapes_of_grids"]);
}

#[test]
fn what_the_language_has_is_the_same_on_both_roads() {
    same_on_both_roads(&[
        "structs",
        "function_pointers",
        "virtual_calls",
        "recursion",
        "dynamic_shared",
        "symbols",
    ]);
}

#[test]
fn numbers_of_every_width_are_the_same_on_both_roads() {
    same_on_both_roads(&["wide_numbers", "half_precision", "inline_ptx", "warp_ops", "atomics"]);
    same_on_both_roads(&["integer_division", "math_library", "tensor_cores"]);
}

#[test]
fn streams_threads_and_grids_that_wait_are_the_same_on_both_roads() {
    same_on_both_roads(&["many_streams", "host_threads", "per_thread_streams", "grid_sync", "occupancy"]);
}

#[test]
fn arrays_textures_and_surfaces_are_the_same_on_both_roads() {
    same_on_both_roads(&["textures"]);
}

#[test]
fn what_kernels_say_is_the_same_on_both_roads() {
    same_on_both_roads(&["printf_formats", "assertions", "errors"]);
}

/// A program that is in the folder and in no test would only look as if it were kept.
#[test]
fn each_cuda_program_is_run_by_a_test() {
    // The quickstart is a test of its own; the bench has a program that measures only.
    let runners = ["tests/tests/programs.rs", "scripts/quickstart", "scripts/bench"];
    let runners = runners.map(|file| fs::read_to_string(root().join(file)).expect("a file of the clone"));
    let programs = fs::read_dir(root().join("tests/programs")).expect("the programs");
    for program in programs.map(|entry| entry.expect("an entry").path()) {
        let name = program.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let named = [format!("\"{name}\""), format!("/{name}.")];
        let is_run = runners.iter().any(|runner| named.iter().any(|name| runner.contains(name)));
        assert!(is_run || program.extension().is_none_or(|extension| extension != "cu"), "{name} is not run");
    }
}

#[test]
fn managed_memory_and_variables_are_the_same_on_both_roads() {
    same_on_both_roads(&["managed"]);
}

#[test]
fn captured_and_built_graphs_of_the_runtime_are_the_same_on_both_roads() {
    same_on_both_roads(&["graphs_runtime"]);
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

/// Each of them, with all the runtimes that it is linked with.
fn same_on_both_roads(names: &[&str]) {
    let product = Product::find();
    let household = Household::new();
    for name in names {
        for runtime in RUNTIMES.iter().take(runtimes_of(name)) {
            both_roads(&household, &product.program(&format!("{name}.{runtime}")));
        }
    }
}

/// How many of the runtimes: what scripts/programs reads too.
fn runtimes_of(name: &str) -> usize {
    let source = root().join("tests/programs").join(format!("{name}.cu"));
    let text = fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    if text.contains("\n// runtimes: all\n") { RUNTIMES.len() } else { 1 }
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
