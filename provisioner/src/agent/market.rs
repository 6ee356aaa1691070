//! Chooses what is rented: asks every provider that may be taken, and takes what is likely to cost least.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use farwarp_protocol::agent::Wish;

use super::{Agent, OpenError};
use crate::clock::Moment;
use crate::config::{Config, Profile};
use crate::cost::{Meter, MicroDollars};
use crate::lease::State;
use crate::ledger::{self, Record, new_id};
use crate::provider::{Need, Offer, Order, Provider, ProviderError, Tag};
use crate::ranking::{self, Candidate, Habits};

/// A server that no agent speaks with and nobody computes on ends itself after this, or later if it may be quiet for longer.
const IDLE_MIN: Duration = Duration::from_secs(10 * 60);
/// A lease that could not pay for its boot and so much computing is not begun.
const USE_MIN_MS: u64 = 60_000;
/// Of names like the one that nobody has, so many are shown.
const NEAREST_MAX: usize = 3;

/// One client's search: what it has been told, and who is out of the question.
#[derive(Default)]
pub struct Search {
    pub tries: u32,
    pub dropped: BTreeSet<String>,
    /// For the client, in order.
    pub lines: Vec<String>,
}

pub struct Chosen {
    pub provider: Arc<dyn Provider>,
    pub candidate: Candidate,
    pub habits: Habits,
}

impl Agent {
    pub(super) fn choose(
        &self,
        config: &Config,
        profile: &Profile,
        search: &mut Search,
    ) -> Result<Chosen, OpenError> {
        let need = profile.need();
        let mut records = ledger::history(&self.state_dir).unwrap_or_default();
        records.extend(self.board.lock().seats.values().map(|seat| seat.record.clone()));
        let habits = Habits::of(records.iter());
        let (mut offers, mut lines) = (vec![], vec![]);
        let dropped = search.dropped.clone();
        for name in profile.provider.iter().filter(|name| !dropped.contains(*name)) {
            let provider = self.providers.get(name, config)?;
            match ask(provider.as_ref(), &need) {
                Ok(mut found) => {
                    let wall = self.clock.wall();
                    found.retain(|offer| !ranking::rests(name, offer, &records, wall));
                    if found.iter().all(|offer| !ranking::fits(offer, &need)) {
                        lines.push(format!("{name} {}", nothing_fits(provider.as_ref(), &need)));
                    }
                    offers.extend(found.into_iter().map(|offer| (name.clone(), offer)));
                }
                Err(error) => {
                    search.dropped.insert(name.clone());
                    lines.push(format!("{name}: {error}"));
                }
            }
        }
        let Some(candidate) = ranking::ranked(offers, &need, &habits).into_iter().next() else {
            let lines = if lines.is_empty() { search.lines.clone() } else { lines };
            return Err(OpenError::NothingToRent { lines });
        };
        search.lines.extend(lines);
        let provider = self.providers.get(&candidate.provider, config)?;
        self.check_budget(profile, &candidate, &habits)?;
        Ok(Chosen { provider, candidate, habits })
    }

    /// Nothing is begun that the budget would end before it was of use.
    fn check_budget(
        &self,
        profile: &Profile,
        candidate: &Candidate,
        habits: &Habits,
    ) -> Result<(), OpenError> {
        let price = &candidate.offer.price;
        if price.is_free() {
            return Ok(());
        }
        let needed = price.of(habits.expected_boot_ms(&candidate.provider).saturating_add(USE_MIN_MS));
        match self.purse.left(&profile.budget, MicroDollars(0), self.clock.wall()) {
            Some(left) if left.amount < needed => {
                Err(OpenError::Budget { limit: left.limit, of: left.of, left: left.amount, needed })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn record(
        &self,
        config: &Config,
        profile: &Profile,
        wish: &Wish,
        chosen: &Chosen,
    ) -> Result<Record, OpenError> {
        let id = new_id().map_err(OpenError::Name)?;
        let Candidate { provider, offer, .. } = &chosen.candidate;
        let mut terms = config.provider.terms(provider);
        terms.boot_timeout = chosen.habits.boot_timeout_ms(provider, terms.boot_timeout);
        let order = Order {
            tag: Tag { owner: self.ledger.owner().clone(), lease: id.clone() },
            ttl: Duration::from_millis(terms.ttl),
            idle: IDLE_MIN.max(Duration::from_millis(profile.quiet.saturating_mul(2))),
            resume_grace: Duration::from_millis(terms.resume_grace),
            lifetime: None,
            environment: Default::default(),
            server: wish.server.as_ref().map(Into::into),
        };
        Ok(Record {
            id,
            provider: provider.clone(),
            gpu: profile.gpu.clone(),
            table: wish.table,
            offer: offer.clone(),
            order,
            rules: profile.rules(&terms, chosen.provider.capabilities().poll_ms),
            state: State::Intent,
            meter: Meter::default(),
            metered: Moment::of(self.clock.as_ref(), &self.boot_id),
            opened_wall_ms: self.clock.wall(),
            closed_wall_ms: None,
            remotes: vec![],
            served: false,
            failure: None,
            budget: profile.budget.clone(),
        })
    }
}

fn ask(provider: &dyn Provider, need: &Need) -> Result<Vec<Offer>, ProviderError> {
    // Who cannot pay hears so now, not from a machine that was half made.
    provider.preflight()?;
    provider.offers(need)
}

/// What to say where nothing fits; with the nearest names, if there is none of the name that was asked for.
fn nothing_fits(provider: &dyn Provider, need: &Need) -> String {
    let Some(gpu) = &need.gpu else { return "has nothing that fits".into() };
    let anything = Need { untrusted: need.untrusted, spot: need.spot, ..Need::default() };
    let Ok(offers) = provider.offers(&anything) else { return format!("has no '{gpu}'") };
    let names: Vec<&str> = offers.iter().filter_map(|offer| offer.traits.gpu.as_deref()).collect();
    if names.iter().any(|name| ranking::plain(name) == ranking::plain(gpu)) {
        return format!("has '{gpu}', but none that fits");
    }
    let nearest: Vec<String> = ranking::nearest(gpu, names.into_iter(), NEAREST_MAX)
        .into_iter()
        .filter_map(|name| {
            let same = |offer: &&Offer| offer.traits.gpu.as_deref() == Some(name);
            let price = offers.iter().filter(same).map(|offer| offer.price.per_hour).min()?;
            Some(format!("{name} at {price}/h"))
        })
        .collect();
    match nearest.is_empty() {
        true => format!("has no '{gpu}'"),
        false => format!("has no '{gpu}'; the nearest: {}", nearest.join(", ")),
    }
}
