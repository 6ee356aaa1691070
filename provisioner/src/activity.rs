//! Whether the clients of a server still work: by its own word, and by the CPU time of those who hold its memory.

use std::collections::HashMap;

use farwarp_protocol::admission::ServerStatus;

use crate::clock::Millis;
use crate::lease::Activity;
use crate::process::{self, Process, Stat, TICK_MS};

/// A process that uses less than this share of one core does nothing but wait: timers, heartbeats, an idle interpreter.
const WAITING_SHARE_PERCENT: u64 = 2;
/// A shorter stretch than this says nothing: CPU time comes in steps of 10 ms.
const STRETCH_MIN_MS: u64 = 1_000;

/// Remembers CPU times from one look to the next.
#[derive(Default)]
pub struct Watcher {
    /// Of each client: when it was looked at, and the CPU time of its family by process.
    seen: HashMap<Process, Look>,
}

struct Look {
    at: Millis,
    ticks: HashMap<Process, u64>,
    busy: bool,
}

impl Watcher {
    /// What the server says, and whether one of the clients that hold its memory uses this host's CPU.
    pub fn judge(&mut self, status: &ServerStatus, clients: &[Process], now: Millis) -> Activity {
        let holders: Vec<u32> = status
            .sessions
            .iter()
            .filter(|session| session.device_bytes > 0)
            .map(|session| session.pid)
            .collect();
        // A client in a container knows itself by another pid than this host does; then any client may be the holder.
        let named: Vec<Process> =
            clients.iter().copied().filter(|client| holders.contains(&client.pid)).collect();
        let suspects = if named.is_empty() { clients } else { &named };
        let holding = !holders.is_empty();
        let computing_here = holding && self.any_uses_cpu(suspects, &process::all(), now);
        Activity { quiet_ms: status.quiet_ms, holding, computing_here }
    }

    fn any_uses_cpu(&mut self, clients: &[Process], all: &HashMap<u32, Stat>, now: Millis) -> bool {
        self.seen.retain(|client, _| clients.contains(client));
        let mut any = false;
        for client in clients {
            any |= self.uses_cpu(*client, all, now);
        }
        any
    }

    fn uses_cpu(&mut self, client: Process, all: &HashMap<u32, Stat>, now: Millis) -> bool {
        if all.get(&client.pid).is_none_or(|stat| stat.start_ticks != client.start_ticks) {
            return false;
        }
        let ticks: HashMap<Process, u64> = process::family(client.pid, all)
            .into_iter()
            .filter_map(|pid| {
                all.get(&pid).map(|stat| (Process { pid, start_ticks: stat.start_ticks }, stat.cpu_ticks))
            })
            .collect();
        let Some(before) = self.seen.get_mut(&client) else {
            // Nothing to compare with yet: whoever has just come is at work.
            self.seen.insert(client, Look { at: now, ticks, busy: true });
            return true;
        };
        let stretch_ms = now.saturating_sub(before.at);
        if stretch_ms >= STRETCH_MIN_MS {
            let used = |(process, ticks): (&Process, &u64)| {
                ticks.saturating_sub(*before.ticks.get(process).unwrap_or(&0))
            };
            let used_ms = ticks.iter().map(used).sum::<u64>() * TICK_MS;
            let busy = used_ms * 100 > stretch_ms * WAITING_SHARE_PERCENT;
            *before = Look { at: now, ticks, busy };
        }
        before.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::admission::SessionStatus;

    fn stat(parent: u32, cpu_ticks: u64) -> Stat {
        Stat { parent, start_ticks: 5, cpu_ticks, ended: false }
    }

    const CLIENT: Process = Process { pid: 10, start_ticks: 5 };

    #[test]
    fn a_client_is_at_work_when_it_or_a_descendant_uses_the_cpu() {
        let mut watcher = Watcher::default();
        let mut look =
            |now, all: &[(u32, Stat)]| watcher.uses_cpu(CLIENT, &all.iter().copied().collect(), now);
        assert!(look(0, &[(10, stat(1, 7))]), "whoever has just come is at work");
        assert!(!look(2_000, &[(10, stat(1, 8))]), "10 ms of 2 s is waiting");
        assert!(look(4_000, &[(10, stat(1, 108))]));
        assert!(look(4_100, &[(10, stat(1, 108))]), "too soon to say otherwise");
        assert!(!look(6_000, &[(10, stat(1, 108)), (11, stat(10, 0))]));
        assert!(
            look(8_000, &[(10, stat(1, 108)), (11, stat(10, 0)), (12, stat(11, 50))]),
            "a grandchild works"
        );
        assert!(!look(10_000, &[(10, stat(1, 108)), (99, stat(1, 9_000))]), "a stranger does not count");
    }

    #[test]
    fn a_client_that_ended_uses_nothing_even_if_its_pid_was_given_out_again() {
        let mut watcher = Watcher::default();
        assert!(!watcher.uses_cpu(CLIENT, &HashMap::new(), 0));
        let reused = Stat { start_ticks: 6, ..stat(1, 1_000) };
        assert!(!watcher.uses_cpu(CLIENT, &HashMap::from([(10, reused)]), 0));
    }

    #[test]
    fn only_those_who_hold_memory_are_watched() {
        let session =
            |device_bytes| SessionStatus { pid: std::process::id(), device_bytes, ..Default::default() };
        let myself = Process::of(std::process::id()).unwrap();
        let status =
            |bytes| ServerStatus { quiet_ms: 7, sessions: vec![session(bytes)], ..Default::default() };
        let mut watcher = Watcher::default();
        let without = watcher.judge(&status(0), &[myself], 0);
        assert_eq!(without, Activity { quiet_ms: 7, holding: false, computing_here: false });
        let with = watcher.judge(&status(1), &[myself], 0);
        assert_eq!(with, Activity { quiet_ms: 7, holding: true, computing_here: true });
        let elsewhere = watcher.judge(&status(1), &[], 0);
        assert_eq!(elsewhere, Activity { quiet_ms: 7, holding: true, computing_here: false });
    }
}
