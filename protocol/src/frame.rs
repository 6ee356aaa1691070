//! Records: what a direction of a session is made of. A header of fixed size, then the body.
//!
//! ```text
//!  0        4        8                16               24       26    27    28       32
//!  | body   | op     | number         | about          | slot   | kind| flag| code   | body …
//!  | bytes  |        | in this log    | see below      |        |     |     |        |
//! ```

use crate::limits::{BODY_BYTES_MAX, HEADER_BYTES};

/// What a record is. `Call`, `Reply` and `Notice` are numbered and resent after a cut; the others are about the connection itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// Client to worker: a driver call. `about` is the calling thread's current context.
    Call = 1,
    /// Worker to client: the answer to call number `about`.
    Reply = 2,
    /// Worker to client, without having been asked. `op` says what of, `about` which call caused it, as far as is known.
    Notice = 3,
    /// Everything up to `number` has arrived.
    Ack = 4,
    /// First on each connection: everything up to `number` had arrived on the earlier ones.
    Greeting = 5,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: RecordKind,
    pub op: u32,
    pub number: u64,
    pub about: u64,
    /// The client thread's place in the session.
    pub slot: u16,
    pub flags: u8,
    /// A CUresult, in replies and notices.
    pub code: i32,
    pub body_bytes: u32,
}

/// The caller waits for a reply to this call.
pub const FLAG_ASKED: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a record of unknown kind {0}")]
    UnknownKind(u8),
    #[error("a record with {bytes} bytes of body, more than {BODY_BYTES_MAX}")]
    TooLong { bytes: u32 },
    #[error("flags {0:#04x}, of which some are unknown")]
    UnknownFlags(u8),
    /// A sender that fills it may mean something by it that this build does not know.
    #[error("a {kind:?} with a field set that its kind does not have")]
    UnusedField { kind: RecordKind },
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.op.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.about.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.slot.to_le_bytes());
        bytes[26] = self.kind as u8;
        bytes[27] = self.flags;
        bytes[28..32].copy_from_slice(&self.code.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, FrameError> {
        // A slice of a fixed array with constant bounds always has the asked length.
        fn part<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
            std::array::from_fn(|index| bytes[at + index])
        }
        let body_bytes = u32::from_le_bytes(part(bytes, 0));
        if body_bytes as usize > BODY_BYTES_MAX {
            return Err(FrameError::TooLong { bytes: body_bytes });
        }
        let header = Header {
            kind: match bytes[26] {
                1 => RecordKind::Call,
                2 => RecordKind::Reply,
                3 => RecordKind::Notice,
                4 => RecordKind::Ack,
                5 => RecordKind::Greeting,
                other => return Err(FrameError::UnknownKind(other)),
            },
            op: u32::from_le_bytes(part(bytes, 4)),
            number: u64::from_le_bytes(part(bytes, 8)),
            about: u64::from_le_bytes(part(bytes, 16)),
            slot: u16::from_le_bytes(part(bytes, 24)),
            flags: bytes[27],
            code: i32::from_le_bytes(part(bytes, 28)),
            body_bytes,
        };
        header.check()?;
        Ok(header)
    }

    /// Whether it sets only what its kind has.
    fn check(&self) -> Result<(), FrameError> {
        if self.flags & !FLAG_ASKED != 0 {
            return Err(FrameError::UnknownFlags(self.flags));
        }
        let unused = match self.kind {
            RecordKind::Call => self.code != 0,
            RecordKind::Reply => self.op != 0,
            RecordKind::Notice => false,
            RecordKind::Ack | RecordKind::Greeting => {
                let fields =
                    [self.op, self.slot.into(), self.flags.into(), self.code as u32, self.body_bytes];
                self.about != 0 || fields.into_iter().any(|field| field != 0)
            }
        };
        if unused { Err(FrameError::UnusedField { kind: self.kind }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire() {
        let header = Header {
            kind: RecordKind::Notice,
            op: 0xdead_beef,
            number: u64::MAX - 1,
            about: 77,
            slot: 513,
            flags: FLAG_ASKED,
            code: -5,
            body_bytes: 1024,
        };
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn a_body_beyond_the_limit_or_an_unknown_kind_is_refused() {
        let mut bytes = [0; HEADER_BYTES];
        bytes[26] = 1;
        bytes[0..4].copy_from_slice(&(BODY_BYTES_MAX as u32 + 1).to_le_bytes());
        assert_eq!(Header::decode(&bytes), Err(FrameError::TooLong { bytes: BODY_BYTES_MAX as u32 + 1 }));
        assert_eq!(Header::decode(&[0; HEADER_BYTES]), Err(FrameError::UnknownKind(0)));
    }

    #[test]
    fn what_a_kind_does_not_have_must_not_be_set() {
        let plain =
            |kind| Header { kind, op: 0, number: 7, about: 0, slot: 0, flags: 0, code: 0, body_bytes: 0 };
        let decoded = |header: Header| Header::decode(&header.encode());
        for kind in
            [RecordKind::Call, RecordKind::Reply, RecordKind::Notice, RecordKind::Ack, RecordKind::Greeting]
        {
            assert_eq!(decoded(plain(kind)), Ok(plain(kind)));
            let flagged = Header { flags: 2, ..plain(kind) };
            assert_eq!(decoded(flagged), Err(FrameError::UnknownFlags(2)));
        }
        for header in [
            Header { code: 1, ..plain(RecordKind::Call) },
            Header { op: 1, ..plain(RecordKind::Reply) },
            Header { body_bytes: 1, ..plain(RecordKind::Ack) },
            Header { about: 1, ..plain(RecordKind::Ack) },
            Header { slot: 1, ..plain(RecordKind::Greeting) },
            Header { flags: FLAG_ASKED, ..plain(RecordKind::Greeting) },
        ] {
            assert_eq!(decoded(header), Err(FrameError::UnusedField { kind: header.kind }));
        }
    }
}
