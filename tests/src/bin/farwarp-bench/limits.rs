//! What the machine itself can do, measured beside the road in every round: datagrams there and back, TLS over TCP, memory.
//!
//! Both ends are threads of this process, as both ends of the road share this machine.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, Stream};

use crate::cores::Cores;
use crate::percentiles;

/// The size of a small call and of its answer.
const REQUEST_BYTES: usize = 128;
const REPLY_BYTES: usize = 32;
/// A datagram on loopback is not lost; if one is, the measurement fails rather than hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// What goes through TLS, and through the copy, at a time.
const WRITE_BYTES: usize = 1 << 20;
/// A told call with a few hundred bytes of parameters, in words, and how many of them the ring holds.
const SLOT_WORDS: usize = 25;
const SLOTS: usize = 4096;
/// How often the ring's ends look before they let another thread run.
const LOOKS: u32 = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Look again and again.
    Busy,
    /// Sleep in the kernel, each end on a core of its own, so that each answer wakes a core that slept.
    Asleep,
}

/// Median and 99th percentile of a datagram's round trip, in microseconds.
pub fn ping_pong_us(wait: Wait, rounds: usize) -> io::Result<(f64, f64)> {
    let (here, there) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    here.connect(there.local_addr()?)?;
    there.connect(here.local_addr()?)?;
    for socket in [&here, &there] {
        socket.set_nonblocking(wait == Wait::Busy)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    }
    let cores = Cores::of_this_thread();
    let pin = |end: usize| match wait {
        Wait::Asleep => cores.only(end),
        Wait::Busy => Ok(()),
    };
    let times = thread::scope(|scope| {
        let echo = scope.spawn(move || {
            pin(1)?;
            let mut buffer = [0; REQUEST_BYTES];
            for _ in 0..rounds {
                receive(&there, &mut buffer)?;
                there.send(&[0; REPLY_BYTES])?;
            }
            io::Result::Ok(())
        });
        let caller = scope.spawn(move || {
            pin(0)?;
            let mut buffer = [0; REQUEST_BYTES];
            let mut times = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                let began = Instant::now();
                here.send(&[0; REQUEST_BYTES])?;
                receive(&here, &mut buffer)?;
                times.push(began.elapsed().as_nanos() as f64 / 1e3);
            }
            io::Result::Ok(times)
        });
        let times = caller.join().expect("the caller's thread");
        echo.join().expect("the echo's thread")?;
        times
    })?;
    Ok(percentiles(times))
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match socket.recv(buffer) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock && began.elapsed() < ANSWER_TIMEOUT => {
                std::hint::spin_loop();
            }
            Err(error) => return Err(error),
        }
    }
}

/// Bytes one way through TLS 1.3 (ring) over a TCP connection, until the receiver has said that it has them all; in GB/s.
pub fn tls_gb_per_s(bytes: usize) -> io::Result<f64> {
    let (client, server) = configurations()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::scope(|scope| {
        let receiver = scope.spawn(move || {
            let (mut socket, _) = listener.accept()?;
            socket.set_nodelay(true)?;
            let mut session = ServerConnection::new(server).map_err(io::Error::other)?;
            let mut stream = Stream::new(&mut session, &mut socket);
            let mut buffer = vec![0; WRITE_BYTES];
            stream.read_exact(&mut buffer[..1])?;
            stream.write_all(&[1])?;
            let mut left = bytes;
            while left > 0 {
                left -= stream.read(&mut buffer)?.min(left);
            }
            stream.write_all(&[1])
        });
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("limit").map_err(io::Error::other)?;
        let mut session = ClientConnection::new(client, name).map_err(io::Error::other)?;
        let mut stream = Stream::new(&mut session, &mut socket);
        let (piece, mut answer) = (vec![7; WRITE_BYTES], [0]);
        stream.write_all(&[1])?;
        stream.read_exact(&mut answer)?; // the handshake is over
        let began = Instant::now();
        for at in (0..bytes).step_by(WRITE_BYTES) {
            stream.write_all(&piece[..WRITE_BYTES.min(bytes - at)])?;
        }
        stream.read_exact(&mut answer)?;
        let took = began.elapsed();
        receiver.join().expect("the receiver's thread")?;
        Ok(bytes as f64 / took.as_nanos() as f64)
    })
}

fn configurations() -> io::Result<(Arc<ClientConfig>, Arc<ServerConfig>)> {
    let made = rcgen::generate_simple_self_signed(["limit".to_owned()]).map_err(io::Error::other)?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    Ok((Arc::new(client), Arc::new(server)))
}

/// A copy from memory to memory that both lie in pages already, in GB/s.
pub fn memcpy_gb_per_s(bytes: usize) -> f64 {
    let (from, mut to) = (vec![3u8; bytes], vec![5u8; bytes]);
    let began = Instant::now();
    to.copy_from_slice(std::hint::black_box(&from));
    let took = began.elapsed();
    std::hint::black_box(&to);
    bytes as f64 / took.as_nanos() as f64
}

/// Slots of 200 bytes through a ring in shared memory, from one thread to another, a second.
pub fn ring_per_s(slots: usize) -> f64 {
    let ring: Vec<[AtomicU64; SLOT_WORDS]> =
        (0..SLOTS).map(|_| [const { AtomicU64::new(0) }; SLOT_WORDS]).collect();
    let (head, tail) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..slots {
                look_until(|| number - head.load(Ordering::Acquire) < SLOTS);
                for word in &ring[number % SLOTS] {
                    word.store(number as u64, Ordering::Relaxed);
                }
                tail.store(number + 1, Ordering::Release);
            }
        });
        for number in 0..slots {
            look_until(|| tail.load(Ordering::Acquire) > number);
            let sum = ring[number % SLOTS]
                .iter()
                .fold(0u64, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)));
            assert_eq!(sum, (number * SLOT_WORDS) as u64, "a slot arrives as it was written");
            head.store(number + 1, Ordering::Release);
        }
    });
    slots as f64 / began.elapsed().as_secs_f64()
}

/// Where threads are more than cores, the other end may need this one's.
fn look_until(done: impl Fn() -> bool) {
    let mut looks = 0;
    while !done() {
        looks += 1;
        if looks % LOOKS == 0 { thread::yield_now() } else { std::hint::spin_loop() }
    }
}
