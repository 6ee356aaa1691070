//! Machines that commands of the user's own make and end: Terraform, Ansible, a company's script, a cloud that nobody here knows.
//!
//! Each command is run by `sh -c` and says what it has to say as JSON on its standard output; `docs/exec.md` is the contract.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farwarp_link::identity::Identity;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::bootstrap::{self, End, SCRIPT};
use crate::config::{self, dollars};
use crate::cost::Price;
use crate::provider::{
    Account, Capabilities, Condition, Listed, Need, Offer, Order, Owner, Provider, ProviderError, Reach,
    RemoteId, Tag, Traits,
};
use crate::rest::words_of;

pub const NAME: &str = "exec";

/// What a command may say at most.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;
const PAUSE: Duration = Duration::from_millis(20);

pub struct Exec {
    config: config::Exec,
}

/// How a command ended.
enum Ended {
    Well(String),
    /// With another status than 0; what it said may explain it.
    Badly(String),
    /// It could not be started, so nothing was done.
    NotStarted(String),
    /// It was ended for taking too long, or for saying too much.
    Cut(String),
}

impl Exec {
    pub fn new(config: &config::Exec) -> Self {
        Self { config: config.clone() }
    }

    fn run(&self, command: &str, variables: &BTreeMap<String, String>) -> Ended {
        let spawned = Command::new("sh")
            .args(["-c", command])
            .envs(variables)
            // A group of its own: what it started ends with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return Ended::NotStarted(error.to_string()),
        };
        let Some(stdout) = child.stdout.take() else { return Ended::Cut("it has no output".into()) };
        let reader = std::thread::spawn(move || {
            let mut said = vec![];
            let read = stdout.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut said);
            read.map(|_| said).unwrap_or_default()
        });
        let limit = Duration::from_millis(self.config.command_timeout);
        let status = wait(&mut child, Instant::now() + limit);
        let Some(status) = status else {
            end(&mut child);
            return Ended::Cut(format!("it did not end within {} s", limit.as_secs()));
        };
        let said = reader.join().unwrap_or_default();
        if said.len() as u64 > OUTPUT_BYTES_MAX {
            return Ended::Cut(format!("it said more than {OUTPUT_BYTES_MAX} bytes"));
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        if status.success() { Ended::Well(said) } else { Ended::Badly(said) }
    }

    /// Of what makes nothing, every failure is only that.
    fn ask(
        &self,
        what: &str,
        command: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<String, ProviderError> {
        match self.run(command, variables) {
            Ended::Well(said) => Ok(said),
            Ended::Badly(said) => Err(sorted(what, &said)
                .unwrap_or_else(|| ProviderError::Transient(format!("'{what}' failed and did not say why")))),
            Ended::NotStarted(why) | Ended::Cut(why) => {
                Err(ProviderError::Transient(format!("'{what}': {why}")))
            }
        }
    }

    fn of(remote: &RemoteId) -> BTreeMap<String, String> {
        BTreeMap::from([("FARWARP_REMOTE".to_owned(), remote.0.clone())])
    }
}

impl Provider for Exec {
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
            may_end_itself: self.config.end.is_some(),
            spot: true,
            log_is_here: false,
            poll_ms: self.config.poll,
        }
    }

    fn preflight(&self) -> Result<Account, ProviderError> {
        match self.config.missing() {
            None => Ok(Account { name: "commands".into(), balance: None }),
            Some(name) => Err(ProviderError::Refused(format!("provider.exec has no '{name}'"))),
        }
    }

    fn offers(&self, need: &Need) -> Result<Vec<Offer>, ProviderError> {
        let Some(command) = &self.config.offers else {
            let price = Price { per_hour: self.config.price, ..Price::default() };
            let traits = Traits { trusted: true, gpu: need.gpu.clone(), ..Traits::default() };
            let description = need.gpu.clone().unwrap_or_else(|| "a machine".into());
            return Ok(vec![Offer { id: "it".into(), description, price, host: None, traits }]);
        };
        let gpu = need.gpu.clone().unwrap_or_default();
        let said = self.ask("offers", command, &BTreeMap::from([("FARWARP_GPU".to_owned(), gpu)]))?;
        let values = array("offers", &said)?;
        Ok(values.iter().filter_map(offer).collect())
    }

    fn create(&self, offer: &Offer, order: &Order, identity: &Identity) -> Result<RemoteId, ProviderError> {
        let end = if self.config.end.is_some() { End::Command } else { End::Exit };
        let mut variables = bootstrap::variables(order, identity, &self.config.delivery(), end, "");
        variables.insert("FARWARP_OFFER".into(), offer.id.clone());
        variables.insert("FARWARP_SCRIPT".into(), SCRIPT.into());
        variables.extend(self.config.end.iter().map(|end| ("FARWARP_END_COMMAND".to_owned(), end.clone())));
        let said = match self.run(&self.config.create, &variables) {
            Ended::NotStarted(why) => return Err(ProviderError::Refused(why)),
            Ended::Cut(why) => return Err(ProviderError::Lost(format!("'create': {why}"))),
            // Only a word about it says that nothing was made.
            Ended::Badly(said) => {
                let lost = || ProviderError::Lost("'create' failed and did not say why".into());
                return Err(sorted("create", &said).unwrap_or_else(lost));
            }
            Ended::Well(said) => said,
        };
        let id = serde_json::from_str::<Value>(&said).ok().and_then(|value| text(&value, "id"));
        id.map(RemoteId).ok_or_else(|| ProviderError::Lost("'create' named no id".into()))
    }

    fn poll(&self, remote: &RemoteId) -> Result<Condition, ProviderError> {
        let said = self.ask("status", &self.config.status, &Self::of(remote))?;
        let value: Value = serde_json::from_str(&said)
            .map_err(|error| ProviderError::Refused(format!("'status' says what is no JSON: {error}")))?;
        let words = text(&value, "message").unwrap_or_default();
        match (text(&value, "state").as_deref(), text(&value, "address")) {
            (Some("booting"), _) => Ok(Condition::Booting(words)),
            (Some("running"), Some(address)) => Ok(Condition::Running(Reach::Address(address))),
            (Some("running"), None) => Ok(Condition::Booting("it runs and has no address yet".into())),
            (Some("stopped"), _) => Ok(Condition::Stopped(format!("it stopped: {words}"))),
            (Some("absent"), _) => Ok(Condition::Absent),
            (state, _) => Err(ProviderError::Refused(format!("'status' says the state {state:?}"))),
        }
    }

    fn destroy(&self, remote: &RemoteId) -> Result<(), ProviderError> {
        self.ask("destroy", &self.config.destroy, &Self::of(remote)).map(drop)
    }

    fn list(&self, owner: &Owner) -> Result<Vec<Listed>, ProviderError> {
        let variables = BTreeMap::from([("FARWARP_OWNER".to_owned(), owner.0.clone())]);
        let said = self.ask("list", &self.config.list, &variables)?;
        let listed = |value: &Value| {
            Some(Listed { remote: RemoteId(text(value, "id")?), tag: Tag::parse(&text(value, "tag")?)? })
        };
        Ok(array("list", &said)?.iter().filter_map(listed).filter(|one| one.tag.owner == *owner).collect())
    }

    fn logs(&self, remote: &RemoteId, tail_bytes: usize) -> Result<String, ProviderError> {
        let Some(command) = &self.config.logs else {
            return Err(ProviderError::Refused("provider.exec has no 'logs'".into()));
        };
        let said = self.ask("logs", command, &Self::of(remote))?;
        let from = (said.len().saturating_sub(tail_bytes)..said.len()).find(|&at| said.is_char_boundary(at));
        Ok(said[from.unwrap_or(0)..].to_owned())
    }
}

fn wait(child: &mut Child, until: Instant) -> Option<std::process::ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            _ if Instant::now() >= until => return None,
            _ => std::thread::sleep(PAUSE),
        }
    }
}

fn end(child: &mut Child) {
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        // Whoever of it is gone already is what was wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// `{"error": KIND, "message": WORDS}`, with an `id` where a machine was made nevertheless.
fn sorted(what: &str, said: &str) -> Option<ProviderError> {
    let value: Value = serde_json::from_str(said.trim()).ok()?;
    let words = text(&value, "message").unwrap_or_else(|| format!("'{what}' failed: {}", words_of(&value)));
    if let Some(id) = text(&value, "id") {
        return Some(ProviderError::MadeButFailed { remote: RemoteId(id), why: words });
    }
    Some(match text(&value, "error")?.as_str() {
        "no_capacity" => ProviderError::NoCapacity(words),
        "quota" => ProviderError::Quota(words),
        "auth" => ProviderError::Auth(words),
        "balance" => ProviderError::Balance(words),
        "refused" => ProviderError::Refused(words),
        _ => return None,
    })
}

fn array(what: &str, said: &str) -> Result<Vec<Value>, ProviderError> {
    serde_json::from_str(said)
        .map_err(|error| ProviderError::Refused(format!("'{what}' says what is no list in JSON: {error}")))
}

fn text(value: &Value, field: &str) -> Option<String> {
    match value.get(field)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn offer(value: &Value) -> Option<Offer> {
    let gigabytes = |field| value.get(field).and_then(Value::as_u64).map(|gb| gb << 10);
    let traits = Traits {
        gpu: text(value, "gpu"),
        vram_mb: gigabytes("vram_gb"),
        ram_mb: gigabytes("ram_gb"),
        region: text(value, "region"),
        spot: value.get("spot") == Some(&Value::Bool(true)),
        // The user's own commands name only what the user trusts.
        trusted: true,
        cuda: None,
        reliability_permille: None,
    };
    let id = text(value, "id")?;
    Some(Offer {
        description: text(value, "description").or(traits.gpu.clone()).unwrap_or_else(|| id.clone()),
        price: Price { per_hour: dollars(&text(value, "price")?)?, ..Price::default() },
        host: text(value, "host"),
        id,
        traits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(create: &str) -> Result<RemoteId, ProviderError> {
        let exec =
            Exec::new(&config::Exec { create: create.into(), command_timeout: 500, ..Default::default() });
        let tag = Tag { owner: Owner("o".into()), lease: "l".into() };
        let second = Duration::from_secs(1);
        let order = Order {
            tag,
            ttl: second,
            idle: second,
            resume_grace: second,
            lifetime: None,
            environment: BTreeMap::new(),
            server: None,
        };
        let offer = exec.offers(&Need::default()).unwrap().remove(0);
        exec.create(&offer, &order, &Identity::generate())
    }

    #[test]
    fn a_create_that_says_nothing_may_have_made_something() {
        assert_eq!(exec("echo '{\"id\": 7}'"), Ok(RemoteId("7".into())));
        for unclear in ["exit 1", "echo done", "sleep 60", "echo '{\"error\":\"odd\"}'; exit 1"] {
            assert!(matches!(exec(unclear), Err(ProviderError::Lost(_))), "{unclear}");
        }
        let full = exec("echo '{\"error\":\"no_capacity\",\"message\":\"none in fra1\"}'; exit 1");
        assert_eq!(full, Err(ProviderError::NoCapacity("none in fra1".into())));
        let made = exec("echo '{\"error\":\"refused\",\"message\":\"half\",\"id\":\"m\"}'; exit 1");
        assert_eq!(
            made,
            Err(ProviderError::MadeButFailed { remote: RemoteId("m".into()), why: "half".into() })
        );
    }

    #[test]
    fn each_command_is_told_what_it_is_about() {
        let said = exec(
            "echo \"{\\\"id\\\": \\\"$FARWARP_TAG $FARWARP_OFFER $FARWARP_PORT ${#FARWARP_IDENTITY}\\\"}\"",
        );
        assert_eq!(said, Ok(RemoteId("farwarp:o:l it 4433 129".into())));
    }
}
