//! The calls that a capture takes: each export hands its name and arguments here first while any capture goes on. What a
//! capturing stream would do becomes a node; what would disturb a capture is refused, and spoils it.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::capture::{Line, Place, any_capture, any_mark, merge};
use crate::graph::{Does, Edge, Owner};
use crate::host::Host;
use crate::mirror;
use crate::params;
use crate::state::{State, state};
use farwarp_protocol::error::*;
use farwarp_protocol::graph::{Kernel, Work};
use farwarp_protocol::handle::Id;
use farwarp_protocol::table::Row;
use std::collections::HashMap;
use std::sync::LazyLock;

/// An argument of any function, as a number.
pub trait Word {
    fn word(self) -> u64;
}

macro_rules! words {
    ($($name:ty),*) => {$(
        impl Word for $name {
            fn word(self) -> u64 {
                self as u64
            }
        }
    )*};
}

words!(u8, u16, u32, u64, usize, i32, i64);

impl Word for f32 {
    fn word(self) -> u64 {
        self.to_bits().into()
    }
}

/// No capture looks into it.
impl Word for cudarc::driver::sys::CUipcMemHandle {
    fn word(self) -> u64 {
        0
    }
}

impl<T> Word for *const T {
    fn word(self) -> u64 {
        self.expose_provenance() as u64
    }
}

impl<T> Word for *mut T {
    fn word(self) -> u64 {
        self.expose_provenance() as u64
    }
}

impl<A, R> Word for Option<unsafe extern "C" fn(A) -> R> {
    fn word(self) -> u64 {
        self.map_or(0, |function| (function as *const ()).word())
    }
}

impl<A, B, C, R> Word for Option<unsafe extern "C" fn(A, B, C) -> R> {
    fn word(self) -> u64 {
        self.map_or(0, |function| (function as *const ()).word())
    }
}

/// Whether calls must be handed to [`divert`] at present. `of_events`: the call is about an event.
pub fn is_any(of_events: bool) -> bool {
    any_capture() || (of_events && any_mark())
}

/// Whether a function's meaning depends on how an event was recorded last.
pub const fn concerns_events(name: &str) -> bool {
    const PREFIXES: [&str; 2] = ["cuEvent", "cuStreamWaitEvent"];
    let name = name.as_bytes();
    let mut which = 0;
    while which < PREFIXES.len() {
        let prefix = PREFIXES[which].as_bytes();
        let mut at = 0;
        while at < prefix.len() && at < name.len() && name[at] == prefix[at] {
            at += 1;
        }
        if at == prefix.len() {
            return true;
        }
        which += 1;
    }
    false
}

/// What a function has to do with captures.
enum Concern {
    /// Its stream argument, by place; in a capture the call becomes what the function makes of it.
    Recorded(usize, fn(&mut Recording) -> Result<(), Code>),
    /// The same, with the stream inside a `CUlaunchConfig`.
    RecordedLaunch,
    /// Its stream argument; in a capture it is refused.
    Refused(usize),
    /// Like that, and it could disturb captures of other streams.
    RefusedUnsafe(usize),
    /// Works on the default stream, at once; could it disturb captures of other streams?
    AtOnce {
        is_unsafe: bool,
    },
    /// It could disturb captures.
    Unsafe,
    /// Waits for everything in the context.
    WholeContext,
    /// Asks about an event, by place.
    Event(usize, bool),
    Record(usize, usize),
    Wait,
    EventGone,
    StreamGone,
}

fn concern(name: &str) -> Option<Concern> {
    use Concern::*;
    let base = name.strip_suffix("_ptsz").or_else(|| name.strip_suffix("_ptds")).unwrap_or(name);
    Some(match base {
        "cuLaunchKernel" => Recorded(8, launch),
        "cuLaunchCooperativeKernel" => Recorded(8, launch_cooperative),
        "cuLaunchKernelEx" => RecordedLaunch,
        "cuLaunchHostFunc" | "cuLaunchHostFunc_v2" => Recorded(0, host_function),
        "cuMemsetD8Async" => Recorded(3, |recording| recording.fill(1)),
        "cuMemsetD16Async" => Recorded(3, |recording| recording.fill(2)),
        "cuMemsetD32Async" => Recorded(3, |recording| recording.fill(4)),
        "cuMemsetD2D8Async" => Recorded(5, |recording| recording.fill_rows(1)),
        "cuMemsetD2D16Async" => Recorded(5, |recording| recording.fill_rows(2)),
        "cuMemsetD2D32Async" => Recorded(5, |recording| recording.fill_rows(4)),
        "cuMemcpyAsync" => Recorded(3, |recording| recording.copy(None, None)),
        "cuMemcpyHtoDAsync_v2" => Recorded(3, |recording| recording.copy(Some(false), Some(true))),
        "cuMemcpyDtoHAsync_v2" => Recorded(3, |recording| recording.copy(Some(true), Some(false))),
        "cuMemcpyDtoDAsync_v2" => Recorded(3, |recording| recording.copy(Some(false), Some(false))),
        "cuMemcpyPeerAsync" => Recorded(5, copy_between_peers),
        "cuMemcpy2DAsync_v2" => Recorded(1, copy_2d),
        "cuMemcpy3DAsync_v2" => Recorded(1, copy_3d),
        "cuStreamWaitValue32" | "cuStreamWaitValue32_v2" => Recorded(0, |recording| recording.operation(1)),
        "cuStreamWriteValue32" | "cuStreamWriteValue32_v2" => Recorded(0, |recording| recording.operation(2)),
        "cuStreamWaitValue64" | "cuStreamWaitValue64_v2" => Recorded(0, |recording| recording.operation(4)),
        "cuStreamWriteValue64" | "cuStreamWriteValue64_v2" => Recorded(0, |recording| recording.operation(5)),
        "cuStreamBatchMemOp" | "cuStreamBatchMemOp_v2" => Recorded(0, operations),
        "cuGraphLaunch" => Recorded(1, launch_graph),
        "cuMemAllocAsync" => Recorded(2, |recording| recording.allocate(0)),
        "cuMemAllocFromPoolAsync" => Recorded(3, |recording| recording.allocate(recording.words[2])),
        "cuMemFreeAsync" => Recorded(1, free),
        "cuEventRecord" | "cuEventRecordWithFlags" => Record(0, 1),
        "cuStreamWaitEvent" => Wait,
        "cuEventQuery" | "cuEventSynchronize" => Event(0, true),
        "cuEventElapsedTime" | "cuEventElapsedTime_v2" => Event(1, false),
        "cuEventDestroy" | "cuEventDestroy_v2" => EventGone,
        "cuStreamDestroy" | "cuStreamDestroy_v2" => StreamGone,
        "cuStreamQuery" | "cuStreamSynchronize" => RefusedUnsafe(0),
        "cuCtxSynchronize" | "cuCtxSynchronize_v2" => WholeContext,
        copy if COPIES_AT_ONCE.contains(&copy) => AtOnce { is_unsafe: true },
        set if SETS_AT_ONCE.contains(&set) => AtOnce { is_unsafe: false },
        other if UNSAFE.contains(&other) => Unsafe,
        harmless if HARMLESS.contains(&harmless) => return None,
        other => Refused(*STREAMS.get(other)?),
    })
}

const COPIES_AT_ONCE: &[&str] = &[
    "cuMemcpy",
    "cuMemcpyHtoD_v2",
    "cuMemcpyDtoH_v2",
    "cuMemcpyDtoD_v2",
    "cuMemcpyPeer",
    "cuMemcpy2D_v2",
    "cuMemcpy2DUnaligned_v2",
    "cuMemcpy3D_v2",
    "cuMemcpy3DPeer",
    "cuMemcpyAtoH_v2",
    "cuMemcpyHtoA_v2",
    "cuMemcpyAtoD_v2",
    "cuMemcpyDtoA_v2",
    "cuMemcpyAtoA_v2",
];

/// Sets, and the oldest launches.
const SETS_AT_ONCE: &[&str] = &[
    "cuMemsetD8_v2",
    "cuMemsetD16_v2",
    "cuMemsetD32_v2",
    "cuMemsetD2D8_v2",
    "cuMemsetD2D16_v2",
    "cuMemsetD2D32_v2",
    "cuLaunch",
    "cuLaunchGrid",
];

/// What may wait for the device, or change what others see of it. Loading code is not among it: in the shim it waits for no stream.
const UNSAFE: &[&str] = &[
    "cuMemAlloc_v2",
    "cuMemAllocPitch_v2",
    "cuMemAllocManaged",
    "cuMemFree_v2",
    "cuMemHostAlloc",
    "cuMemAllocHost",
    "cuMemAllocHost_v2",
    "cuMemFreeHost",
    "cuMemHostRegister",
    "cuMemHostRegister_v2",
    "cuMemHostUnregister",
    "cuArrayCreate_v2",
    "cuArray3DCreate_v2",
    "cuArrayDestroy",
    "cuMipmappedArrayCreate",
    "cuMipmappedArrayDestroy",
    "cuCtxCreate",
    "cuCtxCreate_v2",
    "cuCtxCreate_v3",
    "cuCtxCreate_v4",
    "cuCtxDestroy",
    "cuCtxDestroy_v2",
    "cuDevicePrimaryCtxReset",
    "cuDevicePrimaryCtxReset_v2",
    "cuCtxSetLimit",
];

/// Functions that only ask about a stream, set what it is like, or are about captures themselves.
const HARMLESS: &[&str] = &[
    "cuStreamGetPriority",
    "cuStreamGetFlags",
    "cuStreamGetId",
    "cuStreamGetDevice",
    "cuStreamGetCtx",
    "cuStreamGetCtx_v2",
    "cuStreamGetGreenCtx",
    "cuStreamGetDevResource",
    "cuStreamGetAttribute",
    "cuStreamSetAttribute",
    "cuStreamCopyAttributes",
    "cuStreamBeginCapture",
    "cuStreamBeginCapture_v2",
    "cuStreamBeginCaptureToGraph",
    "cuStreamBeginRecaptureToGraph",
    "cuStreamBeginCaptureToCig",
    "cuStreamEndCapture",
    "cuStreamEndCaptureToCig",
    "cuStreamIsCapturing",
    "cuStreamGetCaptureInfo",
    "cuStreamGetCaptureInfo_v2",
    "cuStreamGetCaptureInfo_v3",
    "cuStreamUpdateCaptureDependencies",
    "cuStreamUpdateCaptureDependencies_v2",
];

/// Where the stream stands among the arguments of each function that has one. What nothing else is said of is refused in a capture, so
/// that no work escapes it.
static STREAMS: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    let at = |row: &Row| row.args.iter().position(|arg| arg.kind == "Stream");
    farwarp_protocol::table::rows().filter_map(|row| Some((row.name, at(row)?))).collect()
});

/// Looks at a call before it is done. `Some` is its outcome: it has been recorded, or refused.
pub fn divert(host: &dyn Host, name: &str, words: &[u64]) -> Option<Result<(), Code>> {
    use Concern::*;
    let concern = concern(name)?;
    match concern {
        Recorded(at, record) => recorded(host, words, *words.get(at)?, record),
        RecordedLaunch => {
            let config = unsafe { params::read(words[0] as *const mirror::LaunchConfig) }.ok()?;
            recorded(host, words, config.stream, launch_by_config)
        }
        Refused(at) => refused(&host.stream(*words.get(at)?).ok()?),
        RefusedUnsafe(at) => refused(&host.stream(*words.get(at)?).ok()?).or_else(forbidden),
        AtOnce { is_unsafe } => {
            refused(&host.stream(0).ok()?).or_else(|| if is_unsafe { forbidden() } else { None })
        }
        Unsafe => forbidden(),
        WholeContext => {
            let context = host.context().ok()?;
            let captured = state().captures.invalidate_context(context);
            if captured { Some(Err(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)) } else { forbidden() }
        }
        Event(first, is_unsafe) => {
            let events = if first == 0 { &words[..1] } else { words.get(1..3)? };
            event_asked(host, events).or_else(|| if is_unsafe { forbidden() } else { None })
        }
        Record(event, stream) => record_event(host, words[event], *words.get(stream)?, words.get(2).copied()),
        Wait => wait_event(host, words[0], *words.get(1)?, words.get(2).copied().unwrap_or(0)),
        EventGone => {
            state().captures.event_gone(words[0]);
            None
        }
        StreamGone => {
            if let Ok(place) = host.stream(words[0]) {
                state().captures.stream_gone(place.key);
            }
            None
        }
    }
}

/// What the calling thread may not do while captures go on.
fn forbidden() -> Option<Result<(), Code>> {
    state().captures.forbid_unsafe().err().map(Err)
}

/// A call that no capture can take.
fn refused(place: &Place) -> Option<Result<(), Code>> {
    let mut state = state();
    if state.captures.is_capturing(place.key) {
        let invalid = matches!(state.captures.recording(place.key), Some(Err(_)));
        state.captures.invalidate(place.key);
        let code = if invalid {
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
        } else {
            CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
        };
        return Some(Err(code));
    }
    implicit(&mut state, place)
}

/// The legacy stream waits for every blocking one, which one that captures cannot be waited for.
fn implicit(state: &mut State, place: &Place) -> Option<Result<(), Code>> {
    if place.line == Line::Legacy && state.captures.legacy_would_join(place.context) {
        state.captures.invalidate_blocking(place.context);
        return Some(Err(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT));
    }
    None
}

fn event_asked(host: &dyn Host, events: &[u64]) -> Option<Result<(), Code>> {
    let mut state = state();
    for event in events {
        if host.check_event(*event).is_ok() && state.captures.is_captured_event(*event) {
            state.captures.invalidate_of_event(*event);
            return Some(Err(CUDA_ERROR_CAPTURED_EVENT));
        }
    }
    None
}

/// `CU_EVENT_RECORD_EXTERNAL` and `CU_EVENT_WAIT_EXTERNAL`: the event is recorded, or waited for, by a node.
const EXTERNAL: u64 = 1;

fn record_event(host: &dyn Host, event: u64, stream: u64, flags: Option<u64>) -> Option<Result<(), Code>> {
    let place = host.stream(stream).ok()?;
    host.check_event(event).ok()?;
    let mut state = state();
    if !state.captures.is_capturing(place.key) {
        if let Some(refused) = implicit(&mut state, &place) {
            return Some(refused);
        }
        state.captures.record(event, place.key);
        return None;
    }
    Some(match (state.captures.recording(place.key)?, flags.unwrap_or(0)) {
        (Err(code), _) => Err(code),
        (Ok(_), 0) => {
            state.captures.record(event, place.key);
            Ok(())
        }
        (Ok(to), EXTERNAL) => state.append(place, to, Does::Plain(Work::RecordEvent(event))),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    })
}

fn wait_event(host: &dyn Host, stream: u64, event: u64, flags: u64) -> Option<Result<(), Code>> {
    let place = host.stream(stream).ok()?;
    host.check_event(event).ok()?;
    let mut state = state();
    let (lane, mark) = (state.captures.is_capturing(place.key), state.captures.is_captured_event(event));
    if flags == EXTERNAL && lane {
        return Some(match state.captures.recording(place.key)? {
            Ok(to) => state.append(place, to, Does::Plain(Work::WaitEvent(event))),
            Err(code) => Err(code),
        });
    }
    if !lane && !mark {
        return implicit(&mut state, &place);
    }
    Some(if flags == 0 { state.captures.wait(place, event) } else { Err(CUDA_ERROR_INVALID_VALUE) })
}

/// A call in a stream that captures.
struct Recording<'a> {
    host: &'a dyn Host,
    words: &'a [u64],
    place: Place,
    does: Option<Does>,
}

fn recorded(
    host: &dyn Host,
    words: &[u64],
    stream: u64,
    record: fn(&mut Recording) -> Result<(), Code>,
) -> Option<Result<(), Code>> {
    let place = host.stream(stream).ok()?;
    {
        let mut state = state();
        match state.captures.recording(place.key) {
            None => return implicit(&mut state, &place),
            Some(Err(code)) => return Some(Err(code)),
            Some(Ok(_)) => {}
        }
    }
    let mut recording = Recording { host, words, place, does: None };
    if let Err(code) = record(&mut recording) {
        // What cannot be recorded is missing from the graph.
        state().captures.invalidate(place.key);
        return Some(Err(code));
    }
    // A copy of nothing is no node.
    let does = recording.does?;
    let mut state = state();
    let to = match state.captures.recording(place.key)? {
        Ok(to) => to,
        Err(code) => return Some(Err(code)),
    };
    Some(state.append(place, to, does))
}

impl State {
    /// Adds a captured node; the stream's later ones wait for it.
    fn append(&mut self, place: Place, (graph, after): (Id, Vec<Edge>), does: Does) -> Result<(), Code> {
        let mut behind = Vec::with_capacity(after.len());
        // The program may have destroyed a node meanwhile.
        merge(&mut behind, after.into_iter().filter(|edge| self.nodes.get(edge.from).is_some()).collect());
        let node = self.add_node(graph, does, behind)?;
        self.captures.set_after(place.key, vec![Edge { from: node, data: [0; 8] }]);
        Ok(())
    }
}

impl Recording<'_> {
    fn does(&mut self, work: Work) -> Result<(), Code> {
        self.does = Some(Does::Plain(work));
        Ok(())
    }

    fn kernel(
        &mut self,
        function: u64,
        [grid, block]: [[u32; 3]; 2],
        shared_bytes: u32,
        attributes: Vec<(u32, [u8; 64])>,
        (values, extra): (u64, u64),
    ) -> Result<(), Code> {
        let context = self.place.context;
        let layout = self.host.layout(function, context)?;
        let params = unsafe { params::parameters(&layout, values, extra) }?;
        let kernel = Kernel { function, context, grid, block, shared_bytes, attributes, params };
        self.host.check_launch(&kernel)?;
        self.does(Work::Kernel(kernel))
    }

    fn dimensions(&self) -> [[u32; 3]; 2] {
        let three = |at: usize| [self.words[at] as u32, self.words[at + 1] as u32, self.words[at + 2] as u32];
        [three(1), three(4)]
    }

    fn fill(&mut self, element_bytes: u32) -> Result<(), Code> {
        let [address, value, width, ..] = *self.words else { return Err(CUDA_ERROR_INVALID_VALUE) };
        let value = value as u32;
        let fill = mirror::FillV1 { address, pitch: 0, value, element_bytes, width, height: 1 };
        self.filled(fill)
    }

    fn fill_rows(&mut self, element_bytes: u32) -> Result<(), Code> {
        let [address, pitch, value, width, height, ..] = *self.words else {
            return Err(CUDA_ERROR_INVALID_VALUE);
        };
        self.filled(mirror::FillV1 { address, pitch, value: value as u32, element_bytes, width, height })
    }

    fn filled(&mut self, fill: mirror::FillV1) -> Result<(), Code> {
        if fill.width == 0 || fill.height == 0 {
            return Ok(());
        }
        let fill = params::fill(self.host, &fill, self.place.context)?;
        self.does(Work::Fill(fill))
    }

    fn copy(&mut self, to_host: Option<bool>, from_host: Option<bool>) -> Result<(), Code> {
        let [to, from, bytes, ..] = *self.words else { return Err(CUDA_ERROR_INVALID_VALUE) };
        self.copied(params::linear(self.host, self.place.context, (to, to_host), (from, from_host), bytes)?)
    }

    fn copied(&mut self, copy: farwarp_protocol::graph::Copy) -> Result<(), Code> {
        if copy.is_empty() { Ok(()) } else { self.does(Work::Copy(copy)) }
    }

    /// The memory is there at once, and stays should the node not be made: nobody names it then.
    fn allocate(&mut self, pool: u64) -> Result<(), Code> {
        let [to, bytes, ..] = *self.words else { return Err(CUDA_ERROR_INVALID_VALUE) };
        let (context, to) = (self.place.context, std::ptr::with_exposed_provenance_mut(to as usize));
        let (number, address) = crate::api::allocated(self.host, context, bytes, pool)?;
        unsafe { params::give(to, address) }?;
        self.does = Some(Does::Allocate(number));
        Ok(())
    }

    fn operation(&mut self, operation: u32) -> Result<(), Code> {
        let [_, address, value, flags, ..] = *self.words else { return Err(CUDA_ERROR_INVALID_VALUE) };
        let flags = flags as u32;
        let one = mirror::MemoryOperation { operation, address, value, flags, ..Default::default() };
        self.operations(std::ptr::from_ref(&one).expose_provenance() as u64, 1, 0)
    }

    fn operations(&mut self, operations: u64, count: u32, flags: u32) -> Result<(), Code> {
        let batch = mirror::MemoryOperations { context: self.place.context, count, operations, flags };
        let batch = unsafe { params::operations(self.host, &batch) }?;
        self.does(Work::MemoryOperations(batch))
    }
}

fn launch(recording: &mut Recording) -> Result<(), Code> {
    let (words, dimensions) = (recording.words, recording.dimensions());
    recording.kernel(words[0], dimensions, words[7] as u32, Vec::new(), (words[9], words[10]))
}

fn launch_cooperative(recording: &mut Recording) -> Result<(), Code> {
    let (words, dimensions) = (recording.words, recording.dimensions());
    let mut value = [0; 64];
    value[0] = 1;
    recording.kernel(words[0], dimensions, words[7] as u32, vec![(params::COOPERATIVE, value)], (words[9], 0))
}

fn launch_by_config(recording: &mut Recording) -> Result<(), Code> {
    let words = recording.words;
    let config = unsafe { params::read(words[0] as *const mirror::LaunchConfig) }?;
    let attributes = unsafe { params::attributes(config.attributes, config.attribute_count) }?;
    recording.kernel(
        words[1],
        [config.grid, config.block],
        config.shared_bytes,
        attributes,
        (words[2], words[3]),
    )
}

fn host_function(recording: &mut Recording) -> Result<(), Code> {
    let call = mirror::HostCall { function: recording.words[1], data: recording.words[2] };
    let work = params::host_call(&call)?;
    recording.does(work)
}

/// Copies between two devices would need both in one node.
fn copy_between_peers(recording: &mut Recording) -> Result<(), Code> {
    let [to, to_context, from, from_context, bytes, ..] = *recording.words else {
        return Err(CUDA_ERROR_INVALID_VALUE);
    };
    if to_context != from_context {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let device = Some(false);
    recording.copied(params::linear(recording.host, to_context, (to, device), (from, device), bytes)?)
}

fn copy_2d(recording: &mut Recording) -> Result<(), Code> {
    let copy = unsafe { params::read(recording.words[0] as *const mirror::Copy2D) }?;
    recording.copied(params::copy_2d(recording.host, &copy, recording.place.context)?)
}

fn copy_3d(recording: &mut Recording) -> Result<(), Code> {
    let copy = unsafe { params::read(recording.words[0] as *const mirror::Copy) }?;
    recording.copied(params::copy(recording.host, &copy, recording.place.context)?)
}

fn operations(recording: &mut Recording) -> Result<(), Code> {
    let [_, count, operations, flags, ..] = *recording.words else { return Err(CUDA_ERROR_INVALID_VALUE) };
    recording.operations(operations, count as u32, flags as u32)
}

/// Memory that a graph has allocated is freed by a node; no other can be.
fn free(recording: &mut Recording) -> Result<(), Code> {
    let number = state().memory().number_at(recording.words[0]).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    recording.does = Some(Does::Free(number));
    Ok(())
}

/// An executable graph that is launched into a capture is a child graph of it.
fn launch_graph(recording: &mut Recording) -> Result<(), Code> {
    let mut state = state();
    let graph = state.exec(recording.words[0])?.graph;
    if state.has_memory_nodes(graph)
        || state.contains(graph, &|node| matches!(node.does, Does::Conditional { .. }))
    {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    // Whose child it is becomes known with the node.
    recording.does = Some(Does::Child(state.copy_graph(graph, Owner::Node(Id(0)))?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_with_a_stream_escapes_a_capture() {
        assert!(STREAMS.len() > 50, "{} functions with a stream", STREAMS.len());
        for name in STREAMS.keys() {
            assert!(concern(name).is_some() || HARMLESS.contains(name), "{name}");
        }
        for name in [COPIES_AT_ONCE, SETS_AT_ONCE, UNSAFE, HARMLESS].concat() {
            assert!(farwarp_protocol::table::rows().any(|row| row.name == name), "{name} is no function");
        }
    }

    #[test]
    fn per_thread_forms_are_of_the_same_concern() {
        assert!(matches!(concern("cuLaunchKernel_ptsz"), Some(Concern::Recorded(8, _))));
        assert!(matches!(concern("cuMemcpyHtoD_v2_ptds"), Some(Concern::AtOnce { is_unsafe: true })));
        assert!(concern("cuGraphCreate").is_none());
    }

    #[test]
    fn functions_about_events_are_known_by_name() {
        assert!(concerns_events("cuEventQuery") && concerns_events("cuStreamWaitEvent_ptsz"));
        assert!(!concerns_events("cuEven") && !concerns_events("cuLaunchKernel"));
    }
}
