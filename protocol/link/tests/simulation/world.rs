//! A run: program, client, network and server, moved in an order that a seed chooses, while fate cuts, delays, and kills.

use crate::model::Model;
use crate::program::{Habits, Program};
use crate::random::Random;
use crate::server::Server;
use crate::wire::{self, CLIENT, Cord, End, Nature, WORKER};
use farwarp_link::{Link, carry};
use farwarp_protocol::client::{Client, SESSION_LOST};
use farwarp_protocol::session::Limits;
use std::fmt;
use std::time::{Duration, Instant};

/// After fate has left, every call is answered within so many rounds, or something waits for ever.
const ROUNDS_MAX: usize = 200_000;
const ROUND: Duration = Duration::from_millis(5);

/// What a seed decides about its run as a whole.
pub struct Plan {
    pub limits: Limits,
    pub grace: Duration,
    pub habits: Habits,
    pub threads: u64,
    pub calls: u64,
    pub steps: u64,
    /// How often fate acts, in a thousand steps, and the longest step.
    pub fate: u64,
    pub kills: bool,
    pub tick_us_max: u64,
    /// Of connections; a random one each where there is none.
    pub nature: Option<Nature>,
}

impl Plan {
    pub fn random(random: &mut Random) -> Plan {
        let resend_bytes_max = random.pick(&[2_000, 6_000, 30_000, 1 << 20]);
        let body_bytes = random.pick(&[0, 40, 300]).min(resend_bytes_max as u64 / 8);
        let habits = Habits {
            fails: random.pick(&[0, 30, 300]),
            fails_for_ever: random.pick(&[0, 0, 0, 10]),
            loses_context: random.pick(&[0, 0, 20]),
            body_bytes,
            answer_bytes: random.pick(&[50, 500]).min(resend_bytes_max as u64 / 8),
            asks: random.pick(&[20, 200, 900]),
            copies_out: random.pick(&[0, 50, 400]),
            synchronizes: random.pick(&[0, 30, 200]),
            ends_thread: random.pick(&[0, 0, 50]),
            host_calls: random.pick(&[0, 40]),
            leaves_context: random.pick(&[0, 0, 20]),
        };
        Plan {
            limits: Limits {
                resend_bytes_max,
                ack_every_bytes: resend_bytes_max / random.pick(&[5, 10, 40]) as usize,
                ack_every_records: random.pick(&[2, 8, 256]),
                // A whole record must fit.
                unread_bytes_max: random.pick(&[500, 3_000, 100_000]) as usize,
                block_bytes: random.pick(&[7, 200, 4_000]) as usize,
                read_bytes: random.pick(&[50, 4_096]) as usize,
            },
            grace: Duration::from_secs(random.pick(&[3, 20, 120])),
            habits,
            threads: random.between(1, 6),
            calls: random.between(5, 60),
            steps: random.between(200, 1500),
            fate: random.pick(&[0, 3, 10, 30]),
            kills: random.permille(150),
            tick_us_max: random.pick(&[1_000, 20_000, 200_000]),
            nature: None,
        }
    }
}

/// What a run did, for the sums.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub calls: u64,
    pub executed: u64,
    pub connections: u64,
    pub faults: u64,
    pub stale: u64,
    pub waited_for_room: u64,
    pub host_calls: u64,
    pub lost: u64,
    pub fatal: u64,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.calls += other.calls;
        self.executed += other.executed;
        self.connections += other.connections;
        self.faults += other.faults;
        self.stale += other.stale;
        self.waited_for_room += other.waited_for_room;
        self.host_calls += other.host_calls;
        self.lost += other.lost;
        self.fatal += other.fatal;
    }

    /// Seeds that never meet a fault would prove nothing about it.
    pub fn covers_everything(&self) -> bool {
        [self.stale, self.waited_for_room, self.host_calls, self.lost, self.fatal]
            .iter()
            .all(|count| *count > 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls, {} executed, {} connections, {} faults, {} stale connections refused, {} waits for room, {} host \
             functions, {} sessions lost, {} fatal errors",
            self.calls,
            self.executed,
            self.connections,
            self.faults,
            self.stale,
            self.waited_for_room,
            self.host_calls,
            self.lost,
            self.fatal
        )
    }
}

/// A dial under way: the shim's helper is in it.
struct Dial {
    ends: Instant,
    outcome: Result<(End, Cord), bool>,
}

pub struct World {
    now: Instant,
    random: Random,
    plan: Plan,
    client: Client,
    link: Option<End>,
    cords: Vec<Cord>,
    dial: Option<Dial>,
    epoch: u32,
    lost_at: Option<Instant>,
    network_away_until: Option<Instant>,
    /// Data connections that have yet to reach the worker.
    arrivals: Vec<(Instant, u32, End)>,
    server: Server,
    program: Program,
    model: Model,
    /// No more faults.
    peace: bool,
    pub tally: Tally,
}

impl World {
    pub fn new(plan: Plan, random: Random) -> World {
        let now = Instant::now();
        let mut world = World {
            now,
            client: Client::new(plan.limits, plan.grace),
            link: None,
            cords: Vec::new(),
            dial: None,
            epoch: 0,
            lost_at: None,
            network_away_until: None,
            arrivals: Vec::new(),
            server: Server::new(plan.limits, plan.grace),
            program: Program::new(plan.threads, plan.calls, plan.habits),
            model: Model::default(),
            peace: false,
            tally: Tally::default(),
            random,
            plan,
        };
        let (client, worker, cord) = world.wire();
        world.epoch = 1;
        world.arrivals.push((now, 1, worker));
        world.take_connection(client, cord);
        world
    }

    /// Everything: the time of troubles, then peace until all is answered, then the reckoning.
    pub fn run(mut self) -> Tally {
        for _ in 0..self.plan.steps {
            let tick = Duration::from_micros(self.random.below(self.plan.tick_us_max + 1));
            self.advance(tick);
            self.step();
        }
        self.settle();
        self.tally
    }

    /// Nothing more goes wrong: everything must come to its end.
    pub fn settle(&mut self) {
        self.peace = true;
        self.network_away_until = None;
        for cord in &self.cords {
            cord.be(usize::MAX, Duration::ZERO);
        }
        for _ in 0..ROUNDS_MAX {
            if self.is_settled() {
                return self.reckon();
            }
            self.advance(ROUND);
            self.dial();
            self.arrive();
            self.drive();
            self.server.drive(self.now);
            for _ in 0..8 {
                self.server.execute(&mut self.model, self.now, &mut self.random);
                self.server.finish(&mut self.model, self.now, &mut self.random);
            }
            self.program.help(&mut self.client, &mut self.model);
            for which in 0..self.program.threads() {
                self.program.step(which, &mut self.client, &mut self.model, &mut self.random);
            }
        }
        panic!(
            "it waits for ever\n{}\n{}\n{}",
            self.model.state(),
            self.server.state(),
            self.program.state()
        );
    }

    fn is_settled(&self) -> bool {
        let carried = self.server.is_quiet() && self.model.is_carried();
        self.program.is_done(&self.client, &self.model) && (self.client.dead().is_some() || carried)
    }

    fn reckon(&mut self) {
        self.tally.calls = self.program.calls;
        self.tally.executed = self.model.executed;
        self.tally.waited_for_room = self.program.waited_for_room;
        self.tally.host_calls = self.program.done_host_calls;
        self.tally.fatal = u64::from(self.client.dead().is_some() && self.tally.lost == 0);
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.cords.iter().for_each(|cord| cord.at(self.now));
    }

    fn step(&mut self) {
        if self.random.permille(self.plan.fate) {
            self.tally.faults += 1;
            self.fate();
        }
        if self.link.is_none() {
            // Little can happen meanwhile.
            self.advance(ROUND);
        }
        self.dial();
        self.arrive();
        match self.random.below(100) {
            0..=44 => {
                let which = self.random.below(self.program.threads() as u64) as usize;
                self.program.step(which, &mut self.client, &mut self.model, &mut self.random);
            }
            45..=49 => self.program.help(&mut self.client, &mut self.model),
            50..=64 => self.drive(),
            65..=79 => self.server.drive(self.now),
            80..=93 => self.server.execute(&mut self.model, self.now, &mut self.random),
            _ => self.server.finish(&mut self.model, self.now, &mut self.random),
        }
    }

    fn fate(&mut self) {
        let cord = self.cords.last().expect("there was a first connection");
        match self.random.below(12) {
            0..=3 => cord.cut(),
            4 => cord.half_open(CLIENT),
            5 => cord.half_open(WORKER),
            6..=7 => {
                let portion = self.random.pick(&[1, 50, usize::MAX]);
                cord.be(portion, Duration::from_micros(self.random.below(200_000)));
            }
            8 => {
                cord.cut();
                let outage = self.random.pick(&[10, 100, 500, 4_000, 30_000]);
                self.network_away_until = Some(self.now + Duration::from_millis(outage));
            }
            9 => {
                let nobody_ran = Duration::from_millis(self.random.below(8_000));
                self.advance(nobody_ran);
            }
            10 if self.plan.kills => self.server.die(),
            11 if self.plan.kills => {
                self.server.restart_gate(self.now + Duration::from_millis(self.random.below(3_000)));
            }
            _ => {}
        }
    }

    /// The client's half meets its connection, as the shim's `Core::drive` does it.
    fn drive(&mut self) {
        let Some(link) = self.link.as_mut() else { return };
        let carried = carry(&mut self.client, link as &mut dyn Link, self.now);
        assert_eq!(self.client.take_breach(), None, "the client takes the server for a liar");
        if carried.is_err() {
            self.client.connection_lost(self.now);
            self.lost_at.get_or_insert(self.now);
            self.link = None;
        }
        let session = self.client.session();
        assert!(session.kept_bytes() <= self.plan.limits.resend_bytes_max, "calls beyond the limit");
        self.model.hear(session.last_received());
        assert_eq!(self.client.dead(), self.model.dead, "what the client knows to be lost");
    }

    /// The helper brings the connection back, as the shim's `bring_back` does it.
    fn dial(&mut self) {
        if let Some(dial) = self.dial.take_if(|dial| dial.ends <= self.now) {
            match dial.outcome {
                Ok((link, cord)) => self.take_connection(link, cord),
                Err(for_ever) => {
                    let over = self.lost_at.is_some_and(|since| self.now >= since + self.plan.grace);
                    let lost = self.client.dial_failed(for_ever, self.now);
                    assert_eq!(lost, for_ever || over, "when a session is given up");
                    assert!(!for_ever || !self.server.is_alive());
                    if lost {
                        self.model.dead.get_or_insert(SESSION_LOST);
                        self.tally.lost = 1;
                    }
                }
            }
        }
        if self.link.is_none() && self.dial.is_none() && self.client.dead().is_none() {
            self.epoch += 1;
            self.dial = Some(self.begin_dial());
        }
    }

    fn begin_dial(&mut self) -> Dial {
        let mut later = |ms: u64| self.now + Duration::from_millis(self.random.below(ms));
        let (soon, late) = (later(300), later(10_000));
        if self.network_away_until.is_some_and(|until| self.now < until) {
            return Dial { ends: late, outcome: Err(false) };
        }
        if !self.server.gate_listens(self.now) || !self.server.is_alive() {
            return Dial { ends: soon, outcome: Err(self.server.gate_listens(self.now)) };
        }
        let (client, worker, cord) = self.wire();
        let arrives = match self.random.below(10) {
            // Overtaken by a later one perhaps.
            0..=1 if !self.peace => late,
            _ => self.now + Duration::from_millis(self.random.below(300)),
        };
        self.arrivals.push((arrives, self.epoch, worker));
        if self.random.permille(100) && !self.peace {
            let (_, again, _) = self.wire();
            self.arrivals.push((late, self.epoch, again));
        }
        // The client may give up on a connection that the worker takes.
        match self.random.below(10) {
            0..=1 if !self.peace => Dial { ends: soon, outcome: Err(false) },
            _ => Dial { ends: soon, outcome: Ok((client, cord)) },
        }
    }

    fn take_connection(&mut self, link: End, cord: Cord) {
        self.client.connected();
        self.link = Some(link);
        self.lost_at = None;
        self.cords.push(cord);
        self.tally.connections += 1;
        self.advance(Duration::ZERO);
    }

    fn wire(&mut self) -> (End, End, Cord) {
        let nature = match self.plan.nature {
            _ if self.peace => Nature::ideal(),
            // Only the first connection is the one that a plan is about.
            Some(nature) if self.epoch == 0 => nature,
            Some(_) => Nature::ideal(),
            None => Nature::random(&mut self.random),
        };
        wire::connect(nature, self.now, &mut self.random)
    }

    fn arrive(&mut self) {
        let mut index = 0;
        while index < self.arrivals.len() {
            if self.arrivals[index].0 > self.now {
                index += 1;
                continue;
            }
            let (_, epoch, end) = self.arrivals.swap_remove(index);
            if !self.server.connect(end, epoch) {
                self.tally.stale += 1;
            }
        }
    }
}
