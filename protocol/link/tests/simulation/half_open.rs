//! A client whose way up is cut, and who goes on hearing its worker: it must find out by itself, and before the worker's patience
//! with it is over.

use crate::datagrams::{self, CLIENT, Network, SILENCE, Weather};
use crate::random::Random;
use farwarp_link::Link;
use farwarp_link::quic::acknowledged::Acknowledged;
use farwarp_link::quic::roaming::{Action, Roaming, Signs};
use farwarp_link::quic::settings;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(2);
const WARM_UP: Duration = Duration::from_secs(1);

/// The clock that sleeps with the machine is the other one: nobody slept.
struct Awake<'a>(Duration, &'a Acknowledged);

impl Signs for Awake<'_> {
    fn boot(&self) -> Duration {
        self.0
    }

    fn acks(&self) -> u64 {
        self.1.get()
    }
}

/// How long after the cut it gives up, and how many ACK frames it heard until then. `tells` is how often it writes.
fn gives_up(tells: Option<Duration>) -> (Duration, u64) {
    let weather = Weather { lost: 0, doubled: 0, damaged: 0, delay_us_max: 5_000, datagram_bytes_max: 1472 };
    let (network, begin) = (Network::new(weather, Random::new(1)), Instant::now());
    let (mut client, mut worker) = datagrams::dial(&network, begin, &mut Random::new(2));
    let mut roaming = Roaming::new(SILENCE, begin);
    let (mut told, mut frames_before, mut time) = (begin, 0, Duration::ZERO);
    while time < 10 * SILENCE {
        time += TICK;
        let now = begin + time;
        if time == WARM_UP {
            network.lock().unwrap().cut[CLIENT] = true;
            frames_before = client.ack_frames();
        }
        let tells = if time < WARM_UP { Some(20 * TICK) } else { tells };
        if tells.is_some_and(|pause| now >= told + pause) && client.write(&[7; 100]).unwrap() > 0 {
            told = now;
            roaming.moved(now);
            roaming.asked(now);
        }
        // Its own end is not what this is about. It has a little to say all the time, and an ACK frame with each word.
        let _given_up = worker.drive(now);
        let _ = (worker.read(&mut [0; 4096]), worker.write(&[9]));
        let heard = client.ack_frames();
        client.drive(now).expect("a client that hears its worker");
        if client.read(&mut [0; 4096]).unwrap() > 0 {
            roaming.moved(now);
        }
        if client.ack_frames() > heard {
            roaming.heard(now);
        }
        if let Some(Action::Unanswered { .. }) = roaming.look(now, &Awake(time, client.acknowledged())) {
            assert!(time > WARM_UP, "a road that stands was given up");
            return (time - WARM_UP, client.ack_frames() - frames_before);
        }
    }
    panic!("it never gave up");
}

#[test]
fn a_client_that_is_not_heard_gives_up_although_it_hears() {
    let patience = 3 * settings::keep_alive_for(SILENCE) + Duration::from_millis(200);
    for tells in [None, Some(Duration::from_millis(150))] {
        let (time, frames) = gives_up(tells);
        println!("telling each {tells:?}: given up after {time:?}, {frames} ACK frames heard meanwhile");
        assert!(time <= patience, "{time:?} with {tells:?}");
        assert!(frames > 3, "{frames}: a worker that sends nothing shows nothing");
    }
}
