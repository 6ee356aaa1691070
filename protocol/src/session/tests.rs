//! A pair of sessions over a wire that can be cut anywhere.

use super::*;
use crate::limits::BODY_BYTES_MAX;

struct End {
    session: Session,
    seen: Vec<(u64, Vec<u8>)>,
}

struct Pair {
    ends: [End; 2],
}

fn call(op: u32) -> Header {
    Header { kind: RecordKind::Call, op, number: 0, about: 0, slot: 0, flags: 0, code: 0, body_bytes: 0 }
}

impl Pair {
    fn connected() -> Pair {
        let end = || End { session: Session::new(), seen: Vec::new() };
        let mut pair = Pair { ends: [end(), end()] };
        pair.reconnect();
        pair
    }

    fn reconnect(&mut self) {
        self.ends.iter_mut().for_each(|end| end.session.reconnect());
    }

    /// Carries at most `bytes` from one end to the other.
    fn carry(&mut self, from: usize, bytes: usize) -> usize {
        let wire: Vec<u8> = self.ends[from].session.pending().iter().copied().take(bytes).collect();
        self.ends[from].session.taken(wire.len());
        let to = &mut self.ends[1 - from];
        to.session.receive(&wire);
        while let Some(header) = to.session.next_record().unwrap() {
            let body = to.session.body().to_vec();
            to.seen.push((header.number, body));
        }
        wire.len()
    }

    fn settle(&mut self) {
        while self.carry(0, usize::MAX) + self.carry(1, usize::MAX) > 0 {}
    }
}

#[test]
fn records_arrive_once_and_in_order_wherever_the_wire_is_cut() {
    let bodies: Vec<Vec<u8>> = (0..5).map(|n| vec![n as u8; n * 7]).collect();
    let total: usize = bodies.iter().map(|body| body.len() + HEADER_BYTES).sum::<usize>() + HEADER_BYTES;
    for cut in 0..=total {
        let mut pair = Pair::connected();
        for body in &bodies {
            pair.ends[0].session.push(call(1), &[&body[..body.len() / 2], &body[body.len() / 2..]]).unwrap();
        }
        pair.carry(0, cut);
        pair.reconnect();
        pair.settle();
        let expected: Vec<(u64, Vec<u8>)> =
            bodies.iter().enumerate().map(|(n, body)| (n as u64 + 1, body.clone())).collect();
        assert_eq!(pair.ends[1].seen, expected, "cut after {cut} bytes");
    }
}

#[test]
fn any_number_of_cuts_in_both_directions_loses_and_doubles_nothing() {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for seed in 0..200 {
        let mut pair = Pair::connected();
        let mut pushed = [0u64; 2];
        for _ in 0..300 {
            let who = (next() % 2) as usize;
            match next() % 10 {
                0 => pair.reconnect(),
                1..=4 => {
                    let body = vec![next() as u8; (next() % 4000) as usize];
                    pair.ends[who].session.push(call(0), &[&body]).unwrap();
                    pushed[who] += 1;
                }
                _ => {
                    let bytes = (next() % 3000) as usize;
                    pair.carry(who, bytes);
                }
            }
        }
        pair.reconnect();
        pair.settle();
        for (who, pushed) in pushed.into_iter().enumerate() {
            let numbers: Vec<u64> = pair.ends[1 - who].seen.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, (1..=pushed).collect::<Vec<_>>(), "round {seed}");
        }
    }
}

#[test]
fn acknowledgements_free_the_resend_buffer_and_it_is_bounded() {
    let mut pair = Pair::connected();
    let body = vec![7; BODY_BYTES_MAX];
    let mut pushed = 0;
    while pair.ends[0].session.push(call(0), &[&body]).is_ok() {
        pushed += 1;
    }
    assert!(pushed >= RESEND_BYTES_MAX / (BODY_BYTES_MAX + HEADER_BYTES));
    assert!(!pair.ends[0].session.has_room(BODY_BYTES_MAX));
    pair.settle();
    assert_eq!(pair.ends[1].seen.len(), pushed);
    assert!(pair.ends[0].session.has_room(BODY_BYTES_MAX));
    assert_eq!(pair.ends[0].session.unacknowledged(), 0);
}

#[test]
fn a_peer_that_breaks_a_rule_is_told_apart() {
    let greeting = control_record(RecordKind::Greeting, 0);
    let error_after = |records: &[[u8; HEADER_BYTES]]| {
        let mut session = Session::new();
        session.reconnect();
        records.iter().for_each(|record| session.receive(record));
        session.next_record().unwrap_err()
    };
    assert_eq!(error_after(&[control_record(RecordKind::Ack, 0)]), SessionError::NoGreeting);
    assert_eq!(error_after(&[greeting, greeting]), SessionError::GreetedTwice);
    assert_eq!(
        error_after(&[greeting, control_record(RecordKind::Ack, 4)]),
        SessionError::AckedUnsent { sent: 0, got: 4 }
    );
    assert_eq!(
        error_after(&[greeting, Header { number: 2, ..call(0) }.encode()]),
        SessionError::Gap { expected: 1, got: 2 }
    );
    let mut unknown = greeting;
    unknown[26] = 99;
    assert_eq!(error_after(&[unknown]), SessionError::Frame(FrameError::UnknownKind(99)));
}

#[test]
fn blocks_are_handed_on_whole_and_serve_again_when_nobody_holds_them() {
    let limits = Limits { block_bytes: 100, ..Limits::default() };
    let mut session = Session::with_limits(limits);
    session.push(call(1), &[&[7; 300]]).unwrap();
    let first = session.pending_block().unwrap();
    assert_eq!((first.len(), &first[HEADER_BYTES..]), (100, &[7; 68][..]));
    session.taken(40);
    assert_eq!(session.pending_block().unwrap(), first.slice(40..));
    session.taken(60 + 200);
    assert_eq!(
        (session.pending_block(), session.pending()),
        (None, &[7; 32][..]),
        "the last one is being filled"
    );
    session.taken(32);
    let memory = first.as_ptr();
    session.receive(&control_record(RecordKind::Greeting, 1));
    assert_eq!(session.next_record(), Ok(None));
    assert_eq!(session.kept_bytes(), 0);
    drop(first);
    let mut blocks = Vec::new();
    for _ in 0..4 {
        session.push(call(1), &[&[8; 100 - HEADER_BYTES]]).unwrap();
        blocks.push(session.pending_block().unwrap());
        session.taken(100);
    }
    assert!(blocks.iter().any(|block| block.as_ptr() == memory), "new memory although old is free");
}
