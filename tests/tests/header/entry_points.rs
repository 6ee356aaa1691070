//! What `cuGetProcAddress` answers, worked out anew from the header's typedefs: not from the rows, which the answer is made from.

use crate::toolkit;
use farwarp_face::entry_points::{Choice, choose};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;

const LEGACY: u64 = 1;
const PER_THREAD: u64 = 2;

/// The versions of one function, and those of them that have a per-thread form.
#[derive(Debug, Default)]
struct Known {
    legacy: BTreeSet<u32>,
    per_thread: BTreeSet<(u32, &'static str)>,
}

#[test]
fn every_function_is_found_at_every_version_with_every_flag_as_the_header_says() {
    let mut functions: BTreeMap<String, Known> = BTreeMap::new();
    for (typedef, _) in toolkit::typedefs() {
        let known = functions.entry(typedef.function).or_default();
        match typedef.suffix {
            "" => _ = known.legacy.insert(typedef.since),
            suffix => _ = known.per_thread.insert((typedef.since, suffix)),
        }
    }
    let changes: BTreeSet<u32> = functions.values().flat_map(|known| &known.legacy).copied().collect();
    let versions: Vec<u32> =
        changes.iter().flat_map(|version| [version - 10, *version, version + 10]).collect();
    let mut compared = 0;
    for (function, known) in &functions {
        for version in &versions {
            for flags in [0, LEGACY, PER_THREAD] {
                let name = CString::new(function.as_str()).expect("no NUL in a name");
                let choice = choose(&name, *version as i32, flags);
                let chosen = match choice {
                    Choice::Symbol(symbol) => Some(symbol.to_owned()),
                    _ => None,
                };
                assert_eq!(
                    chosen,
                    expected(function, known, *version, flags),
                    "{function} at {version} with {flags}"
                );
                assert!(
                    chosen.is_some() || choice == Choice::VersionNotSufficient,
                    "{function} at {version}: {choice:?}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 10_000, "only {compared} answers were compared");
}

fn expected(function: &str, known: &Known, version: u32, flags: u64) -> Option<String> {
    if function == "cuGraphInstantiate" && version >= 12000 {
        return Some("cuGraphInstantiateWithFlags".to_owned());
    }
    let number = known.legacy.range(..=version).count();
    let newest = *known.legacy.range(..=version).next_back()?;
    // A per-thread form belongs to the newest version that was there when it came.
    let of_newest = known
        .per_thread
        .iter()
        .find(|(since, _)| *since <= version && known.legacy.range(..=*since).next_back() == Some(&newest));
    let suffix = of_newest.filter(|_| flags == PER_THREAD).map_or("", |(_, suffix)| suffix);
    Some(match number {
        1 => format!("{function}{suffix}"),
        number => format!("{function}_v{number}{suffix}"),
    })
}
