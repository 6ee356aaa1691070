//! Faults that were mended; the rest is under simulation in `farwarp-link`.

use super::*;
use crate::limits::HEADER_BYTES;

/// The executor itself waits for room, so nobody takes the calls that stand in front of the acknowledgement.
#[test]
fn an_acknowledgement_behind_calls_makes_room_for_an_answer() {
    let resend_bytes_max = 4 * HEADER_BYTES;
    let limits = Limits { resend_bytes_max, ack_every_records: 1, unread_bytes_max: 0, ..Limits::default() };
    let (mut client, mut worker) = (Session::with_limits(limits), Worker::new(limits));
    client.reconnect();
    worker.connected();
    let ask = Header { kind: RecordKind::Call, flags: FLAG_ASKED, ..blank(1, 0) };
    client.push(ask, &[]).unwrap();
    carry(&mut client, &mut worker);
    let asker = Asker::of(&worker.next_call(&mut Vec::new()).unwrap().unwrap());
    while worker.answer(asker, 0, &[], WhenFull::Wait).is_ok() {}
    assert!(worker.wants_bytes(), "without reading on it would never hear that there is room");

    client.push(ask, &[]).unwrap();
    carry(&mut client, &mut worker);
    assert_eq!(
        worker.answer(asker, 0, &[], WhenFull::Wait),
        Err(Full),
        "a call says nothing of what has arrived"
    );
    while !worker.pending().is_empty() {
        let bytes = worker.pending().to_vec();
        worker.taken(bytes.len());
        client.receive(&bytes);
    }
    while client.next_record().unwrap().is_some() {}
    carry(&mut client, &mut worker);
    worker
        .answer(asker, 0, &[], WhenFull::Wait)
        .expect("the acknowledgement stands behind a call that nobody takes");
    assert_eq!(worker.next_call(&mut Vec::new()).unwrap().unwrap().number, 2, "which is taken in its turn");
}

/// Who takes the calls also lets the next connection in, so it must not be the one who waits.
#[test]
fn who_takes_the_calls_keeps_its_answer_and_goes_on_when_there_is_room() {
    let resend_bytes_max = 2 * HEADER_BYTES;
    let limits = Limits { resend_bytes_max, ack_every_records: 1, ..Limits::default() };
    let (mut client, mut worker) = (Session::with_limits(limits), Worker::new(limits));
    client.reconnect();
    worker.connected();
    let ask = Header { kind: RecordKind::Call, flags: FLAG_ASKED, ..blank(1, 0) };
    let mut answered = 0;
    while client.push(ask, &[]).is_ok() {
        carry(&mut client, &mut worker);
    }
    let mut take = |worker: &mut Worker| {
        while let Some(call) = worker.next_call(&mut Vec::new()).unwrap() {
            answered += 1;
            worker.answer(Asker::of(&call), 0, &[&[7]], WhenFull::Keep).unwrap();
        }
        answered
    };
    assert_eq!(take(&mut worker), 2, "one answer in the log, one kept");
    assert_eq!(worker.next_call(&mut Vec::new()).unwrap(), None);
    while !worker.pending().is_empty() || !client.pending().is_empty() {
        let bytes = worker.pending().to_vec();
        worker.taken(bytes.len());
        client.receive(&bytes);
        while client.next_record().unwrap().is_some() {}
        carry(&mut client, &mut worker);
    }
    assert_eq!(client.last_received(), 2, "the kept answer has gone");
}

fn carry(client: &mut Session, worker: &mut Worker) {
    while !client.pending().is_empty() {
        let bytes = client.pending().to_vec();
        client.taken(bytes.len());
        worker.receive(&bytes);
    }
}
