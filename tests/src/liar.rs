//! A worker that is honest but for one lie: the real one, over a connection that spoils one of its answers.
//!
//! `farwarp-liar` is started by a gate in a worker's place. It finds its lie in a file beside itself, [`LIE`], and writes what it
//! answered, and whether it lied, into [`SAID`].

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use farwarp_link::{Link, LinkError, LinkStats};
use farwarp_protocol::call::{NOTICE_FAILED, NOTICE_FATAL, NOTICE_FENCE, NOTICE_HOST_CALL, NOTICE_PIECE};
use farwarp_protocol::codec::encode;
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::limits::HEADER_BYTES;

pub const LIE: &str = "lie";
pub const SAID: &str = "said";

/// How many notices a flood is.
const FLOOD: u64 = 20_000;
/// Where a header says how long its body is, and which number it has.
const BODY_BYTES_END: usize = 4;
const NUMBER_AT: usize = 8;
/// Bytes under way to the client; beyond them the honest half waits.
const UNDER_WAY_MAX: usize = 64 << 20;

/// What becomes of the answer that a lie is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// The body ends here, and the header says so.
    Cut {
        at: usize,
    },
    /// A byte of the body is another.
    Flip {
        at: usize,
        xor: u8,
    },
    /// A byte of the header is another.
    Head {
        at: usize,
        xor: u8,
    },
    /// So many bytes more, and the header says so.
    More {
        bytes: usize,
    },
    /// The header says so many bytes more; what comes after it is taken for these.
    Claim {
        bytes: u32,
    },
    Code {
        code: i32,
    },
    /// The answer comes again.
    Twice,
    /// And one to a call so much later.
    Unasked {
        after: u64,
    },
    /// Eight bytes of the body are an address of the program's own: which of its mappings, in eighths.
    Address {
        at: usize,
        mapping: usize,
    },
    /// It is followed by notices of this operation.
    Flood {
        op: u32,
    },
}

/// The first answer to this operation is spoilt so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lie {
    pub op: u32,
    pub twist: Twist,
}

impl Lie {
    pub fn written(&self) -> String {
        let (name, one, other) = match self.twist {
            Twist::Cut { at } => ("cut", at as i64, 0),
            Twist::Flip { at, xor } => ("flip", at as i64, xor.into()),
            Twist::Head { at, xor } => ("head", at as i64, xor.into()),
            Twist::More { bytes } => ("more", bytes as i64, 0),
            Twist::Claim { bytes } => ("claim", bytes.into(), 0),
            Twist::Code { code } => ("code", code.into(), 0),
            Twist::Twice => ("twice", 0, 0),
            Twist::Unasked { after } => ("unasked", after as i64, 0),
            Twist::Address { at, mapping } => ("address", at as i64, mapping as i64),
            Twist::Flood { op } => ("flood", op.into(), 0),
        };
        format!("{} {name} {one} {other}", self.op)
    }
}

impl FromStr for Lie {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [op, name, one, other] = words[..] else { return Err(format!("{text:?} is no lie")) };
        let number = |word: &str| word.parse::<i64>().map_err(|error| format!("{word}: {error}"));
        let (one, other) = (number(one)?, number(other)?);
        let twist = match name {
            "cut" => Twist::Cut { at: one as usize },
            "flip" => Twist::Flip { at: one as usize, xor: other as u8 },
            "head" => Twist::Head { at: one as usize, xor: other as u8 },
            "more" => Twist::More { bytes: one as usize },
            "claim" => Twist::Claim { bytes: one as u32 },
            "code" => Twist::Code { code: one as i32 },
            "twice" => Twist::Twice,
            "unasked" => Twist::Unasked { after: one as u64 },
            "address" => Twist::Address { at: one as usize, mapping: other as usize },
            "flood" => Twist::Flood { op: one as u32 },
            other => return Err(format!("{other:?} is no lie")),
        };
        Ok(Lie { op: number(op)? as u32, twist })
    }
}

/// The connection of a worker that lies.
pub struct LyingLink {
    inner: Box<dyn Link>,
    lie: Option<Lie>,
    told: bool,
    /// The operation of each call that has come.
    calls: HashMap<u64, u32>,
    up: Up,
    /// Of the worker's words what is no whole record yet, and what the connection has not taken yet.
    down: Vec<u8>,
    out: Vec<u8>,
    /// Records that the worker knows nothing of.
    added: u64,
    said: File,
}

/// The client's words, of which acknowledgements are put right.
#[derive(Default)]
struct Up {
    header: Vec<u8>,
    body_left: usize,
    ready: Vec<u8>,
}

impl LyingLink {
    /// Over a data connection; the lie lies beside the program's file.
    pub fn over(inner: Box<dyn Link>) -> Box<dyn Link> {
        let folder = folder();
        let lie = fs::read_to_string(folder.join(LIE)).ok().and_then(|text| text.parse().ok());
        let said = File::create(folder.join(SAID)).expect("a file beside the program");
        Box::new(LyingLink {
            inner,
            lie,
            told: false,
            calls: HashMap::new(),
            up: Up::default(),
            down: Vec::new(),
            out: Vec::new(),
            added: 0,
            said,
        })
    }

    fn flush(&mut self) -> Result<usize, LinkError> {
        let taken = if self.out.is_empty() { 0 } else { self.inner.write(&self.out)? };
        self.out.drain(..taken);
        Ok(taken)
    }

    fn take_down(&mut self) {
        let mut at = 0;
        while let Some(bytes) = self.down[at..].first_chunk::<HEADER_BYTES>() {
            let header = Header::decode(bytes).expect("an honest worker");
            let end = at + HEADER_BYTES + header.body_bytes as usize;
            if self.down.len() < end {
                break;
            }
            let body = self.down[at + HEADER_BYTES..end].to_vec();
            at = end;
            self.pass(header, body);
        }
        self.down.drain(..at);
    }

    fn pass(&mut self, header: Header, body: Vec<u8>) {
        let numbered = matches!(header.kind, RecordKind::Reply | RecordKind::Notice);
        let number = if numbered { header.number + self.added } else { header.number };
        let header = Header { number, ..header };
        let op = self.calls.get(&header.about).copied().filter(|_| header.kind == RecordKind::Reply);
        if let Some(op) = op {
            writeln!(self.said, "{op} {} {}", body.len(), header.code).expect("a file of ours");
        }
        match self.lie {
            Some(lie) if op == Some(lie.op) && !self.told && header.code == 0 => {
                self.told = true;
                self.spoil(lie.twist, header, body);
                writeln!(self.said, "lied").expect("a file of ours");
            }
            _ => self.put(header, &body),
        }
    }

    fn put(&mut self, header: Header, body: &[u8]) {
        self.out.extend(header.encode());
        self.out.extend(body);
    }

    /// A record of which the worker knows nothing.
    fn add(&mut self, header: Header, body: &[u8]) {
        self.added += 1;
        self.put(Header { body_bytes: body.len() as u32, ..header }, body);
    }

    fn spoil(&mut self, twist: Twist, header: Header, mut body: Vec<u8>) {
        let next = |count: u64| Header { number: header.number + count, ..header };
        match twist {
            Twist::Cut { at } => body.truncate(at),
            Twist::Flip { at, xor } => body[at] ^= xor,
            Twist::More { bytes } => body.resize(body.len() + bytes, 0xab),
            Twist::Address { at, mapping } => {
                body[at..at + 8].copy_from_slice(&client_address(mapping).to_le_bytes());
            }
            Twist::Head { at, xor } => {
                let mut bytes = header.encode();
                // A number below the next is that of a record which came before: as good as no answer, for which one waits.
                bytes[at] = if at == NUMBER_AT { bytes[at].saturating_add(1) } else { bytes[at] ^ xor };
                self.out.extend(bytes);
                self.out.extend(body);
                // What was claimed comes, else the client could only wait.
                return if at < BODY_BYTES_END {
                    self.flood(NOTICE_FENCE, header)
                };
            }
            Twist::Claim { bytes } => {
                let mut claimed = header.encode();
                claimed[..BODY_BYTES_END]
                    .copy_from_slice(&header.body_bytes.wrapping_add(bytes).to_le_bytes());
                self.out.extend(claimed);
                self.out.extend(body);
                return self.flood(NOTICE_FENCE, header);
            }
            Twist::Code { code } => return self.put(Header { code, ..header }, &body),
            Twist::Twice => {
                self.put(header, &body);
                return self.add(next(1), &body);
            }
            Twist::Unasked { after } => {
                self.put(header, &body);
                return self.add(Header { about: header.about.wrapping_add(after), ..next(1) }, &body);
            }
            Twist::Flood { op } => {
                self.put(header, &body);
                return (1..=FLOOD)
                    .for_each(|count| self.add(notice(op, next(count), count), &flood_body(op, count)));
            }
        }
        self.put(Header { body_bytes: body.len() as u32, ..header }, &body);
    }

    /// Notices after the record of this header.
    fn flood(&mut self, op: u32, header: Header) {
        for count in 1..=FLOOD {
            let number = header.number + count;
            self.add(notice(op, Header { number, ..header }, count), &flood_body(op, count));
        }
    }
}

fn notice(op: u32, header: Header, count: u64) -> Header {
    let code = if op == NOTICE_FAILED || op == NOTICE_FATAL { 710 } else { 0 };
    Header { kind: RecordKind::Notice, op, about: count, flags: header.flags & !FLAG_ASKED, code, ..header }
}

/// What such a notice says, each time something else.
fn flood_body(op: u32, count: u64) -> Vec<u8> {
    match op {
        NOTICE_PIECE => [&encode(&count)[..], &[7; 64]].concat(),
        NOTICE_FENCE => encode(&u64::MAX),
        NOTICE_HOST_CALL | NOTICE_FAILED | NOTICE_FATAL => encode(&(count << 8 | 1)),
        _ => vec![1; 16],
    }
}

fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("this program's file");
    program.parent().expect("it lies in a folder").to_owned()
}

/// Where something of the client's lies: that process of this machine which has a ticket of this folder.
fn client_address(eighth: usize) -> u64 {
    let ticket = format!("FARWARP_TICKET={}/", folder().display());
    let mut addresses = Vec::new();
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        let environ = fs::read(process.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environ).contains(&ticket) {
            let maps = fs::read_to_string(process.path().join("maps")).unwrap_or_default();
            let start = |line: &str| u64::from_str_radix(line.split('-').next()?, 16).ok();
            addresses = maps.lines().filter_map(start).collect();
        }
    }
    assert!(!addresses.is_empty(), "the client is not on this machine");
    addresses[(addresses.len() - 1) * eighth / 8] + 0x40
}

impl Up {
    /// Takes what came, notes which call is of which operation, and takes back what was added to the numbers.
    fn take(&mut self, mut bytes: &[u8], added: u64, calls: &mut HashMap<u64, u32>) {
        while !bytes.is_empty() {
            let through = self.body_left.min(bytes.len());
            self.ready.extend(&bytes[..through]);
            self.body_left -= through;
            bytes = &bytes[through..];
            let missing = (HEADER_BYTES - self.header.len()).min(bytes.len());
            self.header.extend(&bytes[..missing]);
            bytes = &bytes[missing..];
            let Some(whole) = self.header.first_chunk::<HEADER_BYTES>() else { continue };
            let mut header = Header::decode(whole).expect("an honest client");
            match header.kind {
                RecordKind::Call => _ = calls.insert(header.number, header.op),
                _ => header.number = header.number.saturating_sub(added),
            }
            self.ready.extend(header.encode());
            self.body_left = header.body_bytes as usize;
            self.header.clear();
        }
    }
}

impl Link for LyingLink {
    fn drive(&mut self, now: Instant) -> Result<(), LinkError> {
        self.inner.drive(now)?;
        if self.flush()? > 0 { self.inner.drive(now) } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        if self.out.len() > UNDER_WAY_MAX {
            return Ok(0);
        }
        self.down.extend(bytes);
        self.take_down();
        self.flush()?;
        Ok(bytes.len())
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        if self.up.ready.is_empty() {
            let mut buffer = vec![0; into.len()];
            let count = self.inner.read(&mut buffer)?;
            self.up.take(&buffer[..count], self.added, &mut self.calls);
        }
        let count = into.len().min(self.up.ready.len());
        into[..count].copy_from_slice(&self.up.ready[..count]);
        self.up.ready.drain(..count);
        Ok(count)
    }

    fn poll_fds(&self, fds: &mut Vec<RawFd>) {
        self.inner.poll_fds(fds);
    }

    fn timeout(&self) -> Option<Instant> {
        self.inner.timeout()
    }

    fn close(&mut self, code: u32, reason: &str) {
        self.inner.close(code, reason);
    }

    fn stats(&self) -> LinkStats {
        self.inner.stats()
    }
}

/// In words, for whoever reads of a fault.
pub fn in_words(lie: &Lie) -> String {
    format!("{}: {:?}", farwarp_protocol::describe::name_of(lie.op), lie.twist)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lie_survives_its_file() {
        for twist in [
            Twist::Flip { at: 7, xor: 255 },
            Twist::Code { code: -1 },
            Twist::Flood { op: NOTICE_FENCE },
            Twist::Twice,
        ] {
            let lie = Lie { op: u32::MAX, twist };
            assert_eq!(lie.written().parse(), Ok(lie));
        }
        assert!("7 nothing 1 2".parse::<Lie>().is_err());
    }

    #[test]
    fn what_a_client_says_passes_whatever_its_parts_but_for_acknowledgements() {
        let header = |kind, number, body_bytes| Header {
            kind,
            op: 0,
            number,
            about: 0,
            slot: 0,
            flags: 0,
            code: 0,
            body_bytes,
        };
        let call = [&header(RecordKind::Call, 1, 3).encode()[..], b"abc"].concat();
        let said = [call.clone(), header(RecordKind::Ack, 9, 0).encode().to_vec()].concat();
        let honest = [call, header(RecordKind::Ack, 7, 0).encode().to_vec()].concat();
        for portion in [1, 5, 33, 100] {
            let (mut up, mut calls) = (Up::default(), HashMap::new());
            said.chunks(portion).for_each(|part| up.take(part, 2, &mut calls));
            assert_eq!((up.ready, calls.len()), (honest.clone(), 1));
        }
    }
}
