//! The sessions that live, and why those before ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farwarp_protocol::admission::{ClientInfo, DATA_CID_BYTES, SessionStatus, TAG_BYTES};
use farwarp_protocol::handoff::Activity;
use tokio::sync::Notify;

use super::progress::Progress;
use super::routes::Tag;

/// Ended sessions of which a client that comes back can still hear why.
const ENDED_MAX: usize = 256;
/// A worker's own words about its end are cut here.
const WHY_CHARACTERS_MAX: usize = 200;

pub struct Session {
    pub client: ClientInfo,
    /// With whose ticket it came.
    pub ticket: String,
    pub tag: Tag,
    pub worker_key: [u8; 32],
    pub connected: bool,
    pub calls: u64,
    pub device_bytes: u64,
    /// Bytes from and to its client, as its worker has told them.
    pub moved: (u64, u64),
    pub last_call: Instant,
    pub progress: Progress,
    /// Why it is to end, where that is not the server's own end.
    pub end_why: Option<String>,
    /// Tells its supervisor to end it.
    pub end: Arc<Notify>,
}

#[derive(Default)]
pub struct Sessions {
    live: BTreeMap<u64, Session>,
    ended: VecDeque<Gone>,
    last_id: u64,
    last_call: Option<Instant>,
    moved: (u64, u64),
}

struct Gone {
    id: u64,
    ticket: String,
    why: String,
}

impl Sessions {
    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub fn insert(&mut self, id: u64, session: Session) {
        self.live.insert(id, session);
    }

    pub fn get(&self, id: u64) -> Option<&Session> {
        self.live.get(&id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Session> {
        self.live.get_mut(&id)
    }

    pub fn note_activity(&mut self, id: u64, activity: Activity, now: Instant) {
        let Some(session) = self.live.get_mut(&id) else { return };
        // A session that waits for the GPU is busy without a new call.
        let last_call = now.checked_sub(Duration::from_millis(activity.idle_ms)).unwrap_or(now);
        session.last_call = session.last_call.max(last_call);
        self.last_call = self.last_call.max(Some(session.last_call));
        (session.calls, session.device_bytes) = (activity.calls, activity.device_bytes);
        session.progress.note(&activity, now);
    }

    /// A worker's word; one that lies costs its own client money and nobody else anything. Counters only grow.
    pub fn note_moved(&mut self, id: u64, up: u64, down: u64) {
        let Some(session) = self.live.get_mut(&id) else { return };
        let more = (up.saturating_sub(session.moved.0), down.saturating_sub(session.moved.1));
        session.moved = (session.moved.0.max(up), session.moved.1.max(down));
        self.moved = (self.moved.0.saturating_add(more.0), self.moved.1.saturating_add(more.1));
    }

    /// Bytes of all sessions, from and to their clients.
    pub fn moved(&self) -> (u64, u64) {
        self.moved
    }

    /// Takes a session out and remembers why.
    pub fn end(&mut self, id: u64, why: &str) -> Option<Session> {
        let session = self.live.remove(&id)?;
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        let why = printable(why).chars().take(WHY_CHARACTERS_MAX).collect();
        self.ended.push_back(Gone { id, ticket: session.ticket.clone(), why });
        Some(session)
    }

    /// The words are for whoever had the session, and nobody else.
    pub fn why_ended(&self, id: u64, ticket: &str) -> String {
        match self.ended.iter().find(|gone| gone.id == id && gone.ticket == ticket) {
            Some(gone) => gone.why.clone(),
            None => "this server does not know it".into(),
        }
    }

    pub fn of_ticket(&self, ticket: &str) -> usize {
        self.live.values().filter(|session| session.ticket == ticket).count()
    }

    pub fn end_of_ticket(&mut self, ticket: &str, why: &str) {
        for session in self.live.values_mut().filter(|session| session.ticket == ticket) {
            session.end_why = Some(why.to_owned());
            session.end.notify_one();
        }
    }

    pub fn end_all(&self) {
        for session in self.live.values() {
            session.end.notify_one();
        }
    }

    /// When any session last made a call.
    pub fn last_call(&self) -> Option<Instant> {
        self.last_call
    }

    pub fn status(&self, now: Instant) -> Vec<SessionStatus> {
        let status = |(&id, session): (&u64, &Session)| SessionStatus {
            id,
            pid: session.client.pid,
            program: session.client.program.clone(),
            connected: session.connected,
            idle_ms: now.saturating_duration_since(session.last_call).as_millis() as u64,
            device_bytes: session.device_bytes,
            calls: session.calls,
            ticket: session.ticket.clone(),
            stalled_ms: session.progress.stalled(now).map_or(0, |stalled| stalled.as_millis() as u64),
            stalled_by: session.progress.waits_for().unwrap_or_default(),
        };
        self.live.iter().map(status).collect()
    }
}

/// What a client or a worker calls something, without what could command the terminal that shows it.
pub fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// The destination connection ID with which a data connection begins: the session's tag, then random bytes.
pub fn first_cid(tag: Tag) -> [u8; DATA_CID_BYTES] {
    let mut cid = farwarp_link::keys::random::<DATA_CID_BYTES>();
    cid[..TAG_BYTES].copy_from_slice(&tag);
    cid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(now: Instant) -> Session {
        Session {
            client: ClientInfo::default(),
            ticket: "bob".into(),
            tag: [1; TAG_BYTES],
            worker_key: [0; 32],
            connected: false,
            calls: 0,
            device_bytes: 0,
            moved: (0, 0),
            last_call: now,
            progress: Progress::new(now),
            end_why: None,
            end: Arc::default(),
        }
    }

    #[test]
    fn what_ended_sessions_have_moved_is_still_counted() {
        let (now, mut sessions) = (Instant::now(), Sessions::default());
        let ids = [sessions.next_id(), sessions.next_id()];
        ids.iter().for_each(|&id| sessions.insert(id, session(now)));
        sessions.note_moved(ids[0], 100, 7);
        sessions.note_moved(ids[0], 150, 7);
        sessions.end(ids[0], "done");
        sessions.note_moved(ids[0], 900, 900);
        sessions.note_moved(ids[1], 5, 1);
        sessions.note_moved(ids[1], 4, 2);
        assert_eq!(sessions.moved(), (155, 9));
    }

    #[test]
    fn heartbeats_are_no_activity() {
        let (start, mut sessions) = (Instant::now(), Sessions::default());
        let id = sessions.next_id();
        sessions.insert(id, session(start));
        let later = start + Duration::from_secs(9);
        sessions.note_activity(
            id,
            Activity { calls: 3, idle_ms: 1000, device_bytes: 5, ..Activity::default() },
            later,
        );
        assert_eq!(sessions.status(later)[0].idle_ms, 1000);
        let still_later = start + Duration::from_secs(12);
        sessions.note_activity(
            id,
            Activity { calls: 3, idle_ms: 4000, device_bytes: 7, ..Activity::default() },
            still_later,
        );
        let status = &sessions.status(still_later)[0];
        assert_eq!((status.idle_ms, status.device_bytes, status.calls), (4000, 7, 3));
        assert_eq!(sessions.last_call(), Some(start + Duration::from_secs(8)));
    }

    #[test]
    fn waiting_for_the_gpu_is_activity_without_a_call() {
        let (start, mut sessions) = (Instant::now(), Sessions::default());
        let id = sessions.next_id();
        sessions.insert(id, session(start));
        let later = start + Duration::from_secs(9);
        sessions.note_activity(
            id,
            Activity { calls: 0, idle_ms: 0, device_bytes: 0, ..Activity::default() },
            later,
        );
        assert_eq!(sessions.status(later)[0].idle_ms, 0);
        assert_eq!(sessions.last_call(), Some(later));
    }

    #[test]
    fn an_ended_session_is_remembered_with_its_reason() {
        let (now, mut sessions) = (Instant::now(), Sessions::default());
        for _ in 0..=ENDED_MAX {
            let id = sessions.next_id();
            sessions.insert(id, session(now));
            assert!(sessions.end(id, "be\x1b\ncause").is_some());
        }
        assert!(sessions.end(1, "again").is_none() && sessions.is_empty());
        assert_eq!(sessions.why_ended(ENDED_MAX as u64 + 1, "bob"), "because");
        assert_eq!(sessions.why_ended(ENDED_MAX as u64 + 1, "eve"), "this server does not know it");
        assert_eq!(sessions.why_ended(1, "bob"), "this server does not know it");
        assert_eq!(sessions.ended.len(), ENDED_MAX);
    }
}
