//! What a client does whose network may change under it: it asks whether the road still stands, takes a new socket, or gives a
//! connection up that the server cannot have kept while this machine slept. Sans-IO.
//!
//! The server cannot do this for it: what it sends to an address that was left vanishes.

use std::time::{Duration, Instant};

use super::settings;

/// So long after the last byte of the session moved, the peer is asked for a sign of life; then after twice that, and so on. A
/// client that only waits for an answer has nothing in flight, and would not notice before the next heartbeat that its address
/// has changed on the way (a NAT that forgot it) and the answer was lost.
const PROBE_AFTER: Duration = Duration::from_millis(200);
/// Between two new sockets, when each fails to send.
const REBIND_PAUSE: Duration = Duration::from_millis(250);
/// So many heartbeats without an acknowledgement are not the weather.
const UNANSWERED_HEARTBEATS: u32 = 2;
/// How often clocks and acknowledgements are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The clocks are read one after the other; what is apart less than this is no sleep.
const SLEEP_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the peer for a sign of life.
    Probe,
    /// The socket may belong to a network that is gone.
    Rebind,
    /// This machine slept for longer than the server waits for a silent client.
    Slept { slept: Duration },
    /// Nothing that was sent for so long was acknowledged. A new connection is through as soon as the road is back; this one would
    /// wait, ever longer, between two attempts of its own.
    Unanswered { time: Duration },
}

/// What is read anew at each look.
pub trait Signs {
    /// The clock that runs while the machine sleeps.
    fn boot(&self) -> Duration;
    /// How often the peer has acknowledged something new.
    fn acks(&self) -> u64;
}

#[derive(Debug)]
pub struct Roaming {
    silence: Duration,
    keep_alive: Duration,
    probe_after: Duration,
    probe_at: Instant,
    rebind_at: Instant,
    rebound: Instant,
    look_at: Instant,
    acks: u64,
    /// Since when something new is to be acknowledged, as of the last time that anything was.
    asked: Option<Instant>,
    /// When anything was acknowledged last, as far as was looked.
    answered: Instant,
    /// The two clocks when they were last compared: one stands still while the machine sleeps, the other does not.
    awake: Instant,
    boot: Option<Duration>,
}

impl Roaming {
    pub fn new(silence: Duration, now: Instant) -> Self {
        let keep_alive = settings::keep_alive_for(silence);
        Self {
            silence,
            keep_alive,
            probe_after: PROBE_AFTER,
            probe_at: now + PROBE_AFTER,
            rebind_at: now + rebind_after(keep_alive),
            rebound: now,
            look_at: now,
            acks: 0,
            asked: None,
            answered: now,
            awake: now,
            boot: None,
        }
    }

    /// Bytes of the session moved: no need to ask for a while. Bytes that come down say nothing of the way up; see `ask_at`.
    pub fn moved(&mut self, now: Instant) {
        self.probe_after = PROBE_AFTER;
        self.probe_at = now + PROBE_AFTER;
    }

    /// Something was sent that the peer must acknowledge. A program that goes on telling never waits long enough for a probe.
    pub fn asked(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// The peer was heard.
    pub fn heard(&mut self, now: Instant) {
        self.rebind_at = now + rebind_after(self.keep_alive);
    }

    /// The socket did not take a datagram: the network is down, or the address of this socket is no longer this machine's.
    pub fn unsendable(&mut self, now: Instant) {
        self.rebind_at = self.rebind_at.min((self.rebound + REBIND_PAUSE).max(now));
    }

    /// What to do now.
    pub fn look(&mut self, now: Instant, signs: &impl Signs) -> Option<Action> {
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            if let Some(slept) = self.slept(now, signs.boot()) {
                if slept >= self.silence {
                    return Some(Action::Slept { slept });
                }
                self.rebind_at = now;
            }
            if let Some(time) = self.unanswered(now, signs.acks()) {
                return Some(Action::Unanswered { time });
            }
        }
        if now >= self.rebind_at {
            self.rebound = now;
            self.rebind_at = now + rebind_after(self.keep_alive);
            return Some(Action::Rebind);
        }
        if now >= self.ask_at() {
            self.probe_after = (2 * self.probe_after).min(self.keep_alive);
            self.probe_at = now + self.probe_after;
            self.asked(now);
            return Some(Action::Probe);
        }
        None
    }

    /// When to look again at the latest.
    pub fn due(&self) -> Instant {
        let given_up = self.asked.map(|asked| (asked + self.patience()).max(self.look_at));
        given_up.unwrap_or(self.ask_at()).min(self.ask_at()).min(self.rebind_at)
    }

    /// When to ask for a sign of life. Who only listens is not heard by that, so it asks too.
    fn ask_at(&self) -> Instant {
        match self.asked {
            None => self.probe_at.min(self.answered + self.keep_alive),
            Some(_) => self.probe_at,
        }
    }

    fn slept(&mut self, now: Instant, boot: Duration) -> Option<Duration> {
        let awake = now.saturating_duration_since(std::mem::replace(&mut self.awake, now));
        let slept = boot.saturating_sub(self.boot.replace(boot)?).saturating_sub(awake);
        (slept >= SLEEP_MIN).then_some(slept)
    }

    fn unanswered(&mut self, now: Instant, acks: u64) -> Option<Duration> {
        if std::mem::replace(&mut self.acks, acks) != acks {
            (self.asked, self.answered) = (None, now);
        }
        let time = now.saturating_duration_since(self.asked?);
        (time >= self.patience()).then_some(time)
    }

    fn patience(&self) -> Duration {
        UNANSWERED_HEARTBEATS * self.keep_alive
    }
}

/// A heartbeat was due and half of another has passed: the socket is worth a doubt.
fn rebind_after(keep_alive: Duration) -> Duration {
    keep_alive * 3 / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(20);
    const HEARTBEAT: Duration = Duration::from_secs(5);
    const MS: Duration = Duration::from_millis(1);

    struct Read(Duration, u64);

    impl Signs for Read {
        fn boot(&self) -> Duration {
            self.0
        }

        fn acks(&self) -> u64 {
            self.1
        }
    }

    /// The actions of so much time in which nobody is heard, the clocks going alike.
    fn alone(roaming: &mut Roaming, from: Instant, time: Duration) -> Vec<(u128, Action)> {
        let mut actions = Vec::new();
        let mut at = from;
        while at < from + time {
            at = roaming.due().max(at + MS);
            let signs = Read(Duration::from_secs(1000) + (at - from), 0);
            actions.extend(roaming.look(at, &signs).map(|action| ((at - from).as_millis(), action)));
        }
        actions
    }

    #[test]
    fn who_waits_asks_ever_more_seldom_then_takes_another_socket_and_then_gives_up() {
        let now = Instant::now();
        let actions = alone(&mut Roaming::new(SILENCE, now), now, 2 * HEARTBEAT + 200 * MS);
        let is_probe = |(_, action): &&(u128, Action)| *action == Action::Probe;
        let probes: Vec<u128> = actions.iter().filter(is_probe).map(|(at, _)| *at).collect();
        assert_eq!(probes, [200, 600, 1400, 3000, 6200]);
        let rest: Vec<&(u128, Action)> = actions.iter().filter(|action| !is_probe(action)).collect();
        let given_up = Action::Unanswered { time: 2 * HEARTBEAT };
        assert_eq!(rest, [&(7500, Action::Rebind), &(10_200, given_up)]);
    }

    #[test]
    fn who_moves_bytes_hears_and_is_answered_does_nothing_else() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        for step in 0..1000 {
            let at = now + step * 100 * MS;
            roaming.moved(at);
            roaming.asked(at);
            roaming.heard(at);
            assert_eq!(roaming.look(at, &Read(step * 100 * MS, step.into())), None);
        }
    }

    #[test]
    fn who_hears_the_peer_but_is_not_heard_gives_up_too() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        let mut given_up = None;
        for step in 0..1000 {
            let at = now + step * 100 * MS;
            roaming.heard(at);
            match roaming.look(at, &Read(step * 100 * MS, 7)) {
                Some(Action::Unanswered { time }) => given_up = given_up.or(Some(time)),
                action => assert!(matches!(action, None | Some(Action::Probe)), "{action:?}"),
            }
        }
        assert_eq!(given_up, Some(2 * HEARTBEAT));
    }

    #[test]
    fn who_only_listens_asks_too_and_gives_up() {
        let now = Instant::now();
        let mut roaming = Roaming::new(SILENCE, now);
        let mut actions = Vec::new();
        for step in 0..160 {
            let at = now + step * 100 * MS;
            roaming.moved(at);
            roaming.heard(at);
            actions.extend(roaming.look(at, &Read(step * 100 * MS, 0)).map(|action| (at - now, action)));
        }
        let given_up = Action::Unanswered { time: 2 * HEARTBEAT };
        assert_eq!(actions[..2], [(HEARTBEAT, Action::Probe), (3 * HEARTBEAT, given_up)]);
    }

    #[test]
    fn who_goes_on_telling_and_is_not_heard_gives_up_too() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        let mut given_up = None;
        for step in 0..1000 {
            let at = now + step * 100 * MS;
            roaming.moved(at);
            roaming.asked(at);
            roaming.heard(at);
            if let Some(action) = roaming.look(at, &Read(step * 100 * MS, 7)) {
                given_up = given_up.or(Some(action));
            }
        }
        assert_eq!(given_up, Some(Action::Unanswered { time: 2 * HEARTBEAT }));
    }

    #[test]
    fn what_cannot_be_sent_asks_for_another_socket_at_once_but_not_all_the_time() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        let mut rebinds = 0;
        for step in 0..1000 {
            let at = now + 1000 * MS + step * MS;
            roaming.unsendable(at);
            rebinds += u32::from(roaming.look(at, &Read(at - now, 0)) == Some(Action::Rebind));
        }
        assert_eq!(rebinds, 4);
    }

    #[test]
    fn after_a_nap_it_takes_another_socket_and_after_a_sleep_it_gives_up() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        let (mut boot, mut at) = (Duration::from_secs(9), now);
        assert_eq!(roaming.look(at, &Read(boot, 0)), None);
        for (sleep, action) in [
            (10 * MS, None),
            (SILENCE - MS, Some(Action::Rebind)),
            (SILENCE, Some(Action::Slept { slept: SILENCE })),
        ] {
            (at, boot) = (at + 150 * MS, boot + 150 * MS + sleep);
            assert_eq!(roaming.look(at, &Read(boot, 0)), action, "after {sleep:?}");
        }
    }
}
