//! One session's life as the gate sees it: its worker, its client's process, and the times that none may exceed.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farwarp_link::start_ticks;
use farwarp_protocol::admission::{ClientInfo, close};
use farwarp_protocol::handoff::{FromWorker, OfferKey, ToWorker};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::sync::Notify;

use super::Shared;
use super::progress::STALL_REPORTED_AFTER;
use super::readiness::watch;
use super::workers::{kill, last_words};
use crate::port::{Channel, ChannelError, FIRST_CONNECTION_TIMEOUT};

/// The worker keeps these times itself; the gate ends a worker that did not, a little later.
const SLACK: Duration = Duration::from_secs(1);
/// How long a worker may take to exit once its session is over, before it is killed. A kernel that runs does not count.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a worker's memory is looked at. One that takes memory as fast as it can gets some hundred MiB beyond its quota.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Messages of one worker taken at a time.
const MESSAGES_MAX: usize = 64;

pub struct Supervisor {
    shared: Arc<Shared>,
    id: u64,
    child: Child,
    channel: AsyncFd<Channel>,
    client: Option<AsyncFd<OwnedFd>>,
    end: Arc<Notify>,
    /// Whether the worker has closed its end.
    hung_up: bool,
    /// When the worker is killed, and why it is over.
    deadline: Option<Instant>,
    why: Option<String>,
    /// The stall that lasts was reported.
    stall_said: bool,
}

impl Supervisor {
    pub fn new(
        shared: Arc<Shared>,
        id: u64,
        child: Child,
        channel: Channel,
        client: &ClientInfo,
        end: Arc<Notify>,
    ) -> io::Result<Self> {
        let client = match process_of(client) {
            Some(process) => Some(watch(process)?),
            None => None,
        };
        let deadline = Some(Instant::now() + FIRST_CONNECTION_TIMEOUT + SLACK);
        let channel = watch(channel)?;
        Ok(Self {
            shared,
            id,
            child,
            channel,
            client,
            end,
            hung_up: false,
            deadline,
            why: None,
            stall_said: false,
        })
    }

    /// Returns when the worker has ended and was reaped.
    pub async fn run(mut self) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let status = loop {
            let deadline = tokio::time::Instant::from(self.deadline.unwrap_or_else(far_away));
            tokio::select! {
                status = self.child.wait() => break status,
                messages = messages(&mut self.channel), if !self.hung_up => self.take_all(messages),
                () = process_end(self.client.as_ref()) => {
                    self.client = None;
                    self.kill("its client's process has ended");
                }
                _ = looks.tick() => {
                    self.look_at_memory();
                    self.look_at_progress();
                }
                () = self.end.notified() => self.end_in_order(),
                () = tokio::time::sleep_until(deadline) => self.kill("its client did not come back in time"),
            }
        };
        // What the worker said before it went is still in the socketpair, and tells more than its exit status.
        let last = drain(self.channel.get_mut());
        self.take_all(last);
        let why = self.why.take().unwrap_or_else(|| last_words(status));
        self.shared.session_ended(self.id, &why);
    }

    fn take_all(&mut self, messages: Messages) {
        let (messages, state) = messages;
        for (message, descriptor) in messages {
            self.take(message, descriptor);
        }
        match state {
            Ok(()) => {}
            // The exit follows, and tells more.
            Err(ChannelError::Closed) => {
                self.hung_up = true;
                self.deadline =
                    Some(self.deadline.unwrap_or_else(far_away).min(Instant::now() + EXIT_TIMEOUT));
            }
            Err(error) => {
                self.hung_up = true;
                self.kill(&format!("its worker broke the protocol: {error}"));
            }
        }
    }

    fn take(&mut self, message: FromWorker, descriptor: Option<OwnedFd>) {
        let now = Instant::now();
        match message {
            FromWorker::Jailed { layers } => self.shared.note_jail(self.id, &layers),
            FromWorker::Offer { key } => self.offer(key, descriptor),
            FromWorker::Withdraw { key } => self.shared.offers().withdraw(self.id, &key),
            FromWorker::Want { number, key } => self.answer_want(number, &key),
            FromWorker::DriverLoaded => tracing::info!(session = self.id, "the driver is loaded"),
            FromWorker::DriverFailed { why } => {
                tracing::error!(session = self.id, %why, "the driver could not be loaded");
            }
            FromWorker::Activity(activity) => self.shared.sessions().note_activity(self.id, activity, now),
            FromWorker::Moved { up, down } => self.shared.sessions().note_moved(self.id, up, down),
            FromWorker::Connected { epoch } => {
                tracing::info!(session = self.id, epoch, "connected");
                self.deadline = None;
                self.set_connected(true);
            }
            FromWorker::Disconnected { why } => {
                tracing::info!(session = self.id, %why, "disconnected");
                self.deadline = Some(now + self.shared.config.resume_grace + SLACK);
                self.set_connected(false);
            }
            FromWorker::Ended { why } => {
                self.why.get_or_insert(why);
                self.deadline = Some(now + EXIT_TIMEOUT);
            }
        }
    }

    fn ticket(&self) -> Option<String> {
        self.shared.sessions().get(self.id).map(|session| session.ticket.clone())
    }

    fn offer(&self, key: OfferKey, descriptor: Option<OwnedFd>) {
        if let (Some(ticket), Some(descriptor)) = (self.ticket(), descriptor) {
            self.shared.offers().put(self.id, &ticket, key, descriptor);
        }
    }

    fn answer_want(&mut self, number: u64, key: &OfferKey) {
        let ticket = self.ticket().unwrap_or_default();
        let offers = self.shared.offers();
        let found = offers.find(&ticket, key);
        let answer = ToWorker::Offered { number, found: found.is_some() };
        let sent = self.channel.get_ref().send(&answer, found);
        drop(offers);
        // A worker whose call would wait for this answer for ever is of no use to its client.
        if let Err(error) = sent {
            self.kill(&format!("its worker does not take what it asked for: {error}"));
        }
    }

    /// What the kernel says that the worker uses; its own word would be its client's.
    fn look_at_memory(&mut self) {
        let (most, holds) = (self.shared.config.quota.host_bytes, self.child.id().and_then(resident_bytes));
        if let Some(bytes) = holds.filter(|bytes| *bytes > most) {
            let (mib, most_mib) = (bytes >> 20, most >> 20);
            self.kill(&format!(
                "its worker held {mib} MiB of the server's memory, more than its quota of {most_mib} MiB"
            ));
        }
    }

    /// A kernel that does not end, a driver that does not return: said once in words, ended where there is a limit.
    fn look_at_progress(&mut self) {
        let limit = self.shared.config.quota.stall;
        let stalled = self.shared.sessions().get(self.id).and_then(|session| {
            Some((session.progress.stalled(Instant::now())?, session.progress.waits_for()?))
        });
        let reported_after = limit.map_or(STALL_REPORTED_AFTER, |limit| STALL_REPORTED_AFTER.min(limit / 2));
        let Some((stalled, by)) = stalled.filter(|(stalled, _)| *stalled >= reported_after) else {
            self.stall_said = false;
            return;
        };
        if !std::mem::replace(&mut self.stall_said, true) {
            tracing::warn!(session = self.id, seconds = stalled.as_secs(), by, "no progress");
        }
        if limit.is_some_and(|limit| stalled >= limit) && self.why.is_none() {
            let why = format!("no progress for {} s, which is the limit: {by}", stalled.as_secs());
            if let Some(session) = self.shared.sessions().get_mut(self.id) {
                session.end_why = Some(why);
            }
            self.end_in_order();
        }
    }

    fn set_connected(&self, connected: bool) {
        let mut sessions = self.shared.sessions();
        if let Some(session) = sessions.get_mut(self.id) {
            session.connected = connected;
            self.shared.routes.set_lost(session.tag, !connected);
        }
    }

    /// The server ends: the worker tells its client, and goes.
    fn end_in_order(&mut self) {
        let own = self.shared.sessions().get(self.id).and_then(|session| session.end_why.clone());
        let why = own.unwrap_or_else(|| self.shared.ending_reason().to_owned());
        self.why.get_or_insert(why.clone());
        let end = ToWorker::End { code: close::ENDED, why };
        match self.channel.get_ref().send(&end, None) {
            Ok(()) => self.deadline = Some(Instant::now() + EXIT_TIMEOUT),
            Err(_) => kill(&self.child),
        }
    }

    fn kill(&mut self, why: &str) {
        tracing::info!(session = self.id, why, "ending a worker");
        self.why.get_or_insert(why.to_owned());
        // The exit is waited for as any other; what cannot be killed at once (a driver in the kernel) is killed again.
        self.deadline = Some(Instant::now() + EXIT_TIMEOUT);
        kill(&self.child);
    }
}

/// Memory of a process that is not swapped out, shared memory included.
fn resident_bytes(process: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

fn far_away() -> Instant {
    const FAR: Duration = Duration::from_secs(24 * 3600);
    Instant::now() + FAR
}

/// Messages with what came beside them, and how the socketpair stands.
type Messages = (Vec<(FromWorker, Option<OwnedFd>)>, Result<(), ChannelError>);

/// Waits for messages, and takes those that are there.
async fn messages(channel: &mut AsyncFd<Channel>) -> Messages {
    match channel.readable_mut().await {
        Ok(mut ready) => {
            let taken = drain(ready.get_inner_mut());
            if taken.0.len() < MESSAGES_MAX {
                ready.clear_ready();
            }
            taken
        }
        Err(error) => (Vec::new(), Err(ChannelError::Io(error))),
    }
}

fn drain(channel: &mut Channel) -> Messages {
    let mut taken = Vec::new();
    while taken.len() < MESSAGES_MAX {
        match channel.receive() {
            Ok(Some(message)) => taken.push(message),
            Ok(None) => break,
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(()))
}

async fn process_end(client: Option<&AsyncFd<OwnedFd>>) {
    match client {
        // A pidfd becomes readable when its process has ended. An error cannot be told from that, and ends no session.
        Some(process) if process.readable().await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

/// The client's process, where this host runs it and this gate can see it.
fn process_of(client: &ClientInfo) -> Option<OwnedFd> {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::os::unix::fs::MetadataExt::ino(&fs::metadata("/proc/self/ns/pid").ok()?);
    if client.boot_id != boot_id.trim() || client.pid_namespace != namespace {
        return None;
    }
    let pid = Pid::from_raw(i32::try_from(client.pid).ok()?)?;
    let process = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
    // Asked after the open: a number that another process has by now shows another start.
    let stat = fs::read_to_string(format!("/proc/{}/stat", client.pid)).ok()?;
    (start_ticks(&stat)? == client.start_ticks).then_some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_watched_only_if_it_is_surely_that_process() {
        let client = farwarp_link::client_info(0);
        assert!(process_of(&client).is_some());
        let other_start = ClientInfo { start_ticks: client.start_ticks + 1, ..client.clone() };
        let other_boot = ClientInfo { boot_id: "00000000".into(), ..client.clone() };
        let other_namespace = ClientInfo { pid_namespace: client.pid_namespace + 1, ..client.clone() };
        for stranger in [other_start, other_boot, other_namespace, ClientInfo::default()] {
            assert!(process_of(&stranger).is_none(), "{stranger:?}");
        }
    }
}
