//! A client that says whatever it likes, to a real server or to a session in this process: frames made by hand, answers read by hand.

use std::thread::sleep;
use std::time::{Duration, Instant};

use farwarp_link::{Link, LinkError, Purpose, client_info, dial};
use farwarp_protocol::call::{HELLO, fingerprint};
use farwarp_protocol::codec::encode;
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::limits::HEADER_BYTES;
use farwarp_protocol::snapshot::Hello;
use farwarp_protocol::ticket::Ticket;
use farwarp_server::rig::Rig;

/// More than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a session ended, as its peer or its test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End(pub String);

/// Where frames go and answers come from.
pub trait Road {
    fn send(&mut self, bytes: &[u8]) -> Result<(), End>;
    fn receive(&mut self) -> Result<Vec<u8>, End>;
}

impl Road for Rig {
    fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        let taken = self.take(bytes);
        self.settle();
        taken.map_err(|broken| End(broken.to_string()))
    }

    fn receive(&mut self) -> Result<Vec<u8>, End> {
        Ok(self.sent())
    }
}

/// A data connection to a worker.
pub struct Wire(Box<dyn Link>);

impl Road for Wire {
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        let until = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            assert!(Instant::now() < until, "the server takes nothing");
            let written = self.0.write(bytes).map_err(ended)?;
            bytes = &bytes[written..];
            self.0.drive(Instant::now()).map_err(ended)?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<u8>, End> {
        let mut buffer = vec![0; 1 << 16];
        let count = self.0.read(&mut buffer).map_err(ended)?;
        if count == 0 {
            // The last words before an end are still read after it.
            let _ = self.0.drive(Instant::now());
            sleep(Duration::from_micros(100));
        }
        buffer.truncate(count);
        Ok(buffer)
    }
}

fn ended(error: LinkError) -> End {
    match error {
        LinkError::ClosedByPeer { reason, .. } => End(reason),
        other => End(other.to_string()),
    }
}

/// A session of which the client has told the truth so far.
pub struct Client<R> {
    pub road: R,
    /// The number of the next call.
    pub next: u64,
    heard: Vec<u8>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: i32,
    pub body: Vec<u8>,
}

impl Client<Wire> {
    /// Admitted and connected, and greeted, but no word of hello.
    pub fn connected(ticket: &Ticket) -> Self {
        let dialled = dial(ticket, Purpose::New { client: client_info(fingerprint()) })
            .unwrap_or_else(|error| panic!("the gate must serve on: {error}"));
        let mut client = Self::over(Wire(dialled.link));
        client.road.send(&control(RecordKind::Greeting, 0)).expect("a greeting");
        client
    }

    pub fn greeted(ticket: &Ticket) -> Self {
        let mut client = Self::connected(ticket);
        let hello = Hello { table: fingerprint(), variables: Vec::new(), free_ranges: Vec::new() };
        let answer = client.ask(HELLO, 0, &encode(&hello)).expect("hello is answered");
        assert_eq!(answer.code, 0);
        client
    }
}

impl Client<Rig> {
    pub fn in_process(rig: Rig) -> Self {
        let mut client = Self::over(rig);
        client.road.send(&control(RecordKind::Greeting, 0)).expect("a greeting");
        client
    }

    /// After a frame that broke the log: a new one, over the same objects.
    pub fn again(&mut self) {
        self.road.reconnect();
        self.heard.clear();
        let greeting = self.road.receive().expect("memory");
        let header = Header::decode(greeting.first_chunk().expect("a greeting")).expect("of ours");
        assert_eq!(header.kind, RecordKind::Greeting);
        self.next = header.number + 1;
        self.road.send(&control(RecordKind::Greeting, 0)).expect("a greeting");
    }
}

impl<R: Road> Client<R> {
    fn over(road: R) -> Self {
        Self { road, next: 1, heard: Vec::new() }
    }

    /// The next call's header, as an honest client would write it.
    pub fn header(&self, op: u32, about: u64) -> Header {
        Header {
            kind: RecordKind::Call,
            op,
            number: self.next,
            about,
            slot: 1,
            flags: FLAG_ASKED,
            code: 0,
            body_bytes: 0,
        }
    }

    /// Sends a call and waits for its answer, or for the end.
    pub fn ask(&mut self, op: u32, about: u64, body: &[u8]) -> Result<Answer, End> {
        self.ask_as(self.header(op, about), body)
    }

    pub fn ask_as(&mut self, header: Header, body: &[u8]) -> Result<Answer, End> {
        self.next += 1;
        let sent = self.road.send(&frame(header, body));
        let number = header.number;
        sent.and_then(|()| self.answer_to(number))
    }

    /// Waits for the answer to a call.
    pub fn answer_to(&mut self, number: u64) -> Result<Answer, End> {
        let until = Instant::now() + PATIENCE;
        loop {
            while let Some((header, body)) = self.record() {
                if header.kind == RecordKind::Reply && header.about == number {
                    return Ok(Answer { code: header.code, body });
                }
            }
            assert!(Instant::now() < until, "neither an answer nor an end");
            let more = self.road.receive()?;
            self.heard.extend(more);
        }
    }

    /// What has been answered since the last time, to whatever.
    pub fn answers(&mut self) -> Vec<Answer> {
        let more = self.road.receive().unwrap_or_default();
        self.heard.extend(more);
        let records = std::iter::from_fn(|| self.record());
        let replies = records.filter(|(header, _)| header.kind == RecordKind::Reply);
        replies.map(|(header, body)| Answer { code: header.code, body }).collect()
    }

    fn record(&mut self) -> Option<(Header, Vec<u8>)> {
        let header = Header::decode(self.heard.first_chunk()?).expect("the server keeps the protocol");
        let whole = HEADER_BYTES + header.body_bytes as usize;
        if self.heard.len() < whole {
            return None;
        }
        let record: Vec<u8> = self.heard.drain(..whole).collect();
        Some((header, record[HEADER_BYTES..].to_vec()))
    }
}

pub fn frame(header: Header, body: &[u8]) -> Vec<u8> {
    let header = Header { body_bytes: body.len() as u32, ..header };
    [&header.encode()[..], body].concat()
}

pub fn control(kind: RecordKind, number: u64) -> Vec<u8> {
    let header = Header { kind, op: 0, number, about: 0, slot: 0, flags: 0, code: 0, body_bytes: 0 };
    header.encode().to_vec()
}
