//! Which datagrams are a worker's, and the road by which it gets them.
//!
//! Each connection ID that leads to a worker begins with its session's tag. A tag is no secret: it only says where a
//! datagram goes, and the worker believes nothing that its TLS does not prove.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use farwarp_link::keys;
use farwarp_protocol::admission::{DATA_CID_BYTES, TAG_BYTES};
use farwarp_protocol::handoff::{Datagram, ToWorker};
use ring::hmac;

use crate::port::channel;

pub type Tag = [u8; TAG_BYTES];

/// Ended sessions whose clients may still ask; each gets a stateless reset, so that it need not wait for silence.
const ENDED_MAX: usize = 256;
/// Sources to which a session's sockets were connected lately: their next datagrams need no socket.
const RECENT_SOURCES_MAX: usize = 8;
/// A socket that the worker has closed meanwhile is made anew after this time.
const RECENT_SOURCE: Duration = Duration::from_secs(1);
/// New sockets for one session. A client that moves needs one; who has overheard a tag can ask for no more than these.
const SOCKETS_PER_SECOND_MAX: u32 = 8;

/// Where a datagram goes.
pub enum Direction {
    /// Also a new connection for an ended session: the gate refuses it by `is_ended`.
    Gate,
    Worker {
        tag: Tag,
    },
    /// Its connection, or all of its session, has ended; these bytes tell the client so.
    Ended {
        reset: Option<Vec<u8>>,
    },
}

/// What the gate must do first, before a worker can be given a datagram.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    NewSocket,
    Nothing,
}

#[derive(Default)]
pub struct Routes {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    live: HashMap<Tag, Live>,
    ended: VecDeque<(Tag, [u8; 32])>,
}

struct Live {
    to_worker: OwnedFd,
    reset_key: [u8; 32],
    /// Its worker has given the last connection up and waits for the next.
    lost: bool,
    recent: VecDeque<(SocketAddr, Instant)>,
    window: Instant,
    sockets_in_window: u32,
}

impl Routes {
    pub fn open(&self, tag: Tag, to_worker: OwnedFd, reset_key: [u8; 32], now: Instant) {
        let recent = VecDeque::new();
        let live = Live { to_worker, reset_key, lost: false, recent, window: now, sockets_in_window: 0 };
        self.table().live.insert(tag, live);
    }

    /// From now on its datagrams are answered with a reset.
    pub fn end(&self, tag: Tag) {
        let mut table = self.table();
        if let Some(live) = table.live.remove(&tag) {
            if table.ended.len() == ENDED_MAX {
                table.ended.pop_front();
            }
            table.ended.push_back((tag, live.reset_key));
        }
    }

    /// Whether the worker has given the connection up. A client that has not noticed, because only its half of the road was cut or
    /// because it slept, hears so at its next datagram and comes back with a new one.
    pub fn set_lost(&self, tag: Tag, lost: bool) {
        if let Some(live) = self.table().live.get_mut(&tag) {
            live.lost = lost;
        }
    }

    pub fn direction(&self, datagram: &[u8]) -> Direction {
        let Some(tag) = tag_of(datagram) else { return Direction::Gate };
        let table = self.table();
        match table.live.get(&tag) {
            Some(live) if live.lost && datagram[0] & LONG_HEADER == 0 => {
                return Direction::Ended { reset: reset(datagram, &live.reset_key) };
            }
            Some(_) => return Direction::Worker { tag },
            None => {}
        }
        match table.ended.iter().find(|(ended, _)| *ended == tag) {
            Some((_, reset_key)) if datagram[0] & LONG_HEADER == 0 => {
                Direction::Ended { reset: reset(datagram, reset_key) }
            }
            _ => Direction::Gate,
        }
    }

    /// Whether this connection ID would have led to a session that has ended.
    pub fn is_ended(&self, cid: &[u8]) -> bool {
        self.table().ended.iter().any(|(tag, _)| cid.starts_with(tag))
    }

    /// Whether the worker still lacks a socket for this source. `None` when it has had too many lately.
    pub fn need(&self, tag: Tag, source: SocketAddr, now: Instant) -> Option<Need> {
        let mut table = self.table();
        let live = table.live.get_mut(&tag)?;
        live.recent.retain(|(_, since)| now.saturating_duration_since(*since) < RECENT_SOURCE);
        if live.recent.iter().any(|(known, _)| *known == source) {
            return Some(Need::Nothing);
        }
        if now.saturating_duration_since(live.window) >= Duration::from_secs(1) {
            (live.window, live.sockets_in_window) = (now, 0);
        }
        if live.sockets_in_window == SOCKETS_PER_SECOND_MAX {
            return None;
        }
        live.sockets_in_window += 1;
        if live.recent.len() == RECENT_SOURCES_MAX {
            live.recent.pop_front();
        }
        live.recent.push_back((source, now));
        Some(Need::NewSocket)
    }

    /// A worker that does not keep up, or has just died, loses the datagram as on a network.
    pub fn hand_over(&self, tag: Tag, datagram: Datagram, socket: Option<BorrowedFd<'_>>) {
        let remote = datagram.remote;
        if let Some(live) = self.table().live.get(&tag)
            && let Err(error) = channel::send(live.to_worker.as_fd(), &ToWorker::Datagram(datagram), socket)
        {
            tracing::debug!(%remote, %error, "a datagram was not handed over");
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LONG_HEADER: u8 = 0x80;

/// The first eight bytes of a datagram's destination connection ID, where it has as many.
fn tag_of(datagram: &[u8]) -> Option<Tag> {
    let cid_at = match datagram {
        // Long header: one byte of flags, four of version, the length.
        [first, _, _, _, _, length, ..] if first & LONG_HEADER != 0 && usize::from(*length) >= TAG_BYTES => 6,
        [first, ..] if first & LONG_HEADER == 0 => 1,
        _ => return None,
    };
    datagram.get(cid_at..cid_at + TAG_BYTES)?.try_into().ok()
}

/// A stateless reset in answer to a short-header packet: it looks like one, is shorter, and ends in a token that only
/// the worker could have told the client before.
fn reset(datagram: &[u8], reset_key: &[u8; 32]) -> Option<Vec<u8>> {
    const TOKEN_BYTES: usize = 16;
    /// The least that RFC 9000 §10.3 allows, and more than which nothing is gained.
    const RESET_BYTES_MIN: usize = 21;
    const RESET_BYTES_MAX: usize = 43;
    let cid = datagram.get(1..=DATA_CID_BYTES)?;
    let bytes = datagram.len().checked_sub(1)?.min(RESET_BYTES_MAX);
    if bytes < RESET_BYTES_MIN {
        return None;
    }
    let token = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, reset_key), cid);
    let mut reset = keys::random::<RESET_BYTES_MAX>()[..bytes].to_vec();
    reset[0] = 0x40 | reset[0] & 0x3f;
    reset[bytes - TOKEN_BYTES..].copy_from_slice(&token.as_ref()[..TOKEN_BYTES]);
    Some(reset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Channel;

    const TAG: Tag = *b"tagtagta";

    fn routes() -> (Routes, Channel, Instant) {
        let (ours, theirs) = Channel::pair().unwrap();
        let (routes, now) = (Routes::default(), Instant::now());
        routes.open(TAG, theirs, [7; 32], now);
        (routes, ours, now)
    }

    fn short() -> Vec<u8> {
        [&[0x43][..], &TAG, &[9; 40]].concat()
    }

    fn long() -> Vec<u8> {
        [&[0xc3, 0, 0, 0, 1, 16][..], &TAG, &[9; 40]].concat()
    }

    #[test]
    fn a_tag_is_found_in_either_header_and_nowhere_else() {
        let (routes, _worker, _) = routes();
        assert!(matches!(routes.direction(&short()), Direction::Worker { tag: TAG }));
        assert!(matches!(routes.direction(&long()), Direction::Worker { tag: TAG }));
        let mut shorter_id = long();
        shorter_id[5] = 7;
        for other in [&[][..], &[0x43], &short()[..8], &long()[..13], &shorter_id, &[0x43; 60]] {
            assert!(matches!(routes.direction(other), Direction::Gate), "{other:?}");
        }
    }

    #[test]
    fn the_packets_of_an_ended_session_are_answered_with_a_reset_and_its_first_ones_refused() {
        let (routes, _worker, _) = routes();
        routes.end(TAG);
        let Direction::Ended { reset: Some(reset) } = routes.direction(&short()) else { panic!("no reset") };
        let token = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), &short()[1..17]);
        assert!(reset.len() < short().len() && reset[0] & 0xc0 == 0x40);
        assert_eq!(reset[reset.len() - 16..], token.as_ref()[..16]);
        assert!(matches!(routes.direction(&short()[..20]), Direction::Ended { reset: None }));
        assert!(matches!(routes.direction(&long()), Direction::Gate));
        assert!(routes.is_ended(&long()[6..22]) && !routes.is_ended(&[0; 16]));
    }

    #[test]
    fn a_connection_that_the_worker_gave_up_is_answered_with_a_reset_until_there_is_another() {
        let (routes, _worker, _) = routes();
        routes.set_lost(TAG, true);
        assert!(matches!(routes.direction(&short()), Direction::Ended { reset: Some(_) }));
        assert!(matches!(routes.direction(&long()), Direction::Worker { tag: TAG }), "it comes back so");
        routes.set_lost(TAG, false);
        assert!(matches!(routes.direction(&short()), Direction::Worker { tag: TAG }));
    }

    #[test]
    fn a_source_gets_one_socket_and_a_session_only_so_many() {
        let (routes, _worker, now) = routes();
        let source = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(routes.need(TAG, source(1), now), Some(Need::NewSocket));
        assert_eq!(routes.need(TAG, source(1), now), Some(Need::Nothing));
        for port in 2..=8 {
            assert_eq!(routes.need(TAG, source(port), now), Some(Need::NewSocket));
        }
        assert_eq!(routes.need(TAG, source(9), now), None);
        let later = now + Duration::from_secs(2);
        assert_eq!(
            routes.need(TAG, source(1), later),
            Some(Need::NewSocket),
            "the worker may have closed the first"
        );
        assert_eq!(routes.need(*b"another!", source(1), later), None);
    }
}
