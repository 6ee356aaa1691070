//! The client's way in: the gate admits, then a second connection leads to the session's worker.
//!
//! Blocking, with a limit on the whole: there is nothing else that the program could do meanwhile.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use farwarp_protocol::admission::{
    ANSWER_BYTES_MAX, Admission, Answer, ClientInfo, DATA_CONTEXT, DataOpening, GATE_CONTEXT, Opening,
    PROGRAM_BYTES_MAX, Wish, close,
};
use farwarp_protocol::codec::{self, Decode, Encode};
use farwarp_protocol::ticket::{KeyPin, Secret, Ticket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::quic::{QuicLink, settings};
use crate::{DialError, Link, LinkError, keys};

/// From the first datagram to the data connection, several addresses of a name included. Starting a worker takes
/// milliseconds; the rest is round trips.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The least that one address of several gets.
const ADDRESS_TIMEOUT_MIN: Duration = Duration::from_secs(2);

/// A gate that has just answered is asked once more what became of the worker, for at least so long.
const GONE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the data connection is for.
#[derive(Debug, Clone)]
pub enum Purpose {
    New { client: ClientInfo },
    Resume { session: u64, key: [u8; 32], epoch: u32 },
}

/// A data connection over which nothing was said yet, and what the gate told.
pub struct Dialled {
    pub link: Box<dyn Link>,
    /// Its `key` is the session's, also after a resume.
    pub admitted: Admission,
}

/// The first data connection of a session has this epoch; a resume counts up from it.
pub const FIRST_EPOCH: u32 = 1;

pub fn dial(ticket: &Ticket, purpose: Purpose) -> Result<Dialled, DialError> {
    dial_within(DIAL_TIMEOUT, ticket, purpose)
}

/// As [`dial`], where somebody waits for less.
pub fn dial_within(time: Duration, ticket: &Ticket, purpose: Purpose) -> Result<Dialled, DialError> {
    let until = Instant::now() + time.min(DIAL_TIMEOUT);
    let (table, wish, known) = match purpose {
        Purpose::New { client } => (client.table, Wish::Session(client), None),
        Purpose::Resume { session, key, epoch } => (0, Wish::Resume { session }, Some((key, epoch))),
    };
    let (mut gate, answer) = GateConnection::open(ticket, wish, until)?;
    let mut admitted = match answer {
        Answer::Admitted(admission) => admission,
        Answer::Refused(refusal) => return Err(DialError::refused(ticket.address.clone(), table, refusal)),
        Answer::Control => return Err(gate.malformed("it took us for somebody else")),
    };
    gate.close();
    let epoch = match known {
        Some((key, epoch)) => {
            admitted.key = key;
            epoch
        }
        None => FIRST_EPOCH,
    };
    match dial_worker(&ticket.address, gate.pipe.link.peer(), &admitted, epoch, until) {
        Ok(link) => Ok(Dialled { link: Box::new(link), admitted }),
        Err(error) => Err(gone(ticket, admitted.session, until).unwrap_or(error)),
    }
}

/// The gate's word on a worker that does not answer, if it has one.
fn gone(ticket: &Ticket, session: u64, until: Instant) -> Option<DialError> {
    let until = until.max(Instant::now() + GONE_TIMEOUT);
    match GateConnection::open(ticket, Wish::Resume { session }, until).ok()? {
        (_, Answer::Refused(refusal)) => Some(DialError::refused(ticket.address.clone(), 0, refusal)),
        _ => None,
    }
}

fn dial_worker(
    address: &str,
    peer: SocketAddr,
    admitted: &Admission,
    epoch: u32,
    until: Instant,
) -> Result<QuicLink, DialError> {
    let silence =
        Duration::from_millis(admitted.silence_ms).clamp(Duration::from_secs(1), settings::SILENCE_MAX);
    let mut pipe =
        Pipe::connect(address, peer, KeyPin(admitted.worker_key), Some(admitted.first_cid), silence, until)?;
    let exported = pipe.exported(DATA_CONTEXT)?;
    let said = keys::data_words(admitted.session, epoch);
    let proof = keys::prove(&Secret(admitted.key), &exported, &said);
    pipe.send(&codec::encode(&DataOpening { proof, session: admitted.session, epoch }))?;
    Ok(pipe.link)
}

/// A connection to the gate whose opening was answered.
pub(crate) struct GateConnection {
    pipe: Pipe,
}

impl GateConnection {
    pub(crate) fn open(ticket: &Ticket, wish: Wish, until: Instant) -> Result<(Self, Answer), DialError> {
        let pipe = connect_any(ticket, until)?;
        let exported = pipe.exported(GATE_CONTEXT)?;
        let proof = keys::prove(&ticket.secret, &exported, &[]);
        let mut gate = Self { pipe };
        gate.tell(&Opening { proof, wish }, until)?;
        let answer = gate.hear(until)?;
        Ok((gate, answer))
    }

    pub(crate) fn tell<T: Encode>(&mut self, message: &T, until: Instant) -> Result<(), DialError> {
        let body = codec::encode(message);
        let mut frame =
            u32::try_from(body.len()).expect("a message is far below 4 GiB").to_le_bytes().to_vec();
        frame.extend_from_slice(&body);
        self.pipe.limit(until);
        self.pipe.send(&frame)
    }

    pub(crate) fn hear<T: Decode<()>>(&mut self, until: Instant) -> Result<T, DialError> {
        self.pipe.limit(until);
        let mut length = [0; 4];
        self.pipe.receive(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > ANSWER_BYTES_MAX {
            return Err(self.malformed("its answer is too long"));
        }
        let mut body = vec![0; length];
        self.pipe.receive(&mut body)?;
        codec::decode(&body).map_err(|error| self.malformed(&error.to_string()))
    }

    pub(crate) fn malformed(&self, what: &str) -> DialError {
        DialError::Malformed { address: self.pipe.address.clone(), what: what.into() }
    }

    pub(crate) fn close(&mut self) {
        self.pipe.link.close(close::DONE, "thank you");
    }
}

/// Tries the addresses of the ticket's host in turn.
fn connect_any(ticket: &Ticket, until: Instant) -> Result<Pipe, DialError> {
    let address = &ticket.address;
    let unresolved = |error: String| DialError::Unresolved { address: address.clone(), error };
    let peers: Vec<SocketAddr> =
        address.to_socket_addrs().map_err(|error| unresolved(error.to_string()))?.collect();
    let mut failure = unresolved("the name has no address".into());
    for (tried, &peer) in peers.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = (left / (peers.len() - tried) as u32).max(ADDRESS_TIMEOUT_MIN).min(left);
        let attempt_until = Instant::now() + share;
        match Pipe::connect(address, peer, ticket.key, None, settings::SILENCE_MAX, attempt_until) {
            Ok(pipe) => return Ok(pipe),
            // The right server with the wrong key is no reason to try elsewhere with the same words.
            Err(
                error @ (DialError::NobodyListens { .. }
                | DialError::Unreachable { .. }
                | DialError::TimedOut { .. }),
            ) => failure = error,
            Err(error) => return Err(error),
        }
    }
    Err(failure)
}

/// A link that waits until it can go on.
struct Pipe {
    address: String,
    link: QuicLink,
    timeout: Duration,
    until: Instant,
}

impl Pipe {
    /// Completes the handshake and opens the stream.
    fn connect(
        address: &str,
        peer: SocketAddr,
        pin: KeyPin,
        first_cid: Option<[u8; farwarp_protocol::admission::DATA_CID_BYTES]>,
        silence: Duration,
        until: Instant,
    ) -> Result<Self, DialError> {
        let now = Instant::now();
        let link = QuicLink::connect(peer, pin, first_cid, silence, now)
            .map_err(|error| DialError::Unreachable { address: address.into(), error: error.to_string() })?;
        let timeout = until.saturating_duration_since(now);
        let mut pipe = Self { address: address.into(), link, timeout, until };
        while !pipe.link.is_connected() {
            pipe.drive()?;
            if !pipe.link.is_connected() {
                pipe.wait()?;
            }
        }
        if !pipe.link.open_stream() {
            return Err(pipe.failed(LinkError::Transport("the server allows no stream".into())));
        }
        Ok(pipe)
    }

    fn limit(&mut self, until: Instant) {
        self.timeout = until.saturating_duration_since(Instant::now());
        self.until = until;
    }

    fn exported(&self, context: &[u8]) -> Result<keys::Exported, DialError> {
        let missing = || self.failed(LinkError::Transport("TLS exports nothing".into()));
        self.link.exported(context).ok_or_else(missing)
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), DialError> {
        loop {
            let written = self.link.write(bytes).map_err(|error| self.failed(error))?;
            bytes = &bytes[written..];
            self.drive()?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.wait()?;
        }
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<(), DialError> {
        let mut filled = 0;
        while filled < into.len() {
            match self.link.read(&mut into[filled..]).map_err(|error| self.failed(error))? {
                0 => {
                    self.wait()?;
                    // The peer's last words are still read after its end, which the next read reports.
                    let _ended = self.link.drive(Instant::now());
                }
                count => filled += count,
            }
        }
        Ok(())
    }

    fn drive(&mut self) -> Result<(), DialError> {
        self.link.drive(Instant::now()).map_err(|error| self.failed(error))
    }

    fn wait(&mut self) -> Result<(), DialError> {
        let now = Instant::now();
        if now >= self.until {
            return Err(DialError::TimedOut { address: self.address.clone(), timeout: self.timeout });
        }
        wait_for(&self.link, now, self.until).map_err(|error| DialError::Unreachable {
            address: self.address.clone(),
            error: error.to_string(),
        })
    }

    fn failed(&self, error: LinkError) -> DialError {
        let address = self.address.clone();
        match error {
            _ if self.link.showed_other_key() => DialError::WrongServerKey { address },
            LinkError::OtherProtocol => DialError::OtherVersion { address },
            LinkError::Refused => DialError::Busy { address },
            LinkError::NobodyListens => DialError::NobodyListens { address },
            LinkError::Socket { error } if !self.link.is_connected() => {
                DialError::Unreachable { address, error }
            }
            LinkError::Silent { silence } if !self.link.is_connected() => {
                DialError::TimedOut { address, timeout: silence }
            }
            error => DialError::Failed { address, error },
        }
    }
}

/// Waits until a descriptor of the link is readable, its timer is due, or `until`.
fn wait_for(link: &QuicLink, now: Instant, until: Instant) -> io::Result<()> {
    let due = link.timeout().map_or(until, |due| due.min(until));
    let mut polled: Vec<PollFd<'_>> =
        link.sockets().iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    let timeout =
        Timespec::try_from(due.saturating_duration_since(now)).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// This process, as the gate wants to know it.
pub fn client_info(table: u64) -> ClientInfo {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    ClientInfo {
        pid: std::process::id(),
        start_ticks: start_ticks(&read("/proc/self/stat")).unwrap_or(0),
        boot_id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
        pid_namespace: std::fs::metadata("/proc/self/ns/pid")
            .map_or(0, |meta| std::os::unix::fs::MetadataExt::ino(&meta)),
        program: cut(&program.file_name().unwrap_or_default().to_string_lossy(), PROGRAM_BYTES_MAX),
        table,
    }
}

/// Field 22 of a process's stat line. The second field is the program's name in brackets and may hold anything.
pub fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// At most so many bytes of a text, at a character's end.
fn cut(text: &str, bytes_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_found_behind_any_program_name() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert!(start_ticks(&stat).unwrap() > 0);
        let line = format!(
            "7 (a) b) 1 2) S {} 4711 23",
            (4..22).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
        );
        assert_eq!(start_ticks(&line), Some(4711));
        assert_eq!(start_ticks("7 (short) S 1"), None);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(cut("ab", 9), "ab");
        assert_eq!(cut("aéé", 4), "aé");
    }

    #[test]
    fn a_process_describes_itself() {
        let info = client_info(7);
        assert_eq!((info.pid, info.table), (std::process::id(), 7));
        assert!(info.start_ticks > 0 && info.pid_namespace > 0 && info.boot_id.len() == 36, "{info:?}");
    }
}
