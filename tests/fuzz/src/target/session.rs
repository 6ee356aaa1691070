//! The log under a hostile peer, cut into what arrives at once, with reconnects between: nothing is handed out twice or out of order, no
//! limit is passed, and after an error nothing more comes.

use farwarp_protocol::client::Client;
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::limits::HEADER_BYTES;
use farwarp_protocol::session::{Half, Limits};
use farwarp_protocol::worker::{Asker, WhenFull, Worker};
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    resend_bytes_max: 4 << 10,
    ack_every_bytes: 256,
    ack_every_records: 4,
    unread_bytes_max: 2 << 10,
    block_bytes: 100,
    read_bytes: 300,
};

pub fn frame(bytes: &[u8]) {
    for start in 0..bytes.len().min(HEADER_BYTES) {
        let Some(header) = bytes[start..].first_chunk::<HEADER_BYTES>() else { return };
        if let Ok(decoded) = Header::decode(header) {
            assert_eq!(&decoded.encode(), header, "a header of two texts");
        }
    }
}

/// What the worker's half does with a client's bytes. The first byte says how much arrives at once, and how often it reconnects.
pub fn session(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let (portion, reconnects) = (1 + usize::from(how & 0x3f), how & 0x40 != 0);
    let mut worker = Worker::new(LIMITS);
    worker.connected();
    let (mut last, mut body, mut broken) = (0, Vec::new(), None);
    for (at, portion) in bytes.chunks(portion).enumerate() {
        if reconnects && at % 7 == 6 {
            worker.connected();
        }
        sent(&mut worker, how & 0x80 != 0);
        if worker.wants_bytes() {
            worker.receive(portion);
        }
        loop {
            match worker.next_call(&mut body) {
                Ok(None) => break,
                Ok(Some(call)) => {
                    assert_eq!(broken, None, "a call after the end");
                    assert_eq!(
                        (call.number, call.body_bytes as usize),
                        (last + 1, body.len()),
                        "once, in order"
                    );
                    last = call.number;
                    let answered = worker.answer(Asker::of(&call), call.op as i32, &[&body], WhenFull::Keep);
                    assert!(answered.is_ok(), "what is kept is never refused");
                }
                Err(error) => {
                    assert!(broken.is_none() || broken == Some(error.clone()), "another end");
                    broken = Some(error);
                    break;
                }
            }
        }
        assert!(worker.session().kept_bytes() <= LIMITS.resend_bytes_max, "more is kept than may be");
    }
}

/// The connection takes what there is, or a little of it.
fn sent(half: &mut impl Half, slowly: bool) {
    for _ in 0..64 {
        let pending = half.pending().len();
        if pending == 0 {
            return;
        }
        half.taken(if slowly { pending.min(5) } else { pending });
        if slowly {
            return;
        }
    }
}

/// What the client's half does with a server's bytes, after calls of four threads.
pub fn client(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let now = Instant::now();
    let mut client = Client::new(LIMITS, Duration::from_secs(5));
    client.connected();
    let call = |slot, flags| Header {
        kind: RecordKind::Call,
        op: 7,
        number: 0,
        about: 0x100 + u64::from(slot),
        slot,
        flags,
        code: 0,
        body_bytes: 0,
    };
    for slot in 1..=4 {
        let asked = client.put(call(slot, FLAG_ASKED), &[b"asked"]).expect("there is room");
        client.put(call(slot, 0), &[b"told"]).expect("there is room");
        if slot == 4 {
            client.lands(asked);
        }
    }
    for (at, portion) in bytes.chunks(1 + usize::from(how & 0x3f)).enumerate() {
        sent(&mut client, how & 0x80 != 0);
        if how & 0x40 != 0 && at % 7 == 6 {
            client.connection_lost(now);
            client.connected();
        }
        if !client.wants_bytes() {
            break;
        }
        client.receive(portion);
        while client.take_landed().is_some() {}
        while client.next_host_call().is_some() {}
        client.take_loss();
    }
    let goes_on = client.wants_bytes();
    if let Some(breach) = client.take_breach() {
        assert!(!breach.to_string().is_empty());
        assert!(client.dead().is_some() && !goes_on, "with a liar nothing goes on");
        assert_eq!(client.take_breach(), None, "it is told once");
    }
    let mut answers = 0;
    for number in 1..=8 {
        if client.is_answered(number) {
            answers += u32::from(client.take_answer(number).is_some_and(|answer| answer.is_ok()));
        }
    }
    assert!(answers <= 3, "{answers} answers to three questions");
    for slot in 1..=4 {
        client.take_failure(slot);
        client.pending_error(farwarp_protocol::handle::Id(0x100 + u64::from(slot)));
        client.thread_gone(slot);
    }
}
