//! Vast.ai: a market of other people's machines, by the second. UDP reaches them at a port of the host's choice, and each
//! machine has a key that can end it and do nothing else.
//!
//! What was found out about its API, and where its documents are wrong: a create may fail and bill nevertheless; there is no
//! idempotent create; what is stopped is still billed, so nothing is ever stopped, only destroyed.

mod answers;

use std::sync::Arc;
use std::time::Duration;

use farwarp_link::identity::Identity;
use serde_json::{Value, json};

use crate::bootstrap::{self, End, PORT, SCRIPT};
use crate::config::{Delivery, Rented};
use crate::cost::MicroDollars;
use crate::http::{Http, Method};
use crate::keys::KeySource;
use crate::provider::{
    Account, Capabilities, Condition, Listed, Need, Offer, Order, Owner, Provider, ProviderError, RemoteId,
};
use crate::rest::{Rest, Said, words_of};

pub const NAME: &str = "vast";
pub const ENDPOINT: &str = "https://console.vast.ai";
/// Where the key lies if no variable holds it, below the home directory.
pub const KEY_FILES: [&str; 2] = [".config/vastai/vast_api_key", ".vast_api_key"];
pub const KEY_VARIABLE: &str = "VAST_API_KEY";

const OFFERS_MAX: u32 = 64;
/// The API's own limit on a page.
const PAGE: u32 = 25;
/// Nobody has more machines than fit on so many pages; a server that sends pages for ever is not followed.
const PAGES_MAX: usize = 200;
/// Such a share of the lowest bid is bid on top, so that the next bidder does not take the machine at once.
const BID_MARGIN_PERCENT: u64 = 10;
/// A log is made on request, and is there some moments later.
const LOG_TRIES_MAX: u32 = 30;
const LOG_PAUSE: Duration = Duration::from_millis(300);

pub struct Vast {
    rest: Rest,
    endpoint: String,
    image: Option<String>,
    disk_gb: u64,
    delivery: Delivery,
    poll_ms: u64,
}

impl Vast {
    pub fn new(http: Arc<dyn Http>, config: &Rented) -> Self {
        let endpoint = config.endpoint.clone().unwrap_or_else(|| ENDPOINT.into());
        let source = KeySource { variable: KEY_VARIABLE, named: config.key_file.clone(), usual: &KEY_FILES };
        let credentials = move || {
            Ok(vec![("authorization", format!("Bearer {}", source.read().map_err(ProviderError::Auth)?))])
        };
        Self {
            rest: Rest::new(http, &endpoint, Box::new(credentials)),
            endpoint,
            image: config.image.clone(),
            disk_gb: config.disk_gb.max(8),
            delivery: config.delivery(),
            poll_ms: config.poll.unwrap_or(10_000),
        }
    }

    fn query(&self, need: &Need) -> Value {
        let mut query = json!({
            "rentable": { "eq": true }, "rented": { "eq": false }, "num_gpus": { "eq": 1 },
            "direct_port_count": { "gte": 1 }, "allocated_storage": self.disk_gb, "limit": OFFERS_MAX,
            "order": [["dph_total", "asc"]], "type": if need.spot { "bid" } else { "on-demand" },
        });
        let mut add = |name: &str, condition: Value| query[name] = condition;
        if !need.untrusted {
            add("verified", json!({ "eq": true }));
        }
        if let Some(gpu) = &need.gpu {
            // Its names have blanks and are mostly in capitals; people write others.
            let name = gpu.replace('_', " ");
            add("gpu_name", json!({ "in": [name, name.to_uppercase()] }));
        }
        if let Some(vram_mb) = need.vram_mb {
            add("gpu_ram", json!({ "gte": vram_mb }));
        }
        if let Some(ram_mb) = need.ram_mb {
            add("cpu_ram", json!({ "gte": ram_mb }));
        }
        if let Some(cuda) = need.cuda {
            add(
                "cuda_max_good",
                json!({ "gte": f64::from(cuda / 1_000) + f64::from(cuda % 1_000 / 10) / 10.0 }),
            );
        }
        if let Some(max) = need.max_per_hour {
            add("dph_total", json!({ "lte": max.0 as f64 / 1e6 }));
        }
        query
    }

    fn order(&self, image: &str, offer: &Offer, order: &Order, identity: &Identity) -> Value {
        let variables = bootstrap::variables(order, identity, &self.delivery, End::Vast, &self.endpoint);
        let mut environment: serde_json::Map<String, Value> =
            variables.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        // A variable of this form is a port: the other side is docker's command line.
        environment.insert(format!("-p {PORT}:{PORT}/udp"), "1".into());
        environment.insert(format!("-p {PORT}:{PORT}"), "1".into());
        environment.insert("NVIDIA_DRIVER_CAPABILITIES".into(), "compute,utility".into());
        let bid = offer.traits.spot.then_some(offer.price.per_hour.0 as f64 / 1e6);
        json!({
            "client_id": "me", "image": image, "disk": self.disk_gb, "label": order.tag.to_string(),
            "env": environment, "runtype": "args", "args": ["sh", "-c", SCRIPT],
            "cancel_unavail": true, "force": false, "price": bid,
        })
    }
}

impl Provider for Vast {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            udp: true,
            list_is_current: false,
            poll_is_current: true,
            create_is_idempotent: false,
            ends_by_itself: false,
            may_end_itself: true,
            spot: true,
            log_is_here: false,
            poll_ms: self.poll_ms,
        }
    }

    fn preflight(&self) -> Result<Account, ProviderError> {
        let said = understood(self.rest.ask(Method::Get, "/api/v0/users/current/", None)?)?;
        let name = ["username", "email", "id"].iter().find_map(|field| {
            let value = said.value.get(*field)?;
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
        let dollars = answers::number(&said.value, "credit").or(answers::number(&said.value, "balance"));
        if dollars.is_some_and(|dollars| dollars <= 0.0) {
            return Err(ProviderError::Balance("the account has no credit left".into()));
        }
        let balance = dollars.map(|dollars| MicroDollars((dollars * 1e6) as u64));
        Ok(Account { name: name.unwrap_or_default(), balance })
    }

    fn offers(&self, need: &Need) -> Result<Vec<Offer>, ProviderError> {
        // Nothing is rented, whatever becomes of the answer.
        let asked = self.rest.ask(Method::Post, "/api/v0/bundles/", Some(&self.query(need)));
        let said = understood(asked.map_err(harmless)?)?;
        let offers = said.value.get("offers").and_then(Value::as_array).ok_or_else(|| {
            ProviderError::Refused(format!("{} answers a search without offers", self.endpoint))
        })?;
        Ok(offers.iter().filter_map(|offer| answers::offer(offer, need.spot, BID_MARGIN_PERCENT)).collect())
    }

    fn create(&self, offer: &Offer, order: &Order, identity: &Identity) -> Result<RemoteId, ProviderError> {
        // A machine without a right image would cost as much as one that boots.
        let image = self.image.as_deref().ok_or_else(|| {
            ProviderError::Unconfigured(
                "provider.vast names no image: one that holds curl will do, the host's driver is put into it"
                    .into(),
            )
        })?;
        let path = format!("/api/v0/asks/{}/", offer.id);
        let said = self.rest.ask(Method::Put, &path, Some(&self.order(image, offer, order, identity)))?;
        let made = answers::id(said.value.get("new_contract"));
        let succeeded = said.is_success() && said.value.get("success") == Some(&Value::Bool(true));
        match (made, succeeded, said.status) {
            (Some(remote), true, _) => Ok(remote),
            (Some(remote), false, _) => {
                Err(ProviderError::MadeButFailed { remote, why: words_of(&said.value) })
            }
            (None, true, _) => Err(ProviderError::Lost("it was made, and has no number".into())),
            (None, false, 404 | 410) => Err(ProviderError::NoCapacity(words_of(&said.value))),
            (None, false, _) => Err(ProviderError::Refused(words_of(&said.value))),
        }
    }

    fn poll(&self, remote: &RemoteId) -> Result<Condition, ProviderError> {
        let said = self.rest.ask(Method::Get, &format!("/api/v0/instances/{remote}/"), None)?;
        match said.value.get("instances") {
            _ if said.status == 404 => Ok(Condition::Absent),
            Some(Value::Null) if said.is_success() => Ok(Condition::Absent),
            Some(instance @ Value::Object(_)) => Ok(answers::condition(instance, PORT)),
            _ => Err(ProviderError::Refused(words_of(&said.value))),
        }
    }

    fn destroy(&self, remote: &RemoteId) -> Result<(), ProviderError> {
        let said = self.rest.ask(Method::Delete, &format!("/api/v0/instances/{remote}/"), None)?;
        let gone_already =
            said.status == 404 || said.value.get("error").and_then(Value::as_str) == Some("no_such_instance");
        let done = said.is_success() && said.value.get("success") != Some(&Value::Bool(false));
        if done || gone_already { Ok(()) } else { Err(ProviderError::Transient(words_of(&said.value))) }
    }

    fn list(&self, owner: &Owner) -> Result<Vec<Listed>, ProviderError> {
        let mut listed = vec![];
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/api/v1/instances/?limit={PAGE}{token}");
            let said = understood(self.rest.ask(Method::Get, &path, None)?)?;
            let instances = said.value.get("instances").and_then(Value::as_array).ok_or_else(|| {
                ProviderError::Refused(format!("{} answers a list without instances", self.endpoint))
            })?;
            listed.extend(instances.iter().filter_map(answers::listed));
            match said.value.get("next_token").and_then(Value::as_str) {
                Some(next) if !next.is_empty() => token = format!("&after_token={next}"),
                _ => {
                    listed.retain(|listed: &Listed| listed.tag.owner == *owner);
                    return Ok(listed);
                }
            }
        }
        Err(ProviderError::Refused(format!("{} has more than {PAGES_MAX} pages of instances", self.endpoint)))
    }

    fn logs(&self, remote: &RemoteId, tail_bytes: usize) -> Result<String, ProviderError> {
        let path = format!("/api/v0/instances/request_logs/{remote}/");
        let lines = (tail_bytes / 80).max(1).to_string();
        let asked = self.rest.ask(Method::Put, &path, Some(&json!({ "tail": lines })));
        let said = understood(asked.map_err(harmless)?)?;
        let url = said
            .value
            .get("result_url")
            .and_then(Value::as_str)
            .ok_or_else(|| ProviderError::Refused(format!("no log: {}", words_of(&said.value))))?;
        for _ in 0..LOG_TRIES_MAX {
            if let Some(text) = self.rest.fetch_elsewhere(url)? {
                return Ok(text);
            }
            std::thread::sleep(LOG_PAUSE);
        }
        Err(ProviderError::Transient("the log that was asked for did not come".into()))
    }
}

fn understood(said: Said) -> Result<Said, ProviderError> {
    if said.is_success() { Ok(said) } else { Err(ProviderError::Refused(words_of(&said.value))) }
}

/// Of a request that rents nothing, a lost answer is a failure like any other.
fn harmless(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Lost(why) => ProviderError::Transient(why),
        other => other,
    }
}
