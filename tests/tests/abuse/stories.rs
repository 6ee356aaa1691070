//! Lies that take several records to tell, and those about the beginning of a connection.

use farwarp_protocol::call::{
    GRAPH_CHANGE, GRAPH_CONDITIONAL, GRAPH_CONDITIONALS_GONE, GRAPH_INSTANTIATE, GraphChange,
    GraphConditional, GraphInstantiate, IMAGE_PIECE, ImagePiece, JitOptions, LOAD_LIBRARY, LOAD_MODULE,
    LoadLibrary, LoadModule,
};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::frame::RecordKind;
use farwarp_protocol::graph::{Change, Conditional, Plan, Step, Work};
use farwarp_protocol::handle::ObjectKind;
use farwarp_protocol::image::{ELF_MAGIC, FATBIN_MAGIC, WRAPPER_MAGIC};
use farwarp_server::rig::Broken;
use farwarp_tests::Judge;

use crate::client::control;
use crate::in_process::Stage;
use crate::ledger::{Ledger, rule_of};
use crate::scene::id;

pub fn run(judge: &Judge, ledger: &mut Ledger) {
    images_that_lie(judge, ledger);
    too_many_images(judge, ledger);
    a_step_that_a_graph_does_not_have(judge, ledger);
    a_step_whose_graph_is_gone(judge, ledger);
    a_connection_without_a_greeting(judge, ledger);
    an_acknowledgement_taken_back(judge, ledger);
}

/// Images that would lead a driver out of their own bytes.
fn images_that_lie(judge: &Judge, ledger: &mut Ledger) {
    let mut stage = Stage::set(judge);
    let stack = std::ptr::from_ref(&stage).addr() as u64;
    let wrapper = [WRAPPER_MAGIC as u64 | 1 << 32, stack, 0].map(u64::to_le_bytes).concat();
    let fatbin =
        |says: u64| [FATBIN_MAGIC as u64 | 1 << 32 | 16 << 48, says, 0, 0].map(u64::to_le_bytes).concat();
    let mut elf = ELF_MAGIC.to_le_bytes().to_vec();
    elf.resize(64, 0);
    elf[4] = 2;
    let with = |at: usize, bytes: &[u8]| {
        let mut image = elf.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        image
    };
    let images = [
        wrapper,
        fatbin(17),
        fatbin(u64::MAX),
        fatbin(u64::MAX - 15),
        FATBIN_MAGIC.to_le_bytes().to_vec(),
        elf[..63].to_vec(),
        with(4, &[1]),
        with(0x28, &u64::MAX.to_le_bytes()),
        with(0x20, &(u64::MAX - 1).to_le_bytes()),
        with(0x3a, &[64, 0, 2]),
    ];
    for (number, image) in images.iter().enumerate() {
        for library in [false, true] {
            let upload = 0x900 + 2 * number as u64 + u64::from(library);
            let piece = ImagePiece { upload, image_bytes: image.len() as u64 };
            stage.client.ask(IMAGE_PIECE, 0, &[&encode(&piece)[..], image].concat()).expect("a piece");
            let (module, jit) = (id(ObjectKind::Module, 7, 0), JitOptions::default());
            let module = encode(&LoadModule { upload, module, fatbin: false, jit: jit.clone() });
            let library_id = id(ObjectKind::Library, 7, 0);
            let (op, body) = match library {
                true => (LOAD_LIBRARY, encode(&LoadLibrary { upload, library: library_id, jit })),
                false => (LOAD_MODULE, module),
            };
            must_stop(&mut stage, judge, ledger, "image: leads out of its bytes", op, &body, "Image");
        }
    }
}

fn must_stop(
    stage: &mut Stage,
    judge: &Judge,
    ledger: &mut Ledger,
    kind: &'static str,
    op: u32,
    body: &[u8],
    rule: &'static str,
) {
    let header = stage.client.header(op, stage.scene.context.0);
    let before = judge.count();
    let taken = stage.client.road.take(&crate::client::frame(header, body));
    stage.client.next += 1;
    let broken = taken.expect_err(kind);
    assert_eq!(rule_of(&broken), rule, "{kind}: {broken}");
    assert_eq!(judge.count(), before, "{kind}: the driver was called");
    ledger.learn(&broken.to_string(), rule);
    ledger.stopped(kind, rule);
}

fn too_many_images(judge: &Judge, ledger: &mut Ledger) {
    const UNDER_WAY_MAX: u64 = 64;
    let mut stage = Stage::set(judge);
    let piece = |upload| [&encode(&ImagePiece { upload, image_bytes: 64 })[..], &[b' '; 8]].concat();
    let left_by_the_scene = 3 + stage.scene.bad_plans.len() as u64;
    for upload in left_by_the_scene..UNDER_WAY_MAX {
        stage.client.ask(IMAGE_PIECE, 0, &piece(0x700 + upload)).expect("room for it");
    }
    must_stop(&mut stage, judge, ledger, "upload: too many", IMAGE_PIECE, &piece(0x6ff), "TooMuch");
}

fn a_step_that_a_graph_does_not_have(judge: &Judge, ledger: &mut Ledger) {
    let mut stage = Stage::set(judge);
    let exec = id(ObjectKind::GraphExec, 3, 0);
    let plan = GraphInstantiate { upload: stage.scene.plan, exec, graph: id(ObjectKind::Graph, 3, 0) };
    let made =
        stage.client.ask(GRAPH_INSTANTIATE, stage.scene.context.0, &encode(&plan)).expect("an empty graph");
    assert_eq!(made.code, 0);
    for (level, step) in [(0, 0), (0, u32::MAX), (7, 0), (u32::MAX, 0)] {
        let change = Change { level, step, work: Work::Empty, enabled: true };
        let body = encode(&GraphChange { exec, changes: vec![change] });
        must_stop(&mut stage, judge, ledger, "graph: no such step", GRAPH_CHANGE, &body, "NoSuchStep");
    }
}

/// The driver's nodes are gone with their graph, though what was made executable of it lives on.
fn a_step_whose_graph_is_gone(judge: &Judge, ledger: &mut Ledger) {
    let mut stage = Stage::set(judge);
    let (exec, graph, context) =
        (id(ObjectKind::GraphExec, 3, 0), id(ObjectKind::Graph, 3, 0), stage.scene.context);
    let value = GraphConditional { graph, context, default: 0, flags: 0 };
    let value = stage.client.ask(GRAPH_CONDITIONAL, context.0, &encode(&value)).expect("a value");
    let (context, handle) = (context.0, decode(&value.body).expect("a value"));
    let step = |work| Step { work, after: Vec::new(), enabled: true };
    let looks = Work::Conditional(Conditional { context, handle, kind: 0, bodies: vec![1] });
    let plan = Plan { levels: vec![vec![step(Work::Empty), step(looks)], vec![]] }.encode();
    let piece = ImagePiece { upload: 0x55, image_bytes: plan.len() as u64 };
    let instantiate = GraphInstantiate { upload: 0x55, exec, graph };
    let change =
        GraphChange { exec, changes: vec![Change { level: 0, step: 0, work: Work::Empty, enabled: true }] };
    for (op, body) in [
        (IMAGE_PIECE, [encode(&piece), plan].concat()),
        (GRAPH_INSTANTIATE, encode(&instantiate)),
        (GRAPH_CHANGE, encode(&change)),
        (GRAPH_CONDITIONALS_GONE, encode(&graph)),
    ] {
        assert_eq!(stage.client.ask(op, context, &body).expect("an honest call").code, 0, "{op:#x}");
    }
    must_stop(
        &mut stage,
        judge,
        ledger,
        "graph: a step of a dead graph",
        GRAPH_CHANGE,
        &encode(&change),
        "NoSuchStep",
    );
}

fn a_connection_without_a_greeting(judge: &Judge, ledger: &mut Ledger) {
    let mut stage = Stage::set(judge);
    stage.client.road.reconnect();
    let header = stage.client.header(0, 0);
    broken_by(stage.client.road.take(&header.encode()), ledger, "sequence: no greeting", "NoGreeting");
}

fn an_acknowledgement_taken_back(judge: &Judge, ledger: &mut Ledger) {
    let mut stage = Stage::set(judge);
    stage.client.road.take(&control(RecordKind::Ack, 5)).expect("five answers were sent");
    let taken = stage.client.road.take(&control(RecordKind::Ack, 4));
    broken_by(taken, ledger, "sequence: an acknowledgement taken back", "AckedBackwards");
}

fn broken_by(taken: Result<(), Broken>, ledger: &mut Ledger, kind: &'static str, rule: &'static str) {
    let broken = taken.expect_err(kind);
    assert_eq!(rule_of(&broken), rule, "{kind}");
    ledger.learn(&broken.to_string(), rule);
    ledger.stopped(kind, rule);
}
