//! Bytes, order and code: what the program computes is what it would compute with the GPU in its own machine.

use crate::{well_on_both_roads, well_with_devices};

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
