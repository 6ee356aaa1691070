//! How long a server lives: a limit that a living agent renews, and a quiet time without sessions. No clock of its own.

use std::time::{Duration, Instant};

/// A longer limit is cut; a server that must outlive a month is renewed meanwhile.
const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

pub struct Lifetime {
    ttl_until: Option<Instant>,
    idle: Option<Duration>,
    empty_since: Option<Instant>,
    ended: Option<Ended>,
}

/// Why a server stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Told,
    Signal,
    TtlOver,
    Idle,
}

impl Ended {
    /// What its clients read.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Told => "the server was told to end",
            Self::Signal => "the server was ended by a signal",
            Self::TtlOver => "the server's time is over and nobody renewed it",
            Self::Idle => "the server had no session for its idle time",
        }
    }
}

impl Lifetime {
    pub fn new(ttl: Option<Duration>, idle: Option<Duration>, now: Instant) -> Self {
        Self { ttl_until: ttl.map(|ttl| now + ttl.min(TTL_MAX)), idle, empty_since: Some(now), ended: None }
    }

    pub fn renew(&mut self, ttl: Duration, now: Instant) {
        self.ttl_until = Some(now + ttl.min(TTL_MAX));
    }

    pub fn end(&mut self, why: Ended) {
        self.ended.get_or_insert(why);
    }

    /// Called whenever the number of sessions has changed.
    pub fn sessions(&mut self, count: usize, now: Instant) {
        self.empty_since = match count {
            0 => self.empty_since.or(Some(now)),
            _ => None,
        };
    }

    /// Why to stop now, if there is a reason.
    pub fn verdict(&self, now: Instant) -> Option<Ended> {
        let over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        match &self.ended {
            Some(why) => Some(why.clone()),
            None if over(self.ttl_until) => Some(Ended::TtlOver),
            None if over(self.idle_until()) => Some(Ended::Idle),
            None => None,
        }
    }

    pub fn is_ending(&self, now: Instant) -> bool {
        self.verdict(now).is_some()
    }

    /// When to ask for the verdict again at the latest.
    pub fn next(&self) -> Option<Instant> {
        [self.ttl_until, self.idle_until()].into_iter().flatten().min()
    }

    pub fn ttl_left(&self, now: Instant) -> Option<Duration> {
        Some(self.ttl_until?.saturating_duration_since(now))
    }

    fn idle_until(&self) -> Option<Instant> {
        Some(self.empty_since? + self.idle?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_server_without_limits_lives() {
        let now = Instant::now();
        let life = Lifetime::new(None, None, now);
        assert_eq!((life.verdict(now + 1_000_000 * SECOND), life.next()), (None, None));
    }

    #[test]
    fn the_limit_ends_it_unless_it_is_renewed() {
        let now = Instant::now();
        let mut life = Lifetime::new(Some(10 * SECOND), None, now);
        life.renew(10 * SECOND, now + 8 * SECOND);
        assert_eq!(life.verdict(now + 17 * SECOND), None);
        assert_eq!(life.ttl_left(now + 17 * SECOND), Some(SECOND));
        assert_eq!(life.verdict(now + 18 * SECOND), Some(Ended::TtlOver));
        life.renew(Duration::MAX, now);
        assert_eq!(life.next(), Some(now + TTL_MAX));
    }

    #[test]
    fn only_a_server_without_sessions_is_idle() {
        let now = Instant::now();
        let mut life = Lifetime::new(None, Some(5 * SECOND), now);
        life.sessions(1, now + SECOND);
        assert_eq!((life.verdict(now + 60 * SECOND), life.next()), (None, None));
        life.sessions(0, now + 60 * SECOND);
        life.sessions(0, now + 63 * SECOND);
        assert_eq!(life.verdict(now + 64 * SECOND), None);
        assert_eq!(life.verdict(now + 65 * SECOND), Some(Ended::Idle));
    }

    #[test]
    fn the_first_reason_is_the_one_that_is_told() {
        let now = Instant::now();
        let mut life = Lifetime::new(Some(SECOND), None, now);
        life.end(Ended::Told);
        life.end(Ended::Signal);
        assert_eq!(life.verdict(now + 2 * SECOND), Some(Ended::Told));
    }
}
