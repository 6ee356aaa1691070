//! What a lease costs, in whole micro-dollars, and what its time was spent on.

use std::fmt;

use farwarp_protocol::agent::Cost;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroDollars(pub u64);

/// As the provider counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub per_hour: MicroDollars,
    /// Time is rounded up to whole multiples of this; 0 means not at all.
    pub grain_ms: u64,
    /// Less time than this is charged as this.
    pub least_ms: u64,
    /// For 10⁹ bytes to the machine, and from it.
    #[serde(default)]
    pub up_per_gb: MicroDollars,
    #[serde(default)]
    pub down_per_gb: MicroDollars,
}

/// Time by what it was spent on. All of it is paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    pub boot_ms: u64,
    pub busy_ms: u64,
    pub idle_ms: u64,
    /// To the machine, and from it.
    #[serde(default)]
    pub bytes_up: u64,
    #[serde(default)]
    pub bytes_down: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    Boot,
    Busy,
    Idle,
    /// Nothing is rented.
    Nothing,
}

const HOUR_MS: u128 = 3_600_000;
const GIGABYTE: u128 = 1_000_000_000;

/// Rounded up, as bills are.
fn whole(product: u128, unit: u128) -> MicroDollars {
    MicroDollars(u64::try_from(product.div_ceil(unit)).unwrap_or(u64::MAX))
}

impl Price {
    pub fn is_free(&self) -> bool {
        self.per_hour.0 == 0
    }

    /// For a machine that existed this long. Rounded up, as bills are.
    pub fn of(&self, ms: u64) -> MicroDollars {
        let ms = ms.max(self.least_ms);
        let charged = match self.grain_ms {
            0 => ms,
            grain => ms.div_ceil(grain).saturating_mul(grain),
        };
        whole(u128::from(self.per_hour.0) * u128::from(charged), HOUR_MS)
    }

    /// For what was sent, apart from the time.
    pub fn of_bytes(&self, up: u64, down: u64) -> MicroDollars {
        let part = |price: MicroDollars, bytes| u128::from(price.0) * u128::from(bytes);
        let (up, down) = (part(self.up_per_gb, up), part(self.down_per_gb, down));
        whole(up.saturating_add(down), GIGABYTE)
    }

    /// How long a machine may exist for so much, at most.
    pub fn affordable_ms(&self, sum: MicroDollars) -> u64 {
        match self.per_hour.0 {
            0 => u64::MAX,
            per_hour => u64::try_from(u128::from(sum.0) * HOUR_MS / u128::from(per_hour)).unwrap_or(u64::MAX),
        }
    }
}

impl Meter {
    pub fn add(&mut self, spent: Spent, ms: u64) {
        let counter = match spent {
            Spent::Boot => &mut self.boot_ms,
            Spent::Busy => &mut self.busy_ms,
            Spent::Idle => &mut self.idle_ms,
            Spent::Nothing => return,
        };
        *counter = counter.saturating_add(ms);
    }

    pub fn total_ms(&self) -> u64 {
        self.boot_ms.saturating_add(self.busy_ms).saturating_add(self.idle_ms)
    }

    pub fn cost(&self, price: &Price) -> Cost {
        // What was never rented was never charged, whatever the least is.
        let spent = if self.total_ms() == 0 { MicroDollars(0) } else { price.of(self.total_ms()) };
        Cost {
            micro_dollars: spent.0.saturating_add(price.of_bytes(self.bytes_up, self.bytes_down).0),
            micro_dollars_per_hour: price.per_hour.0,
            boot_ms: self.boot_ms,
            busy_ms: self.busy_ms,
            idle_ms: self.idle_ms,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
        }
    }
}

impl fmt::Display for MicroDollars {
    /// Dollars with as many places as matter: $0.34, $0.0071.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, micro) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let places = format!("{micro:06}");
        let kept = places.trim_end_matches('0').len().max(2);
        write!(f, "${dollars}.{}", &places[..kept])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rounded_up_to_the_grain_and_to_the_least() {
        // 3.60 dollars an hour are a micro-dollar a millisecond.
        let exact = Price { per_hour: MicroDollars(3_600_000), ..Price::default() };
        assert_eq!(exact.of(1_234), MicroDollars(1_234));
        assert_eq!(
            Price { per_hour: MicroDollars(1), ..exact }.of(1),
            MicroDollars(1),
            "a part is charged whole"
        );
        let per_minute = Price { grain_ms: 60_000, ..exact };
        assert_eq!(per_minute.of(60_000), MicroDollars(60_000));
        assert_eq!(per_minute.of(60_001), per_minute.of(120_000));
        let least = Price { least_ms: 60_000, grain_ms: 1_000, ..exact };
        assert_eq!(least.of(5), least.of(60_000));
        assert_eq!(least.of(61_001), least.of(62_000));
    }

    #[test]
    fn nothing_overflows() {
        let dear = Price { per_hour: MicroDollars(u64::MAX), grain_ms: 7, ..Price::default() };
        assert_eq!(dear.of(u64::MAX), MicroDollars(u64::MAX));
        let mut meter = Meter::default();
        meter.add(Spent::Busy, u64::MAX);
        meter.add(Spent::Busy, 1);
        assert_eq!(meter.total_ms(), u64::MAX);
    }

    #[test]
    fn every_second_that_exists_is_counted_once() {
        let mut meter = Meter::default();
        for (spent, ms) in
            [(Spent::Nothing, 9), (Spent::Boot, 5), (Spent::Busy, 7), (Spent::Idle, 2), (Spent::Busy, 1)]
        {
            meter.add(spent, ms);
        }
        assert_eq!(meter, Meter { boot_ms: 5, busy_ms: 8, idle_ms: 2, ..Meter::default() });
    }

    #[test]
    fn what_is_sent_is_charged_by_the_byte_and_rounded_up_once() {
        let price =
            Price { up_per_gb: MicroDollars(2_000), down_per_gb: MicroDollars(10_000), ..Price::default() };
        assert_eq!(price.of_bytes(3_000_000_000, 100_000_000), MicroDollars(7_000));
        assert_eq!(price.of_bytes(1, 1), MicroDollars(1));
        let hourly = Price { per_hour: MicroDollars(340_000), ..Price::default() };
        assert_eq!(hourly.affordable_ms(MicroDollars(50_000)), 529_411);
        assert!(hourly.of(529_411) <= MicroDollars(50_000));
    }

    #[test]
    fn money_is_written_as_people_read_it() {
        assert_eq!(MicroDollars(340_000).to_string(), "$0.34");
        assert_eq!(MicroDollars(7_100).to_string(), "$0.0071");
        assert_eq!(MicroDollars(12_000_000).to_string(), "$12.00");
        assert_eq!(MicroDollars(1).to_string(), "$0.000001");
    }
}
