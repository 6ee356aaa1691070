//! The table and the library agree.

mod common;

use std::collections::BTreeSet;
use std::ffi::CString;

use common::*;
use farwarp_protocol::table::{self, Row};

/// (code, address, status)
fn entry_point(name: &str, version: i32, flags: u64) -> (i32, u64, u32) {
    let name = CString::new(name).unwrap();
    let (mut pointer, mut status) = (7, 99);
    let code = cuGetProcAddress_v2(name.as_ptr(), &mut pointer, version, flags, &mut status);
    (code, pointer, status)
}

#[test]
fn what_is_built_is_in_the_table() {
    let symbols: BTreeSet<&str> =
        table::rows().flat_map(|row| [Some(row.name), row.per_thread]).flatten().collect();
    let built = farwarp_softgpu::exports::built();
    assert!(built.len() > 250, "{}", built.len());
    for symbol in built {
        assert!(symbols.contains(symbol), "{symbol}");
    }
}

#[test]
fn a_function_is_built_with_its_per_thread_variant_or_not_at_all() {
    let built: BTreeSet<&str> = farwarp_softgpu::exports::built().into_iter().collect();
    for row in table::rows() {
        if let Some(alias) = row.per_thread {
            assert_eq!(built.contains(row.name), built.contains(alias), "{alias}");
        }
    }
}

#[test]
fn every_function_has_an_address_and_a_newer_one_has_none() {
    let (code, first, status) = entry_point("cuMemcpyHtoDAsync", 12000, 0);
    assert_eq!((code, status), (SUCCESS, 0));
    let (code, per_thread, _) = entry_point("cuMemcpyHtoDAsync", 12000, 2);
    assert_eq!(code, SUCCESS);
    assert_ne!(first, per_thread);
    let (_, pointer, status) = entry_point("cuFlyToTheMoon", 13050, 0);
    assert_eq!((pointer, status), (0, 1));
    for row in table::rows() {
        assert_eq!(entry_point(base_name(row), row.since as i32, 0).0, SUCCESS, "{}", row.name);
    }
}

#[test]
fn what_is_not_built_says_so() {
    context();
    let built: BTreeSet<&str> = farwarp_softgpu::exports::built().into_iter().collect();
    let mut asked = 0;
    for row in table::rows().filter(|row| !built.contains(row.name)) {
        let (code, address, _) = entry_point(base_name(row), row.since as i32, 0);
        assert_eq!(code, SUCCESS, "{}", row.name);
        assert_eq!(called_without_arguments(address), NOT_SUPPORTED, "{}", row.name);
        asked += 1;
    }
    assert!(asked > 0, "then this test has nothing to do any more");
}

/// As cuGetProcAddress knows it: without the version.
fn base_name(row: &'static Row) -> &'static str {
    let version = |(_, number): &(&str, &str)| number.parse::<u32>().is_ok();
    row.name.rsplit_once("_v").filter(version).map_or(row.name, |(name, _)| name)
}
