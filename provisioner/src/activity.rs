//! Whether the clients of a server still work: by its own word, and by the CPU time of those who hold its memory.

use std::collections::HashMap;

use farwarp_protocol::admission::{ServerStatus, SessionStatus};

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
    /// What the server says, and whether a program that would lose something uses this host's CPU.
    pub fn judge(&mut self, status: &ServerStatus, clients: &[Process], now: Millis) -> Activity {
        let open: Vec<&SessionStatus> =
            status.sessions.iter().filter(|session| session.connected || session.device_bytes > 0).collect();
        let named: Vec<Process> = open.iter().filter_map(|session| owner_of(session, clients)).collect();
        // A client in a container knows itself by another pid than this host does; then any client may be the one.
        let suspects = if named.is_empty() { clients } else { &named };
        let computing_here = !open.is_empty() && self.any_uses_cpu(suspects, &process::all(), now);
        let holding = open.iter().any(|session| session.device_bytes > 0);
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

/// The process of this host that has a session: one that we gave a ticket, or one that an earlier agent did.
fn owner_of(session: &SessionStatus, clients: &[Process]) -> Option<Process> {
    let known = clients.iter().copied().find(|client| client.pid == session.pid);
    let is_program = || process::program(session.pid).is_some_and(|program| program == session.program);
    known.or_else(|| is_program().then(|| Process::of(session.pid)).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn only_those_who_would_lose_something_are_watched() {
        let myself = Process::of(std::process::id()).unwrap();
        let session = |connected, device_bytes, program: &str| SessionStatus {
            pid: myself.pid,
            connected,
            device_bytes,
            program: program.into(),
            ..Default::default()
        };
        let judge = |session, clients: &[Process]| {
            let status = ServerStatus { quiet_ms: 7, sessions: vec![session], ..Default::default() };
            Watcher::default().judge(&status, clients, 0)
        };
        let expected = |holding, computing_here| Activity { quiet_ms: 7, holding, computing_here };
        assert_eq!(judge(session(false, 0, ""), &[myself]), expected(false, false), "it has left");
        assert_eq!(judge(session(true, 0, ""), &[myself]), expected(false, true));
        assert_eq!(judge(session(false, 1, ""), &[myself]), expected(true, true));
        assert_eq!(judge(session(true, 1, "no such program"), &[]), expected(true, false), "it is elsewhere");
        let program = process::program(myself.pid).unwrap();
        assert_eq!(
            judge(session(true, 1, &program), &[]),
            expected(true, true),
            "an earlier agent gave it the ticket"
        );
    }
}
