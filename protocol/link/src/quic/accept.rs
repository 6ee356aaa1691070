//! A worker's side of data connections: what the gate hands over becomes a connection, and proves its session.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use farwarp_protocol::admission::{
    DATA_CID_BYTES, DATA_CONTEXT, DATA_OPENING_BYTES, DataOpening, TAG_BYTES, close,
};
use farwarp_protocol::codec;
use farwarp_protocol::ticket::Secret;
use quinn_proto::{
    ConnectionId, ConnectionIdGenerator, DatagramEvent, EcnCodepoint, Endpoint, EndpointConfig, ServerConfig,
};

use super::{QuicLink, Socket, settings};
use crate::keys::{self, KeyPair};
use crate::{Link, LinkError, tls};

/// Hand-offs that wait for the next `drive`; more are dropped, as a network drops.
const INBOX_MAX: usize = 64;

/// A datagram that reached the gate and is for this session, with the socket that the gate made for its source if that
/// source is new.
pub struct HandedOver {
    pub socket: Option<Socket>,
    pub remote: std::net::SocketAddr,
    pub ecn: Option<EcnCodepoint>,
    pub datagram: Vec<u8>,
}

/// What one session's worker needs to accept its data connections.
pub struct SessionSecrets {
    pub session: u64,
    pub tag: [u8; TAG_BYTES],
    pub key: Secret,
    pub reset_key: [u8; 32],
    pub silence: Duration,
    server: Arc<ServerConfig>,
    endpoint: Arc<EndpointConfig>,
}

impl SessionSecrets {
    pub fn new(
        session: u64,
        tag: [u8; TAG_BYTES],
        key: Secret,
        reset_key: [u8; 32],
        silence: Duration,
        pair: &KeyPair,
    ) -> Self {
        let mut server = ServerConfig::with_crypto(tls::server(pair));
        server.transport_config(settings::transport(silence, 1)).migration(true);
        let mut endpoint = settings::endpoint(&reset_key);
        endpoint.cid_generator(move || Box::new(Tagged(tag)));
        Self { session, tag, key, reset_key, silence, server: Arc::new(server), endpoint: Arc::new(endpoint) }
    }
}

/// Connection IDs that lead to one worker: its tag, then random bytes.
#[derive(Clone, Copy)]
pub struct Tagged(pub [u8; TAG_BYTES]);

impl ConnectionIdGenerator for Tagged {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut cid = [0; DATA_CID_BYTES];
        cid[..TAG_BYTES].copy_from_slice(&self.0);
        cid[TAG_BYTES..].copy_from_slice(&keys::random::<{ DATA_CID_BYTES - TAG_BYTES }>());
        ConnectionId::new(&cid)
    }

    fn cid_len(&self) -> usize {
        DATA_CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A connection that has not yet proven its session.
pub struct Accepting {
    link: QuicLink,
    opening: Vec<u8>,
}

/// Why a data connection was turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("its first words are malformed")]
    Malformed,
    #[error("it is for session {theirs}, this is {ours}")]
    OtherSession { ours: u64, theirs: u64 },
    #[error("it does not prove the session's key")]
    NotProven,
    #[error("its epoch {epoch} is not above {seen}")]
    OldEpoch { epoch: u32, seen: u32 },
    #[error("{0}")]
    Lost(LinkError),
}

impl Accepting {
    /// A new connection from its first datagram; `None` if that datagram begins none.
    pub fn begin(secrets: &SessionSecrets, handed: HandedOver, now: Instant) -> Option<Self> {
        let socket = handed.socket?;
        let mtud = !socket.may_fragment();
        let mut endpoint = Endpoint::new(secrets.endpoint.clone(), Some(secrets.server.clone()), mtud, None);
        let (mut response, datagram) = (Vec::new(), BytesMut::from(handed.datagram.as_slice()));
        let event = endpoint.handle(now, handed.remote, None, handed.ecn, datagram, &mut response);
        let Some(DatagramEvent::NewConnection(incoming)) = event else { return None };
        let (handle, connection) = endpoint.accept(incoming, now, &mut response, None).ok()?;
        let (inbox, other_key) = (Arc::new(Inbox::default()), Arc::new(AtomicBool::new(false)));
        let link =
            QuicLink::over(endpoint, handle, connection, socket, secrets.silence, other_key, Some(inbox));
        Some(Self { link, opening: Vec::with_capacity(DATA_OPENING_BYTES) })
    }

    /// Drives the handshake and the opening. The epoch, once the session is proven and the epoch is above `seen`.
    pub fn poll(
        &mut self,
        secrets: &SessionSecrets,
        seen: u32,
        now: Instant,
    ) -> Result<Option<u32>, Rejected> {
        self.link.drive(now).map_err(Rejected::Lost)?;
        if !self.link.is_connected() || !self.link.accept_stream() {
            return Ok(None);
        }
        let mut rest = [0; DATA_OPENING_BYTES];
        let missing = DATA_OPENING_BYTES - self.opening.len();
        let count = self.link.read(&mut rest[..missing]).map_err(Rejected::Lost)?;
        self.opening.extend_from_slice(&rest[..count]);
        if self.opening.len() < DATA_OPENING_BYTES {
            return Ok(None);
        }
        let verdict = self.check(secrets, seen);
        if let Err(rejected) = &verdict {
            let code = match rejected {
                Rejected::OldEpoch { .. } => close::OLD_EPOCH,
                Rejected::Malformed => close::MALFORMED,
                _ => close::NOT_PROVEN,
            };
            self.link.close(code, &rejected.to_string());
        }
        verdict.map(Some)
    }

    fn check(&self, secrets: &SessionSecrets, seen: u32) -> Result<u32, Rejected> {
        let opening: DataOpening = codec::decode(&self.opening).map_err(|_| Rejected::Malformed)?;
        if opening.session != secrets.session {
            return Err(Rejected::OtherSession { ours: secrets.session, theirs: opening.session });
        }
        let exported = self.link.exported(DATA_CONTEXT).ok_or(Rejected::NotProven)?;
        let said = keys::data_words(opening.session, opening.epoch);
        if !keys::is_proven(&secrets.key, &exported, &said, &opening.proof) {
            return Err(Rejected::NotProven);
        }
        if opening.epoch <= seen {
            return Err(Rejected::OldEpoch { epoch: opening.epoch, seen });
        }
        Ok(opening.epoch)
    }

    pub fn link(&self) -> &QuicLink {
        &self.link
    }

    pub fn inbox(&self) -> Arc<Inbox> {
        self.link.inbox.clone().expect("an accepted link has an inbox")
    }

    pub fn into_link(self) -> QuicLink {
        self.link
    }
}

/// What the gate has for a connection that somebody else drives by now.
#[derive(Default)]
pub struct Inbox {
    handed: Mutex<Vec<HandedOver>>,
    superseded: AtomicBool,
}

impl Inbox {
    /// Put here, a datagram is taken at the connection's next `drive`.
    pub fn put(&self, handed: HandedOver) {
        let mut waiting = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < INBOX_MAX {
            waiting.push(handed);
        }
    }

    /// At its next `drive` the connection closes: a newer one took over.
    pub fn supersede(&self) {
        self.superseded.store(true, Ordering::Release);
    }

    pub(super) fn take(&self) -> Vec<HandedOver> {
        std::mem::take(&mut *self.handed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }
}
