//! A gate that many want something of at once: strangers who only knock, and clients of which one never stops talking.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use farwarp_link::Link;
use farwarp_link::quic::QuicLink;
use farwarp_protocol::admission::{SESSIONS_MAX, close};
use support::{Client, Server, until};

/// Handshakes of the flood; all of them where there is time.
const FLOOD: usize = 2_000;
const WHOLE_FLOOD: usize = 100_000;
/// Valid clients meanwhile, one after the other.
const DIALS_MAX: usize = 50;
/// What the gate may take for all of them, which is a few hundred handshakes' state.
const FLOOD_BYTES_MAX: u64 = 64 << 20;

#[test]
fn a_flood_of_handshakes_leaves_a_valid_client_connected_and_the_gate_small() {
    let whole = std::env::var_os("FARWARP_SOAK").is_some();
    let handshakes = if whole { WHOLE_FLOOD } else { FLOOD };
    if !whole {
        println!("NOT RUN  a flood of {WHOLE_FLOOD} handshakes: set FARWARP_SOAK=1; {FLOOD} were sent");
    }
    let server = Server::start(&["--sessions", &SESSIONS_MAX.to_string()]);
    let before = resident_bytes(server.process.id());
    let (sent, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let peer: SocketAddr = server.ticket.address.parse().unwrap();
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        scope.spawn(|| {
            while sent.fetch_add(1, Ordering::Relaxed) < handshakes {
                let now = Instant::now();
                let mut link =
                    QuicLink::connect(peer, server.ticket.key, None, Duration::from_secs(30), now).unwrap();
                // The first datagram leaves; nobody waits for the answer.
                let _never_finished = link.drive(now);
            }
            over.store(true, Ordering::Release);
        });
        until("the flood has begun", || sent.load(Ordering::Relaxed) > handshakes / 20);
        let mut dials = 0;
        while dials == 0 || (dials < DIALS_MAX && !over.load(Ordering::Acquire)) {
            let began = Instant::now();
            let mut client = Client::new(&server.ticket);
            client.hear_epoch(1);
            slowest = slowest.max(began.elapsed());
            client.link.close(close::DONE, "");
            dials += 1;
        }
        println!(
            "{handshakes} handshakes; meanwhile {dials} clients connected, the slowest in {:.0} ms",
            slowest.as_secs_f64() * 1e3
        );
    });
    let grown = resident_bytes(server.process.id()).saturating_sub(before);
    println!("the gate grew by {:.1} MiB", grown as f64 / f64::from(1 << 20));
    assert!(grown < FLOOD_BYTES_MAX, "{grown} bytes");
}

#[test]
fn one_session_that_floods_leaves_the_others_their_turn() {
    const LOOK: Duration = Duration::from_secs(2);
    let server = Server::start(&["--sessions", &SESSIONS_MAX.to_string()]);
    let mut others: Vec<Client> = (1..SESSIONS_MAX).map(|_| Client::new(&server.ticket)).collect();
    let mut flooder = Client::new(&server.ticket);
    others.iter_mut().chain([&mut flooder]).for_each(|client| client.hear_epoch(1));
    let alone = turns(&mut others, LOOK);
    let stop = AtomicBool::new(false);
    let beside = thread::scope(|scope| {
        scope.spawn(|| {
            let words = vec![b'w'; 64 << 10];
            while !stop.load(Ordering::Relaxed) {
                flooder.echo(&words);
            }
        });
        let beside = turns(&mut others, LOOK);
        stop.store(true, Ordering::Relaxed);
        beside
    });
    let ratio = beside.1.as_secs_f64() / alone.1.as_secs_f64();
    println!(
        "{} sessions: p50 {:?}, p99 {:?}; beside one that floods: p50 {:?}, p99 {:?}, {ratio:.2} times",
        others.len(),
        alone.0,
        alone.1,
        beside.0,
        beside.1
    );
    assert_eq!(server.sessions(), SESSIONS_MAX);
}

/// Median and 99th percentile of a word and its echo, the sessions taking turns.
fn turns(clients: &mut [Client], time: Duration) -> (Duration, Duration) {
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < time {
        for client in clients.iter_mut() {
            let asked = Instant::now();
            client.echo(b"a word");
            took.push(asked.elapsed());
        }
    }
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

fn resident_bytes(process: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    let pages: u64 = statm.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}
