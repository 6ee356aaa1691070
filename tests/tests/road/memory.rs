//! Bytes, order and code: what the program computes is what it would compute with the GPU in its own machine.

use std::time::Duration;

use farwarp_tests::relay::Conditions;
use farwarp_tests::{Product, Server, run};

use crate::{LIMIT, well_on_both_roads, well_with_devices};

/// Pieces of a payload come in another order than the words that they are there, if nobody takes care.
const HELD_UP: Conditions = Conditions {
    round_trip: Duration::from_millis(2),
    bits_per_second: Some(400_000_000),
    lost_per_mille: 0,
    doubled_per_mille: 0,
    held_up_per_mille: 20,
    mtu_bytes: usize::MAX,
};

#[test]
fn host_memory_is_read_and_written_when_cuda_says() {
    well_with_devices(2, "host_memory", &[]);
}

#[test]
fn kernels_see_page_locked_memory_where_it_is_and_system_calls_fill_it() {
    well_on_both_roads("mapped", &[]);
}

#[test]
fn copies_and_sets_of_every_width_and_size_arrive_whole() {
    well_on_both_roads("copies", &[]);
}

#[test]
fn rectangles_and_boxes_between_all_kinds_of_memory_arrive_whole_or_are_refused() {
    well_on_both_roads("boxes", &[]);
}

#[test]
fn memory_in_stream_order_comes_from_pools_goes_back_to_them_and_is_shared_between_devices() {
    well_with_devices(2, "pools", &[]);
}

#[test]
fn reserved_addresses_show_physical_memory_to_those_who_are_let_in() {
    well_on_both_roads("virtual_memory", &[]);
}

#[test]
fn kernels_copies_events_and_functions_of_the_host_keep_cudas_order() {
    well_on_both_roads("order", &[]);
}

#[test]
fn an_event_is_not_done_before_the_bytes_that_the_road_holds_up() {
    let server = Server::start();
    let relay = server.relay(7);
    relay.behave(HELD_UP);
    for name in ["host_memory", "crossings", "graph_host"] {
        let program = Product::find().program(&format!("{name}.driver"));
        let outcome = run(&mut server.command_through(&relay, &program), LIMIT);
        assert!(outcome.status.success(), "{name}: {outcome}\n{}", server.log());
    }
    assert!(relay.counts().held_up > 0, "{:?}", relay.counts());
}

#[test]
fn what_two_streams_touch_in_turn_keeps_their_order() {
    well_on_both_roads("crossings", &[]);
}

#[test]
fn code_and_its_variables_are_found_by_name_and_written_by_kernels() {
    well_on_both_roads("images", &[]);
}

#[test]
fn eight_threads_with_their_own_and_their_default_streams_compute_right() {
    well_on_both_roads("threads", &[]);
}

#[test]
fn kernels_reach_another_devices_memory_once_they_are_let_in_and_no_sooner_or_longer() {
    for end in ["never in", "out"] {
        well_with_devices(2, "peers", &[end]);
    }
}

#[test]
fn memory_of_one_process_is_opened_read_and_written_by_another_with_the_same_ticket() {
    well_on_both_roads("ipc", &[]);
}
