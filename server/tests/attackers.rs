//! What strangers, and clients that lie, cannot do; and what a worker, which must be thought of as its client's, cannot see.

mod support;

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use farwarp_link::keys;
use farwarp_link::quic::QuicLink;
use farwarp_link::{DialError, Link, Purpose, client_info, dial};
use farwarp_protocol::admission::{
    Answer, ControlAnswer, ControlRequest, GATE_CONTEXT, OPENING_BYTES_MAX, Opening, Refusal, Wish,
};
use farwarp_protocol::codec;
use farwarp_protocol::ticket::Ticket;
use support::{Client, PATIENCE, Server, table, until};

/// A connection to the gate that has proven nothing.
struct Stranger(QuicLink);

impl Stranger {
    fn begin(ticket: &Ticket) -> Self {
        let peer: SocketAddr = ticket.address.parse().unwrap();
        Self(QuicLink::connect(peer, ticket.key, None, Duration::from_secs(30), Instant::now()).unwrap())
    }

    fn drive(&mut self) -> bool {
        self.0.drive(Instant::now()).is_ok()
    }

    fn connected(ticket: &Ticket) -> Self {
        let mut stranger = Self::begin(ticket);
        until("the handshake is done", || stranger.drive() && stranger.0.is_connected());
        assert!(stranger.0.open_stream());
        stranger
    }

    fn say(&mut self, frame: &[u8]) {
        assert_eq!(self.0.write(frame).unwrap(), frame.len());
        self.drive();
    }

    /// The next frame's body; `None` if the connection ends instead.
    fn hear(&mut self) -> Option<Vec<u8>> {
        let mut heard = Vec::new();
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "neither an answer nor an end");
            let mut buffer = [0; 4096];
            match self.0.read(&mut buffer) {
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(_ended) => return None,
            }
            if let Some((length, body)) = heard.split_first_chunk::<4>()
                && body.len() == u32::from_le_bytes(*length) as usize
            {
                return Some(body.to_vec());
            }
            self.drive();
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn hear_answer(&mut self) -> Option<Answer> {
        Some(codec::decode(&self.hear()?).unwrap())
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes()[..], body].concat()
}

#[test]
fn an_opening_that_is_none_is_refused_and_nothing_is_started_for_it() {
    let server = Server::start(&[]);
    let too_long = (OPENING_BYTES_MAX as u32 + 1).to_le_bytes();
    let cut_short = codec::encode(&Opening { proof: [0; 32], wish: Wish::Session(client_info(table())) });
    for words in [&too_long[..], &frame(b""), &frame(&[0xff; 100]), &frame(&cut_short[..cut_short.len() - 1])]
    {
        let mut stranger = Stranger::connected(&server.ticket);
        stranger.say(words);
        assert_eq!(stranger.hear_answer(), Some(Answer::Refused(Refusal::Malformed)));
    }
    let mut liar = Stranger::connected(&server.ticket);
    liar.say(&frame(&codec::encode(&Opening { proof: [7; 32], wish: Wish::Control })));
    assert_eq!(liar.hear_answer(), Some(Answer::Refused(Refusal::WrongSecret)));
    assert_eq!((server.sessions(), server.workers().len()), (0, 0));
}

#[test]
fn a_proof_that_was_overheard_opens_no_other_connection() {
    let server = Server::start(&[]);
    let mut first = Stranger::connected(&server.ticket);
    let exported = first.0.exported(GATE_CONTEXT).unwrap();
    let proof = keys::prove(&server.ticket.secret, &exported, &[]);
    let opening = frame(&codec::encode(&Opening { proof, wish: Wish::Control }));
    let mut second = Stranger::connected(&server.ticket);
    second.say(&opening);
    assert_eq!(second.hear_answer(), Some(Answer::Refused(Refusal::WrongSecret)));
    first.say(&opening);
    assert_eq!(first.hear_answer(), Some(Answer::Control));
    first.say(&frame(&codec::encode(&ControlRequest::Status)));
    assert!(matches!(codec::decode(&first.hear().unwrap()), Ok(ControlAnswer::Status(_))));
}

#[test]
fn strangers_that_say_nothing_fill_only_their_own_places_and_lose_them_in_seconds() {
    const FROM_ONE_ADDRESS: usize = 64;
    let server = Server::start(&[]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    // The later half of them must prove their address first, by a retry that the client's side answers by itself.
    let mut strangers: Vec<Stranger> =
        (0..FROM_ONE_ADDRESS).map(|_| Stranger::connected(&server.ticket)).collect();
    let start = Instant::now();
    let turned_away = dial(&server.ticket, Purpose::New { client: client_info(table()) }).err();
    assert_eq!(turned_away, Some(DialError::Busy { address: server.ticket.address.clone() }));
    client.echo(b"sessions do not notice");
    until("they are thrown out", || !strangers[0].drive() && !strangers[FROM_ONE_ADDRESS - 1].drive());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    until("there is room again", || {
        dial(&server.ticket, Purpose::New { client: client_info(table()) }).is_ok()
    });
}

#[test]
fn who_has_overheard_a_tag_can_send_to_the_worker_but_not_disturb_it() {
    let server = Server::start(&[]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    let cid = client.admitted.first_cid;
    let short = [&[0x43][..], &cid, &[9; 60]].concat();
    let mut initial = [&[0xc3, 0, 0, 0, 1, 16][..], &cid, &[8]].concat();
    initial.resize(1200, 0x5a);
    let worker = server.workers()[0];
    let descriptors = || fs::read_dir(format!("/proc/{worker}/fd")).unwrap().count();
    let before = descriptors();
    for round in 0..60 {
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in [&short, &initial] {
            stranger.send_to(datagram, &server.ticket.address).unwrap();
        }
        client.echo(format!("round {round}").as_bytes());
    }
    assert!(descriptors() <= before + 10, "{before} descriptors, then {}", descriptors());
    let mut back = client.resume(&server.ticket, 2);
    back.hear_epoch(2);
    back.echo(b"and may come back");
}

#[test]
fn a_worker_sees_nothing_of_the_gate_and_nothing_of_who_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let inherited = fs::File::create(folder.path().join("inherited")).unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let server = Server::start_with(&[], |command| {
        command.env("CANARY_OF_THE_STARTER", "sings").env("FARWARP_SOFTGPU_CC", "8.9");
    });
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    let (gate, worker) = (server.process.id(), server.workers()[0]);

    let environment = fs::read_to_string(format!("/proc/{worker}/environ")).unwrap();
    assert!(!environment.contains("CANARY"), "{environment}");
    assert!(environment.contains("FARWARP_SOFTGPU_CC=8.9"), "{environment}");

    let holds = |pid: u32| {
        fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .any(|fd| fs::read_link(fd.unwrap().path()).is_ok_and(|file| file.ends_with("inherited")))
    };
    assert!(holds(gate), "the test must leave a descriptor (ours is {})", inherited.as_raw_fd());
    assert!(!holds(worker));

    let secret = server.ticket.secret.0;
    assert!(memory_has(gate, &secret), "the search must find it where it is");
    assert!(!memory_has(worker, &secret));
    assert!(memory_has(worker, &client.admitted.key), "the session's own key is there");
}

/// Whether a process has these bytes anywhere in memory that it can write.
fn memory_has(pid: u32, bytes: &[u8]) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    maps.lines().filter(|line| line.contains(" rw")).any(|line| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let address = |digits| u64::from_str_radix(digits, 16).unwrap();
        let mut area = vec![0; (address(end) - address(start)) as usize];
        memory.seek(SeekFrom::Start(address(start))).unwrap();
        // An area may be unmapped meanwhile.
        memory.read_exact(&mut area).is_ok() && area.windows(bytes.len()).any(|window| window == bytes)
    })
}
