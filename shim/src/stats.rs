//! What a run cost: counted while it goes, written as one JSON object when it ends (`FARWARP_STATS=FILE`).

use crate::counters;
use farwarp_link::LinkStats;
use farwarp_protocol::call::{OWN_OPS, op};
use farwarp_protocol::table;
use std::collections::HashMap;

/// What the session carried. One call may be several records, of which each is an ask or a tell: a large copy goes in pieces.
/// Payload is the bodies of records, the link's own figures are what went over the network.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// How often each operation was asked.
    pub asked: HashMap<u32, u64>,
    pub tells: u64,
    pub round_trips: u64,
    pub payload_up: u64,
    pub payload_down: u64,
    pub module_bytes_up: u64,
    pub cache_hits: u64,
    pub wait_ns: u64,
    pub reconnects: u64,
}

impl Traffic {
    pub fn asks(&self) -> u64 {
        self.asked.values().sum()
    }

    /// The asked operations by name: functions of CUDA's, and those of the session's own.
    fn asked_by_name(&self) -> Vec<(&'static str, u64)> {
        let names = table::rows().map(|row| row.name).chain(OWN_OPS.iter().map(|(name, _)| *name));
        let mut asked: Vec<_> = names.filter_map(|name| Some((name, *self.asked.get(&op(name))?))).collect();
        asked.sort_unstable();
        asked
    }
}

/// The object, as text. Names of functions need no escapes.
pub fn json(traffic: &Traffic, link: Option<LinkStats>, boot_ms: u64, elapsed_ms: u64) -> String {
    let object = |counts: Vec<(&str, u64)>| {
        let members: Vec<String> =
            counts.iter().map(|(name, count)| format!("    \"{name}\": {count}")).collect();
        members.join(",\n")
    };
    let link = link.unwrap_or_default();
    format!(
        "{{\n  \"calls\": {{\n{}\n  }},\n  \"asked\": {{\n{}\n  }},\n  \"asks\": {},\n  \"tells\": {},\n  \"heres\": {},\n  \"round_trips\": {},\n  \
         \"bytes_up\": {},\n  \"bytes_down\": {},\n  \"payload_up\": {},\n  \"payload_down\": {},\n  \"module_bytes_up\": {},\n  \
         \"cache_hits\": {},\n  \"wait_ns\": {},\n  \"link\": \"{}\",\n  \"rtt_us\": {},\n  \"reconnects\": {},\n  \
         \"boot_ms\": {},\n  \"elapsed_ms\": {}\n}}\n",
        object(counters::all()),
        object(traffic.asked_by_name()),
        traffic.asks(),
        traffic.tells,
        counters::heres(),
        traffic.round_trips,
        link.bytes_up,
        link.bytes_down,
        traffic.payload_up,
        traffic.payload_down,
        traffic.module_bytes_up,
        traffic.cache_hits,
        traffic.wait_ns,
        link.name,
        link.rtt.as_micros(),
        traffic.reconnects,
        boot_ms,
        elapsed_ms,
    )
}
