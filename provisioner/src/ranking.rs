//! Which offer is likely to cost least, of those that will do.

use std::collections::BTreeMap;

use crate::cost::MicroDollars;
use crate::ledger::Record;
use crate::provider::{Need, Offer};

/// What a lease is like, where nothing is known yet.
const RUN_MS: u64 = 30 * 60_000;
const BOOT_MS: u64 = 2 * 60_000;
const UP_BYTES: u64 = 1_000_000_000;
/// Of leases that are known, the newest count.
const REMEMBERED_MAX: usize = 50;
/// Boots that have to be known before a time-out is drawn from them.
const BOOTS_MIN: usize = 5;
/// A machine that takes so many times what nineteen of twenty took is stuck.
const STUCK_FACTOR: u64 = 3;
const STUCK_MIN_MS: u64 = 60_000;
/// An offer whose create failed is left alone for so long, and a machine that did not boot for so long.
const OFFER_REST_MS: u64 = 10 * 60_000;
const HOST_REST_MS: u64 = 24 * 3_600_000;

/// What earlier leases were like.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    boots: BTreeMap<String, Vec<u64>>,
    runs: Vec<u64>,
    ups: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub provider: String,
    pub offer: Offer,
    pub expected: MicroDollars,
}

impl Habits {
    /// From the newest backwards.
    pub fn of<'a>(records: impl DoubleEndedIterator<Item = &'a Record>) -> Self {
        let mut habits = Self::default();
        for record in records.rev().filter(|record| record.served) {
            let boots = habits.boots.entry(record.provider.clone()).or_default();
            if boots.len() < REMEMBERED_MAX {
                boots.push(record.meter.boot_ms);
            }
            if habits.runs.len() < REMEMBERED_MAX && !record.offer.price.is_free() {
                habits.runs.push(record.meter.busy_ms.saturating_add(record.meter.idle_ms));
                habits.ups.push(record.meter.bytes_up);
            }
        }
        habits
    }

    pub fn expected_boot_ms(&self, provider: &str) -> u64 {
        self.boots.get(provider).and_then(|boots| share_of(boots, 50)).unwrap_or(BOOT_MS)
    }

    /// A boot that takes longer is given up: what is configured, or less where it is known that others take far less.
    pub fn boot_timeout_ms(&self, provider: &str, configured: u64) -> u64 {
        let known = self.boots.get(provider).filter(|boots| boots.len() >= BOOTS_MIN);
        let stuck =
            known.and_then(|boots| share_of(boots, 95)).map(|ms| (ms * STUCK_FACTOR).max(STUCK_MIN_MS));
        stuck.map_or(configured, |stuck| stuck.min(configured))
    }

    /// All that a lease on this offer is likely to cost; more where such machines often fail.
    pub fn expected(&self, provider: &str, offer: &Offer) -> MicroDollars {
        let price = &offer.price;
        let run = share_of(&self.runs, 50).unwrap_or(RUN_MS);
        let up = share_of(&self.ups, 50).unwrap_or(UP_BYTES);
        let time = price.of(self.expected_boot_ms(provider).saturating_add(run)).0;
        let whole = u128::from(time) + u128::from(price.of_bytes(up, 0).0);
        let reliability = u128::from(offer.traits.reliability_permille.unwrap_or(1_000).clamp(1, 1_000));
        MicroDollars(u64::try_from(whole * 1_000 / reliability).unwrap_or(u64::MAX))
    }
}

/// The value that so many of a hundred do not exceed.
fn share_of(values: &[u64], percent: usize) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(index).copied()
}

/// Whether an offer is what is looked for. What is unknown of it is not held against it, except trust.
pub fn fits(offer: &Offer, need: &Need) -> bool {
    let traits = &offer.traits;
    let at_least = |known: Option<u64>, wanted: Option<u64>| match (known, wanted) {
        (Some(known), Some(wanted)) => known >= wanted,
        _ => true,
    };
    let same_gpu = need
        .gpu
        .as_deref()
        .is_none_or(|wanted| traits.gpu.as_deref().is_none_or(|known| plain(known) == plain(wanted)));
    let in_region = need.region.as_deref().is_none_or(|wanted| {
        traits.region.as_deref().is_none_or(|known| known.to_lowercase().contains(&wanted.to_lowercase()))
    });
    same_gpu
        && in_region
        && at_least(traits.vram_mb, need.vram_mb)
        && at_least(traits.ram_mb, need.ram_mb)
        && at_least(traits.cuda.map(u64::from), need.cuda.map(u64::from))
        && need.max_per_hour.is_none_or(|max| offer.price.per_hour <= max)
        && (need.spot || !traits.spot)
        && (need.untrusted || traits.trusted)
}

/// People write `rtx_4090` and `RTX-4090`.
pub fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Those that will do, the one that is likely to cost least first.
pub fn ranked(offers: Vec<(String, Offer)>, need: &Need, habits: &Habits) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = offers
        .into_iter()
        .filter(|(_, offer)| fits(offer, need))
        .map(|(provider, offer)| Candidate { expected: habits.expected(&provider, &offer), provider, offer })
        .collect();
    // Stable: of equals, the provider that was named first.
    candidates.sort_by_key(|candidate| candidate.expected);
    candidates
}

/// Whether this offer, or its machine, has failed a short while ago.
pub fn rests(provider: &str, offer: &Offer, records: &[Record], wall_ms: u64) -> bool {
    records.iter().filter(|record| record.provider == provider).any(|record| {
        let failed_ms = wall_ms.saturating_sub(record.closed_wall_ms.unwrap_or(wall_ms));
        match record.failure {
            Some(Failure::Offer) => record.offer.id == offer.id && failed_ms < OFFER_REST_MS,
            Some(Failure::Machine) => {
                let same = match (&record.offer.host, &offer.host) {
                    (Some(failed), Some(host)) => failed == host,
                    _ => record.offer.id == offer.id,
                };
                same && failed_ms < HOST_REST_MS
            }
            Some(Failure::Account) | None => false,
        }
    })
}

/// Why a lease never served, where that was nobody's wish; it decides what is tried next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// Another offer.
    Offer,
    /// Another machine.
    Machine,
    /// Another provider.
    Account,
}

/// Of these names, those that are most like the one that nobody has.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let wanted = plain(wanted);
    let mut names: Vec<(usize, &str)> = names.map(|name| (distance(&wanted, &plain(name)), name)).collect();
    names.sort();
    names.dedup();
    names.into_iter().take(count).map(|(_, name)| name).collect()
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Price;
    use crate::provider::Traits;

    fn offer(per_hour: u64, traits: Traits) -> Offer {
        let price = Price { per_hour: MicroDollars(per_hour), ..Price::default() };
        Offer { id: "o".into(), description: "d".into(), price, host: None, traits }
    }

    fn trusted() -> Traits {
        Traits { trusted: true, ..Traits::default() }
    }

    #[test]
    fn what_fails_often_or_costs_to_fill_is_dearer_than_it_looks() {
        let habits = Habits::default();
        let cheap = offer(300_000, Traits { reliability_permille: Some(600), ..trusted() });
        let steady = offer(340_000, Traits { reliability_permille: Some(990), ..trusted() });
        assert!(habits.expected("v", &steady) < habits.expected("v", &cheap));
        let mut metered = steady.clone();
        metered.price.up_per_gb = MicroDollars(500_000);
        assert!(habits.expected("v", &steady) < habits.expected("v", &metered));
        let first =
            ranked(vec![("v".into(), cheap), ("v".into(), steady.clone())], &Need::default(), &habits);
        assert_eq!(first[0].offer, steady);
    }

    #[test]
    fn each_wish_excludes_what_does_not_fulfil_it() {
        let known = Traits {
            gpu: Some("RTX 4090".into()),
            vram_mb: Some(24_000),
            ram_mb: Some(64_000),
            region: Some("Sweden, SE".into()),
            cuda: Some(12_080),
            ..trusted()
        };
        let offer = offer(340_000, known.clone());
        let fits = |need: Need| super::fits(&offer, &need);
        let need = Need::default;
        assert!(fits(need()));
        assert!(fits(Need { gpu: Some("rtx_4090".into()), ..need() }));
        assert!(!fits(Need { gpu: Some("RTX 4080".into()), ..need() }));
        assert!(!fits(Need { vram_mb: Some(40_000), ..need() }));
        assert!(!fits(Need { ram_mb: Some(65_000), ..need() }));
        assert!(!fits(Need { cuda: Some(13_000), ..need() }));
        assert!(
            !fits(Need { region: Some("norway".into()), ..need() })
                && fits(Need { region: Some("sweden".into()), ..need() })
        );
        assert!(!fits(Need { max_per_hour: Some(MicroDollars(339_999)), ..need() }));
        let spot = Offer { traits: Traits { spot: true, ..known.clone() }, ..offer.clone() };
        assert!(!super::fits(&spot, &need()) && super::fits(&spot, &Need { spot: true, ..need() }));
        let strange = Offer { traits: Traits { trusted: false, ..known }, ..offer.clone() };
        assert!(
            !super::fits(&strange, &need()) && super::fits(&strange, &Need { untrusted: true, ..need() })
        );
    }

    #[test]
    fn the_nearest_names_are_offered_for_one_that_nobody_has() {
        let names = ["RTX 4090", "RTX 3090", "H100 SXM", "A100 PCIE", "RTX 4080"];
        assert_eq!(nearest("rtx4099", names.into_iter(), 2), ["RTX 4090", "RTX 3090"]);
        assert_eq!(nearest("H200 SXM", names.into_iter(), 1), ["H100 SXM"]);
    }
}
