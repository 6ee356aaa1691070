//! The agent's messages over its socket: whole frames, each with a deadline, and no SIGPIPE for the program around us.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use farwarp_protocol::agent::{GREETING, MESSAGE_BYTES_MAX};
use farwarp_protocol::codec::{self, CodecError, Decode, Encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};

/// A listener whose queue is full is tried again after this long.
const CONNECT_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("{doing}: {error}")]
    System { doing: &'static str, error: io::Error },
    #[error("the connection was closed")]
    Closed,
    #[error("no answer in time")]
    TimedOut,
    #[error("it speaks another version (its greeting is {theirs:02x?}, ours is {ours:02x?})", ours = GREETING)]
    OtherVersion { theirs: [u8; 8] },
    #[error("a message of {bytes} bytes is more than {MESSAGE_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error(transparent)]
    Malformed(#[from] CodecError),
}

/// One connection to or from an agent. The descriptor never blocks; waiting is done here, until the deadline.
#[derive(Debug)]
pub struct Wire {
    fd: OwnedFd,
}

impl Wire {
    pub fn connect(path: &Path, until: Instant) -> Result<Self, WireError> {
        let address = SocketAddrUnix::new(path).map_err(system("the socket's path"))?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(system("socket"))?;
        loop {
            match connect(&fd, &address) {
                Ok(()) => return Ok(Self { fd }),
                Err(Errno::AGAIN | Errno::INTR) if Instant::now() < until => {
                    std::thread::sleep(CONNECT_PAUSE)
                }
                Err(Errno::AGAIN | Errno::INTR) => return Err(WireError::TimedOut),
                Err(error) => return Err(system("connect")(error)),
            }
        }
    }

    /// A connection that was accepted; it must not block.
    pub fn accepted(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Says who we are and hears who they are.
    pub fn greet(&self, until: Instant) -> Result<(), WireError> {
        self.write(&GREETING, until)?;
        let mut theirs = [0; GREETING.len()];
        self.read(&mut theirs, until)?;
        if theirs == GREETING { Ok(()) } else { Err(WireError::OtherVersion { theirs }) }
    }

    pub fn send<T: Encode>(&self, message: &T, until: Instant) -> Result<(), WireError> {
        let body = codec::encode(message);
        if body.len() > MESSAGE_BYTES_MAX {
            return Err(WireError::TooLong { bytes: body.len() });
        }
        let mut frame = (body.len() as u32).to_le_bytes().to_vec();
        frame.extend_from_slice(&body);
        self.write(&frame, until)
    }

    pub fn receive<T: Decode<()>>(&self, until: Instant) -> Result<T, WireError> {
        let mut length = [0; 4];
        self.read(&mut length, until)?;
        let bytes = u32::from_le_bytes(length) as usize;
        if bytes > MESSAGE_BYTES_MAX {
            return Err(WireError::TooLong { bytes });
        }
        let mut body = vec![0; bytes];
        self.read(&mut body, until)?;
        Ok(codec::decode(&body)?)
    }

    /// Waits until the other side says something or leaves.
    pub fn wait_readable(&self, until: Instant) -> Result<(), WireError> {
        self.wait(PollFlags::IN, until)
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    fn write(&self, mut bytes: &[u8], until: Instant) -> Result<(), WireError> {
        while !bytes.is_empty() {
            match send(&self.fd, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, until)?,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(WireError::Closed),
                Err(error) => return Err(system("send")(error)),
            }
        }
        Ok(())
    }

    fn read(&self, mut into: &mut [u8], until: Instant) -> Result<(), WireError> {
        while !into.is_empty() {
            match recv(&self.fd, &mut *into, RecvFlags::empty()) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return Err(WireError::Closed),
                Ok((received, _)) => into = &mut into[received..],
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, until)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(system("receive")(error)),
            }
        }
        Ok(())
    }

    fn wait(&self, what: PollFlags, until: Instant) -> Result<(), WireError> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(WireError::TimedOut);
            }
            let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
            match poll(&mut [PollFd::new(&self.fd, what)], Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(system("poll")(error)),
            }
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn system(doing: &'static str) -> impl Fn(Errno) -> WireError {
    move |error| WireError::System { doing, error: error.into() }
}

impl WireError {
    /// Whether nobody listens there: no socket, or one whose agent is gone.
    pub fn nobody_listens(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        matches!(self, Self::System { error, .. } if matches!(error.kind(), NotFound | ConnectionRefused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::agent::{Reply, Request};
    use rustix::net::socketpair;

    fn pair() -> (Wire, Wire) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        (Wire { fd: a }, Wire { fd: b })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn a_message_arrives_whole() {
        let (a, b) = pair();
        a.send(&Request::Down { lease: Some("x".into()) }, soon()).unwrap();
        assert_eq!(b.receive::<Request>(soon()).unwrap(), Request::Down { lease: Some("x".into()) });
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let (a, _b) = pair();
        let began = Instant::now();
        assert!(matches!(a.receive::<Reply>(soon()), Err(WireError::TimedOut)));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_peer_that_does_not_read_cannot_hold_us() {
        let (a, _b) = pair();
        let long = Reply::Failed("x".repeat(MESSAGE_BYTES_MAX / 2));
        let sent = (0..8).map(|_| a.send(&long, soon())).find_map(Result::err);
        assert!(matches!(sent, Some(WireError::TimedOut)));
    }

    #[test]
    fn a_closed_connection_is_told_from_a_silent_one_and_raises_no_signal() {
        let (a, b) = pair();
        drop(b);
        assert!(matches!(a.receive::<Reply>(soon()), Err(WireError::Closed)));
        assert!(matches!(a.send(&Reply::StillWaiting, soon()), Err(WireError::Closed)));
    }

    #[test]
    fn another_version_and_a_length_out_of_bounds_are_refused() {
        let (a, b) = pair();
        b.write(b"farwarp\x63", soon()).unwrap();
        assert!(matches!(a.greet(soon()), Err(WireError::OtherVersion { .. })));
        b.write(&u32::MAX.to_le_bytes(), soon()).unwrap();
        assert!(matches!(a.receive::<Reply>(soon()), Err(WireError::TooLong { .. })));
    }
}
