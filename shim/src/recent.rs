//! The last calls that crossed, for the log when an error comes after which nothing works any more.

use farwarp_protocol::describe::{ARGUMENT_BYTES_MAX, describe};
use farwarp_protocol::frame::Header;

/// Calls that are remembered.
const RECENT_MAX: usize = 100;

#[derive(Clone, Copy)]
struct Entry {
    header: Header,
    bytes: u8,
    arguments: [u8; ARGUMENT_BYTES_MAX],
}

/// The last calls, each with the beginning of its body: arguments, no payload.
#[derive(Default)]
pub struct Recent {
    entries: Vec<Entry>,
    /// Where the next one goes once the list is full.
    next: usize,
}

impl Recent {
    pub fn note(&mut self, header: Header, body: &[&[u8]]) {
        let mut entry = Entry { header, bytes: 0, arguments: [0; ARGUMENT_BYTES_MAX] };
        let mut at = 0;
        for part in body {
            let taken = part.len().min(ARGUMENT_BYTES_MAX - at);
            entry.arguments[at..at + taken].copy_from_slice(&part[..taken]);
            at += taken;
        }
        entry.bytes = at as u8;
        if self.entries.len() < RECENT_MAX {
            self.entries.push(entry);
        } else {
            self.entries[self.next] = entry;
            self.next = (self.next + 1) % RECENT_MAX;
        }
    }

    /// One line a call, the oldest first.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let (newer, older) = self.entries.split_at(self.next);
        older.iter().chain(newer).map(|entry| {
            let call = describe(entry.header.op, &entry.arguments[..entry.bytes as usize]);
            format!(
                "  call {} of thread {} in context {:#x}: {call}",
                entry.header.number, entry.header.slot, entry.header.about
            )
        })
    }
}

const _: () = assert!(ARGUMENT_BYTES_MAX <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::call::FREE;
    use farwarp_protocol::frame::RecordKind;

    #[test]
    fn the_last_calls_are_kept_in_order_and_no_more() {
        let mut recent = Recent::default();
        for number in 1..=RECENT_MAX as u64 + 3 {
            let header = Header {
                kind: RecordKind::Call,
                op: FREE,
                number,
                about: 0,
                slot: 1,
                flags: 0,
                code: 0,
                body_bytes: 0,
            };
            recent.note(header, &[&number.to_le_bytes(), &[0xff; 2 * ARGUMENT_BYTES_MAX]]);
        }
        let lines: Vec<String> = recent.lines().collect();
        assert_eq!(lines.len(), RECENT_MAX);
        assert!(lines[0].contains("call 4 ") && lines[RECENT_MAX - 1].contains("call 103 "), "{lines:?}");
    }
}
