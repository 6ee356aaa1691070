//! Moving bytes between a half of a session and the connection that carries it.

use crate::{Link, LinkError};
use farwarp_protocol::session::Half;
use std::time::Instant;

/// Moves what can be moved now; never blocks. `buffer` is what one read may fill. An error means that the connection is gone.
pub fn carry(
    half: &mut impl Half,
    link: &mut dyn Link,
    buffer: &mut [u8],
    now: Instant,
) -> Result<(), LinkError> {
    // A link that has ended says so again when it is driven.
    let _ = write_pending(half, link);
    loop {
        let driven = link.drive(now);
        let bytes = if half.wants_bytes() { link.read(buffer)? } else { 0 };
        if bytes > 0 {
            half.receive(&buffer[..bytes]);
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
        let pending = half.pending();
        let taken = if pending.is_empty() { 0 } else { link.write(pending)? };
        if taken == 0 {
            return Ok(total);
        }
        half.taken(taken);
        total += taken;
    }
}
