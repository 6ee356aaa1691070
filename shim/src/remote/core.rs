//! What the threads of the program share of the session behind one lock: the log, the connection, and what lands by itself.

use super::front::{Batch, Front};
use crate::landing::{Landing, Landings};
use crate::recent::Recent;
use crate::shared::Twins;
use crate::stats::Traffic;
use farwarp_link::{Link, carry};
use farwarp_protocol::call::THREAD_GONE;
use farwarp_protocol::client::{Client, Landed, NotPut};
use farwarp_protocol::error::Code;
use farwarp_protocol::frame::{FLAG_ASKED, Header};
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Without a connection, and for a waiter: how long to sleep before looking whether there is one.
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// The longest sleep of who drives; the connection's own timers are shorter.
const SLEEP_MAX: Duration = Duration::from_secs(1);

pub struct Core {
    pub client: Client,
    pub link: Option<Box<dyn Link>>,
    pub landings: Landings,
    twins: Arc<Twins>,
    pub traffic: Traffic,
    pub leader: bool,
    pub leader_sleeps: bool,
    pub sleepers: usize,
    pub helper_awake: bool,
    pub ended: bool,
    /// Taken from the front, and waiting for room in the log.
    taken: Batch,
    recent: Recent,
    /// How many questions of each thread are under way.
    open_questions: HashMap<u16, u32>,
}

impl Core {
    pub fn new(client: Client, link: Box<dyn Link>, twins: Arc<Twins>) -> Core {
        Core {
            client,
            link: Some(link),
            landings: Landings::default(),
            twins,
            traffic: Traffic::default(),
            leader: false,
            leader_sleeps: false,
            sleepers: 0,
            helper_awake: true,
            ended: false,
            taken: Batch::default(),
            recent: Recent::default(),
            open_questions: HashMap::new(),
        }
    }

    /// Gives what was told its place in the log, as far as there is room; whether that is all of it.
    pub fn take_told(&mut self, front: &Front) -> bool {
        loop {
            while let Some((header, body)) = self.taken.first() {
                if header.op == THREAD_GONE {
                    self.client.thread_gone(header.slot);
                    crate::threads::give_back(header.slot);
                    self.taken.pass();
                    continue;
                }
                match self.client.put(header, &[body]) {
                    Ok(number) => {
                        self.recent.note(Header { number, ..header }, &[body]);
                        self.traffic.tells += 1;
                        self.traffic.payload_up += body.len() as u64;
                    }
                    // Whoever told it hears of that by the next call.
                    Err(NotPut::Dead(_)) => {}
                    Err(NotPut::Full) => return false,
                }
                self.taken.pass();
            }
            if !front.take(&mut self.taken) {
                return true;
            }
        }
    }

    /// Puts a call into the log, behind everything that was told before it. `landing` is taken with it, if there is one.
    pub fn put(
        &mut self,
        front: &Front,
        header: Header,
        body: &[&[u8]],
        landing: &mut Option<Landing>,
    ) -> Result<u64, NotPut> {
        if !self.take_told(front) {
            return Err(NotPut::Full);
        }
        let number = self.client.put(header, body)?;
        self.recent.note(Header { number, ..header }, body);
        self.traffic.payload_up += body.iter().map(|part| part.len() as u64).sum::<u64>();
        if let Some(landing) = landing.take() {
            self.client.lands(number);
            self.landings.begin(number, landing);
            self.traffic.tells += 1;
        } else if header.flags & FLAG_ASKED != 0 {
            self.asks(header.op, header.slot);
        } else {
            self.traffic.tells += 1;
        }
        Ok(number)
    }

    /// What a thread asks while its last question is under way travels in the same round trip.
    fn asks(&mut self, op: u32, slot: u16) {
        *self.traffic.asked.entry(op).or_default() += 1;
        let open = self.open_questions.entry(slot).or_default();
        *open += 1;
        if *open == 1 {
            self.traffic.round_trips += 1;
        }
    }

    pub fn answered(&mut self, slot: u16) {
        if let Some(open) = self.open_questions.get_mut(&slot) {
            *open = open.saturating_sub(1);
        }
    }

    /// Whether what was told waits for room in the log.
    pub fn is_stuck(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Moves bytes between session and connection. Never blocks.
    pub fn drive(&mut self, now: Instant) {
        let Some(link) = self.link.as_mut() else { return };
        let carried = carry(&mut self.client, link.as_mut(), now);
        self.twins.take(&mut self.client);
        while let Some(landed) = self.client.take_landed() {
            match landed {
                Landed::Bytes { call, bytes } => self.landings.land(call, &bytes),
                Landed::End { call, code } => match self.landings.end(call, code) {
                    Some((slot, code)) if code != 0 => self.client.has_failed(slot, code),
                    _ => {}
                },
            }
        }
        if let Some(breach) = self.client.take_breach() {
            crate::state::complain(&format!("the server broke the protocol: {breach}"));
            self.lose_link();
        } else if let Err(error) = carried {
            crate::state::note(&format!("connection lost: {error}"));
            self.client.connection_lost(now);
            self.lose_link();
        }
        if let Some(code) = self.client.take_loss() {
            self.say_what_led_to(code);
        }
    }

    pub fn lose_link(&mut self) {
        // Before the numbers of its sockets are free for others.
        crate::state::link_sockets(&[]);
        self.link = None;
    }

    fn say_what_led_to(&self, code: Code) {
        crate::state::note_lines(|| {
            let calls = self.recent.lines();
            std::iter::once(format!("CUDA error {code} ends this; the last calls were")).chain(calls)
        });
    }

    pub fn what_to_wait_for(&self) -> (Vec<RawFd>, Duration) {
        let mut fds = Vec::with_capacity(4);
        let Some(link) = self.link.as_ref() else { return (fds, RECONNECT_PAUSE) };
        link.poll_fds(&mut fds);
        let until = link.timeout().map(|at| at.saturating_duration_since(Instant::now()));
        (fds, until.unwrap_or(SLEEP_MAX).min(SLEEP_MAX))
    }
}

/// What every call wants to know of the core, readable without its lock.
#[derive(Default)]
pub struct Signs {
    troubled: AtomicBool,
    fence_passed: AtomicU64,
}

impl Signs {
    /// By whoever has changed something, before the lock is free.
    pub fn publish(&self, core: &Core) {
        self.troubled.store(core.client.is_troubled(), Ordering::Release);
        self.fence_passed.store(core.client.fence_passed(), Ordering::Release);
    }

    /// Whether any call may have an error to hear of.
    pub fn troubled(&self) -> bool {
        self.troubled.load(Ordering::Acquire)
    }

    pub fn fence_passed(&self) -> u64 {
        self.fence_passed.load(Ordering::Acquire)
    }
}
