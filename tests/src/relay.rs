//! A road between a program and its server that misbehaves on request: delay, bandwidth, loss, cuts, other addresses.
//!
//! Each source of datagrams on the client's side gets a socket of its own towards the server, as behind a NAT. Moving the
//! client means that these sockets are replaced; the old ones are kept and not read, so that what the server still sends
//! there vanishes, as it does on a network that somebody has left.

mod conditions;
pub mod lane;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use conditions::{Conditions, Counts, Cut};
use lane::Lane;

/// Sources at one time; a client has two, an old one is forgotten.
const FLOWS_MAX: usize = 256;
/// Sockets that were moved away from.
const ABANDONED_MAX: usize = 256;
/// Datagrams taken from one socket before the others have their turn.
const TAKEN_AT_ONCE: usize = 64;
/// The longest sleep: how late a move or the end can be noticed.
const SLEEP_MAX: Duration = Duration::from_millis(20);
const DATAGRAM_BYTES_MAX: usize = 64 << 10;

pub struct Relay {
    address: SocketAddr,
    wishes: Arc<Wishes>,
    thread: Option<JoinHandle<()>>,
}

/// What the relay's thread is told.
#[derive(Default)]
struct Wishes {
    road: Mutex<Road>,
    end: AtomicBool,
}

#[derive(Default)]
struct Road {
    conditions: Conditions,
    up_cut_until: Option<Instant>,
    down_cut_until: Option<Instant>,
    /// Cuts both ways once so many bytes have come down, the soonest first.
    planned: VecDeque<(u64, Duration)>,
    down_bytes: u64,
    /// New sockets towards the server, from this address.
    leave_for: Option<Ipv4Addr>,
    home: u8,
    counts: Counts,
}

impl Relay {
    /// Listens on a port of loopback and carries to `server`, which is on loopback too.
    pub fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        let here = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        here.set_nonblocking(true)?;
        let address = here.local_addr()?;
        let wishes = Arc::new(Wishes::default());
        let mut carrier = Carrier {
            here,
            server,
            from: Ipv4Addr::LOCALHOST,
            flows: HashMap::new(),
            order: VecDeque::new(),
            abandoned: VecDeque::new(),
            up: Lane::new(seed),
            down: Lane::new(!seed),
            wishes: wishes.clone(),
        };
        let thread = std::thread::Builder::new().name("relay".into()).spawn(move || carrier.carry())?;
        Ok(Self { address, wishes, thread: Some(thread) })
    }

    /// Where clients reach the server through it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn behave(&self, conditions: Conditions) {
        self.wishes.road().conditions = conditions;
    }

    /// Carries nothing that way from now on, for so long.
    pub fn cut(&self, which: Cut, time: Duration) {
        let until = Some(Instant::now() + time);
        let mut road = self.wishes.road();
        if which != Cut::Down {
            road.up_cut_until = until;
        }
        if which != Cut::Up {
            road.down_cut_until = until;
        }
    }

    /// Cuts both ways when so many more bytes have come from the server; several cuts are given in that order.
    pub fn cut_after(&self, down_bytes: u64, time: Duration) {
        let mut road = self.wishes.road();
        let at = road.down_bytes + down_bytes;
        road.planned.push_back((at, time));
    }

    /// How many planned cuts have not happened yet.
    pub fn cuts_left(&self) -> usize {
        self.wishes.road().planned.len()
    }

    /// Ends every cut.
    pub fn heal(&self) {
        let mut road = self.wishes.road();
        (road.up_cut_until, road.down_cut_until) = (None, None);
    }

    /// From now on the client's datagrams come from another address and other ports.
    pub fn move_client(&self) {
        let mut road = self.wishes.road();
        road.home = road.home % 250 + 1;
        road.leave_for = Some(Ipv4Addr::new(127, 0, 1, road.home));
    }

    /// From now on they come from other ports of the same address.
    pub fn rebind_ports(&self) {
        let mut road = self.wishes.road();
        let address = match road.home {
            0 => Ipv4Addr::LOCALHOST,
            home => Ipv4Addr::new(127, 0, 1, home),
        };
        road.leave_for = Some(address);
    }

    pub fn counts(&self) -> Counts {
        self.wishes.road().counts
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.wishes.end.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Road {
    fn came_down(&mut self, bytes: u64, now: Instant) {
        self.down_bytes += bytes;
        while let Some((_, time)) = self.planned.front().copied().filter(|(at, _)| *at <= self.down_bytes) {
            self.planned.pop_front();
            let until = Some(now + time);
            (self.up_cut_until, self.down_cut_until) = (until, until);
        }
    }
}

impl Wishes {
    fn road(&self) -> MutexGuard<'_, Road> {
        self.road.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the relay's thread owns.
struct Carrier {
    here: UdpSocket,
    server: SocketAddr,
    from: Ipv4Addr,
    /// Each client's socket towards the server.
    flows: HashMap<SocketAddr, UdpSocket>,
    /// The oldest first.
    order: VecDeque<SocketAddr>,
    abandoned: VecDeque<UdpSocket>,
    up: Lane<SocketAddr>,
    down: Lane<SocketAddr>,
    wishes: Arc<Wishes>,
}

impl Carrier {
    fn carry(&mut self) {
        // Delays of a millisecond shall not become two.
        let _less_precise = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !self.wishes.end.load(Ordering::Acquire) {
            let leave_for = self.wishes.road().leave_for.take();
            if let Some(address) = leave_for {
                self.move_to(address);
            }
            self.take_in(&mut buffer);
            self.let_out();
            self.sleep();
        }
    }

    fn move_to(&mut self, address: Ipv4Addr) {
        self.from = address;
        for (client, socket) in std::mem::take(&mut self.flows) {
            if self.abandoned.len() == ABANDONED_MAX {
                self.abandoned.pop_front();
            }
            self.abandoned.push_back(socket);
            if let Ok(fresh) = towards(self.server, address) {
                self.flows.insert(client, fresh);
            }
        }
        self.order.retain(|client| self.flows.contains_key(client));
    }

    fn take_in(&mut self, buffer: &mut [u8]) {
        let now = Instant::now();
        for _ in 0..TAKEN_AT_ONCE {
            let Ok((length, client)) = self.here.recv_from(buffer) else { break };
            self.know(client);
            let mut road = self.wishes.road();
            if is_cut(&mut road.up_cut_until, now) {
                road.counts.cut_off += 1;
                continue;
            }
            let (conditions, counts) = (road.conditions, &mut road.counts);
            self.up.put(&client, &buffer[..length], &conditions, counts, now);
        }
        for (client, socket) in &self.flows {
            for _ in 0..TAKEN_AT_ONCE {
                // A refusal by the server's host is swallowed, as firewalls do.
                let Ok(length) = socket.recv(buffer) else { break };
                let mut road = self.wishes.road();
                road.came_down(length as u64, now);
                if is_cut(&mut road.down_cut_until, now) {
                    road.counts.cut_off += 1;
                    continue;
                }
                let (conditions, counts) = (road.conditions, &mut road.counts);
                self.down.put(client, &buffer[..length], &conditions, counts, now);
            }
        }
    }

    /// Gives a client that is new its socket towards the server.
    fn know(&mut self, client: SocketAddr) {
        if self.flows.contains_key(&client) {
            return;
        }
        if self.order.len() == FLOWS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.flows.remove(&oldest);
        }
        if let Ok(socket) = towards(self.server, self.from) {
            self.flows.insert(client, socket);
            self.order.push_back(client);
        }
    }

    /// What a socket has no room for is lost, as on a network.
    fn let_out(&mut self) {
        let now = Instant::now();
        let mut carried = 0;
        while let Some(arrived) = self.up.take(now) {
            let sent = self.flows.get(&arrived.flow).map(|socket| socket.send(&arrived.bytes));
            carried += u64::from(matches!(sent, Some(Ok(_))));
        }
        while let Some(arrived) = self.down.take(now) {
            carried += u64::from(self.here.send_to(&arrived.bytes, arrived.flow).is_ok());
        }
        if carried > 0 {
            self.wishes.road().counts.carried += carried;
        }
    }

    fn sleep(&self) {
        let due = [self.up.next_due(), self.down.next_due()].into_iter().flatten().min();
        let left = due.map_or(SLEEP_MAX, |due| due.saturating_duration_since(Instant::now()).min(SLEEP_MAX));
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut polled = vec![PollFd::new(&self.here, PollFlags::IN)];
        polled.extend(self.flows.values().map(|socket| PollFd::new(socket, PollFlags::IN)));
        // Interrupted or not: the next round looks at everything.
        let _ = poll(&mut polled, Some(&timeout));
    }
}

fn is_cut(until: &mut Option<Instant>, now: Instant) -> bool {
    if until.is_some_and(|until| until <= now) {
        *until = None;
    }
    until.is_some()
}

fn towards(server: SocketAddr, from: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's socket, a client's, and the road between.
    fn ends() -> (UdpSocket, UdpSocket, Relay) {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let relay = Relay::start(server.local_addr().expect("its number"), 1).expect("a relay");
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        client.connect(relay.address()).expect("an address");
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
        }
        (server, client, relay)
    }

    fn arrives(server: &UdpSocket, client: &UdpSocket) -> SocketAddr {
        let mut buffer = [0; 64];
        client.send(b"there").expect("sent");
        let (length, from) = server.recv_from(&mut buffer).expect("received");
        assert_eq!(&buffer[..length], b"there");
        server.send_to(b"and back", from).expect("sent");
        assert_eq!(client.recv(&mut buffer).expect("received"), 8);
        from
    }

    #[test]
    fn it_carries_both_ways_and_a_client_that_moved_has_another_address() {
        let (server, client, relay) = ends();
        let first = arrives(&server, &client);
        relay.rebind_ports();
        std::thread::sleep(2 * SLEEP_MAX);
        let second = arrives(&server, &client);
        assert!(first.ip() == second.ip() && first.port() != second.port(), "{first}, {second}");
        relay.move_client();
        std::thread::sleep(2 * SLEEP_MAX);
        let third = arrives(&server, &client);
        assert_ne!(third.ip(), second.ip());
        // It counts what it has sent, a moment after that may have arrived.
        let counted = || relay.counts().carried == 6;
        assert!(crate::wait_until(Duration::from_secs(10), counted), "{}", relay.counts().carried);
    }

    #[test]
    fn a_road_that_is_cut_one_way_carries_the_other() {
        let (server, client, relay) = ends();
        let at_server = arrives(&server, &client);
        relay.cut(Cut::Up, Duration::from_secs(3600));
        client.send(b"lost").expect("sent");
        server.send_to(b"not lost", at_server).expect("sent");
        let mut buffer = [0; 64];
        assert_eq!(client.recv(&mut buffer).expect("received"), 8);
        relay.heal();
        arrives(&server, &client);
        assert_eq!(relay.counts().cut_off, 1);
    }
}
