//! Asking and telling: the client's half of the session, driven by whoever waits. What it knows is kept by [`Client`].
//!
//! All threads of the program share one log. What a thread tells it lays down in [`front`] and goes on; whoever drives the connection takes
//! it from there. A thread that waits for an answer drives the connection itself; one such leader is enough, the others sleep until it has
//! their answer or leaves. When nobody waits, a helper thread sends what was told, keeps the connection alive, has the program's host
//! functions run, and brings a lost connection back.

mod answer;
mod core;
mod front;

pub use self::answer::Answer;
use self::core::{Core, RECONNECT_PAUSE, Signs};
use self::front::{Front, TOLD_BYTES_MAX, Who};
use crate::landing::Landing;
use crate::shared::Twins;
use crate::stats::Traffic;
use crate::wait;
use farwarp_link::{DialError, Dialled, Link, LinkStats};
use farwarp_protocol::call::{GOODBYE, HostCallDue, Range, THREAD_GONE};
use farwarp_protocol::client::{Client, NotPut};
use farwarp_protocol::error::{CUDA_ERROR_DEINITIALIZED, Code};
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::LANDING_BYTES_MAX;
use farwarp_protocol::session::Limits;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a waiting thread looks at its socket before it sleeps on it: about the time that waking up costs.
const SPIN: Duration = Duration::from_micros(50);
/// While a thread waits and drives, the helper only looks in this often.
const HELPER_NAP: Duration = Duration::from_millis(5);
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
/// Runs a function of the program, or forgets it.
pub type HostCalls = fn(HostCallDue);

pub struct Remote {
    front: Front,
    core: Mutex<Core>,
    signs: Signs,
    /// Signalled when an answer for a sleeping thread arrived, or the leader left.
    news: Condvar,
    settings: Settings,
    twins: Arc<Twins>,
}

pub struct Settings {
    /// Every `tell` waits for its answer.
    pub sync: bool,
    /// How long a session outlives its connection.
    pub resume_grace: Duration,
    /// Spinning pays only where another core can answer meanwhile.
    pub spin: bool,
}

impl Remote {
    /// Takes over a dialled connection.
    pub fn new(dialled: Dialled, settings: Settings) -> std::io::Result<Remote> {
        let mut client = Client::new(Limits::default(), settings.resume_grace);
        client.connected();
        made_known(dialled.link.as_ref());
        let twins = Arc::<Twins>::default();
        Ok(Remote {
            front: Front::new()?,
            core: Mutex::new(Core::new(client, dialled.link, twins.clone())),
            signs: Signs::default(),
            news: Condvar::new(),
            settings,
            twins,
        })
    }

    /// Sends a call and waits for its answer, whatever that is.
    pub fn ask(&self, op: u32, body: &[&[u8]]) -> Result<Answer, Code> {
        let number = self.ask_ahead(op, body)?;
        self.answer(op, number)
    }

    /// The same, about another context than the calling thread's.
    pub fn ask_about(&self, context: Id, op: u32, body: &[&[u8]]) -> Result<Answer, Code> {
        let number = self.put(Header { about: context.0, ..header(op, FLAG_ASKED) }, body, None)?;
        self.answer(op, number)
    }

    /// What is shared with the GPU.
    pub fn twins(&self) -> &Twins {
        &self.twins
    }

    /// Lets somebody take what the GPU has changed of that.
    pub fn take_patches(&self, take: impl FnOnce(&mut Client)) {
        take(&mut self.lock().client);
    }

    /// Sends a call and goes on. Its failure, if any, is heard by this thread's next call.
    pub fn tell(&self, op: u32, body: &[&[u8]]) -> Result<(), Code> {
        if self.settings.sync {
            return self.ask(op, body)?.check();
        }
        let header = header(op, 0);
        let bytes: usize = body.iter().map(|part| part.len()).sum();
        if bytes > TOLD_BYTES_MAX {
            return self.put(header, body, None).map(drop);
        }
        loop {
            if self.signs.troubled()
                && let Some(code) = self.lock().client.refusal(&header)
            {
                return Err(code);
            }
            if self.front.lay(header, body).is_ok() {
                return Ok(());
            }
            self.drive_until(|core| (core.client.dead().is_some() || self.front.has_room()).then_some(()));
        }
    }

    /// Sends a call whose answer is fetched later by [`Remote::answer`]; so several can be under way.
    pub fn ask_ahead(&self, op: u32, body: &[&[u8]]) -> Result<u64, Code> {
        self.put(header(op, FLAG_ASKED), body, None)
    }

    pub fn answer(&self, op: u32, number: u64) -> Result<Answer, Code> {
        let slot = crate::threads::slot();
        let answer = self.drive_until(|core| {
            let answer = core.client.take_answer(number)?;
            core.answered(slot);
            Some(answer)
        });
        answer.map(|answer| Answer::to(op, answer))
    }

    /// Sends a copy whose bytes land by themselves when they come. Its failure is heard of as a told call's.
    pub fn land(&self, op: u32, body: &[&[u8]], landing: Landing) -> Result<(), Code> {
        self.drive_until(|core| {
            (core.landings.bytes() <= LANDING_BYTES_MAX || core.client.dead().is_some()).then_some(())
        });
        self.put(header(op, FLAG_ASKED), body, Some(landing)).map(drop)
    }

    /// Whether bytes are still to come anywhere.
    pub fn lands(&self) -> bool {
        let core = self.lock();
        core.client.dead().is_none() && core.landings.bytes() > 0
    }

    /// Whether bytes are still to come there.
    pub fn lands_in(&self, range: Range) -> bool {
        let core = self.lock();
        core.client.dead().is_none() && core.landings.touch(range)
    }

    /// The error that a call in this context must return before it does anything, if there is one.
    pub fn pending_error(&self, context: Id) -> Option<Code> {
        if self.signs.troubled() { self.lock().client.pending_error(context) } else { None }
    }

    /// A told call's failure that the calling thread has not heard of; it is forgotten with this.
    pub fn take_failure(&self) -> Option<Code> {
        if !self.signs.troubled() {
            return None;
        }
        let mut core = self.lock();
        let failure = core.client.take_failure(crate::threads::slot());
        self.signs.publish(&core);
        failure
    }

    /// The last fence of which the server said that everything before it is done.
    pub fn fence_passed(&self) -> u64 {
        self.signs.fence_passed()
    }

    pub fn context_gone(&self, context: Id) {
        let mut core = self.lock();
        core.client.context_gone(context);
        self.signs.publish(&core);
    }

    /// The thread in this slot has ended. The slot is free for another once this has its place behind all that the thread told.
    pub fn thread_gone(&self, slot: u16) {
        self.front.lay_end(call_of(slot, Id(0), THREAD_GONE, 0));
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
        let told = self.ask_ahead(GOODBYE, &[]);
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
        self.signs.publish(&core);
        if let Some(link) = core.link.as_mut() {
            link.close(farwarp_protocol::admission::close::DONE, "the program has ended");
        }
        core.lose_link();
    }

    /// Puts a call into the log, behind what was told before it, waiting for room if need be.
    fn put(&self, header: Header, body: &[&[u8]], mut landing: Option<Landing>) -> Result<u64, Code> {
        let body_bytes: usize = body.iter().map(|part| part.len()).sum();
        // Whoever waits for an answer sends its question.
        let is_waited_for = header.flags & FLAG_ASKED != 0 && landing.is_none();
        let mut core = self.lock();
        // Another thread may take the room between two turns of this loop.
        let number = loop {
            match core.put(&self.front, header, body, &mut landing) {
                Ok(number) => break number,
                Err(NotPut::Dead(code)) => return Err(code),
                Err(NotPut::Full) => drop(core),
            }
            self.drive_until(|core| (!core.is_stuck() && core.client.may_put(body_bytes)).then_some(()));
            core = self.lock();
        };
        drop(core);
        if !is_waited_for {
            self.front.attention.call();
        }
        Ok(number)
    }

    fn drive(&self, core: &mut Core) {
        core.take_told(&self.front);
        core.drive(Instant::now());
        self.signs.publish(core);
    }

    /// Drives the connection, or sleeps while another thread does, until `done` has found what it wants.
    fn drive_until<T>(&self, mut done: impl FnMut(&mut Core) -> Option<T>) -> T {
        let began = Instant::now();
        let mut core = self.lock();
        let mut leading = false;
        let found = loop {
            // A leader that sleeps does not know of what this thread wants sent.
            if leading || !core.leader || core.leader_sleeps {
                self.drive(&mut core);
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
            if !leading {
                leading = true;
                core.leader = true;
                self.front.attention.wake(Who::Nobody);
            }
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
            if self.is_to_sleep(&core, Who::Leader) {
                let (mut fds, timeout) = core.what_to_wait_for();
                fds.push(self.front.attention.leader);
                core.leader_sleeps = true;
                drop(core);
                wait::poll(&fds, timeout);
                wait::drain(self.front.attention.leader);
                core = self.lock();
                core.leader_sleeps = false;
                self.front.attention.wake(Who::Nobody);
            }
        };
        if leading {
            core.leader = false;
            self.hand_on(&core);
        }
        core.traffic.wait_ns += began.elapsed().as_nanos() as u64;
        if core.sleepers > 0 {
            self.news.notify_all();
        }
        found
    }

    /// Whether whoever drives may sleep now: what is told from here on wakes it. What waits for room is woken for by what makes room.
    fn is_to_sleep(&self, core: &Core, who: Who) -> bool {
        if core.is_stuck() {
            return true;
        }
        self.front.attention.wake(who);
        let nothing = self.front.is_empty();
        if !nothing {
            self.front.attention.wake(Who::Nobody);
        }
        nothing
    }

    /// The leader leaves; what comes from here on is the helper's.
    fn hand_on(&self, core: &Core) {
        if !core.helper_awake {
            self.front.attention.wake(Who::Helper);
            if !self.front.is_empty() {
                self.front.attention.call();
            }
        }
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
            if !core.leader {
                self.front.attention.wake(Who::Nobody);
            }
            self.drive(&mut core);
            if let Some(due) = core.client.next_host_call() {
                drop(core);
                run_host_call(due);
                continue;
            }
            if core.sleepers > 0 {
                self.news.notify_all();
            }
            let (mut fds, mut timeout) = core.what_to_wait_for();
            if core.leader {
                fds.clear();
                timeout = HELPER_NAP;
            } else if !self.is_to_sleep(&core, Who::Helper) {
                continue;
            }
            fds.push(self.front.attention.helper);
            core.helper_awake = false;
            drop(core);
            wait::poll(&fds, timeout);
            wait::drain(self.front.attention.helper);
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
                    self.signs.publish(&core);
                    self.news.notify_all();
                    return;
                }
                Err(error) if core.client.dial_failed(for_ever, now) => {
                    self.signs.publish(&core);
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

/// A child of a fork closes the sockets of the connection of its time.
fn made_known(link: &dyn Link) {
    let mut sockets = Vec::new();
    link.poll_fds(&mut sockets);
    crate::state::link_sockets(&sockets);
}

/// The header of the calling thread's next call.
fn header(op: u32, flags: u8) -> Header {
    crate::threads::crosses();
    call_of(crate::threads::slot(), crate::threads::current(), op, flags)
}

fn call_of(slot: u16, context: Id, op: u32, flags: u8) -> Header {
    Header { kind: RecordKind::Call, op, number: 0, about: context.0, slot, flags, code: 0, body_bytes: 0 }
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
