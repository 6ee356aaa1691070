//! Since when a symbol is there.

use crate::toolkit::{self, Typedef};
use farwarp_protocol::table::{self, PER_THREAD_SINCE, Row};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn every_row_says_since_when_its_symbol_is_there() {
    let declared: BTreeSet<Typedef> = toolkit::typedefs().into_iter().map(|(typedef, _)| typedef).collect();
    let in_table: BTreeSet<Typedef> = table::rows().flat_map(typedefs_of).collect();
    let missing: Vec<_> = declared.difference(&in_table).collect();
    let invented: Vec<_> = in_table.difference(&declared).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "in the header alone: {missing:?}\nin the table alone: {invented:?}"
    );
}

#[test]
fn versions_of_a_function_are_numbered_in_the_order_in_which_they_came() {
    let mut by_function: BTreeMap<&str, Vec<(u32, &str)>> = BTreeMap::new();
    for row in table::rows() {
        by_function.entry(function_of(row.name)).or_default().push((row.since, row.name));
    }
    for (function, mut versions) in by_function {
        versions.sort();
        for (index, (_, name)) in versions.into_iter().enumerate() {
            let expected =
                if index == 0 { function.to_owned() } else { format!("{function}_v{}", index + 1) };
            assert_eq!(name, expected);
        }
    }
}

fn typedefs_of(row: &'static Row) -> impl Iterator<Item = Typedef> {
    let function = function_of(row.name).to_owned();
    let legacy = Typedef { function: function.clone(), since: row.since, suffix: "" };
    let per_thread = row.per_thread.map(|symbol| {
        let suffix = if symbol.ends_with("_ptds") { "_ptds" } else { "_ptsz" };
        assert_eq!(symbol, format!("{}{suffix}", row.name));
        Typedef { function, since: row.since.max(PER_THREAD_SINCE), suffix }
    });
    [Some(legacy), per_thread].into_iter().flatten()
}

fn function_of(symbol: &'static str) -> &'static str {
    symbol.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix("_v").unwrap_or(symbol)
}
