//! Processes of this host, as /proc shows them.

use std::collections::HashMap;
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// One process for as long as the host runs: a pid alone is given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    pub pid: u32,
    /// Field 22 of its stat line.
    pub start_ticks: u64,
}

/// What is read of a stat line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub parent: u32,
    pub start_ticks: u64,
    /// User and system time of the process itself.
    pub cpu_ticks: u64,
    pub ended: bool,
}

/// CPU time is counted in these: USER_HZ, which is 100 on every Linux that programs see.
pub const TICK_MS: u64 = 10;

impl Process {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| Self { pid, start_ticks: stat.start_ticks })
    }

    /// Whether it still runs; one that ended and was not waited for does not.
    pub fn is_running(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && !stat.ended)
    }

    /// Sends a signal to this very process, and to no other that has its pid by now.
    pub fn signal(&self, signal: Signal) -> std::io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid as i32) else { return Ok(()) };
        let sent = match pidfd_open(pid, PidfdFlags::empty()) {
            // What the descriptor means cannot change any more, so the check holds.
            Ok(fd) if self.is_running() => pidfd_send_signal(fd, signal),
            Err(rustix::io::Errno::NOSYS) if self.is_running() => kill_process(pid, signal),
            Ok(_) | Err(_) => return Ok(()),
        };
        match sent {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

pub fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in brackets and may hold anything.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        ended: matches!(*fields.first()?, "Z" | "X"),
        parent: number(1)? as u32,
        cpu_ticks: number(11)? + number(12)?,
        start_ticks: number(19)?,
    })
}

/// Every process that can be seen.
pub fn all() -> HashMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).collect()
}

/// The value of a variable in the environment that a process was started with; only one's own processes show it.
pub fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|&byte| byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    })
}

/// The name of the program that a process runs.
pub fn program(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// A process and everything that descends from it.
pub fn family(root: u32, all: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while next < family.len() {
        let parent = family[next];
        family.extend(
            all.iter().filter(|(pid, stat)| stat.parent == parent && **pid != parent).map(|(pid, _)| *pid),
        );
        next += 1;
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_stat_line_is_read_behind_any_program_name() {
        let line = "7 (a) b) 1 2) S 3 1 1 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 1 0 4711 1 2";
        assert_eq!(parse(line), Some(Stat { parent: 3, start_ticks: 4711, cpu_ticks: 110, ended: false }));
        assert_eq!(parse("7 (short) S 1"), None);
        assert!(stat(std::process::id()).is_some_and(|stat| !stat.ended && stat.start_ticks > 0));
    }

    #[test]
    fn a_process_that_ended_does_not_run_even_before_it_was_waited_for() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.is_running());
        let reused = Process { start_ticks: process.start_ticks + 1, ..process };
        assert!(!reused.is_running());
        reused.signal(Signal::KILL).unwrap();
        assert!(process.is_running(), "another process of this pid was killed");
        process.signal(Signal::KILL).unwrap();
        let began = std::time::Instant::now();
        while process.is_running() {
            assert!(began.elapsed().as_secs() < 10);
        }
        process.signal(Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(!process.is_running());
    }

    #[test]
    fn a_family_is_a_process_and_its_descendants() {
        let stat = |parent| Stat { parent, start_ticks: 1, cpu_ticks: 0, ended: false };
        let all = HashMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(1)), (5, stat(3))]);
        let mut family = family(2, &all);
        family.sort();
        assert_eq!(family, [2, 3, 5]);
    }

    #[test]
    fn the_environment_of_a_process_can_be_read() {
        let mut child = Command::new("sleep").arg("100").env("FARWARP_TRIED", "a=b").spawn().unwrap();
        let began = std::time::Instant::now();
        while variable(child.id(), "FARWARP_TRIED").as_deref() != Some("a=b") {
            assert!(began.elapsed().as_secs() < 10, "never seen");
        }
        assert_eq!(variable(child.id(), "FARWARP_TRIE"), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
