//! What calls return: codes, functions by name, the devices that a program sees, and the bill.

use std::fs;

use farwarp_tests::{Product, Server, run};
use serde_json::Value;

use crate::{LIMIT, text, well, well_on_both_roads, well_with_devices};

#[test]
fn wrong_uses_return_the_drivers_codes_and_harm_nothing() {
    well_on_both_roads("wrong_uses", &[]);
}

#[test]
fn what_the_drivers_linker_makes_of_ptx_runs() {
    well_on_both_roads("linked", &[]);
}

#[test]
fn code_that_the_device_cannot_run_is_refused_at_its_load_in_words() {
    well_on_both_roads("refused_code", &[]);
}

#[test]
fn what_the_run_time_compiler_makes_runs_as_a_module_and_as_a_library() {
    well_on_both_roads("run_time_compiler", &[]);
}

#[test]
fn launches_in_pieces_and_questions_of_occupancy_are_answered() {
    well_on_both_roads("prepared", &[]);
}

#[test]
fn contexts_have_stacks_limits_children_and_primary_ones_on_every_device() {
    well_with_devices(2, "contexts", &[]);
}

#[test]
fn streams_have_attributes_and_batches_and_contexts_flags_references_and_events() {
    well_on_both_roads("stream_kinds", &[]);
}

#[test]
fn making_and_destroying_a_thousand_streams_and_events_waits_for_nothing() {
    let server = Server::start();
    let program = Product::find().program("stream_kinds.driver");
    let bill = server.file("bill.json");
    let round_trips = |count: &str| {
        let outcome = run(server.command(&program).args(["many", count]).env("FARWARP_STATS", &bill), LIMIT);
        assert!(outcome.status.success(), "{outcome}");
        let bill: Value = serde_json::from_slice(&fs::read(&bill).expect("the bill")).expect("JSON");
        // The answer to goodbye, the last question, may be the end of the connection instead.
        (bill["asks"].as_u64().expect("a number"), bill["tells"].as_u64().expect("a number"))
    };
    let (none, many) = (round_trips("0"), round_trips("1000"));
    assert_eq!(many.0, none.0, "asked with none and with a thousand of each");
    assert_eq!(many.1 - none.1, 4 * 1000, "each is told once that it is made and once that it is gone");
}

#[test]
fn a_function_of_the_host_may_not_call_cuda() {
    well_on_both_roads("host_functions", &[]);
}

#[test]
fn a_function_of_the_host_that_never_returns_stalls_its_stream_only() {
    let said = text(&well(&Server::start(), "host_functions", &["stuck"]));
    assert!(said.contains("another stream goes on, its functions too: yes"), "{said}");
}

#[test]
fn functions_by_name_and_version_lie_in_our_library_or_are_not_found() {
    well(&Server::start(), "entry_points", &[]);
}

#[test]
fn visible_devices_and_their_order_are_the_programs_choice() {
    let server = Server::start();
    let program = Product::find().program("devices.driver");
    let seen = |visible: Option<&str>, order: &str| {
        let mut command = server.command(&program);
        command.env("FARWARP_SOFTGPU_DEVICES", "3").env("CUDA_DEVICE_ORDER", order);
        if let Some(visible) = visible {
            command.env("CUDA_VISIBLE_DEVICES", visible);
        }
        let outcome = run(&mut command, LIMIT);
        assert!(outcome.status.success(), "{outcome}");
        text(&outcome).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = seen(None, "PCI_BUS_ID");
    assert_eq!(all.len(), 3, "{all:?}");
    let these = |visible: &str| seen(Some(visible), "FASTEST_FIRST");
    let only = |indices: &[usize]| indices.iter().map(|index| all[*index].clone()).collect::<Vec<_>>();
    let none = vec!["CUDA_ERROR_NO_DEVICE".to_owned()];
    for visible in ["", "-1", "NoDevFiles", "3", "0,0", "GPU-"] {
        assert_eq!(these(visible), none, "{visible:?}");
    }
    assert_eq!(these("1"), only(&[1]));
    assert_eq!(these("2,0"), only(&[2, 0]));
    assert_eq!(these(" 0 , 1 "), only(&[0, 1]));
    assert_eq!(these("1,7,0"), only(&[1]), "what is not there ends the list");
    let uuid = |index: usize| all[index].split_once(' ').expect("an address and a UUID").1.to_owned();
    assert_eq!(these(&uuid(2)), only(&[2]));
    assert_eq!(these(&format!("{},{}", uuid(1), uuid(0))), only(&[1, 0]));
    // The software GPU's UUIDs differ in their last digit only, so a beginning of one is a beginning of all.
    assert_eq!(these(&uuid(0)[..20]), none);
}

#[test]
fn the_bill_says_what_a_run_cost() {
    let server = Server::start();
    let bill = server.file("bill.json");
    let program = Product::find().program("images.driver");
    let outcome = run(server.command(&program).env("FARWARP_STATS", &bill), LIMIT);
    assert!(outcome.status.success(), "{outcome}");
    let bill: Value = serde_json::from_slice(&fs::read(&bill).expect("the bill")).expect("JSON");
    let number =
        |name: &str| bill[name].as_u64().unwrap_or_else(|| panic!("{name} is no number in {bill:#}"));
    let calls = |name: &str| bill["calls"][name].as_u64().unwrap_or(0);
    assert_eq!([calls("cuInit"), calls("cuLaunchKernel"), calls("cuModuleUnload")], [1, 17, 3], "{bill:#}");
    let made: u64 = bill["calls"].as_object().expect("calls").values().filter_map(Value::as_u64).sum();
    let (asks, tells, heres) = (number("asks"), number("tells"), number("heres"));
    // Hello and goodbye are asked too, and no call of the program's.
    assert!(asks > 0 && tells >= 17 && heres > 0 && asks + tells + heres >= made, "{bill:#}");
    // The answer to goodbye may be the end of the connection.
    assert!([asks, asks - 1].contains(&number("round_trips")), "{bill:#}");
    // Four images, each as large as its text; nothing else here is large.
    assert!(number("module_bytes_up") > 4 * 1000 && number("bytes_up") > number("payload_up"), "{bill:#}");
    assert!(number("payload_up") >= number("module_bytes_up") && number("bytes_down") > 0, "{bill:#}");
    assert!(number("wait_ns") > 0 && number("wait_ns") < LIMIT.as_nanos() as u64, "{bill:#}");
    assert_eq!(
        (number("cache_hits"), number("reconnects"), &bill["link"]),
        (0, 0, &Value::from("quic")),
        "{bill:#}"
    );
}

#[test]
fn asking_instead_of_telling_changes_no_result() {
    let server = Server::start();
    for name in ["order", "images"] {
        let bill = server.file("bill.json");
        let program = Product::find().program(&format!("{name}.driver"));
        let told = well(&server, name, &[]);
        let asked = run(server.command(&program).env("FARWARP_SYNC", "1").env("FARWARP_STATS", &bill), LIMIT);
        assert!(asked.status.success() && asked.stdout == told.stdout, "{asked}");
        let bill: Value = serde_json::from_slice(&fs::read(&bill).expect("the bill")).expect("JSON");
        // Functions of the host report their end, which nobody can wait for.
        assert!(name == "order" || bill["tells"] == 0, "{bill:#}");
    }
}
