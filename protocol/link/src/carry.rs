//! Moving bytes between a half of a session and the connection that carries it.

use crate::{Link, LinkError};
use farwarp_protocol::session::Half;
use std::time::Instant;

/// Moves what can be moved now; never blocks. An error means that the connection is gone.
pub fn carry(half: &mut impl Half, link: &mut dyn Link, now: Instant) -> Result<(), LinkError> {
    // A link that has ended says so again when it is driven.
    let _ = write_pending(half, link);
    loop {
        let driven = link.drive(now);
        let bytes = if half.wants_bytes() { link.read(half.room())? } else { 0 };
        if bytes > 0 {
            half.received(bytes);
        }
        // What came before the end was still read: an answer often comes together with it.
        if driven.is_err() && bytes > 0 {
            continue;
        }
        driven?;
        // The drive may have made room, and what was received may have asked for an acknowledgement.
        if write_pending(half, link)? == 0 && bytes == 0 {
            return Ok(());
        }
    }
}

fn write_pending(half: &mut impl Half, link: &mut dyn Link) -> Result<usize, LinkError> {
    let mut total = 0;
    loop {
        let taken = match half.pending_block() {
            Some(block) => link.write_block(block)?,
            None if half.pending().is_empty() => 0,
            None => link.write(half.pending())?,
        };
        if taken == 0 {
            return Ok(total);
        }
        half.taken(taken);
        total += taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkStats;
    use bytes::Bytes;
    use std::collections::VecDeque;
    use std::os::fd::RawFd;

    /// A connection that has ended, with words that had arrived before.
    struct Ended {
        arrived: VecDeque<&'static [u8]>,
    }

    const END: LinkError = LinkError::Reset;

    impl Link for Ended {
        fn drive(&mut self, _now: Instant) -> Result<(), LinkError> {
            Err(END)
        }

        fn write(&mut self, _bytes: &[u8]) -> Result<usize, LinkError> {
            Err(END)
        }

        fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
            let bytes = self.arrived.pop_front().ok_or(END)?;
            into[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }

        fn poll_fds(&self, _fds: &mut Vec<RawFd>) {}

        fn timeout(&self) -> Option<Instant> {
            None
        }

        fn close(&mut self, _code: u32, _reason: &str) {}

        fn stats(&self) -> LinkStats {
            LinkStats::default()
        }
    }

    /// A half that has something to say, and wants so many bytes.
    struct Hears {
        heard: Vec<u8>,
        wanted: usize,
        room: [u8; 64],
    }

    impl Half for Hears {
        fn pending(&mut self) -> &[u8] {
            b"a call"
        }

        fn taken(&mut self, _bytes: usize) {
            panic!("a connection that has ended took something");
        }

        fn wants_bytes(&self) -> bool {
            self.heard.len() < self.wanted
        }

        fn pending_block(&mut self) -> Option<Bytes> {
            None
        }

        fn room(&mut self) -> &mut [u8] {
            &mut self.room
        }

        fn received(&mut self, bytes: usize) {
            self.heard.extend_from_slice(&self.room[..bytes]);
        }
    }

    fn heard(wanted: usize) -> (Result<(), LinkError>, Vec<u8>) {
        let mut link = Ended { arrived: [&b"an answer"[..], b" in two parts"].into() };
        let mut half = Hears { heard: Vec::new(), wanted, room: [0; 64] };
        (carry(&mut half, &mut link, Instant::now()), half.heard)
    }

    #[test]
    fn an_answer_that_arrives_together_with_the_end_is_heard() {
        assert_eq!(heard(100), (Err(END), b"an answer in two parts".to_vec()));
    }

    #[test]
    fn the_end_is_the_end_for_a_half_that_wants_no_more() {
        assert_eq!(heard(1), (Err(END), b"an answer".to_vec()));
    }
}
