//! `farwarp offers`: what could be rented now, the likely cheapest first. It rents nothing.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::{Wanted, print, print_json, table};
use crate::config::Config;
use crate::http::Network;
use crate::providers::{Built, Providers};
use crate::ranking::{self, Candidate, Habits};
use crate::{ledger, places};

#[derive(Args)]
pub struct Offers {
    #[command(flatten)]
    wanted: Wanted,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

impl Offers {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let paths = places::paths();
        let config = Config::load(&paths)?;
        let profile = config.profile_for(&self.wanted.wish()?)?;
        let state = places::State::prepare(&paths)?;
        let providers = Built { places: state.local()?, http: Arc::new(Network::new()) };
        let (need, mut offers, mut asked) = (profile.need(), vec![], 0);
        for name in &profile.provider {
            match providers.get(name, &config)?.offers(&need) {
                Ok(found) => {
                    asked += 1;
                    offers.extend(found.into_iter().map(|offer| (name.clone(), offer)));
                }
                Err(error) => eprintln!("farwarp: {name}: {error}"),
            }
        }
        if asked == 0 {
            bail!("no provider has answered");
        }
        let habits = Habits::of(ledger::history(&state.dir)?.iter());
        let mut candidates = ranking::ranked(offers, &need, &habits);
        candidates.truncate(self.limit);
        if self.json {
            return print_json(&candidates.iter().map(as_json).collect::<Value>());
        }
        if candidates.is_empty() {
            return print("nothing fits\n");
        }
        let heads = ["PROVIDER", "OFFER", "PRICE/H", "EXPECTED", "WHAT"].map(String::from).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(candidates.iter().map(row)).collect();
        print(&table(&rows))
    }
}

fn row(candidate: &Candidate) -> Vec<String> {
    let Candidate { provider, offer, expected } = candidate;
    let kind = if offer.traits.spot { " (spot)" } else { "" };
    vec![
        provider.clone(),
        offer.id.clone(),
        offer.price.per_hour.to_string(),
        expected.to_string(),
        format!("{}{kind}", offer.description),
    ]
}

fn as_json(candidate: &Candidate) -> Value {
    let Candidate { provider, offer, expected } = candidate;
    json!({
        "provider": provider, "offer": offer.id, "description": offer.description, "gpu": offer.traits.gpu,
        "vram_mb": offer.traits.vram_mb, "region": offer.traits.region, "spot": offer.traits.spot,
        "micro_dollars_per_hour": offer.price.per_hour.0, "expected_micro_dollars": expected.0,
    })
}
