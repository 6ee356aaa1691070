//! Faults that were mended, each with the least that shows it; what they have in common is under simulation in `farwarp-link`.

use super::*;
use crate::call::{HostCallDue, op};
use crate::error::{CUDA_ERROR_ASSERT, CUDA_ERROR_INVALID_VALUE};
use crate::limits::{HEADER_BYTES, PIECE_BYTES};
use crate::worker::{Asker, WhenFull, Worker};

const CONTEXT: Id = Id(7);
const SLOT: u16 = 3;

struct Pair {
    client: Client,
    worker: Worker,
}

fn call(op: u32, flags: u8) -> Header {
    Header {
        kind: RecordKind::Call,
        op,
        number: 0,
        about: CONTEXT.0,
        slot: SLOT,
        flags,
        code: 0,
        body_bytes: 0,
    }
}

fn tell() -> Header {
    call(op("cuMemsetD8Async"), 0)
}

fn ask() -> Header {
    call(op("cuCtxSynchronize"), FLAG_ASKED)
}

impl Pair {
    fn connected(limits: Limits) -> Pair {
        let (client, worker) = (Client::new(limits, Duration::from_secs(1)), Worker::new(limits));
        let mut pair = Pair { client, worker };
        pair.client.connected();
        pair.worker.connected();
        pair
    }

    /// Everything that can be carried is; the calls that come out.
    fn carry(&mut self) -> Vec<Asker> {
        let mut calls = Vec::new();
        loop {
            let moved = pass(&mut self.client, &mut self.worker) + pass(&mut self.worker, &mut self.client);
            while let Some(header) = self.worker.next_call(&mut Vec::new()).unwrap() {
                calls.push(Asker::of(&header));
            }
            if moved == 0 {
                return calls;
            }
        }
    }
}

fn pass(from: &mut impl Half, to: &mut impl Half) -> usize {
    let bytes = from.pending().to_vec();
    from.taken(bytes.len());
    to.receive(&bytes);
    bytes.len()
}

/// What a server says that follows no rule but those of the session's frames.
fn says(records: impl Iterator<Item = (Header, Vec<u8>)>) -> Vec<u8> {
    let mut session = Session::with_limits(Limits { resend_bytes_max: usize::MAX, ..Limits::default() });
    session.reconnect();
    for (header, body) in records {
        session.push(Header { kind: RecordKind::Notice, ..header }, &[&body]).unwrap();
    }
    let mut said = Vec::new();
    while !session.pending().is_empty() {
        let bytes = session.pending();
        said.extend_from_slice(bytes);
        let taken = bytes.len();
        session.taken(taken);
    }
    said
}

#[test]
fn a_failure_does_not_reach_the_next_thread_in_the_same_slot() {
    let mut pair = Pair::connected(Limits::default());
    pair.client.put(tell(), &[]).unwrap();
    let first = pair.carry()[0];
    pair.client.thread_gone(SLOT);
    pair.worker.answer(first, CUDA_ERROR_INVALID_VALUE, &[], WhenFull::Wait).unwrap();
    pair.carry();
    assert_eq!(pair.client.take_failure(SLOT), None);

    pair.client.put(tell(), &[]).unwrap();
    let second = pair.carry()[0];
    pair.worker.answer(second, CUDA_ERROR_INVALID_VALUE, &[], WhenFull::Wait).unwrap();
    pair.carry();
    assert_eq!(pair.client.take_failure(SLOT), Some(CUDA_ERROR_INVALID_VALUE), "its own failure does");
    assert_eq!(pair.client.take_failure(SLOT), None, "once");
}

#[test]
fn a_thread_that_ends_while_the_log_is_full_is_told_of_before_its_slot_is_used_again() {
    let limits = Limits { resend_bytes_max: 3 * HEADER_BYTES, ack_every_records: 1, ..Limits::default() };
    let mut pair = Pair::connected(limits);
    while pair.client.put(tell(), &[]).is_ok() {}
    pair.client.thread_gone(SLOT);
    assert_eq!(pair.client.put(tell(), &[]), Err(NotPut::Full));
    let told = pair.carry();
    assert_eq!(told.len(), 4, "three calls and then the end of the thread: {told:?}");
    assert_eq!(told[3].context, Id(0));
    pair.client.put(tell(), &[]).unwrap();
}

#[test]
fn a_failure_of_a_thread_whose_end_waits_for_room_is_nobodys() {
    let limits = Limits { resend_bytes_max: 3 * HEADER_BYTES, ..Limits::default() };
    let mut pair = Pair::connected(limits);
    while pair.client.put(tell(), &[]).is_ok() {}
    let calls = pair.carry();
    pair.client.thread_gone(SLOT);
    pair.worker.answer(calls[0], CUDA_ERROR_INVALID_VALUE, &[], WhenFull::Wait).unwrap();
    pair.carry();
    assert_eq!(pair.client.take_failure(SLOT), None);
}

#[test]
fn an_asked_call_that_loses_its_context_loses_it_here_too() {
    let mut pair = Pair::connected(Limits::default());
    let number = pair.client.put(ask(), &[]).unwrap();
    let asker = pair.carry()[0];
    pair.worker.answer(asker, CUDA_ERROR_ASSERT, &[], WhenFull::Wait).unwrap();
    pair.carry();
    assert_eq!(pair.client.pending_error(CONTEXT), Some(CUDA_ERROR_ASSERT));
    assert_eq!(pair.client.pending_error(Id(8)), None, "the others go on");
    assert_eq!(pair.client.take_answer(number).unwrap().unwrap().code, CUDA_ERROR_ASSERT);
}

#[test]
fn a_lost_context_can_be_destroyed_and_is_forgotten_with_that() {
    let mut pair = Pair::connected(Limits::default());
    pair.client.put(tell(), &[]).unwrap();
    let asker = pair.carry()[0];
    pair.worker.answer(asker, CUDA_ERROR_ASSERT, &[], WhenFull::Wait).unwrap();
    pair.carry();
    assert_eq!(pair.client.put(tell(), &[]), Err(NotPut::Dead(CUDA_ERROR_ASSERT)));
    pair.client.put(call(CONTEXT_GONE, FLAG_ASKED), &[]).unwrap();
    pair.client.context_gone(CONTEXT);
    assert_eq!(pair.client.pending_error(CONTEXT), None);
    assert_eq!(
        pair.client.take_failure(SLOT),
        None,
        "the loss was no failure of one call, to be heard once more"
    );
}

#[test]
fn a_server_cannot_turn_a_call_into_a_success_that_never_was() {
    let mut pair = Pair::connected(Limits::default());
    let failed = |code| (Header { op: NOTICE_FAILED, code, ..call(0, 0) }, codec::encode(&CONTEXT));
    pair.client.receive(&says([failed(0)].into_iter()));
    assert_eq!(pair.client.take_failure(SLOT), None);
    pair.client.connected();
    pair.client.receive(&says([failed(0), failed(CUDA_ERROR_INVALID_VALUE)].into_iter()));
    assert_eq!(pair.client.take_failure(SLOT), Some(CUDA_ERROR_INVALID_VALUE), "what failed is heard of");
}

#[test]
fn a_server_cannot_fill_the_client_with_notices() {
    let due = |token| HostCallDue { token, code: 0, refused: false };
    let host_call = |n: u64| (Header { op: NOTICE_HOST_CALL, ..call(0, 0) }, codec::encode(&due(n)));
    let lost = |n: u64| {
        (Header { op: NOTICE_FATAL, code: CUDA_ERROR_ASSERT, ..call(0, 0) }, codec::encode(&Id(n + 1)))
    };
    let flooded = |flood: Vec<u8>| {
        let mut client = Client::new(Limits::default(), Duration::from_secs(1));
        client.connected();
        client.receive(&flood);
        (client.dead(), client.wants_bytes(), client.take_breach())
    };
    let (calls, contexts) = (HOST_CALLS_MAX as u64, DEAD_CONTEXTS_MAX as u64);
    assert_eq!(flooded(says((0..calls).map(host_call))), (None, true, None));
    assert_eq!(
        flooded(says((0..=calls).map(host_call))),
        (Some(SESSION_LOST), false, Some(Breach::HostCalls))
    );
    let patch = |_| (Header { op: NOTICE_PATCH, ..call(0, 0) }, vec![0; PIECE_BYTES]);
    let patches = PATCHES_BYTES_MAX / PIECE_BYTES;
    assert_eq!(flooded(says((0..patches).map(patch))), (None, true, None));
    assert_eq!(flooded(says((0..=patches).map(patch))), (Some(SESSION_LOST), false, Some(Breach::Patches)));
    assert_eq!(flooded(says((0..contexts).map(lost))), (None, true, None));
    assert_eq!(
        flooded(says((0..=contexts).map(lost))),
        (Some(SESSION_LOST), false, Some(Breach::DeadContexts))
    );
}

#[test]
fn a_notice_that_says_nothing_breaks_the_protocol() {
    let mut pair = Pair::connected(Limits::default());
    let nothing = (Header { op: NOTICE_HOST_CALL, ..call(0, 0) }, vec![1, 2, 3]);
    pair.client.receive(&says([nothing].into_iter()));
    assert_eq!(pair.client.take_breach(), Some(Breach::Notice { got: 3 }));
}

#[test]
fn the_grace_begins_when_the_connection_is_lost_and_ends_the_session() {
    let (now, grace) = (Instant::now(), Duration::from_secs(1));
    let mut client = Client::new(Limits::default(), grace);
    client.connected();
    client.connection_lost(now);
    client.connection_lost(now + grace / 2);
    assert!(!client.dial_failed(false, now + grace / 2));
    assert!(client.dial_failed(false, now + grace));
    assert_eq!(client.put(tell(), &[]), Err(NotPut::Dead(SESSION_LOST)));
}

#[test]
fn the_first_error_that_ends_everything_is_the_one_that_stays() {
    let mut client = Client::new(Limits::default(), Duration::from_secs(1));
    client.end(CUDA_ERROR_ASSERT);
    client.end(CUDA_ERROR_INVALID_VALUE);
    assert_eq!(client.dead(), Some(CUDA_ERROR_ASSERT));
}

#[test]
fn an_answer_is_given_once() {
    let mut pair = Pair::connected(Limits::default());
    let number = pair.client.put(ask(), &[]).unwrap();
    for asker in pair.carry() {
        pair.worker.answer(asker, 0, &[b"once"], WhenFull::Keep).unwrap();
    }
    pair.carry();
    let answer = Answer { code: 0, body: b"once".to_vec() };
    assert_eq!(pair.client.take_answer(number), Some(Ok(answer)));
    assert_eq!(pair.client.take_answer(number), Some(Err(CUDA_ERROR_UNKNOWN)), "it is nobody's any more");
}

/// Whoever should have had that answer would wait for ever.
#[test]
fn a_server_that_answers_what_was_not_asked_is_a_liar() {
    for about in [1, 2, 3] {
        let mut pair = Pair::connected(Limits::default());
        // Call 1 is told and call 2 asked; the third answer is to a call that was not made.
        pair.client.put(tell(), &[]).unwrap();
        pair.client.put(ask(), &[]).unwrap();
        let asker = pair.carry().pop().unwrap();
        pair.worker.answer(asker, 0, &[], WhenFull::Keep).unwrap();
        pair.worker.answer(Asker { number: about, ..asker }, 0, &[], WhenFull::Keep).unwrap();
        pair.carry();
        assert_eq!(pair.client.take_breach(), Some(Breach::Unasked { about }));
        assert_eq!(pair.client.dead(), Some(SESSION_LOST));
    }
}

#[test]
fn a_notice_of_something_unknown_is_no_notice() {
    let mut pair = Pair::connected(Limits::default());
    pair.worker.notice(op("cuInit"), &[], WhenFull::Keep).unwrap();
    pair.carry();
    assert_eq!(pair.client.take_breach(), Some(Breach::UnknownNotice { op: op("cuInit") }));
}
