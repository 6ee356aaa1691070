//! The gate's promises, kept by the real program on loopback: who is let in, what one session costs the others, and when
//! everything is freed.

mod support;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use farwarp_link::keys::KeyPair;
use farwarp_link::{ClientInfo, Control, DialError, LinkError, Purpose, client_info, dial, start_ticks};
use farwarp_protocol::admission::close;
use farwarp_protocol::ticket::{KeyPin, Secret, Ticket};
use support::{Client, Server, process_lives, table, until};

fn refusal(ticket: &Ticket, table: u64) -> DialError {
    match dial(ticket, Purpose::New { client: client_info(table) }) {
        Ok(_) => panic!("a client was let in that should not be"),
        Err(error) => error,
    }
}

#[test]
fn who_does_not_belong_here_is_told_why_in_one_line_and_the_server_lives_on() {
    let server = Server::start(&[]);
    let address = server.ticket.address.clone();
    let wrong_secret = Ticket { secret: Secret([1; 32]), ..server.ticket.clone() };
    let wrong_key = Ticket { key: KeyPin([1; 32]), ..server.ticket.clone() };
    let cases = [
        (refusal(&wrong_secret, table()), DialError::WrongSecret { address: address.clone() }),
        (refusal(&wrong_key, table()), DialError::WrongServerKey { address: address.clone() }),
        (refusal(&server.ticket, 42), DialError::OtherTable { address, ours: 42, theirs: table() }),
    ];
    for (error, expected) in cases {
        assert_eq!(error, expected);
        assert!(!error.to_string().contains('\n') && error.to_string().len() > 20, "{error}");
    }
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    client.echo(b"and who does is served");
    assert!(matches!(Control::dial(&wrong_secret).err(), Some(DialError::WrongSecret { .. })));
}

#[test]
fn nobody_at_the_address_is_said_at_once() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ticket = Ticket { address: free.to_string(), key: KeyPin([1; 32]), secret: Secret([1; 32]) };
    let start = Instant::now();
    assert!(matches!(refusal(&ticket, 0), DialError::NobodyListens { .. }));
    assert!(start.elapsed() < Duration::from_secs(2));
    let unknown = Ticket { address: "no-such-host.invalid:1".into(), ..ticket };
    assert!(matches!(refusal(&unknown, 0), DialError::Unresolved { .. }));
}

/// A QUIC server with the right key that speaks the protocol's next version.
fn server_of_another_version() -> (quinn::Endpoint, Ticket) {
    use quinn::rustls::{
        crypto::ring, pki_types, server::AlwaysResolvesServerRawPublicKeys, sign::CertifiedKey,
    };
    let pair = KeyPair::generate();
    let key = ring::sign::any_eddsa_type(&pki_types::PrivatePkcs8KeyDer::from(pair.pkcs8())).unwrap();
    let public = key.public_key().unwrap().as_ref().to_vec();
    let shown = CertifiedKey::new(vec![pki_types::CertificateDer::from(public)], key);
    let mut tls = quinn::rustls::ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_protocol_versions(&[&quinn::rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(shown))));
    tls.alpn_protocols = vec![b"farwarp/2".to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap().to_string();
    (endpoint, Ticket { address, key: pair.pin(), secret: Secret([0; 32]) })
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_of_another_version_is_called_that() {
    let (endpoint, ticket) = server_of_another_version();
    let expected = DialError::OtherVersion { address: ticket.address.clone() };
    let refused = tokio::task::spawn_blocking(move || refusal(&ticket, table()));
    let handshake = endpoint.accept().await.unwrap().await;
    assert!(handshake.is_err());
    assert_eq!(refused.await.unwrap(), expected);
}

#[test]
fn a_ticket_is_for_its_owner_only() {
    let server = Server::start(&[]);
    assert_eq!(fs::metadata(&server.ticket_file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn bytes_come_back_in_order_whatever_their_number() {
    let server = Server::start(&[]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    for length in [1, 1200, 65_536, 8 << 20] {
        client.echo(&(0..length).map(|n: u32| (n ^ n >> 8) as u8).collect::<Vec<_>>());
    }
    let stats = client.link.stats();
    assert_eq!(stats.name, "quic");
    assert!(stats.bytes_up > 8 << 20 && stats.bytes_down > 8 << 20, "{stats:?}");
}

#[test]
fn clients_that_come_at_once_get_their_own_datagrams_though_strangers_send_too() {
    let server = Server::start(&[]);
    let (ticket, done) = (&server.ticket, &AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(move || {
            // Noise of every kind: too short, long header, short header, random tag.
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for round in (0..=u8::MAX).cycle() {
                let noise = vec![round; usize::from(round) * 5];
                let _dropped = socket.send_to(&noise, &ticket.address);
                thread::sleep(Duration::from_micros(300));
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let clients: Vec<_> = (0..6)
            .map(|number: u8| {
                scope.spawn(move || {
                    let mut client = Client::new(ticket);
                    client.hear_epoch(1);
                    client.echo(&vec![number; 300_000]);
                    client.admitted.session
                })
            })
            .collect();
        let mut sessions: Vec<u64> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        sessions.sort_unstable();
        sessions.dedup();
        assert_eq!(sessions.len(), 6);
    });
}

#[test]
fn a_worker_that_crashes_costs_one_session() {
    let server = Server::start(&[]);
    let (mut victim, mut other) = (Client::new(&server.ticket), Client::new(&server.ticket));
    victim.hear_epoch(1);
    other.hear_epoch(1);
    victim.say(b"crash");
    // The gate answers for the dead worker as soon as the client sends anything.
    assert_eq!(victim.end(), LinkError::Reset);
    let (session, key) = (victim.admitted.session, victim.admitted.key);
    match dial(&server.ticket, Purpose::Resume { session, key, epoch: 2 }).err() {
        Some(DialError::SessionGone { session: gone, why }) => {
            assert_eq!(gone, session);
            assert!(why.contains("ended by signal"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    other.echo(b"still here");
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_worker_that_does_not_start_is_said_and_not_waited_for() {
    let server = Server::start(&["--worker-program", "/no/such/worker"]);
    assert!(matches!(refusal(&server.ticket, table()), DialError::WorkerFailed { .. }));
    let server = Server::start(&["--worker-program", "/bin/false"]);
    let start = Instant::now();
    match refusal(&server.ticket, table()) {
        DialError::SessionGone { why, .. } => assert_eq!(why, "its worker exited with status 1"),
        other => panic!("{other}"),
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(server.sessions(), 0);
}

#[test]
fn a_newer_connection_of_a_session_closes_the_older() {
    let server = Server::start(&[]);
    let mut first = Client::new(&server.ticket);
    first.hear_epoch(1);
    first.echo(b"one");
    let mut second = first.resume(&server.ticket, 5);
    second.hear_epoch(5);
    second.echo(b"two");
    let superseded = LinkError::ClosedByPeer {
        code: close::SUPERSEDED,
        reason: "a newer connection of this session took over".into(),
    };
    assert_eq!(first.end(), superseded);
    let mut late = first.resume(&server.ticket, 5);
    assert!(matches!(late.end(), LinkError::ClosedByPeer { code: close::OLD_EPOCH, .. }));
    second.echo(b"the newest stays");
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_session_is_resumed_only_with_its_key() {
    let server = Server::start(&[]);
    let mut owner = Client::new(&server.ticket);
    owner.hear_epoch(1);
    let mut thief = Client::new(&server.ticket);
    thief.hear_epoch(1);
    thief.admitted.session = owner.admitted.session;
    let mut stolen = thief.resume(&server.ticket, 9);
    assert!(matches!(stolen.end(), LinkError::ClosedByPeer { code: close::NOT_PROVEN, .. }));
    owner.echo(b"undisturbed");
}

#[test]
fn a_session_that_ends_in_order_is_freed_at_once() {
    let server = Server::start(&[]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    let workers = server.workers();
    assert_eq!(workers.len(), 1);
    let start = Instant::now();
    client.link.close(close::DONE, "done");
    until("the session is gone", || server.sessions() == 0);
    assert!(!process_lives(workers[0]));
    // Sooner than the gate would have killed it.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// A process of this host in whose name a test speaks.
fn stand_in() -> (std::process::Child, ClientInfo) {
    let process = Command::new("sleep").arg("1000").spawn().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let start_ticks = start_ticks(&stat).unwrap();
    let info = ClientInfo { pid: process.id(), start_ticks, ..client_info(table()) };
    (process, info)
}

#[test]
fn a_killed_client_is_freed_within_seconds_also_in_mid_kernel() {
    // With the default grace of two minutes, so that nothing but the end of the process can be the reason.
    let server = Server::start(&[]);
    for words in [&b"between two calls"[..], b"endless kernel"] {
        let (mut process, info) = stand_in();
        let mut client = Client::with(&server.ticket, info);
        client.hear_epoch(1);
        client.say(words);
        let workers = server.workers();
        let start = Instant::now();
        process.kill().unwrap();
        process.wait().unwrap();
        until("the session is gone", || server.sessions() == 0);
        assert!(!process_lives(workers[0]));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

/// A client whose process the gate cannot see.
fn from_another_host() -> ClientInfo {
    ClientInfo { boot_id: "another host".into(), ..client_info(table()) }
}

#[test]
fn a_client_of_another_host_that_ends_in_mid_kernel_is_freed_too() {
    let server = Server::start(&["--resume-grace", "2s"]);
    for silent in [false, true] {
        let mut client = Client::with(&server.ticket, from_another_host());
        client.hear_epoch(1);
        client.say(b"endless kernel, beating heart");
        let start = Instant::now();
        if !silent {
            client.link.close(close::DONE, "done");
        }
        until("the session is gone", || server.sessions() == 0);
        let (freed, limit) = (start.elapsed(), if silent { 15 } else { 5 });
        assert!(freed < Duration::from_secs(limit), "{freed:?}");
    }
}

#[test]
fn a_silent_client_is_freed_after_the_grace() {
    let server = Server::start(&["--resume-grace", "2s"]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    client.echo(b"last words");
    let start = Instant::now();
    until("it is seen to be silent", || !server.status().sessions[0].connected);
    until("the session is gone", || server.sessions() == 0);
    let freed = start.elapsed();
    assert!(freed > Duration::from_secs(2) && freed < Duration::from_secs(15), "{freed:?}");
}

#[test]
fn a_cut_shorter_than_the_grace_costs_nothing() {
    let server = Server::start(&["--resume-grace", "2s"]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    until("it is seen to be silent", || !server.status().sessions[0].connected);
    let mut back = client.resume(&server.ticket, 2);
    back.hear_epoch(2);
    until("it is connected again", || server.status().sessions[0].connected);
    let still = Instant::now();
    while still.elapsed() < Duration::from_secs(4) {
        back.echo(b"beyond the old deadline");
    }
}

#[test]
fn workers_die_with_their_gate() {
    let mut server = Server::start(&[]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    client.say(b"endless kernel");
    let workers = server.workers();
    assert_eq!(workers.len(), 1);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    until("the worker is gone", || !process_lives(workers[0]));
    // Nobody listens there any more. That is noticed long before the silence of half a minute.
    let start = Instant::now();
    assert_eq!(client.end(), LinkError::NobodyListens);
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
}

#[test]
fn the_limit_ends_a_server_and_its_sessions_unless_it_is_renewed() {
    let mut server = Server::start(&["--ttl", "2s"]);
    let start = Instant::now();
    let mut control = Control::dial(&server.ticket).unwrap();
    control.renew(Duration::from_secs(4)).unwrap();
    let left = control.status().unwrap().ttl_left_ms.unwrap();
    assert!(left > 2500 && left <= 4000, "{left}");
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    match client.end() {
        LinkError::ClosedByPeer { code: close::ENDED, reason } => {
            assert!(reason.contains("time is over"), "{reason}")
        }
        other => panic!("{other}"),
    }
    assert!(start.elapsed() > Duration::from_millis(3900), "{:?}", start.elapsed());
    until("the server has exited", || server.has_exited());
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

#[test]
fn a_server_without_sessions_ends_after_its_idle_time() {
    let mut server = Server::start(&["--idle", "1s"]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    let busy = Instant::now();
    while busy.elapsed() < Duration::from_secs(2) {
        client.echo(b"a session is not idle");
    }
    assert!(!server.has_exited());
    client.link.close(close::DONE, "done");
    until("the server has exited", || server.has_exited());
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn status_tells_who_computes_and_shutdown_ends_them() {
    let mut server = Server::start(&["--resume-grace", "3s"]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    client.echo(b"12345");
    until("the calls are counted", || server.status().sessions[0].calls == 5);
    let status = server.status();
    let session = &status.sessions[0];
    assert_eq!((session.pid, session.id), (std::process::id(), client.admitted.session));
    assert!(
        session.connected && session.device_bytes == 4096 && session.program.starts_with("gate-"),
        "{session:?}"
    );
    assert!(status.driver.ends_with("libcuda.so.1") && status.driver_kind == "other", "{status:?}");
    assert_eq!((status.ttl_left_ms, client.admitted.resume_grace_ms), (None, 3000));
    // Heartbeats and questions are no activity.
    let idle = session.idle_ms;
    client.link.drive(Instant::now()).unwrap();
    thread::sleep(Duration::from_millis(300));
    let later = server.status();
    assert!(later.sessions[0].idle_ms >= idle + 300 && later.quiet_ms >= 300, "{later:?}");
    Control::dial(&server.ticket).unwrap().shutdown().unwrap();
    assert!(matches!(client.end(), LinkError::ClosedByPeer { code: close::ENDED, .. }));
    until("the server has exited", || server.has_exited());
}

#[test]
fn there_are_never_more_sessions_than_allowed() {
    let server = Server::start(&["--sessions", "1"]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    let address = server.ticket.address.clone();
    assert_eq!(refusal(&server.ticket, table()), DialError::Full { address, sessions: 1 });
    client.echo(b"mine");
    client.link.close(close::DONE, "done");
    until("there is room again", || server.sessions() == 0);
    Client::new(&server.ticket).hear_epoch(1);
}

#[test]
fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
    let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let (listen, asked) = (format!("0.0.0.0:{port}"), format!("127.0.0.2:{port}"));
    let server = Server::start(&["--listen", &listen, "--advertise", &asked]);
    assert_eq!(server.ticket.address, asked);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    client.echo(&[5; 100_000]);
}

#[test]
fn a_server_speaks_ipv6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return eprintln!("this machine has no IPv6");
    }
    let server = Server::start(&["--listen", "[::1]:0"]);
    let mut client = Client::new(&server.ticket);
    client.hear_epoch(1);
    client.echo(&[6; 100_000]);
}

#[test]
fn a_secret_may_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, format!("{}\n", "0f".repeat(32))).unwrap();
    let server = Server::start(&["--secret-file", file.to_str().unwrap()]);
    assert_eq!(server.ticket.secret.0, [0x0f; 32]);
    Client::new(&server.ticket).hear_epoch(1);
}

#[test]
fn a_command_line_that_cannot_be_served_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let shim = folder.path().join("farwarp/libcuda.so.1");
    fs::create_dir(shim.parent().unwrap()).unwrap();
    fs::write(&shim, "").unwrap();
    let ticket = folder.path().join("ticket");
    let started = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farwarp-server"));
        let output = command.arg("--ticket-file").arg(&ticket).args(more).output().unwrap();
        assert!(!output.status.success() && !ticket.exists());
        String::from_utf8(output.stderr).unwrap()
    };
    let cases = [
        (started(&["--driver", shim.to_str().unwrap()]), "would call itself"),
        (started(&["--driver", "libcuda.so.1"]), "absolute path"),
        (started(&["--driver", "/no/such/libcuda.so.1"]), "no driver at"),
        (started(&["--driver", "/dev/null", "--listen", "0.0.0.0:0"]), "--advertise"),
        (started(&["--driver", "/dev/null", "--listen", "192.0.2.1:1"]), "cannot listen on 192.0.2.1:1"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_client_that_moves_keeps_its_session() {
    let server = Server::start(&[]);
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let through_relay = Ticket { address: relay.local_addr().unwrap().to_string(), ..server.ticket.clone() };
    let (moved, done) = (&AtomicBool::new(false), &AtomicBool::new(false));
    let server_address = &server.ticket.address;
    thread::scope(|scope| {
        scope.spawn(move || relay_until(done, moved, &relay, server_address));
        let mut client = Client::new(&through_relay);
        client.hear_epoch(1);
        client.echo(b"from the first address");
        moved.store(true, Ordering::Relaxed);
        client.echo(&[3; 100_000]);
        client.echo(b"from the second");
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(server.sessions(), 1);
}

/// Carries datagrams, each client socket by one of its own; after the move by new ones.
fn relay_until(done: &AtomicBool, moved: &AtomicBool, relay: &UdpSocket, server: &str) {
    let upstream = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    relay.set_nonblocking(true).unwrap();
    let (mut clients, mut has_moved, mut buffer) = (Vec::new(), false, vec![0; 65_536]);
    while !done.load(Ordering::Relaxed) {
        if moved.load(Ordering::Relaxed) && !has_moved {
            has_moved = true;
            clients.iter_mut().for_each(|(_, socket)| *socket = upstream());
        }
        let mut still = true;
        while let Ok((length, client)) = relay.recv_from(&mut buffer) {
            still = false;
            let known = clients.iter().position(|(address, _)| *address == client);
            let index = known.unwrap_or_else(|| {
                clients.push((client, upstream()));
                clients.len() - 1
            });
            let _lost = clients[index].1.send(&buffer[..length]);
        }
        for (client, socket) in &clients {
            while let Ok(length) = socket.recv(&mut buffer) {
                still = false;
                let _lost = relay.send_to(&buffer[..length], client);
            }
        }
        if still {
            thread::sleep(Duration::from_micros(100));
        }
    }
}
