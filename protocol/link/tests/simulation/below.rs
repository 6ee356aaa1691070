//! A session over the real QUIC, over bad weather: calls go up, answers come down, connections are lost and dialled again.

use crate::datagrams::{self, CLIENT, Network, Quic, WORKER, Weather};
use crate::random::{Random, mix};
use farwarp_link::{Link, carry};
use farwarp_protocol::call::op;
use farwarp_protocol::client::Client;
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::session::Limits;
use farwarp_protocol::worker::{Asker, WhenFull, Worker};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CALLS: u64 = 60;
const TICK: Duration = Duration::from_millis(2);
/// An hour of the simulated clock is longer than any weather above lasts.
const TICKS_MAX: u64 = 1_800_000;
/// A dial that has not come through after so long begins anew.
const DIAL: Duration = Duration::from_secs(3);

/// What a run met.
#[derive(Default)]
pub struct Met {
    pub spoiled: u64,
    pub moves: u64,
    pub connections: u64,
}

pub fn run(seed: u64) -> Met {
    let mut random = Random::new(seed);
    let weather = Weather::random(&mut random);
    let network = Network::new(weather, Random::new(random.next()));
    let cuts = random.permille(500);
    let mut run = Run::new(network, random);
    for tick in 0..TICKS_MAX {
        if run.answered == CALLS {
            let network = run.network.lock().unwrap();
            return Met { spoiled: network.spoiled, moves: network.moves, connections: run.connections };
        }
        run.now += TICK;
        run.fate(cuts && tick < 20_000);
        run.program();
        run.client();
        run.worker();
    }
    panic!("after an hour {} of {CALLS} are answered, {} executed", run.answered, run.executed);
}

struct Run {
    now: Instant,
    random: Random,
    network: Arc<Mutex<Network>>,
    client: Client,
    worker: Worker,
    links: (Quic, Quic),
    /// Until when the dial has time, while nothing has come through.
    dials_until: Option<Instant>,
    /// By the side that sends.
    cut_until: [Option<Instant>; 2],
    connections: u64,
    put: u64,
    executed: u64,
    answered: u64,
}

impl Run {
    fn new(network: Arc<Mutex<Network>>, mut random: Random) -> Run {
        let (now, limits) = (Instant::now(), Limits { ack_every_records: 8, ..Limits::default() });
        let links = datagrams::dial(&network, now, &mut random);
        let mut client = Client::new(limits, Duration::from_secs(7200));
        let mut worker = Worker::new(limits);
        client.connected();
        worker.connected();
        Run {
            now,
            random,
            network,
            client,
            worker,
            links,
            dials_until: Some(now + DIAL),
            cut_until: [None; 2],
            connections: 1,
            put: 0,
            executed: 0,
            answered: 0,
        }
    }

    fn fate(&mut self, cuts: bool) {
        let mut network = self.network.lock().unwrap();
        if self.random.permille(2) {
            network.rebind();
        }
        if cuts && self.random.permille(1) {
            let until = Some(self.now + Duration::from_millis(self.random.below(15_000)));
            match self.random.below(4) {
                0 => self.cut_until[CLIENT] = until,
                1 => self.cut_until[WORKER] = until,
                _ => self.cut_until = [until; 2],
            }
        }
        network.cut = self.cut_until.map(|until| until.is_some_and(|until| self.now < until));
    }

    /// Call number n has a body that n decides; every third is asked.
    fn program(&mut self) {
        while self.put < CALLS && self.random.permille(200) {
            self.put += 1;
            let flags = if self.put.is_multiple_of(3) || self.put == CALLS { FLAG_ASKED } else { 0 };
            let header = Header {
                kind: RecordKind::Call,
                op: op("cuMemcpyHtoD_v2"),
                number: 0,
                about: 1,
                slot: 1,
                flags,
                code: 0,
                body_bytes: 0,
            };
            assert_eq!(self.client.put(header, &[&body(self.put)]), Ok(self.put));
        }
        while self.answered < self.put {
            let next = self.answered + 1;
            if next.is_multiple_of(3) || next == CALLS {
                let Some(answer) = self.client.take_answer(next) else { return };
                assert_eq!(answer.unwrap().body, body(!next), "the answer to call {next}");
            }
            self.answered = next;
        }
    }

    fn client(&mut self) {
        let before = self.client.session().last_received();
        let lost = carry(&mut self.client, &mut self.links.0, self.now).is_err();
        assert_eq!(self.client.take_breach(), None);
        if self.client.session().last_received() > before {
            self.dials_until = None;
        }
        if lost || self.dials_until.is_some_and(|until| self.now >= until) {
            self.links = datagrams::dial(&self.network, self.now, &mut self.random);
            self.client.connected();
            self.worker.connected();
            self.connections += 1;
            self.dials_until = Some(self.now + DIAL);
        }
    }

    fn worker(&mut self) {
        // That it is lost, the client finds too.
        let _ = carry(&mut self.worker, &mut self.links.1 as &mut dyn Link, self.now);
        let mut found = Vec::new();
        while let Some(call) = self.worker.next_call(&mut found).expect("an honest client") {
            self.executed += 1;
            assert_eq!(
                (call.number, &found),
                (self.executed, &body(call.number)),
                "each call once, in order"
            );
            let answer = body(!call.number);
            self.worker.answer(Asker::of(&call), 0, &[&answer], WhenFull::Keep).unwrap();
        }
    }
}

/// Up to 20 KB that a number decides: several datagrams, or a part of one.
fn body(number: u64) -> Vec<u8> {
    let bytes = mix(number) % if number.is_multiple_of(5) { 20_000 } else { 200 };
    (0..bytes).map(|at| mix(number ^ (at << 32)) as u8).collect()
}
