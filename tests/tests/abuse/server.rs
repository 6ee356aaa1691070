//! The same lies to a real server: a process a session, each with the judge's driver. A lie costs its session and nothing else, and
//! the server's last words name the rule.

use std::time::{Duration, Instant};

use farwarp_protocol::call::{self, GOODBYE, HELLO, Range, fingerprint};
use farwarp_protocol::codec::encode;
use farwarp_protocol::limits::{FREE_RANGES_MAX, VARIABLE_BYTES_MAX, VARIABLES_MAX};
use farwarp_protocol::snapshot::Hello;
use farwarp_protocol::ticket::Ticket;
use farwarp_tests::{Judge, Server};

use crate::case::{self, Case};
use crate::client::{Client, End, Wire, frame};
use crate::field::{Foreign, Verdict};
use crate::in_process::host_addresses;
use crate::ledger::Ledger;
use crate::scene::Scene;
use crate::shape;

/// Of the cases that a rule must stop, every so many-th is told to a real server; `FARWARP_ABUSE_EVERY=1` tells them all.
const EVERY: usize = 8;
/// The workers of sessions that have ended leave in milliseconds.
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

pub fn run(judge: &Judge, ledger: &mut Ledger) {
    let server = Server::with_driver(&judge.driver());
    let ticket: Ticket =
        std::fs::read_to_string(server.ticket()).expect("a ticket").trim().parse().expect("a good one");
    // Another session, which must notice nothing.
    let mut bystander = Client::greeted(&ticket);
    let theirs = Scene::set(&mut bystander);
    let foreign = Foreign {
        // Another session is another process: its addresses may be this one's own.
        other_session: Vec::new(),
        of_the_worker: server
            .workers()
            .first()
            .map_or(Vec::new(), |pid| host_addresses(&format!("/proc/{pid}/maps"))),
    };
    hello(&ticket, judge, ledger);
    let every = std::env::var("FARWARP_ABUSE_EVERY").ok().and_then(|text| text.parse().ok()).unwrap_or(EVERY);
    let began = Instant::now();
    let (mut at, mut told) = (0, 0);
    loop {
        let mut client = Client::greeted(&ticket);
        let scene = Scene::set(&mut client);
        let Some(case) = cases(&client, &scene, &foreign).nth(at) else { break };
        tell(&mut client, &case, judge, ledger);
        let answer = bystander.ask(call::op("cuMemGetInfo_v2"), theirs.context.0, &[]);
        assert_eq!(answer.expect("the other session lives").code, 0);
        at += every;
        told += 1;
    }
    println!("{told} sessions of a real server ended, {:?} each", began.elapsed() / told.max(1));
    assert_eq!(bystander.ask(GOODBYE, 0, &[]).expect("an orderly end").code, 0);
    server.is_clean_within(LEAVE_LIMIT);
}

/// Every case that a rule must stop, for this session.
fn cases<'a>(
    client: &'a Client<Wire>,
    scene: &'a Scene,
    foreign: &Foreign,
) -> impl Iterator<Item = Case> + use<'a> {
    let header = |op| client.header(op, scene.context.0);
    let of_shapes = shape::all(scene, foreign).0.into_iter().flat_map(move |shape| {
        let header = header(shape.op);
        let mut cases = case::of_arguments(&shape, header);
        cases.extend(case::of_header(&shape, header, scene));
        cases
    });
    of_shapes.chain(case::of_no_call(header(0))).filter(|case| !matches!(case.verdict, Verdict::Judged))
}

fn tell(client: &mut Client<Wire>, case: &Case, judge: &Judge, ledger: &mut Ledger) {
    let before = judge.calls_at_rest();
    let number = client.next;
    let sent = crate::client::Road::send(&mut client.road, &case.frame);
    let end = sent.and_then(|()| client.answer_to(number));
    judged(end.map(|answer| answer.code), case.kind, &case.what, case.verdict, ledger);
    // The bystander is silent meanwhile, so every call is this session's.
    assert_eq!(judge.calls(), before, "{}: the driver was called", case.what);
    assert_eq!(judge.objection(), None, "{}", case.what);
}

fn judged(end: Result<i32, End>, kind: &'static str, what: &str, verdict: Verdict, ledger: &mut Ledger) {
    let End(words) = match end {
        Ok(code) => panic!("{what} ({kind}) was answered {code}"),
        Err(end) => end,
    };
    let rule =
        ledger.rule_in(&words).unwrap_or_else(|| panic!("{what} ({kind}): no rule known in {words:?}"));
    if let Verdict::Stopped(expected) = verdict {
        assert_eq!(rule, expected, "{what} ({kind}): {words}");
    }
    ledger.stopped(kind, rule);
}

/// What is wrong before a session has begun.
fn hello(ticket: &Ticket, judge: &Judge, ledger: &mut Ledger) {
    use farwarp_server::refusal::Refusal;
    ledger.learn(&Refusal::BeforeHello { op: 0 }.to_string(), "BeforeHello");
    ledger.learn(&Refusal::HelloTwice.to_string(), "HelloTwice");
    ledger.learn(&Refusal::OtherTable { ours: 0, theirs: 0 }.to_string(), "OtherTable");
    for what in ["variables", "free ranges", "bytes of a variable"] {
        ledger.learn(&Refusal::TooMuch { what, got: 1, max: 0 }.to_string(), "TooMuch");
    }
    let plain = || Hello { table: fingerprint(), variables: Vec::new(), free_ranges: Vec::new() };
    let variables = |list: Vec<(String, String)>| encode(&Hello { variables: list, ..plain() });
    let ranges = |list: Vec<Range>| encode(&Hello { free_ranges: list, ..plain() });
    let variable = |value: &str| ("CUDA_LAUNCH_BLOCKING".to_owned(), value.to_owned());
    let place = |address, bytes| Range { address, bytes };
    let good = encode(&plain());
    let lies: [(&str, u32, Vec<u8>, &str); 12] = [
        ("hello: a call before it", call::op("cuMemGetInfo_v2"), vec![], "BeforeHello"),
        ("hello: a call before it", call::LAUNCH, vec![0; 40], "BeforeHello"),
        ("hello: another table", HELLO, encode(&Hello { table: 7, ..plain() }), "OtherTable"),
        ("hello: cut", HELLO, good[..good.len() - 1].to_vec(), "Codec"),
        ("hello: a byte more", HELLO, [&good[..], &[0]].concat(), "Codec"),
        ("hello: too many variables", HELLO, variables(vec![variable("1"); VARIABLES_MAX + 1]), "TooMuch"),
        (
            "hello: a long variable",
            HELLO,
            variables(vec![variable(&"v".repeat(VARIABLE_BYTES_MAX + 1))]),
            "TooMuch",
        ),
        ("hello: a NUL in a variable", HELLO, variables(vec![variable("1\0")]), "BadName"),
        (
            "hello: too many ranges",
            HELLO,
            ranges(vec![place(1 << 40, 1 << 30); FREE_RANGES_MAX + 1]),
            "TooMuch",
        ),
        ("hello: a range that overflows", HELLO, ranges(vec![place(u64::MAX, 2)]), "OutOfRange"),
        ("hello: a range beyond the process", HELLO, ranges(vec![place(1 << 46, 1 << 47)]), "OutOfRange"),
        ("hello: goodbye with a body", GOODBYE, vec![0], "Trailing"),
    ];
    for (kind, op, body, rule) in lies {
        let mut client = Client::connected(ticket);
        let end = client.ask(op, 0, &body).map(|answer| answer.code);
        judged(end, kind, kind, Verdict::Stopped(rule), ledger);
    }
    let mut client = Client::greeted(ticket);
    let end = client.ask(HELLO, 0, &good).map(|answer| answer.code);
    judged(end, "hello: twice", "a second hello", Verdict::Stopped("HelloTwice"), ledger);
    // Ranges where the worker itself is: it takes none of them, and serves.
    let mut client = Client::connected(ticket);
    let own = host_addresses("/proc/self/maps").into_iter().map(|address| place(address, 1 << 21)).collect();
    assert_eq!(client.ask(HELLO, 0, &ranges(own)).expect("it chooses none").code, 0);
    // A call in two halves with a wait between is a call.
    let whole = frame(client.header(GOODBYE, 0), &[]);
    for half in whole.chunks(whole.len() / 2) {
        crate::client::Road::send(&mut client.road, half).expect("half a call");
    }
    assert_eq!(client.answer_to(client.next).expect("goodbye").code, 0);
    assert_eq!(judge.objection(), None);
}
