//! What there is in the cloud: offers, machines, an account; and who may do what with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use farwarp_provisioner::clock::Clock;
use serde_json::{Value, json};

use super::clock::SharedClock;
use super::faults::{CreateFault, Faults};
use super::http::{Reply, Request};
use super::machine::{Machine, Plan};
use super::vast;

/// The key of the only account.
pub const ACCOUNT_KEY: &str = "0123456789abcdef-account";

pub struct World {
    pub url: String,
    pub faults: Faults,
    pub offers: Vec<Offer>,
    pub clock: SharedClock,
    pub credit_dollars: f64,
    /// The only key that is accepted.
    pub account_key: String,
    /// The image that machines run holds the server.
    pub image_has_server: bool,
    pub machines: BTreeMap<u64, Machine>,
    /// Requests that would make a machine, whatever became of them.
    pub creates: usize,
    /// Searches, for those who count them.
    pub searches: usize,
    folder: PathBuf,
    softgpu: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Offer {
    pub id: u64,
    pub machine: u64,
    pub gpu: String,
    pub vram_mb: u64,
    pub micro_dollars_per_hour: u64,
    pub cuda: f64,
}

impl World {
    pub fn new(url: String, folder: PathBuf, softgpu: PathBuf, clock: SharedClock) -> Self {
        let offer = |id: u64, gpu: &str, vram_mb, micro_dollars_per_hour| Offer {
            id,
            machine: 100 + id,
            gpu: gpu.into(),
            vram_mb,
            micro_dollars_per_hour,
            cuda: 12.8,
        };
        let offers = vec![
            offer(1, "RTX 4090", 24_564, 340_000),
            offer(2, "RTX 4090", 24_564, 390_000),
            offer(3, "RTX 4090", 24_564, 410_000),
            offer(4, "H100 SXM", 81_559, 1_870_000),
        ];
        Self {
            url,
            faults: Faults::default(),
            offers,
            clock,
            credit_dollars: 25.0,
            account_key: ACCOUNT_KEY.into(),
            image_has_server: false,
            machines: BTreeMap::new(),
            creates: 0,
            searches: 0,
            folder,
            softgpu,
        }
    }

    /// Machines that cost money now.
    pub fn billing(&self) -> usize {
        self.machines.values().filter(|machine| machine.exists()).count()
    }

    /// Of all machines that ever were, in micro-dollars.
    pub fn billed(&self) -> u64 {
        let now = self.clock.now();
        self.machines.values().map(|machine| machine.bill(now)).sum()
    }

    /// The machine that exists, of which there must be one.
    pub fn only(&mut self) -> &mut Machine {
        let mut existing = self.machines.values_mut().filter(|machine| machine.exists());
        let one = existing.next().expect("a machine exists");
        assert!(existing.next().is_none(), "several machines exist");
        one
    }

    /// What each machine has written, for whoever looks for a fault.
    pub fn show_logs(&self) {
        for (id, machine) in &self.machines {
            println!("--- machine {id}\n{}", std::fs::read_to_string(machine.log()).unwrap_or_default());
        }
    }

    /// What the newest machine has written.
    pub fn last_log(&self) -> String {
        let newest = self.machines.values().next_back();
        newest.and_then(|machine| std::fs::read_to_string(machine.log()).ok()).unwrap_or_default()
    }

    pub fn end_all(&mut self) {
        let now = self.clock.now();
        self.machines.values_mut().for_each(|machine| machine.end(now));
    }

    pub fn answer(&mut self, request: &Request) -> Reply {
        if request.path == "/farwarp-server" {
            return std::fs::read(self.folder.join("farwarp-server")).map_or(Reply::Cut, Reply::Bytes);
        }
        if self.faults.html {
            return Reply::Html;
        }
        if self.faults.limited > 0 {
            self.faults.limited -= 1;
            return Reply::Limited(self.faults.retry_after_s);
        }
        vast::answer(self, request)
    }

    /// Makes a machine, or does what the script has in its place.
    pub fn create(&mut self, wanted: Wanted) -> Made {
        self.creates += 1;
        let fault = self.faults.creates.get(&self.creates).copied();
        let Some(offer) = self.offers.iter().find(|offer| offer.id == wanted.offer).cloned() else {
            return Made::Nothing;
        };
        match fault {
            Some(CreateFault::StockOut) => return Made::Nothing,
            Some(CreateFault::Unclear) => return Made::Unclear,
            _ => {}
        }
        let id = 1_000 + self.machines.len() as u64;
        let now_ms = self.clock.now();
        let mut machine = Machine::new(Plan {
            label: wanted.label,
            offer: offer.id,
            key: format!("key-of-{id}"),
            micro_dollars_per_hour: wanted.bid.unwrap_or(offer.micro_dollars_per_hour),
            now_ms,
            folder: self.folder.join(format!("machine-{id}")),
        });
        let mut environment = wanted.environment;
        environment.insert("CONTAINER_ID".into(), id.to_string());
        environment.insert("CONTAINER_API_KEY".into(), machine.key.clone());
        let runs = !matches!(fault, Some(CreateFault::Stuck | CreateFault::FailsAndBills));
        machine.stuck = !runs;
        if runs {
            let exits = ["sh".to_owned(), "-c".into(), "echo no GPU here; exit 3".into()];
            if self.image_has_server {
                machine.put_server(&self.folder.join("farwarp-server"));
            }
            let command = if fault == Some(CreateFault::Exits) { &exits[..] } else { &wanted.command };
            machine.boot(command, &environment, &self.softgpu);
        }
        let key = machine.key.clone();
        self.machines.insert(id, machine);
        match fault {
            Some(CreateFault::AnswerLost) => Made::Silently,
            Some(CreateFault::FailsAndBills) => Made::Badly(id),
            _ => Made::Well(id, key),
        }
    }

    /// Whether it is gone now; nothing if there is none.
    pub fn destroy(&mut self, id: u64) -> Option<bool> {
        let now = self.clock.now();
        let machine = self.machines.get_mut(&id).filter(|machine| machine.exists())?;
        if self.faults.destroy_failures > 0 {
            self.faults.destroy_failures -= 1;
            return Some(false);
        }
        machine.end(now);
        Some(true)
    }
}

pub struct Wanted {
    pub offer: u64,
    pub label: String,
    pub bid: Option<u64>,
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
}

pub enum Made {
    Well(u64, String),
    /// And nobody is told.
    Silently,
    Badly(u64),
    Nothing,
    Unclear,
}

pub fn error(status: u16, name: &str, words: &str) -> Reply {
    Reply::Json(status, json!({ "success": false, "error": name, "msg": words }))
}

pub fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
