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
/// How often the clocks are compared.
const CLOCKS_EVERY: Duration = Duration::from_millis(100);
/// The clocks are read one after the other; what is apart less than this is no sleep.
const SLEEP_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Ask the peer for a sign of life.
    Probe,
    /// The socket may belong to a network that is gone.
    Rebind,
    /// The server has waited for a shorter time.
    GiveUp { slept: Duration },
}

#[derive(Debug)]
pub(super) struct Roaming {
    silence: Duration,
    keep_alive: Duration,
    probe_after: Duration,
    probe_at: Instant,
    rebind_at: Instant,
    rebound: Instant,
    clocks_at: Instant,
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
            clocks_at: now,
            awake: now,
            boot: None,
        }
    }

    /// Bytes of the session moved.
    pub fn moved(&mut self, now: Instant) {
        self.probe_after = PROBE_AFTER;
        self.probe_at = now + PROBE_AFTER;
    }

    /// The peer was heard.
    pub fn heard(&mut self, now: Instant) {
        self.rebind_at = now + rebind_after(self.keep_alive);
    }

    /// The socket did not take a datagram: the network is down, or the address of this socket is no longer this machine's.
    pub fn unsendable(&mut self, now: Instant) {
        self.rebind_at = self.rebind_at.min((self.rebound + REBIND_PAUSE).max(now));
    }

    /// What to do now. `boot` reads the clock that runs while the machine sleeps.
    pub fn look(&mut self, now: Instant, boot: impl FnOnce() -> Duration) -> Option<Action> {
        if let Some(slept) = self.slept(now, boot) {
            if slept >= self.silence {
                return Some(Action::GiveUp { slept });
            }
            self.rebind_at = now;
        }
        if now >= self.rebind_at {
            self.rebound = now;
            self.rebind_at = now + rebind_after(self.keep_alive);
            return Some(Action::Rebind);
        }
        if now >= self.probe_at {
            self.probe_after = (2 * self.probe_after).min(self.keep_alive);
            self.probe_at = now + self.probe_after;
            return Some(Action::Probe);
        }
        None
    }

    /// When to look again at the latest.
    pub fn due(&self) -> Instant {
        self.probe_at.min(self.rebind_at)
    }

    fn slept(&mut self, now: Instant, boot: impl FnOnce() -> Duration) -> Option<Duration> {
        if now < self.clocks_at {
            return None;
        }
        self.clocks_at = now + CLOCKS_EVERY;
        let boot = boot();
        let awake = now.saturating_duration_since(std::mem::replace(&mut self.awake, now));
        let slept = boot.saturating_sub(self.boot.replace(boot)?).saturating_sub(awake);
        (slept >= SLEEP_MIN).then_some(slept)
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

    /// The actions of so much time in which nobody is heard, the clocks going alike.
    fn alone(roaming: &mut Roaming, from: Instant, time: Duration) -> Vec<(u128, Action)> {
        let boot = |at: Instant| Duration::from_secs(1000) + (at - from);
        let mut actions = Vec::new();
        let mut at = from;
        while at < from + time {
            at = roaming.due().max(at + MS);
            actions.extend(roaming.look(at, || boot(at)).map(|action| ((at - from).as_millis(), action)));
        }
        actions
    }

    #[test]
    fn who_waits_asks_ever_more_seldom_and_then_takes_another_socket() {
        let now = Instant::now();
        let actions = alone(&mut Roaming::new(SILENCE, now), now, HEARTBEAT * 3 / 2);
        let [ref probes @ .., (rebound, Action::Rebind)] = actions[..] else { panic!("{actions:?}") };
        let times: Vec<u128> = probes.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [200, 600, 1400, 3000, 6200]);
        assert!(probes.iter().all(|(_, action)| *action == Action::Probe) && rebound == 7500);
    }

    #[test]
    fn who_moves_bytes_and_hears_does_nothing() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        for step in 0..1000 {
            let at = now + step * 100 * MS;
            roaming.moved(at);
            roaming.heard(at);
            assert_eq!(roaming.look(at, || step * 100 * MS), None);
        }
    }

    #[test]
    fn what_cannot_be_sent_asks_for_another_socket_at_once_but_not_all_the_time() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        let mut rebinds = 0;
        for step in 0..1000 {
            let at = now + 1000 * MS + step * MS;
            roaming.unsendable(at);
            rebinds += u32::from(roaming.look(at, || at - now) == Some(Action::Rebind));
        }
        assert_eq!(rebinds, 4);
    }

    #[test]
    fn after_a_nap_it_takes_another_socket_and_after_a_sleep_it_gives_up() {
        let (now, mut roaming) = (Instant::now(), Roaming::new(SILENCE, Instant::now()));
        let (mut boot, mut at) = (Duration::from_secs(9), now);
        assert_eq!(roaming.look(at, || boot), None);
        for (sleep, action) in [
            (10 * MS, None),
            (SILENCE - MS, Some(Action::Rebind)),
            (SILENCE, Some(Action::GiveUp { slept: SILENCE })),
        ] {
            (at, boot) = (at + 150 * MS, boot + 150 * MS + sleep);
            assert_eq!(roaming.look(at, || boot), action, "after {sleep:?}");
        }
    }
}
