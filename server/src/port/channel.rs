//! The socketpair between gate and worker: whole messages, each with at most one descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use farwarp_protocol::codec::{self, CodecError, Decode, Encode};
use farwarp_protocol::handoff::MESSAGE_BYTES_MAX;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// One end; it never blocks.
pub struct Channel {
    fd: OwnedFd,
    receiving: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("the other process is gone")]
    Closed,
    /// The other process does not read; a datagram may be dropped then, as a network may drop it.
    #[error("the other process does not keep up")]
    Full,
    #[error("a message of the other process is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    #[error("a message of the other process: {0}")]
    Malformed(#[from] CodecError),
    #[error("the socketpair: {0}")]
    Io(io::Error),
}

impl Channel {
    /// Both ends, closed on exec.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::over(ours), theirs))
    }

    pub fn over(fd: OwnedFd) -> Self {
        Self { fd, receiving: vec![0; MESSAGE_BYTES_MAX] }
    }

    pub fn send<T: Encode>(
        &self,
        message: &T,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), ChannelError> {
        send(self.fd.as_fd(), message, descriptor)
    }

    /// The next message, and the descriptor that came with it. `None` when there is none yet.
    pub fn receive<T: Decode<()>>(&mut self) -> Result<Option<(T, Option<OwnedFd>)>, ChannelError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            let mut into = [IoSliceMut::new(&mut self.receiving)];
            match recvmsg(&self.fd, &mut into, &mut control, flags) {
                Ok(received) => break received,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::CONNRESET) => return Err(ChannelError::Closed),
                Err(error) => return Err(ChannelError::Io(error.into())),
            }
        };
        let mut descriptor = None;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
                descriptor = descriptors.next();
            }
        }
        if received.bytes == 0 {
            return Err(ChannelError::Closed);
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(ChannelError::TooLong);
        }
        Ok(Some((codec::decode(&self.receiving[..received.bytes])?, descriptor)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Sends on an end that somebody else receives from.
pub fn send<T: Encode>(
    fd: BorrowedFd<'_>,
    message: &T,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(), ChannelError> {
    let bytes = codec::encode(message);
    let descriptors = descriptor.map(|fd| [fd]);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(descriptors) = &descriptors {
        // The space is for one.
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    loop {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        return match sendmsg(fd, &[IoSlice::new(&bytes)], &mut control, flags) {
            Ok(_) => Ok(()),
            Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => Err(ChannelError::Full),
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Err(ChannelError::Closed),
            Err(error) => Err(ChannelError::Io(error.into())),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::handoff::{Datagram, FromWorker, ToWorker};

    #[test]
    fn a_message_arrives_whole_with_its_descriptor() {
        let (gate, theirs) = Channel::pair().unwrap();
        let mut worker = Channel::over(theirs);
        assert!(worker.receive::<ToWorker>().unwrap().is_none());
        let datagram = Datagram { remote: "127.0.0.1:9".parse().unwrap(), ecn: 2, bytes: vec![5; 65_000] };
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        gate.send(&ToWorker::Datagram(datagram.clone()), Some(socket.as_fd())).unwrap();
        gate.send(&ToWorker::Datagram(datagram.clone()), None).unwrap();
        let (message, passed) = worker.receive::<ToWorker>().unwrap().unwrap();
        assert_eq!(message, ToWorker::Datagram(datagram));
        let passed = std::net::UdpSocket::from(passed.unwrap());
        assert_eq!(passed.local_addr().unwrap(), socket.local_addr().unwrap());
        assert!(worker.receive::<ToWorker>().unwrap().unwrap().1.is_none());
        drop(gate);
        assert!(matches!(worker.receive::<ToWorker>(), Err(ChannelError::Closed)));
    }

    #[test]
    fn a_reader_that_sleeps_never_blocks_the_sender() {
        let (gate, _sleeping) = Channel::pair().unwrap();
        let message = FromWorker::Ended { why: "x".repeat(30_000) };
        let sent = (0..1000).take_while(|_| gate.send(&message, None).is_ok()).count();
        assert!(sent > 0 && sent < 1000, "{sent}");
        assert!(matches!(gate.send(&message, None), Err(ChannelError::Full)));
    }
}
