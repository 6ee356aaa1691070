//! Asking and telling: the client's half of the session, driven by whoever waits. What it knows is kept by [`Client`].
//!
//! All threads of the program share one log behind one lock. A thread that waits for an answer drives the connection itself; one such
//! leader is enough, the others sleep until it has their answer or leaves. When nobody waits, a helper thread sends what lies in the
//! log, keeps the connection alive, has the program's host functions run, and brings a lost connection back.

use crate::landing::{Landing, Landings};
use crate::recent::Recent;
use crate::stats::Traffic;
use crate::wait;
use farwarp_link::{DialError, Dialled, Link, LinkStats, carry};
use farwarp_protocol::call::{GOODBYE, Range};
pub use farwarp_protocol::client::Answer;
use farwarp_protocol::client::{Client, Landed, NotPut};
use farwarp_protocol::error::{CUDA_ERROR_DEINITIALIZED, Code};
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::LANDING_BYTES_MAX;
use farwarp_protocol::session::Limits;
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a waiting thread looks at its socket before it sleeps on it: about the time that waking up costs.
const SPIN: Duration = Duration::from_micros(50);
/// While a thread waits and drives, the helper only looks in this often.
const HELPER_NAP: Duration = Duration::from_millis(5);
/// The helper's longest sleep; the connection's own timers are shorter.
const HELPER_SLEEP: Duration = Duration::from_secs(1);
/// Read from the connection at a time.
const READ_BYTES: usize = 256 << 10;
/// Between two attempts to bring a lost connection back.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// The first attempt to bring a connection back may take so long, each later one twice that of the one before: a handshake that began
/// while the road was cut waits ever longer between its own attempts, a new one is through at once when the road is back.
const REDIAL_FIRST: Duration = Duration::from_secs(1);
const REDIAL_MAX: Duration = Duration::from_secs(5);
/// The last attempt before the grace is over still gets so long.
const REDIAL_MIN: Duration = Duration::from_millis(500);
/// The server's host says that nobody listens there any more. Anybody can say so in its name, so it must say it for so long.
const NOBODY_LISTENS_MAX: Duration = Duration::from_secs(2);
/// For how long the end of the program waits for what it has told and nobody has taken yet.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// Tries for so long to bring a lost connection back, with a higher epoch each time.
pub type Redial = Box<dyn FnMut(Duration) -> Result<Dialled, DialError> + Send>;
/// Runs the function of the program that a token stands for.
pub type HostCalls = fn(token: u64);

pub struct Remote {
    core: Mutex<Core>,
    /// Signalled when an answer for a sleeping thread arrived, or the leader left.
    news: Condvar,
    /// Wakes the helper.
    wake: RawFd,
    settings: Settings,
}

pub struct Settings {
    /// Every `tell` waits for its answer.
    pub sync: bool,
    /// How long a session outlives its connection.
    pub resume_grace: Duration,
    /// Spinning pays only where another core can answer meanwhile.
    pub spin: bool,
}

struct Core {
    client: Client,
    landings: Landings,
    link: Option<Box<dyn Link>>,
    leader: bool,
    leader_sleeps: bool,
    sleepers: usize,
    helper_awake: bool,
    ended: bool,
    recent: Recent,
    traffic: Traffic,
    /// How many questions of each thread are under way.
    open_questions: HashMap<u16, u32>,
    buffer: Vec<u8>,
}

impl Remote {
    /// Takes over a dialled connection.
    pub fn new(dialled: Dialled, settings: Settings) -> std::io::Result<Remote> {
        let mut client = Client::new(Limits::default(), settings.resume_grace);
        client.connected();
        made_known(dialled.link.as_ref());
        Ok(Remote {
            core: Mutex::new(Core {
                client,
                landings: Landings::default(),
                link: Some(dialled.link),
                leader: false,
                leader_sleeps: false,
                sleepers: 0,
                helper_awake: true,
                ended: false,
                recent: Recent::default(),
                open_questions: HashMap::new(),
                traffic: Traffic::default(),
                buffer: vec![0; READ_BYTES],
            }),
            news: Condvar::new(),
            wake: crate::wait::event_fd()?,
            settings,
        })
    }

    /// Sends a call and waits for its answer, whatever that is.
    pub fn ask(&self, op: u32, body: &[&[u8]]) -> Result<Answer, Code> {
        let number = self.put(op, FLAG_ASKED, body)?;
        self.answer(number)
    }

    /// Sends a call and goes on. Its failure, if any, is heard by this thread's next call.
    pub fn tell(&self, op: u32, body: &[&[u8]]) -> Result<(), Code> {
        if self.settings.sync {
            return self.ask(op, body)?.check();
        }
        self.put(op, 0, body).map(drop)
    }

    /// Sends a call whose answer is fetched later by [`Remote::answer`]; so several can be under way.
    pub fn ask_ahead(&self, op: u32, body: &[&[u8]]) -> Result<u64, Code> {
        self.put(op, FLAG_ASKED, body)
    }

    pub fn answer(&self, number: u64) -> Result<Answer, Code> {
        let slot = crate::threads::slot();
        self.drive_until(|core| {
            let answer = core.client.take_answer(number)?;
            core.answered(slot);
            Some(answer)
        })
    }

    /// Sends a copy whose bytes land by themselves when they come. Its failure is heard of as a told call's.
    pub fn land(&self, op: u32, body: &[&[u8]], landing: Landing) -> Result<(), Code> {
        self.drive_until(|core| {
            (core.landings.bytes() <= LANDING_BYTES_MAX || core.client.dead().is_some()).then_some(())
        });
        self.put_with(op, FLAG_ASKED, body, Some(landing)).map(drop)
    }

    /// Whether bytes are still to come there.
    pub fn lands_in(&self, range: Range) -> bool {
        let core = self.lock();
        core.client.dead().is_none() && core.landings.touch(range)
    }

    /// The error that a call in this context must return before it does anything, if there is one.
    pub fn pending_error(&self, context: Id) -> Option<Code> {
        self.lock().client.pending_error(context)
    }

    /// A told call's failure that the calling thread has not heard of; it is forgotten with this.
    pub fn take_failure(&self) -> Option<Code> {
        self.lock().client.take_failure(crate::threads::slot())
    }

    /// The last fence of which the server said that everything before it is done.
    pub fn fence_passed(&self) -> u64 {
        self.lock().client.fence_passed()
    }

    pub fn context_gone(&self, context: Id) {
        self.lock().client.context_gone(context);
    }

    pub fn thread_gone(&self, slot: u16) {
        self.lock().client.thread_gone(slot);
    }

    pub fn count_module_bytes(&self, bytes: usize) {
        self.lock().traffic.module_bytes_up += bytes as u64;
    }

    /// What the session and its connection have carried.
    pub fn traffic(&self) -> (Traffic, Option<LinkStats>) {
        let core = self.lock();
        let traffic = Traffic { payload_down: core.client.heard_bytes(), ..core.traffic.clone() };
        (traffic, core.link.as_ref().map(|link| link.stats()))
    }

    /// Ends the session in order; every later call is refused.
    pub fn goodbye(&self) {
        let told = self.put(GOODBYE, FLAG_ASKED, &[]);
        // From here on the server may close the connection, and nobody shall dial it again.
        self.lock().ended = true;
        if let Ok(number) = told {
            let deadline = Instant::now() + GOODBYE_TIMEOUT;
            self.drive_until(|core| {
                let answered = core.client.is_answered(number);
                (answered || core.link.is_none() || Instant::now() > deadline).then_some(())
            });
        }
        let mut core = self.lock();
        core.client.end(CUDA_ERROR_DEINITIALIZED);
        if let Some(link) = core.link.as_mut() {
            link.close(farwarp_protocol::admission::close::DONE, "the program has ended");
        }
        core.lose_link();
    }

    /// Puts a call into the log, waiting for room if need be.
    fn put(&self, op: u32, flags: u8, body: &[&[u8]]) -> Result<u64, Code> {
        self.put_with(op, flags, body, None)
    }

    fn put_with(&self, op: u32, flags: u8, body: &[&[u8]], landing: Option<Landing>) -> Result<u64, Code> {
        crate::threads::crosses();
        let header = header(op, flags);
        let body_bytes: usize = body.iter().map(|part| part.len()).sum();
        let mut core = self.lock();
        // Another thread may take the room between two turns of this loop.
        let number = loop {
            match core.client.put(header, body) {
                Ok(number) => break number,
                Err(NotPut::Dead(code)) => return Err(code),
                Err(NotPut::Full) => drop(core),
            }
            self.drive_until(|core| core.client.may_put(body_bytes).then_some(()));
            core = self.lock();
        };
        core.recent.note(Header { number, ..header }, body);
        core.traffic.payload_up += body_bytes as u64;
        if let Some(landing) = landing {
            core.client.lands(number);
            core.landings.begin(number, landing);
            core.traffic.tells += 1;
            self.see_it_sent(&mut core);
        } else if flags & FLAG_ASKED != 0 {
            core.asks(op, header.slot);
        } else {
            core.traffic.tells += 1;
            self.see_it_sent(&mut core);
        }
        Ok(number)
    }

    /// Makes sure that somebody sends what lies in the log, without waiting for it.
    fn see_it_sent(&self, core: &mut Core) {
        if core.leader && core.leader_sleeps {
            core.drive(Instant::now());
        } else if !core.leader && !core.helper_awake {
            core.helper_awake = true;
            wait::signal(self.wake);
        }
    }

    /// Drives the connection, or sleeps while another thread does, until `done` has found what it wants.
    fn drive_until<T>(&self, mut done: impl FnMut(&mut Core) -> Option<T>) -> T {
        let began = Instant::now();
        let mut core = self.lock();
        let mut leading = false;
        let found = loop {
            // A leader that sleeps does not know of what this thread wants sent.
            if leading || !core.leader || core.leader_sleeps {
                core.drive(Instant::now());
            }
            if let Some(found) = done(&mut core) {
                break found;
            }
            if core.leader && !leading {
                core.sleepers += 1;
                core = self.news.wait(core).unwrap_or_else(|poisoned| poisoned.into_inner());
                core.sleepers -= 1;
                continue;
            }
            leading = true;
            core.leader = true;
            if core.sleepers > 0 {
                self.news.notify_all();
            }
            if self.settings.spin && began.elapsed() < SPIN {
                drop(core);
                // Where the other end shares the core, looking would only keep it from answering.
                std::thread::yield_now();
                core = self.lock();
                continue;
            }
            let (fds, timeout) = core.what_to_wait_for();
            core.leader_sleeps = true;
            drop(core);
            wait::poll(&fds, timeout);
            core = self.lock();
            core.leader_sleeps = false;
        };
        if leading {
            core.leader = false;
        }
        core.traffic.wait_ns += began.elapsed().as_nanos() as u64;
        if core.sleepers > 0 {
            self.news.notify_all();
        }
        found
    }

    /// The helper thread's life.
    pub fn help(&self, mut redial: Redial, run_host_call: HostCalls) {
        loop {
            let mut core = self.lock();
            if core.ended {
                return;
            }
            if core.link.is_none() && core.client.dead().is_none() {
                drop(core);
                self.bring_back(&mut redial);
                continue;
            }
            core.drive(Instant::now());
            if let Some(token) = core.client.next_host_call() {
                drop(core);
                run_host_call(token);
                continue;
            }
            if core.sleepers > 0 {
                self.news.notify_all();
            }
            let (mut fds, mut timeout) = core.what_to_wait_for();
            if core.leader {
                fds.clear();
                timeout = HELPER_NAP;
            }
            fds.push(self.wake);
            core.helper_awake = false;
            drop(core);
            wait::poll(&fds, timeout);
            wait::drain(self.wake);
            self.lock().helper_awake = true;
        }
    }

    /// Dials until the session goes on or is lost.
    fn bring_back(&self, redial: &mut Redial) {
        let (mut patience, mut nobody_since) = (REDIAL_FIRST, None);
        loop {
            let left = self.lock().client.may_resume_for(Instant::now()).max(REDIAL_MIN);
            let outcome = redial(patience.min(left));
            patience = (2 * patience).min(REDIAL_MAX);
            let now = Instant::now();
            let for_ever = match &outcome {
                Err(DialError::NobodyListens { .. }) => {
                    now.saturating_duration_since(*nobody_since.get_or_insert(now)) > NOBODY_LISTENS_MAX
                }
                Err(error) => {
                    nobody_since = None;
                    is_final(error)
                }
                Ok(_) => false,
            };
            let mut core = self.lock();
            if core.ended {
                return;
            }
            match outcome {
                Ok(dialled) => {
                    core.client.connected();
                    made_known(dialled.link.as_ref());
                    core.link = Some(dialled.link);
                    core.traffic.reconnects += 1;
                    self.news.notify_all();
                    return;
                }
                Err(error) if core.client.dial_failed(for_ever, now) => {
                    crate::state::complain(&format!("the session is lost: {error}"));
                    self.news.notify_all();
                    return;
                }
                Err(_) => drop(core),
            }
            std::thread::sleep(RECONNECT_PAUSE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic while the lock was held became CUDA_ERROR_UNKNOWN for its caller; the log itself is never half-written.
        self.core.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Core {
    /// What a thread asks while its last question is under way travels in the same round trip.
    fn asks(&mut self, op: u32, slot: u16) {
        *self.traffic.asked.entry(op).or_default() += 1;
        let open = self.open_questions.entry(slot).or_default();
        *open += 1;
        if *open == 1 {
            self.traffic.round_trips += 1;
        }
    }

    fn answered(&mut self, slot: u16) {
        if let Some(open) = self.open_questions.get_mut(&slot) {
            *open = open.saturating_sub(1);
        }
    }

    /// Moves bytes between session and connection. Never blocks.
    fn drive(&mut self, now: Instant) {
        let Some(link) = self.link.as_mut() else { return };
        let carried = carry(&mut self.client, link.as_mut(), &mut self.buffer, now);
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

    fn lose_link(&mut self) {
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

    fn what_to_wait_for(&self) -> (Vec<RawFd>, Duration) {
        let mut fds = Vec::with_capacity(4);
        let Some(link) = self.link.as_ref() else { return (fds, RECONNECT_PAUSE) };
        link.poll_fds(&mut fds);
        let until = link.timeout().map(|at| at.saturating_duration_since(Instant::now()));
        (fds, until.unwrap_or(HELPER_SLEEP).min(HELPER_SLEEP))
    }
}

/// A child of a fork closes the sockets of the connection of its time.
fn made_known(link: &dyn Link) {
    let mut sockets = Vec::new();
    link.poll_fds(&mut sockets);
    crate::state::link_sockets(&sockets);
}

/// The header of the calling thread's next call.
fn header(op: u32, flags: u8) -> Header {
    Header {
        kind: RecordKind::Call,
        op,
        number: 0,
        about: crate::threads::current().0,
        slot: crate::threads::slot(),
        flags,
        code: 0,
        body_bytes: 0,
    }
}

/// Whether there is no hope for the session, however often one dials.
fn is_final(error: &DialError) -> bool {
    use DialError::*;
    matches!(
        error,
        WrongSecret { .. }
            | Revoked { .. }
            | WrongServerKey { .. }
            | OtherTable { .. }
            | OtherVersion { .. }
            | SessionGone { .. }
            | ShuttingDown { .. }
    )
}
