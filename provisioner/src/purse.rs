//! What has been spent, and what may be: every lease's cost over the time in which it arose, running ones included.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::config::Budget;
use crate::cost::MicroDollars;
use crate::ledger::Record;

const DAY_MS: u64 = 24 * 3_600_000;
const MONTH_MS: u64 = 30 * DAY_MS;

/// What one lease has cost, from when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    pub from_wall_ms: u64,
    pub to_wall_ms: u64,
    pub cost: MicroDollars,
}

#[derive(Debug, Default)]
pub struct Purse {
    spells: Mutex<BTreeMap<String, Spell>>,
}

/// The limit that leaves least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub amount: MicroDollars,
    pub limit: MicroDollars,
    /// "a session", "a day" or "a month".
    pub of: &'static str,
}

impl Spell {
    fn of(record: &Record, wall_ms: u64) -> Self {
        let to_wall_ms = record.closed_wall_ms.unwrap_or(wall_ms).max(record.opened_wall_ms);
        let cost = MicroDollars(record.meter.cost(&record.offer.price).micro_dollars);
        Self { from_wall_ms: record.opened_wall_ms, to_wall_ms, cost }
    }

    /// The part that arose since then, as if it had arisen evenly; rounded up.
    fn since(&self, from: u64) -> MicroDollars {
        let whole = self.to_wall_ms - self.from_wall_ms.min(self.to_wall_ms);
        let part = self.to_wall_ms.saturating_sub(from.max(self.from_wall_ms));
        match (whole, self.to_wall_ms >= from) {
            (_, false) => MicroDollars(0),
            (0, true) => self.cost,
            (whole, true) => {
                MicroDollars((u128::from(self.cost.0) * u128::from(part)).div_ceil(u128::from(whole)) as u64)
            }
        }
    }
}

impl Purse {
    pub fn of<'a>(records: impl Iterator<Item = &'a Record>, wall_ms: u64) -> Self {
        let purse = Self::default();
        records.for_each(|record| purse.book(record, wall_ms));
        purse
    }

    /// The cost of a lease up to now, in place of what was known of it.
    pub fn book(&self, record: &Record, wall_ms: u64) {
        if record.offer.price.is_free() {
            return;
        }
        let mut spells = self.spells.lock().unwrap_or_else(PoisonError::into_inner);
        spells.insert(record.id.clone(), Spell::of(record, wall_ms));
        spells.retain(|_, spell| spell.to_wall_ms + MONTH_MS >= wall_ms);
    }

    pub fn spent_since(&self, from_wall_ms: u64) -> MicroDollars {
        let spells = self.spells.lock().unwrap_or_else(PoisonError::into_inner);
        MicroDollars(spells.values().map(|spell| spell.since(from_wall_ms).0).fold(0, u64::saturating_add))
    }

    /// What a lease that has cost so much may still cost; nothing where there is no limit.
    pub fn left(&self, budget: &Budget, session: MicroDollars, wall_ms: u64) -> Option<Left> {
        let since = |ms: u64| self.spent_since(wall_ms.saturating_sub(ms));
        let limits = [
            (budget.session, session, "a session"),
            (budget.day, since(DAY_MS), "a day"),
            (budget.month, since(MONTH_MS), "a month"),
        ];
        let left = limits.into_iter().filter_map(|(limit, spent, of)| {
            let limit = limit?;
            Some(Left { amount: MicroDollars(limit.0.saturating_sub(spent.0)), limit, of })
        });
        left.min_by_key(|left| left.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn purse(spells: &[(u64, u64, u64)]) -> Purse {
        let spell = |(index, &(from_wall_ms, to_wall_ms, cost)): (usize, &(u64, u64, u64))| {
            (index.to_string(), Spell { from_wall_ms, to_wall_ms, cost: MicroDollars(cost) })
        };
        Purse { spells: Mutex::new(spells.iter().enumerate().map(spell).collect()) }
    }

    #[test]
    fn of_a_lease_that_began_yesterday_only_todays_part_counts() {
        let now = 1_000 * DAY_MS;
        let purse = purse(&[
            (now - 30 * HOUR_MS, now - 18 * HOUR_MS, 1_200),
            (now - 2 * DAY_MS, now - DAY_MS - 1, 9_999),
            (now, now, 5),
        ]);
        assert_eq!(purse.spent_since(now - DAY_MS), MicroDollars(600 + 5));
        assert_eq!(purse.spent_since(0), MicroDollars(1_200 + 9_999 + 5));
    }

    #[test]
    fn the_limit_that_leaves_least_decides() {
        let now = 1_000 * DAY_MS;
        let purse = purse(&[(now - HOUR_MS, now, 700)]);
        let budget = |session: u64, day: u64| Budget {
            session: Some(MicroDollars(session)),
            day: Some(MicroDollars(day)),
            month: None,
        };
        let left = |budget| purse.left(&budget, MicroDollars(100), now).unwrap();
        assert_eq!(
            (left(budget(300, 1_000)).amount, left(budget(300, 1_000)).of),
            (MicroDollars(200), "a session")
        );
        assert_eq!(
            (left(budget(900, 1_000)).amount, left(budget(900, 1_000)).of),
            (MicroDollars(300), "a day")
        );
        assert_eq!(left(budget(900, 600)).amount, MicroDollars(0));
        let none = Budget { session: None, day: None, month: None };
        assert_eq!(purse.left(&none, MicroDollars(100), now), None);
    }
}
