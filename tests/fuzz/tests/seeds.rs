//! What an honest peer says stands in the corpus, as it says it today. FARWARP_WRITE=1 writes it there.

use std::fs;
use std::path::PathBuf;

use farwarp_fuzz::corpus;
use farwarp_protocol::admission::{
    Admission, Answer, ClientInfo, ControlAnswer, ControlRequest, DataOpening, NewTicket, Opening, Refusal,
    ServerStatus, SessionStatus, TicketStatus, Wish,
};
use farwarp_protocol::agent;
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::call::*;
use farwarp_protocol::codec::{Encode, encode};
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::graph::{self, Edge, Plan, Side, Step, Work};
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::handoff::{Activity, Datagram, FromWorker, JailLayer, Start, ToWorker};
use farwarp_protocol::snapshot::{DeviceSnapshot, Hello, Peer, Snapshot};

/// Target, name, bytes.
type Seed = (&'static str, String, Vec<u8>);

/// Not today's fingerprint: a row more in the table shall not change the corpus.
const TABLE: u64 = 0x5eed_7ab1e;

#[test]
fn the_corpus_holds_what_an_honest_peer_says() {
    let writes = std::env::var_os("FARWARP_WRITE").is_some();
    for (target, name, bytes) in seeds() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target)
            .join(format!("seed-{name}"));
        if writes {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of ours");
            fs::write(&path, &bytes).expect("a file of ours");
        }
        let stands = corpus::of(target).into_iter().find(|(file, _)| *file == format!("seed-{name}"));
        assert!(
            stands.is_some_and(|(_, there)| there == bytes),
            "{} is not what is said today: FARWARP_WRITE=1 cargo test -p farwarp-fuzz --test seeds",
            path.display()
        );
    }
}

fn seeds() -> Vec<Seed> {
    [frames(), bodies(), messages(), tickets(), plans()].concat()
}

fn id(kind: ObjectKind, index: u32) -> Id {
    Id::new(kind, 1, index)
}

fn header(kind: RecordKind, number: u64) -> Header {
    Header { kind, op: 0, number, about: 0, slot: 0, flags: 0, code: 0, body_bytes: 0 }
}

fn record(header: Header, body: &[u8]) -> Vec<u8> {
    [&Header { body_bytes: body.len() as u32, ..header }.encode()[..], body].concat()
}

/// Headers alone, a client's log, and a server's; the first byte of a log is how it arrives.
fn frames() -> Vec<Seed> {
    let greeting = record(header(RecordKind::Greeting, 0), &[]);
    let call = |number, flags, body: &[u8]| {
        record(
            Header { op: op("cuEventRecord"), about: 1, slot: 1, flags, ..header(RecordKind::Call, number) },
            body,
        )
    };
    let ack = record(header(RecordKind::Ack, 2), &[]);
    let up =
        [call(1, 0, b"told"), call(2, FLAG_ASKED, b"asked"), ack.clone(), call(3, FLAG_ASKED, &[7; 300])]
            .concat();
    let reply = |number, about, code| {
        record(
            Header { about, slot: 1, flags: FLAG_ASKED, code, ..header(RecordKind::Reply, number) },
            b"an answer",
        )
    };
    let notice = |number, op, code, body: &[u8]| {
        record(Header { op, about: 2, slot: 1, code, ..header(RecordKind::Notice, number) }, body)
    };
    let down = [
        reply(1, 1, 0),
        notice(2, NOTICE_FAILED, 1, &encode(&Id(0x101))),
        notice(3, NOTICE_FENCE, 0, &encode(&5u64)),
        ack.clone(),
        notice(4, NOTICE_HOST_CALL, 0, &encode(&HostCallDue { token: 9, code: 0, refused: false })),
        notice(5, NOTICE_PIECE, 0, &[&encode(&7u64)[..], b"bytes"].concat()),
        reply(6, 7, 0),
        notice(7, NOTICE_FATAL, 700, &encode(&Id(0x102))),
        reply(8, 3, 719),
    ]
    .concat();
    let log = |how: u8, records: &[u8]| [&[how][..], &greeting, records].concat();
    vec![
        ("frame", "greeting".into(), greeting.clone()),
        ("frame", "ack".into(), ack),
        ("frame", "call".into(), call(1, FLAG_ASKED, &[])),
        ("frame", "reply".into(), reply(9, 7, -1)),
        ("frame", "notice".into(), notice(3, NOTICE_FATAL, 719, &[])),
        ("session", "at-once".into(), log(0x3f, &up)),
        ("session", "in-small-parts".into(), log(0x84, &up)),
        ("session", "with-reconnects".into(), log(0x5f, &up)),
        ("client", "at-once".into(), log(0x3f, &down)),
        ("client", "in-small-parts".into(), log(0x84, &down)),
        ("client", "with-reconnects".into(), log(0x5f, &down)),
    ]
}

fn bodies() -> Vec<Seed> {
    let of = |name: &str, operation: u32, body: Vec<u8>| -> Seed {
        ("bodies", name.into(), [&operation.to_le_bytes()[..], &body].concat())
    };
    let block = Block { start: 0x7f00_0000_0000, pitch: 64, rows: 4 };
    let shape = Shape { width: 16, height: 3, depth: 2 };
    let (function, stream) = (id(ObjectKind::Function, 1), id(ObjectKind::Stream, 1).0);
    let layout = Layout { params: vec![(0, 8), (8, 4)] };
    let jit = JitOptions { values: vec![(0, 64), (7, 4)], info_log_bytes: 512, error_log_bytes: 512 };
    let device = DeviceSnapshot {
        name: "a GPU".into(),
        uuid: [7; 16],
        luid: Err(801),
        total_bytes: 1 << 34,
        pci_bus_id: "0000:01:00.0".into(),
        attributes: vec![Ok(1024), Err(1)],
        peers: vec![Peer { can_access: true, attributes: vec![Ok(0)] }],
        granularity: [2 << 20, 2 << 20],
        affinity: vec![true, false],
        priorities: (0, -5),
    };
    let snapshot = Snapshot {
        driver_version: 13050,
        loading_mode: 1,
        devices: vec![device],
        rows: vec![true, false, true],
        arena: Some(Range { address: 1 << 45, bytes: 1 << 40 }),
        software: true,
    };
    let hello = Hello {
        table: TABLE,
        variables: vec![("CUDA_MODULE_LOADING".into(), "LAZY".into())],
        free_ranges: vec![Range { address: 1 << 45, bytes: 1 << 40 }],
    };
    let launch = Launch {
        function,
        grid: [4, 1, 1],
        block: [64, 1, 1],
        shared_bytes: 128,
        stream,
        attributes: vec![(4, [1; 64])],
    };
    let loaded = Loaded {
        functions: Some(vec![("k".into(), layout.clone())]),
        info_log: "said".into(),
        error_log: String::new(),
    };
    vec![
        of("hello", HELLO, encode(&hello)),
        of("snapshot", HELLO, encode(&snapshot)),
        of(
            "load",
            LOAD_MODULE,
            encode(&LoadModule { upload: 3, module: id(ObjectKind::Module, 1), fatbin: true, jit }),
        ),
        of("loaded", LOAD_MODULE, encode(&loaded)),
        of("layout", FIND_FUNCTION, encode(&layout)),
        of(
            "find",
            FIND_FUNCTION,
            encode(&FindFunction { within: id(ObjectKind::Module, 1), name: "k".into(), found: function }),
        ),
        of("launch", LAUNCH, [encode(&launch), vec![5; 12]].concat()),
        of("copy", COPY_TO_DEVICE, encode(&CopyToDevice { destination: block.start, stream, settled: true })),
        of("box", BOX_TO_DEVICE, encode(&BoxToDevice { destination: block, shape, stream, settled: false })),
        of("reckoned", BOX_TO_HOST, encode(&(block, shape, 40u64))),
        of("attributes", FUNCTION_ATTRIBUTES, encode(&Attributes { values: vec![Ok(1), Err(200)] })),
        of("record", op("cuEventRecord"), encode(&(id(ObjectKind::Event, 1), id(ObjectKind::Stream, 1)))),
    ]
}

fn messages() -> Vec<Seed> {
    fn of<T: Encode>(name: &str, value: &T) -> Seed {
        ("messages", name.into(), encode(value))
    }
    let client = ClientInfo {
        pid: 7,
        start_ticks: 9,
        boot_id: "3f1c".into(),
        pid_namespace: 4_026_531_836,
        program: "train".into(),
        table: TABLE,
    };
    let admission = Admission {
        session: 5,
        key: [1; 32],
        worker_key: [2; 32],
        first_cid: [3; 16],
        resume_grace_ms: 600_000,
        silence_ms: 30_000,
        server: "0.1.0".into(),
    };
    let status = ServerStatus {
        driver: "libcuda.so.1".into(),
        sessions: vec![SessionStatus::default()],
        ..Default::default()
    };
    let start = Start {
        session: 5,
        tag: *b"tagtagta",
        key: [1; 32],
        reset_key: [2; 32],
        worker_key: vec![3; 48],
        resume_grace_ms: 600_000,
        silence_ms: 30_000,
        driver: "libcuda.so.1".into(),
        nvidia: false,
        jailed: true,
        device_bytes_max: 1 << 34,
    };
    let layers = vec![JailLayer { name: "landlock".into(), holds: true, words: "no file".into() }];
    let datagram =
        Datagram { remote: "192.0.2.1:443".parse().expect("an address"), ecn: 1, bytes: vec![0x40; 60] };
    let ready = agent::Ready {
        lease: "l1".into(),
        ticket: "farwarp://h:1?key=aa".into(),
        provider: "local".into(),
        started: true,
        boot_ms: 7,
    };
    vec![
        of("opening", &Opening { proof: [9; 32], wish: Wish::Session(client) }),
        of("resume", &Opening { proof: [9; 32], wish: Wish::Resume { session: 5 } }),
        of("admitted", &Answer::Admitted(admission)),
        of("refused", &Answer::Refused(Refusal::SessionGone { session: 5, why: "it ended".into() })),
        of("data-opening", &DataOpening { proof: [9; 32], session: 5, epoch: 2 }),
        of("add-ticket", &ControlRequest::AddTicket(NewTicket { name: "ann".into(), secret: [4; 32] })),
        of("status", &ControlAnswer::Status(status)),
        of(
            "tickets",
            &ControlAnswer::Tickets { tickets: vec![TicketStatus { name: "ann".into(), sessions: 2 }] },
        ),
        of("start", &ToWorker::Start(start)),
        of("datagram", &ToWorker::Datagram(datagram)),
        of("end", &ToWorker::End { code: 4, why: "it is over".into() }),
        of("jailed", &FromWorker::Jailed { layers }),
        of("activity", &FromWorker::Activity(Activity::default())),
        of("lease", &agent::Request::Lease { program: "train".into(), wish: agent::Wish::default() }),
        of("ready", &agent::Reply::Ready(ready)),
        of(
            "agent-status",
            &agent::Reply::Status(agent::AgentStatus {
                leases: vec![Default::default()],
                ..Default::default()
            }),
        ),
    ]
}

fn tickets() -> Vec<Seed> {
    let of = |name: &str, address: &str| -> Seed {
        let line = format!("farwarp://{address}?key={}&secret={}\n", "a1".repeat(32), "0F".repeat(32));
        ("ticket", name.into(), line.into_bytes())
    };
    vec![
        of("name", "gpu.example:4433"),
        of("ipv6", "[2001:db8::1]:4433"),
        ("ticket", "secret".into(), "0f".repeat(32).into_bytes()),
    ]
}

/// A graph of every kind of step, and images of which the headers alone are read.
fn plans() -> Vec<Seed> {
    let step = |work, after: &[u32]| Step {
        work,
        after: after.iter().map(|from| Edge { from: *from, data: [0; 8] }).collect(),
        enabled: true,
    };
    let side = |host| Side { host, address: 1 << 45, pitch: 64, rows: 4 };
    let kernel = graph::Kernel {
        function: 3,
        context: 1,
        grid: [1; 3],
        block: [32, 1, 1],
        shared_bytes: 0,
        attributes: vec![(4, [0; 64])],
        params: vec![1; 12],
    };
    let fill = graph::Fill {
        context: 1,
        address: 1 << 45,
        pitch: 64,
        value: 7,
        element_bytes: 4,
        width: 8,
        height: 2,
    };
    let operation = graph::MemoryOperation { operation: 1, address: 1 << 45, value: 1, flags: 0 };
    let steps = vec![
        step(Work::Empty, &[]),
        step(Work::Kernel(kernel), &[0]),
        step(
            Work::Copy(graph::Copy { context: 1, to: side(false), from: side(true), shape: [16, 2, 1] }),
            &[0, 1],
        ),
        step(Work::Fill(fill), &[2]),
        step(Work::Host { function: 1, data: 2 }, &[]),
        step(Work::RecordEvent(9), &[3]),
        step(Work::WaitEvent(9), &[5]),
        step(
            Work::MemoryOperations(graph::MemoryOperations {
                context: 1,
                operations: vec![operation],
                flags: 0,
            }),
            &[],
        ),
        step(Work::Conditional(graph::Conditional { context: 1, handle: 2, kind: 0, bodies: vec![1] }), &[7]),
    ];
    let plan = Plan { levels: vec![steps, vec![step(Work::Empty, &[])]] };
    let mut fatbin = farwarp_protocol::image::FATBIN_MAGIC.to_le_bytes().to_vec();
    fatbin.extend([1, 0, 16, 0, 64, 0, 0, 0, 0, 0, 0, 0]);
    fatbin.extend([0; 64]);
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(64, 0);
    vec![
        ("plan", "every-step".into(), plan.encode()),
        ("plan", "nothing".into(), Plan { levels: vec![vec![]] }.encode()),
        ("plan", "fatbin".into(), fatbin),
        ("plan", "elf".into(), elf),
    ]
}
