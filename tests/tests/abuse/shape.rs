//! Calls as lists of fields: those of the rows that cross by themselves, made from the table, and those of our own operations.

mod arrays;
mod boxes;
mod graphs;
mod images;
mod launches;
mod memory;
mod shared;
mod streams;

use farwarp_protocol::call::{self, *};
use farwarp_protocol::handle::ObjectKind;
use farwarp_protocol::limits::PIECE_BYTES;
use farwarp_protocol::table::{self, Answer, Arg, Row};

use crate::field::{Field, Foreign, Verdict};
use crate::scene::{ALLOCATION_BYTES, Scene};
use Verdict::{Judged, Stopped};
use boxes::{across, box_bytes, box_shape, copy_bytes, fill_length, piece, pitch, rows};
use images::{image_piece, jit_values, upload};

/// One call and all that can be said wrong in it.
pub struct Shape {
    pub name: &'static str,
    pub op: u32,
    pub fields: Vec<Field>,
    /// It works in the context that its record is about.
    pub in_context: bool,
    /// The last field is as long as the body says, so a shorter body may be another lawful one.
    pub open_end: bool,
}

/// How every row that crosses by itself, and every operation of ours, looks; and the names of those that nobody has described here.
pub fn all(scene: &Scene, foreign: &Foreign) -> (Vec<Shape>, Vec<String>) {
    let (mut shapes, mut unknown) = (own(scene, foreign), Vec::new());
    shapes.extend(arrays::shapes(scene, foreign));
    shapes.extend(launches::shapes(scene, foreign));
    shapes.extend(memory::shapes(scene, foreign));
    shapes.extend(shared::shapes(scene, foreign));
    shapes.extend(streams::shapes(scene, foreign));
    shapes.extend(graphs::shapes(scene, foreign));
    shapes.extend(images::links(scene, foreign));
    for row in table::rows().filter(|row| matches!(row.answer, Answer::Ask | Answer::Tell)) {
        match of_row(row, scene, foreign) {
            Ok(fields) => shapes.push(Shape {
                name: row.name,
                op: call::op(row.name),
                fields,
                in_context: true,
                open_end: false,
            }),
            Err(kind) => unknown.push(format!("{} has an argument of kind {kind}", row.name)),
        }
    }
    let names =
        table::rows().filter(|row| row.answer == Answer::Hand).map(|row| (row.name, call::op(row.name)));
    for (name, op) in names.chain(OWN_OPS.iter().copied()) {
        if farwarp_server::rig::is_handled(op) && shapes.iter().all(|shape| shape.op != op) {
            unknown.push(format!("{name} is by hand"));
        }
    }
    (shapes, unknown)
}

fn of_row(row: &Row, scene: &Scene, foreign: &Foreign) -> Result<Vec<Field>, String> {
    row.args.iter().map(|arg| of_arg(row, arg, scene, foreign)).filter_map(Result::transpose).collect()
}

/// `None` for what only comes back.
fn of_arg(row: &Row, arg: &Arg, scene: &Scene, foreign: &Foreign) -> Result<Option<Field>, String> {
    let kind: String = arg.kind.chars().filter(|c| !c.is_whitespace()).collect();
    let handle = |kinds: &[ObjectKind]| Field::handle(arg.name, scene, foreign, kinds, "NoSuchObject");
    Ok(Some(match kind.as_str() {
        "Stream" => handle(&[ObjectKind::Stream]),
        "Event" => handle(&[ObjectKind::Event]),
        "Function" => handle(&[ObjectKind::Function]),
        "Kernel" => handle(&[ObjectKind::Kernel]),
        "Context" => handle(&[ObjectKind::Context]),
        "MemPool" => handle(&[ObjectKind::MemPool]),
        "Launchable" => handle(&[ObjectKind::Function, ObjectKind::Kernel]),
        "Device" => Field::device(arg.name),
        "DevPtr" => Field::address(arg.name, scene, foreign, least_bytes(arg)),
        "i32" | "u32" | "f32" => length_or_number(row, arg, &1u32.to_le_bytes()),
        "i64" | "u64" | "usize" => length_or_number(row, arg, &1u64.to_le_bytes()),
        "u8" => Field::number(arg.name, &[1]),
        "u16" => Field::number(arg.name, &[1, 0]),
        _ if kind.starts_with("Enum<") => Field::number(arg.name, &0u32.to_le_bytes()),
        _ if kind.starts_with("Out<") => return Ok(None),
        _ => return Err(kind),
    }))
}

/// How many bytes of an address the honest call uses, where every length is 1.
fn least_bytes(arg: &Arg) -> u64 {
    let Some(length) = arg.length else { return 0 };
    length.parse().unwrap_or_else(|_| element_bytes(length).unwrap_or(1))
}

/// `4` for `N.saturating_mul(4)`, `1` for `N`; `None` for anything more.
fn element_bytes(length: &str) -> Option<u64> {
    let length: String = length.chars().filter(|c| !c.is_whitespace()).collect();
    match length.split_once(".saturating_mul(") {
        Some((_, factor)) => factor.strip_suffix(')')?.parse().ok(),
        None => length.chars().all(char::is_alphanumeric).then_some(1),
    }
}

/// A number from which the table reckons a length has lies of its own.
fn length_or_number(row: &Row, arg: &Arg, honest: &[u8]) -> Field {
    let names =
        |length: &str| length.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == arg.name);
    let addresses = row.args.iter().filter(|arg| arg.kind == "DevPtr");
    let lengths: Vec<&str> = addresses.filter_map(|arg| arg.length).filter(|length| names(length)).collect();
    let Some(length) = lengths.first().filter(|_| honest.len() == 8) else {
        return Field::number(arg.name, honest);
    };
    let said = |value: u64| value.to_le_bytes();
    let mut field = Field::new(arg.name, honest).lie("length: 0", said(0), Judged);
    if let Some(bytes) = element_bytes(length) {
        let cap = ALLOCATION_BYTES / bytes;
        field = field.lie("length: cap", said(cap), Judged).lie(
            "length: cap + 1",
            said(cap + 1),
            Stopped("OutOfRange"),
        );
        for huge in [u64::MAX, u64::MAX / bytes, (u64::MAX / bytes).saturating_add(1), 1 << 63, (1 << 63) + 1]
        {
            field = field.lie("length: overflows", said(huge), Stopped("OutOfRange"));
        }
    } else {
        // What a row of several lengths makes of one of them alone is the row's own affair; the judge sees the outcome.
        for huge in [ALLOCATION_BYTES + 1, u64::MAX, 1 << 63, 1 << 33] {
            field = field.lie("length: one of several", said(huge), Judged);
        }
    }
    field
}

/// The operations that are not functions of CUDA's.
fn own(scene: &Scene, foreign: &Foreign) -> Vec<Shape> {
    let handle = |name: &str, kind| Field::handle(name, scene, foreign, &[kind], "NoSuchObject");
    let either =
        |name: &str, kinds: &[ObjectKind]| Field::handle(name, scene, foreign, kinds, "NoSuchObject");
    let context = |name: &str| Field::handle(name, scene, foreign, &[ObjectKind::Context], "NoContext");
    let fresh = |name: &str, kind| Field::new_id(name, scene, kind);
    let address = |name: &str, bytes| Field::address(name, scene, foreign, bytes);
    let place = |name: &str, bytes| boxes::place(name, scene, foreign, bytes);
    let stream = || handle("stream", ObjectKind::Stream);
    let module_or_library = [ObjectKind::Module, ObjectKind::Library];
    vec![
        Shape::new("THREAD_GONE", THREAD_GONE, vec![]).anywhere(),
        Shape::new(
            "CONTEXT_NEW",
            CONTEXT_NEW,
            vec![
                fresh("context", ObjectKind::Context),
                Field::device("device"),
                Field::number("flags", &[0; 4]),
                Field::flag("primary"),
            ],
        )
        .anywhere(),
        Shape::new("CONTEXT_GONE", CONTEXT_GONE, vec![context("context").honestly(scene.context_to_end.0)])
            .anywhere(),
        Shape::new("SYNCHRONIZE_CONTEXT", SYNCHRONIZE_CONTEXT, vec![context("context")]).anywhere(),
        Shape::new("SYNCHRONIZE_STREAM", SYNCHRONIZE_STREAM, vec![stream()]),
        Shape::new("SYNCHRONIZE_EVENT", SYNCHRONIZE_EVENT, vec![handle("event", ObjectKind::Event)]),
        image_piece(scene),
        Shape::new(
            "LOAD_MODULE",
            LOAD_MODULE,
            vec![
                upload(scene),
                fresh("module", ObjectKind::Module),
                Field::flag("fatbin"),
                jit_values(),
                Field::number("info_log_bytes", &[0; 4]),
                Field::number("error_log_bytes", &[0; 4]),
            ],
        ),
        Shape::new(
            "LOAD_LIBRARY",
            LOAD_LIBRARY,
            vec![
                upload(scene),
                fresh("library", ObjectKind::Library),
                jit_values(),
                Field::number("info_log_bytes", &[0; 4]),
                Field::number("error_log_bytes", &[0; 4]),
            ],
        )
        .in_or_outside(),
        Shape::new(
            "UNLOAD",
            UNLOAD,
            vec![either("object", &module_or_library).lie(
                "handle: a library's own module",
                scene.library_module.0.to_le_bytes(),
                Stopped("NotItsOwn"),
            )],
        )
        .in_or_outside(),
        Shape::new(
            "FIND_FUNCTION",
            FIND_FUNCTION,
            vec![
                either("within", &[ObjectKind::Module]).without(scene.library.0),
                Field::name("name", "touch"),
                fresh("found", ObjectKind::Function),
            ],
        ),
        Shape::new(
            "FIND_FUNCTION (kernel)",
            FIND_FUNCTION,
            vec![
                either("within", &[ObjectKind::Library]).without(scene.module.0),
                Field::name("name", "touch"),
                fresh("found", ObjectKind::Kernel),
            ],
        )
        .anywhere(),
        Shape::new(
            "FIND_VARIABLE",
            FIND_VARIABLE,
            vec![either("within", &module_or_library), Field::name("name", "counter")],
        ),
        Shape::new(
            "LIBRARY_MODULE",
            LIBRARY_MODULE,
            vec![handle("library", ObjectKind::Library), fresh("module", ObjectKind::Module)],
        ),
        Shape::new(
            "KERNEL_FUNCTION",
            KERNEL_FUNCTION,
            vec![handle("kernel", ObjectKind::Kernel), fresh("function", ObjectKind::Function)],
        ),
        Shape::new(
            "FUNCTION_ATTRIBUTES",
            FUNCTION_ATTRIBUTES,
            vec![either("id", &[ObjectKind::Function, ObjectKind::Kernel])],
        ),
        Shape::new(
            "COPY_TO_DEVICE",
            COPY_TO_DEVICE,
            vec![address("destination", 16), stream(), Field::flag("settled"), piece()],
        )
        .open(),
        Shape::new(
            "COPY_TO_HOST",
            COPY_TO_HOST,
            vec![address("source", 16), copy_bytes(Some(PIECE_BYTES as u64)), stream()],
        ),
        Shape::new(
            "COPY_ON_DEVICE",
            COPY_ON_DEVICE,
            vec![
                address("destination", 16),
                address("source", 16),
                copy_bytes(None),
                stream(),
                across(scene),
            ],
        ),
        Shape::new(
            "BOX_TO_DEVICE",
            BOX_TO_DEVICE,
            vec![
                place("start", 32),
                pitch(),
                rows(),
                box_shape(true),
                stream(),
                Field::flag("settled"),
                box_bytes(),
            ],
        )
        .open(),
        Shape::new(
            "BOX_TO_HOST",
            BOX_TO_HOST,
            vec![place("start", 32), pitch(), rows(), box_shape(true), stream()],
        ),
        Shape::new(
            "BOX_ON_DEVICE",
            BOX_ON_DEVICE,
            vec![
                place("to", 32),
                pitch(),
                rows(),
                place("from", 32),
                pitch(),
                rows(),
                box_shape(false),
                stream(),
                across(scene),
            ],
        ),
        Shape::new(
            "FILL",
            FILL,
            vec![
                place("destination", 4),
                Field::number("pitch", &8u64.to_le_bytes()),
                Field::number("value", &[1; 4]),
                Field::number("value_bytes", &[4]),
                fill_length("count"),
                fill_length("rows"),
                stream(),
            ],
        ),
        Shape::new("FENCE", FENCE, vec![Field::number("number", &1u64.to_le_bytes())]),
        Shape::row("cuMemGetInfo_v2", vec![]),
        Shape::row("cuCtxEnablePeerAccess", vec![context("peerContext"), Field::number("Flags", &[0; 4])]),
        Shape::row("cuCtxDisablePeerAccess", vec![context("peerContext")]),
        Shape::row("cuIpcCloseMemHandle", vec![address("dptr", 1)]).anywhere(),
        Shape::row("cuIpcGetMemHandle", vec![address("dptr", 16), copy_bytes(None)]),
        Shape::row(
            "cuIpcOpenMemHandle_v2",
            vec![
                Field::number("key", &[7; 16]),
                Field::number("chunk_bytes", &(1u64 << 24).to_le_bytes()),
                Field::number("offset", &512u64.to_le_bytes()).with(
                    "length: overflows",
                    &u64::MAX.to_le_bytes(),
                    Stopped("OutOfRange"),
                ),
                Field::number("bytes", &16u64.to_le_bytes())
                    .with("length: 0", &[0; 8], Stopped("OutOfRange"))
                    .with("length: overflows", &u64::MAX.to_le_bytes(), Stopped("OutOfRange")),
                Field::device("device"),
            ],
        ),
        Shape::new(
            "ALLOCATE",
            ALLOCATE,
            vec![Field::number("bytes", &256u64.to_le_bytes()).with(
                "length: 0",
                &[0; 8],
                Stopped("OutOfRange"),
            )],
        ),
        Shape::new(
            "FREE",
            FREE,
            vec![address("address", 0).honestly(scene.address_to_free).lie(
                "address: inside an allocation",
                (scene.address + 8).to_le_bytes(),
                Stopped("OutOfRange"),
            )],
        )
        .anywhere(),
        Shape::new(
            "HOST_CALL",
            HOST_CALL,
            vec![
                stream(),
                Field::new("token", 5u64.to_le_bytes()).lie(
                    "token: waited for already",
                    scene.host_call.to_le_bytes(),
                    Stopped("HostCallTwice"),
                ),
            ],
        ),
        Shape::new(
            "HOST_CALL_DONE",
            HOST_CALL_DONE,
            vec![
                Field::new("token", scene.host_call.to_le_bytes())
                    .lie("token: never given", 0u64.to_le_bytes(), Stopped("NoSuchHostCall"))
                    .lie("token: never given", u64::MAX.to_le_bytes(), Stopped("NoSuchHostCall")),
            ],
        )
        .anywhere(),
        Shape::row(
            "cuStreamCreateWithPriority",
            vec![
                fresh("stream", ObjectKind::Stream),
                Field::number("flags", &[0; 4]),
                Field::number("priority", &[0; 4]),
            ],
        ),
        Shape::row("cuStreamDestroy_v2", vec![handle("stream", ObjectKind::Stream)]).anywhere(),
        Shape::row("cuEventCreate", vec![fresh("event", ObjectKind::Event), Field::number("flags", &[0; 4])]),
        Shape::row("cuEventDestroy_v2", vec![handle("event", ObjectKind::Event)]),
    ]
}

impl Field {
    /// Another honest value, the lies as they are.
    fn honestly(mut self, value: u64) -> Self {
        self.honest = value.to_le_bytes().to_vec();
        self
    }

    /// This value means something else to the call, which another shape describes.
    fn without(mut self, value: u64) -> Self {
        self.lies.retain(|lie| lie.bytes != value.to_le_bytes());
        self
    }

    /// A lie with a verdict of its own, in place of the general one.
    fn with(mut self, kind: &'static str, bytes: &[u8], verdict: Verdict) -> Self {
        self.lies.retain(|lie| lie.bytes != bytes);
        self.lie(kind, bytes, verdict)
    }
}

impl Shape {
    fn new(name: &'static str, op: u32, fields: Vec<Field>) -> Self {
        Self { name, op, fields, in_context: true, open_end: false }
    }

    /// A row by hand that keeps its name on the wire.
    fn row(name: &'static str, fields: Vec<Field>) -> Self {
        Self::new(name, call::op(name), fields)
    }

    /// The record's context does not matter.
    fn anywhere(mut self) -> Self {
        self.in_context = false;
        self
    }

    /// Without a context it works too, but not with one that is none.
    fn in_or_outside(self) -> Self {
        self.anywhere()
    }

    fn open(mut self) -> Self {
        self.open_end = true;
        self
    }

    pub fn honest(&self) -> Vec<u8> {
        self.fields.iter().flat_map(|field| field.honest.clone()).collect()
    }

    /// The body with one field replaced.
    pub fn with(&self, at: usize, bytes: &[u8]) -> Vec<u8> {
        let part =
            |(index, field): (usize, &Field)| if index == at { bytes.to_vec() } else { field.honest.clone() };
        self.fields.iter().enumerate().flat_map(part).collect()
    }

    /// Bytes up to where the body may end as it likes.
    pub fn fixed_bytes(&self) -> usize {
        let open = if self.open_end { self.fields.last().map_or(0, |field| field.honest.len()) } else { 0 };
        self.honest().len() - open
    }
}
