//! The table's rows: which figure, against which limit, and what it is to reach.

use crate::table::Side::{Asleep, Limit, Software, SoftwareDirect, StandIn};
use crate::table::{Reach, Row, Side};

/// The names of the figures; a limit's name is printed.
pub const UDP_BUSY: &str = "UDP busy";
pub const UDP_BUSY_HIGH: &str = "UDP busy p99";
pub const UDP_ASLEEP: &str = "UDP blocking";
pub const UDP_ASLEEP_HIGH: &str = "UDP blocking p99";
pub const RING: &str = "shared-memory ring";
pub const TLS: &str = "TLS over TCP";
pub const MEMCPY: &str = "memcpy";
pub const INFO: &str = "cuMemGetInfo p50";
pub const INFO_HIGH: &str = "cuMemGetInfo p99";
pub const READ: &str = "4-byte D2H p50";
pub const READ_HIGH: &str = "4-byte D2H p99";
pub const FIFTY: &str = "50 launches and a read";
pub const TOLD_LAUNCH: &str = "launch on the thread";
pub const TOLD_RECORD: &str = "event record on the thread";
pub const TOLD_FILL: &str = "memset on the thread";
pub const LAUNCHES: &str = "launches end to end";
pub const WIDE: &str = "200-byte calls end to end";
pub const UP_64: &str = "H2D 64 MiB";
pub const UP_256: &str = "H2D 256 MiB";
pub const DOWN_64: &str = "D2H 64 MiB";
pub const DOWN_256: &str = "D2H 256 MiB";
pub const MODULE_COLD: &str = "10 MiB module, first load";
pub const MODULE_WARM: &str = "10 MiB module, second load";
pub const INIT: &str = "cuInit";
pub const FIRST: &str = "connected to first result";
pub const TRIPS: &str = "round trips to the end";
pub const CUDART_WHOLE: &str = "cudart: process start to first result";
pub const CUDART_FIRST: &str = "cudart: connected to first result";
pub const CUDART_TRIPS: &str = "cudart: round trips";
pub const LANES: &str = "lane operations";

pub const ROWS: &[Row] = &[
    row("synchronous call, cuMemGetInfo, p50", "µs", StandIn, INFO, Some(UDP_BUSY), Reach::AtMost(2.5)),
    row("  p99", "µs", StandIn, INFO_HIGH, Some(UDP_BUSY_HIGH), Reach::None),
    row("  without spinning, p50", "µs", Asleep, INFO, Some(UDP_ASLEEP), Reach::AtMost(2.0)),
    row("    p99", "µs", Asleep, INFO_HIGH, Some(UDP_ASLEEP_HIGH), Reach::None),
    row("D2H of 4 bytes, p50", "µs", StandIn, READ, Some(UDP_BUSY), Reach::AtMost(2.5)),
    row("  p99", "µs", StandIn, READ_HIGH, Some(UDP_BUSY_HIGH), Reach::None),
    row("  without spinning, p50", "µs", Asleep, READ, Some(UDP_ASLEEP), Reach::AtMost(2.0)),
    row("    p99", "µs", Asleep, READ_HIGH, Some(UDP_ASLEEP_HIGH), Reach::None),
    row("told on the program's thread: launch", "ns", StandIn, TOLD_LAUNCH, None, Reach::AtMost(40.0)),
    row("  event record", "ns", StandIn, TOLD_RECORD, None, Reach::AtMost(40.0)),
    row("  memset", "ns", StandIn, TOLD_FILL, None, Reach::AtMost(40.0)),
    row("launches end to end", "1/s", StandIn, LAUNCHES, None, Reach::AtLeast(1.5e6)),
    row("told 200-byte calls end to end", "1/s", StandIn, WIDE, Some(RING), Reach::AtLeast(0.15)),
    row("50 launches and a D2H of 4 bytes, p50", "µs", StandIn, FIFTY, None, Reach::AtMost(60.0)),
    row("H2D 64 MiB", "GB/s", StandIn, UP_64, Some(TLS), Reach::AtLeast(1.4)),
    row("H2D 256 MiB", "GB/s", StandIn, UP_256, Some(TLS), Reach::AtLeast(1.4)),
    row("D2H 64 MiB", "GB/s", StandIn, DOWN_64, Some(TLS), Reach::AtLeast(1.4)),
    row("D2H 256 MiB", "GB/s", StandIn, DOWN_256, Some(TLS), Reach::AtLeast(1.4)),
    row("H2D 256 MiB", "GB/s", StandIn, UP_256, Some(MEMCPY), Reach::None),
    row("D2H 256 MiB", "GB/s", StandIn, DOWN_256, Some(MEMCPY), Reach::None),
    row("10 MiB of PTX, first load", "ms", StandIn, MODULE_COLD, None, Reach::None),
    row("  second load", "ms", StandIn, MODULE_WARM, None, Reach::AtMost(5.0)),
    row("cuInit: connection, worker, hello", "ms", StandIn, INIT, None, Reach::None),
    row("  then to the first kernel's result", "ms", StandIn, FIRST, None, Reach::AtMost(1.0)),
    row("  round trips of that program, to its end", "", StandIn, TRIPS, None, Reach::None),
    row("cudart program: process start to first result", "ms", Software, CUDART_WHOLE, None, Reach::None),
    row("  connected to first result", "ms", Software, CUDART_FIRST, None, Reach::AtMost(1.0)),
    row("  round trips, to its end", "", Software, CUDART_TRIPS, None, Reach::AtMost(4.0)),
    row(
        "interpreter on one core, lane operations",
        "1/s",
        SoftwareDirect,
        LANES,
        None,
        Reach::AtLeast(0.5e9),
    ),
];

const fn row(
    what: &'static str,
    unit: &'static str,
    side: Side,
    figure: &'static str,
    limit: Option<&'static str>,
    reach: Reach,
) -> Row {
    let against = match limit {
        Some(limit) => Some((Limit, limit)),
        None => None,
    };
    Row { what, unit, of: (side, figure), against, reach }
}
