//! The pipe's promises, between a client and a worker's end in one process, on loopback.
//!
//! What the gate does is done by hand here: a socket connected to the client, and its first datagram.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use farwarp_link::keys::{self, KeyPair};
use farwarp_link::quic::settings::{MTU_BYTES_MAX, SEND_WINDOW_BYTES};
use farwarp_link::quic::{Accepting, HandedOver, Inbox, QuicLink, Rejected, SessionSecrets, Socket, Tagged};
use farwarp_link::{Link, LinkError};
use farwarp_protocol::admission::{DATA_CID_BYTES, DATA_CONTEXT, DATA_OPENING_BYTES, DataOpening, close};
use farwarp_protocol::codec;
use farwarp_protocol::ticket::{KeyPin, Secret};
use quinn_proto::ConnectionIdGenerator;
use ring::hmac;
use rustix::net::{AddressFamily, RecvFlags, SocketType, bind, recv, socket, sockopt};

const PATIENCE: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(10);
const SESSION: u64 = 7;

struct Pair {
    client: QuicLink,
    worker: QuicLink,
    inbox: Arc<Inbox>,
    reset_key: [u8; 32],
}

/// What a client shows at a worker's door.
struct Shown {
    pin: Option<KeyPin>,
    key: [u8; 32],
    session: u64,
    epoch: u32,
}

/// The client's end, and what became of the worker's.
fn meet(show: impl FnOnce(&mut Shown)) -> (QuicLink, Result<Accepting, Rejected>) {
    meet_with(keys::random(), show)
}

fn meet_with(reset_key: [u8; 32], show: impl FnOnce(&mut Shown)) -> (QuicLink, Result<Accepting, Rejected>) {
    let (pair, key, now) = (KeyPair::generate(), keys::random(), Instant::now());
    let secrets = SessionSecrets::new(SESSION, *b"thetag!!", Secret(key), reset_key, SILENCE, &pair);
    let mut shown = Shown { pin: None, key, session: SESSION, epoch: 1 };
    show(&mut shown);

    let gate = on_shared_port("127.0.0.1:0".parse().unwrap());
    let mut cid = [0; DATA_CID_BYTES];
    cid.copy_from_slice(&Tagged(secrets.tag).generate_cid());
    let pin = shown.pin.unwrap_or(pair.pin());
    let mut client = QuicLink::connect(gate.local_addr().unwrap(), pin, Some(cid), SILENCE, now).unwrap();
    client.drive(now).unwrap();
    let mut first = vec![0; 2000];
    let (length, remote) = gate.recv_from(&mut first).unwrap();
    assert_eq!(first[6..14], secrets.tag, "the first datagram carries the session's tag");
    gate.connect(remote).unwrap();
    let socket = Some(Socket::adopt(gate).unwrap());
    let handed = HandedOver { socket, remote, ecn: None, datagram: first[..length].to_vec() };
    let mut accepting = Accepting::begin(&secrets, handed, now).unwrap();

    let until = Instant::now() + PATIENCE;
    let mut opened = false;
    loop {
        assert!(Instant::now() < until, "client and worker do not meet");
        // The client's end may be the very thing that a test is about.
        let _ended = client.drive(Instant::now());
        if client.is_connected() && !opened {
            let exported = client.exported(DATA_CONTEXT).unwrap();
            let proof =
                keys::prove(&Secret(shown.key), &exported, &keys::data_words(shown.session, shown.epoch));
            let opening = DataOpening { proof, session: shown.session, epoch: shown.epoch };
            assert!(client.open_stream());
            assert_eq!(client.write(&codec::encode(&opening)).unwrap(), codec::encode(&opening).len());
            opened = true;
        }
        match accepting.poll(&secrets, 0, Instant::now()) {
            Ok(None) => thread::sleep(Duration::from_micros(50)),
            Ok(Some(epoch)) => {
                assert_eq!(epoch, shown.epoch);
                return (client, Ok(accepting));
            }
            Err(rejected) => return (client, Err(rejected)),
        }
    }
}

/// As the gate's sockets are, of which several have one port.
fn on_shared_port(address: SocketAddr) -> UdpSocket {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    bind(&socket, &address).unwrap();
    UdpSocket::from(socket)
}

fn pair() -> Pair {
    let reset_key = keys::random();
    let (client, worker) = meet_with(reset_key, |_| ());
    let worker = worker.unwrap();
    Pair { client, inbox: worker.inbox(), worker: worker.into_link(), reset_key }
}

fn end_of(link: &mut QuicLink) -> LinkError {
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "the connection does not end");
        if let Err(error) = link.drive(Instant::now()) {
            return error;
        }
        thread::sleep(Duration::from_micros(50));
    }
}

#[test]
fn many_megabytes_arrive_whole_at_the_largest_datagrams_of_the_path() {
    const BYTES: usize = 48 << 20;
    let Pair { mut client, mut worker, .. } = pair();
    let byte = |at: usize| (at ^ at >> 8 ^ at >> 16) as u8;
    let sent: Vec<u8> = (0..BYTES).map(byte).collect();
    let (mut written, mut read, mut buffer) = (0, 0, vec![0; 1 << 20]);
    let until = Instant::now() + PATIENCE;
    while read < BYTES {
        assert!(Instant::now() < until, "{read} of {BYTES} bytes");
        written += client.write(&sent[written..]).unwrap();
        client.drive(Instant::now()).unwrap();
        worker.drive(Instant::now()).unwrap();
        let count = worker.read(&mut buffer).unwrap();
        assert!(buffer[..count] == sent[read..read + count], "bytes differ near {read}");
        read += count;
    }
    let stats = client.stats();
    assert_eq!(stats.mtu_bytes, MTU_BYTES_MAX, "{stats:?}");
    assert!(
        stats.lost * 1000 < stats.bytes_up / 1000,
        "segments that the kernel refuses look like loss: {stats:?}"
    );
}

#[test]
fn a_full_send_buffer_takes_nothing_and_loses_nothing() {
    let Pair { mut client, mut worker, .. } = pair();
    let chunk = vec![9; 1 << 20];
    let mut written = 0;
    // The worker does not read, so the buffer fills.
    while let count @ 1.. = client.write(&chunk).unwrap() {
        written += count as u64;
        assert!(written <= SEND_WINDOW_BYTES);
    }
    // The opening counts: it went the same way, and is not yet acknowledged.
    assert_eq!(written + DATA_OPENING_BYTES as u64, SEND_WINDOW_BYTES);
    let (mut read, mut buffer, until) = (0, vec![0; 1 << 20], Instant::now() + PATIENCE);
    while read < written {
        assert!(Instant::now() < until, "{read} of {written} bytes");
        client.drive(Instant::now()).unwrap();
        worker.drive(Instant::now()).unwrap();
        read += worker.read(&mut buffer).unwrap() as u64;
    }
    assert!(client.write(&chunk).unwrap() > 0);
}

#[test]
fn last_words_are_read_after_the_end_and_the_reason_after_them() {
    let Pair { mut client, mut worker, .. } = pair();
    assert_eq!(worker.write(b"last words").unwrap(), 10);
    worker.drive(Instant::now()).unwrap();
    let until = Instant::now() + Duration::from_millis(50);
    while Instant::now() < until {
        client.drive(Instant::now()).unwrap();
        worker.drive(Instant::now()).unwrap();
    }
    worker.close(close::ENDED, "it is over");
    let over = LinkError::ClosedByPeer { code: close::ENDED, reason: "it is over".into() };
    assert_eq!(end_of(&mut client), over);
    let mut words = [0; 32];
    assert_eq!(client.read(&mut words), Ok(10));
    assert_eq!(words[..10], *b"last words");
    assert_eq!(client.read(&mut words), Err(over.clone()));
    assert_eq!(client.write(b"too late"), Err(over));
    assert_eq!(worker.drive(Instant::now()), Err(LinkError::ClosedHere));
}

#[test]
fn a_connection_that_a_newer_one_has_superseded_is_told_so() {
    let Pair { mut client, mut worker, inbox, .. } = pair();
    inbox.supersede();
    assert_eq!(end_of(&mut worker), LinkError::Superseded);
    let end = end_of(&mut client);
    let LinkError::ClosedByPeer { code: close::SUPERSEDED, reason } = &end else { panic!("{end:?}") };
    assert!(reason.contains("newer connection"), "{reason}");
    assert_eq!(worker.drive(Instant::now()), Err(LinkError::Superseded), "it says so again");
}

/// A worker closes its connection and ends; its gate answers what is still under way with a reset.
#[test]
fn a_peers_last_word_counts_and_not_the_reset_that_arrives_with_it() {
    let Pair { mut client, mut worker, reset_key, .. } = pair();
    // Which connection ID the client uses by now shows in a datagram that the worker has not taken yet.
    client.write(b"and where do I send this?").unwrap();
    client.drive(Instant::now()).unwrap();
    let mut datagram = [0; 2000];
    let (_, length) = recv(&worker.sockets()[0], &mut datagram[..], RecvFlags::PEEK).unwrap();
    assert!(length > DATA_CID_BYTES && datagram[0] & 0x80 == 0, "a packet with a short header");
    let reset = reset(&datagram[1..=DATA_CID_BYTES], &reset_key);
    let socket = UdpSocket::from(worker.sockets()[0].as_fd().try_clone_to_owned().unwrap());

    worker.close(close::ENDED, "it is over");
    socket.send(&reset).unwrap();
    let over = LinkError::ClosedByPeer { code: close::ENDED, reason: "it is over".into() };
    assert_eq!(end_of(&mut client), over);
}

#[test]
fn a_reset_alone_ends_a_connection() {
    let Pair { mut client, worker, reset_key, .. } = pair();
    client.write(b"and where do I send this?").unwrap();
    client.drive(Instant::now()).unwrap();
    let mut datagram = [0; 2000];
    recv(&worker.sockets()[0], &mut datagram[..], RecvFlags::PEEK).unwrap();
    let socket = UdpSocket::from(worker.sockets()[0].as_fd().try_clone_to_owned().unwrap());
    socket.send(&reset(&datagram[1..=DATA_CID_BYTES], &reset_key)).unwrap();
    assert_eq!(end_of(&mut client), LinkError::Reset);
}

/// As the gate makes one: it looks like a packet and ends in the token of that connection ID.
fn reset(cid: &[u8], reset_key: &[u8; 32]) -> Vec<u8> {
    let token = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, reset_key), cid);
    [&[0x41; 24][..], &token.as_ref()[..16]].concat()
}

#[test]
fn a_worker_with_another_key_gets_no_word() {
    let (client, rejected) = meet(|shown| shown.pin = Some(KeyPair::generate().pin()));
    assert!(matches!(rejected.err(), Some(Rejected::Lost(LinkError::Transport(_)))));
    assert!(client.showed_other_key() && !client.is_connected());
    assert_eq!(client.exported(DATA_CONTEXT), None);
}

#[test]
fn who_does_not_prove_the_session_is_closed_with_the_rule_that_he_broke() {
    let (mut client, rejected) = meet(|shown| shown.key = [1; 32]);
    assert_eq!(rejected.err(), Some(Rejected::NotProven));
    assert!(matches!(end_of(&mut client), LinkError::ClosedByPeer { code: close::NOT_PROVEN, .. }));
    let (_, rejected) = meet(|shown| shown.session = SESSION + 1);
    assert_eq!(rejected.err(), Some(Rejected::OtherSession { ours: SESSION, theirs: SESSION + 1 }));
    let (mut client, rejected) = meet(|shown| shown.epoch = 0);
    assert_eq!(rejected.err(), Some(Rejected::OldEpoch { epoch: 0, seen: 0 }));
    assert!(matches!(end_of(&mut client), LinkError::ClosedByPeer { code: close::OLD_EPOCH, .. }));
}

#[test]
fn a_peer_that_vanished_is_noticed_and_one_that_is_only_still_is_not() {
    // The clock is ours: nothing waits for real seconds.
    let Pair { mut client, mut worker, .. } = pair();
    // The gate still has the port, so that nobody says that nobody listens there.
    let _gate = on_shared_port(client.peer());
    let start = Instant::now();
    for second in 0..60 {
        let now = start + Duration::from_secs(second);
        for _ in 0..3 {
            client.drive(now).unwrap();
            worker.drive(now).unwrap();
        }
    }
    // Its socket stays open and nobody drives it, as when a cable is pulled.
    let gone = start + Duration::from_secs(59);
    let alone = |link: &mut QuicLink| {
        (1..60).find_map(|second| link.drive(gone + Duration::from_secs(second)).err().zip(Some(second)))
    };
    let (error, after) = alone(&mut client).expect("the client notices");
    assert!(matches!(error, LinkError::Unanswered { .. }) && error.may_resume(), "{error}");
    assert!(after < SILENCE.as_secs(), "it comes back before its server gives it up: {after} s");
    // The other way round; the client's socket stays.
    let Pair { client: _open, mut worker, .. } = pair();
    let (error, _) = alone(&mut worker).expect("the worker notices");
    assert_eq!(error, LinkError::Silent { silence: SILENCE });
    assert!(error.may_resume());
}

#[test]
fn a_worker_that_was_killed_with_its_gate_is_believed_dead_after_a_while() {
    let Pair { mut client, worker, .. } = pair();
    drop(worker);
    let began = Instant::now();
    client.write(b"is anybody there?").unwrap();
    assert_eq!(end_of(&mut client), LinkError::NobodyListens);
    assert!(began.elapsed() > Duration::from_secs(1), "anybody can send the message that says so");
}
