//! Executable graphs and the values that conditional nodes look at.

use farwarp_protocol::call::*;
use farwarp_protocol::codec::encode;
use farwarp_protocol::graph::{Change, Work};
use farwarp_protocol::handle::{Id, ObjectKind};

use super::Shape;
use crate::field::{Field, Foreign, KINDS, Verdict};
use crate::scene::{Scene, id};
use Verdict::{Judged, Stopped};

fn graph_instantiate(scene: &Scene) -> Shape {
    let mut plan = Field::new("upload", scene.plan.to_le_bytes())
        .lie("upload: unknown", 0u64.to_le_bytes(), Stopped("Upload"))
        .lie("upload: not all there", scene.half_upload.to_le_bytes(), Stopped("Upload"))
        .lie("graph: no plan", scene.upload.to_le_bytes(), Stopped("Plan"));
    for (rule, upload) in &scene.bad_plans {
        plan = plan.lie("graph: a step that lies", upload.to_le_bytes(), Stopped(rule));
    }
    let exec = Field::new("exec", Id::new(ObjectKind::GraphExec, scene.fresh, 5).0.to_le_bytes())
        .lie("new id: wrong kind", scene.stream.0.to_le_bytes(), Verdict::StoppedSomehow)
        .lie("new id: no id", 0u64.to_le_bytes(), Verdict::StoppedSomehow);
    let graph = Id::new(ObjectKind::Graph, 1, 5).0;
    Shape::new(
        "GRAPH_INSTANTIATE",
        GRAPH_INSTANTIATE,
        vec![plan, exec, Field::new("graph", graph.to_le_bytes())],
    )
}

/// What is done with graphs that are there.
pub fn shapes(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let exec = || Field::handle("exec", scene, foreign, &[ObjectKind::GraphExec], "NoSuchObject");
    let stream = || Field::handle("stream", scene, foreign, &[ObjectKind::Stream], "NoSuchObject");
    let graph = |kind: u64| Field::new("graph", kind.to_le_bytes());
    let fresh = Id::new(ObjectKind::Graph, scene.fresh, 6).0;
    let context = Field::handle("context", scene, foreign, &[ObjectKind::Context], "NoContext");
    let mut of_no_graph = graph(fresh);
    for other in KINDS {
        of_no_graph =
            of_no_graph.lie("new id: wrong kind", id(other, 5, 5).0.to_le_bytes(), Stopped("BadNewId"));
    }
    vec![
        graph_instantiate(scene),
        Shape::new("GRAPH_CHANGE", GRAPH_CHANGE, vec![exec(), changes(scene)]),
        Shape::new("GRAPH_LAUNCH", GRAPH_LAUNCH, vec![exec(), stream()]),
        Shape::new("GRAPH_UPLOAD", GRAPH_UPLOAD, vec![exec(), stream()]),
        Shape::new("GRAPH_EXEC_GONE", GRAPH_EXEC_GONE, vec![exec()]),
        Shape::new(
            "GRAPH_CONDITIONAL",
            GRAPH_CONDITIONAL,
            vec![
                of_no_graph.lie("new id: no id", u64::MAX.to_le_bytes(), Stopped("BadNewId")),
                context,
                Field::number("default", &[0; 4]),
                Field::number("flags", &[0; 4]),
            ],
        ),
        Shape::new(
            "GRAPH_CONDITIONALS_GONE",
            GRAPH_CONDITIONALS_GONE,
            // Nothing is destroyed of a graph that has no such values.
            vec![graph(scene.graph.0).lie("handle: unknown", fresh.to_le_bytes(), Judged)],
        ),
    ]
}

/// The scene's executable graph records an event, and then does nothing.
fn changes(scene: &Scene) -> Field {
    let of = |step, work| Change { level: 0, step, work, enabled: true };
    let record = || of(0, Work::RecordEvent(scene.event.0));
    let mut field = Field::new("changes", encode(&vec![record()]))
        .lie("length: 0", encode(&Vec::<Change>::new()), Judged)
        .lie("length: said more than sent", u64::MAX.to_le_bytes(), Stopped("Codec"))
        .lie("graph: a step that lies", encode(&vec![record(), of(7, Work::Empty)]), Stopped("NoSuchStep"))
        .lie("graph: a step of another kind", encode(&vec![of(1, record().work)]), Stopped("OtherWork"))
        .lie("graph: a step of another kind", encode(&vec![of(0, Work::Empty)]), Stopped("OtherWork"))
        .lie(
            "graph: a step of another kind",
            encode(&vec![of(0, Work::WaitEvent(scene.event.0))]),
            Stopped("OtherWork"),
        );
    for (rule, work) in crate::plans::that_lie(scene.context, scene.address, 0) {
        // Only a whole plan counts its operations.
        if rule != "Plan" {
            let bytes = encode(&vec![record(), of(0, work)]);
            field = field.lie("graph: a step that lies", bytes, Stopped(rule));
        }
    }
    field
}
