//! What a session holds when the lies begin: of each kind one thing that is alive, and things that were, or are elsewhere.

use farwarp_protocol::arrays::{self, ArrayNew, Descriptor3D};
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::call::{self, *};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::graph::{Edge, Plan, Step, Work};
use farwarp_protocol::handle::{Id, ObjectKind};

use crate::client::{Client, Road};
use std::sync::atomic::{AtomicU64, Ordering};

/// An allocation of the scene, in bytes.
pub const ALLOCATION_BYTES: u64 = 4096;
/// Physical memory of the scene: as little as there is. A reservation is four times as long, and its beginning is mapped.
pub const PHYSICAL_BYTES: u64 = 2 << 20;
pub const RESERVED_BYTES: u64 = 4 * PHYSICAL_BYTES;

const CODE: &str = "
.version 7.0
.target sm_75
.address_size 64
.visible .global .align 4 .u32 counter = 40;
.visible .global .attribute(.managed) .align 4 .u32 both = 41;
.visible .entry touch(.param .u64 to, .param .u32 value)
{
    ret;
}
\0";

/// What the scene shares, in bytes.
pub const SHARED_BYTES: u64 = 4096;

/// Addresses at which nothing lies in any process; each is given once, as sessions of this process have one address space.
fn place_to_share() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0x6100_0000_0000);
    NEXT.fetch_add(4 << 20, Ordering::Relaxed)
}

/// Ids lie so far apart that no flipped bit of one is another.
pub const INDEXES: [u32; 8] = [0x11, 0x222, 0x444, 0x888, 0x1010, 0x2020, 0x4040, 0x8080];

pub struct Scene {
    pub context: Id,
    /// A second one, for a call that ends it.
    pub context_to_end: Id,
    pub dead_context: Id,
    pub stream: Id,
    pub event: Id,
    pub module: Id,
    pub function: Id,
    pub library: Id,
    pub kernel: Id,
    pub library_module: Id,
    /// Of each kind: freed, then the same index of an older generation, and one whose parent is dead.
    pub freed: Vec<Id>,
    pub orphans: Vec<Id>,
    pub address: u64,
    pub address_to_free: u64,
    pub freed_address: u64,
    pub orphan_address: u64,
    pub pool: Id,
    pub physical: Id,
    pub link: Id,
    pub exec: Id,
    pub array: Id,
    pub mipmapped: Id,
    /// Memory of the pool.
    pub pooled: u64,
    pub freed_pooled: u64,
    pub reserved: u64,
    pub reserved_to_free: u64,
    /// A page that the client shares, one that it may share, and a managed variable.
    pub shared: u64,
    pub to_share: u64,
    pub managed: u64,
    /// A function of the program's that a stream waits for.
    pub host_call: u64,
    /// A copy of sixteen bytes that the client has yet to send.
    pub later: u64,
    /// A graph of the client's that has a value for conditional nodes.
    pub graph: Id,
    /// An image that is there, and one that is not all there.
    pub upload: u64,
    pub half_upload: u64,
    /// By name of the fault: plans of graphs that are there, each with one.
    pub bad_plans: Vec<(&'static str, u64)>,
    pub plan: u64,
    /// The generation of ids for what a case makes; another one after each that went through.
    pub fresh: u16,
}

pub fn id(kind: ObjectKind, generation: u16, place: usize) -> Id {
    Id::new(kind, generation, INDEXES[place])
}

impl Scene {
    pub fn set<R: Road>(client: &mut Client<R>) -> Scene {
        let mut stage = Stage { client, context: id(ObjectKind::Context, 1, 0) };
        let (context, context_to_end) = (stage.context, id(ObjectKind::Context, 1, 1));
        stage.make_context(context);
        stage.make_context(context_to_end);
        let mut freed = Vec::new();
        let mut orphans = Vec::new();
        // What lives has its place before anything dies: a dead address must not come to life again.
        let (address, address_to_free, freed_address) =
            (stage.allocate(), stage.allocate(), stage.allocate());

        // A context with a thing of each kind, which die with it.
        let dead_context = id(ObjectKind::Context, 1, 2);
        stage.make_context(dead_context);
        stage.context = dead_context;
        let made = stage.make_all(2);
        let orphan_address = stage.allocate();
        // What belongs to no context lives on.
        let of_no_context = [ObjectKind::Library, ObjectKind::MemPool, ObjectKind::AllocationHandle];
        let (of_none, of_context): (Vec<Id>, Vec<Id>) =
            made.into_iter().partition(|id| id.kind().is_some_and(|kind| of_no_context.contains(&kind)));
        of_none.iter().for_each(|id| stage.destroy(*id));
        freed.extend(of_none);
        orphans.extend(of_context);
        stage.context = Id(0);
        stage.say(CONTEXT_GONE, &encode(&ContextGone { context: dead_context }));
        freed.push(dead_context);
        stage.context = context;

        // One of each that is freed by itself, and one of a newer generation in its place.
        for made in stage.make_all(3) {
            // Functions go with their modules.
            if !matches!(made.kind(), Some(ObjectKind::Function | ObjectKind::Kernel)) {
                stage.destroy(made);
                freed.push(made);
            }
        }
        orphans.push(id(ObjectKind::Function, 1, 3));
        orphans.push(id(ObjectKind::Kernel, 1, 3));
        stage.make_stream(id(ObjectKind::Stream, 2, 3));
        stage.make_event(id(ObjectKind::Event, 2, 3));

        stage.make_all(0);
        let library_module = id(ObjectKind::Module, 1, 4);
        let library = id(ObjectKind::Library, 1, 0);
        stage.say(LIBRARY_MODULE, &encode(&LibraryModule { library, module: library_module }));
        stage.say(FREE, &encode(&freed_address));
        let shared = place_to_share();
        stage.say(SHARE, &encode(&Range { address: shared, bytes: SHARED_BYTES }));
        // What the stream has to come after is behind it: the driver hears nothing more of that.
        stage.say(SYNCHRONIZE_STREAM, &encode(&id(ObjectKind::Stream, 1, 0)));
        let module = id(ObjectKind::Module, 1, 0);
        let found = stage.say(FIND_VARIABLE, &encode(&FindVariable { within: module, name: "both".into() }));
        let managed: Variable = decode(&found).expect("a variable");
        assert!(managed.managed);
        let stream = id(ObjectKind::Stream, 1, 0);
        stage.say(call::op("cuEventRecord"), &encode(&(id(ObjectKind::Event, 1, 0), stream)));
        let host_call = 0x77;
        stage.say(HOST_CALL, &encode(&HostCall { stream: id(ObjectKind::Stream, 2, 3).0, token: host_call }));
        let (upload, half_upload) = (0x51, 0x52);
        stage.send_image(upload, CODE.as_bytes());
        let half = ImagePiece { upload: half_upload, image_bytes: 64 };
        stage.say(IMAGE_PIECE, &[&encode(&half)[..], &[b' '; 32]].concat());
        let plan = 0x53;
        stage.send_image(plan, &Plan { levels: vec![vec![]] }.encode());
        let step = |work| Step { work, after: Vec::new(), enabled: true };
        let host = step(Work::Host { function: address, data: 0 });
        let backwards = Step { after: vec![Edge { from: 7, data: [0; 8] }], ..step(Work::Empty) };
        let lost = step(Work::RecordEvent(id(ObjectKind::Event, 1, 7).0));
        let faults = [("HostStep", host), ("Plan", backwards), ("NoSuchObject", lost)];
        let graph = id(ObjectKind::Graph, 1, 0);
        stage.make_value(graph);
        let gone = id(ObjectKind::Graph, 1, 1);
        let lost_value = stage.make_value(gone);
        stage.say(GRAPH_CONDITIONALS_GONE, &encode(&gone));
        let more = crate::plans::that_lie(context, address, lost_value)
            .into_iter()
            .map(|(rule, work)| (rule, step(work)));
        let mut bad_plans = Vec::new();
        for (number, (rule, step)) in faults.into_iter().chain(more).enumerate() {
            let upload = 0x60 + number as u64;
            stage.send_image(upload, &Plan { levels: vec![vec![step]] }.encode());
            bad_plans.push((rule, upload));
        }
        let (pool, physical) = (id(ObjectKind::MemPool, 1, 0), id(ObjectKind::AllocationHandle, 1, 0));
        let (freed_pooled, pooled) = (stage.allocate_of(pool), stage.allocate_of(pool));
        stage.say(call::op("cuMemFreeAsync"), &encode(&(freed_pooled, stream)));
        let (reserved, reserved_to_free) = (stage.reserve(), stage.reserve());
        stage.say(call::op("cuMemMap"), &encode(&(reserved, PHYSICAL_BYTES, 0u64, physical)));
        stage.say(call::op("cuMemSetAccess"), &encode(&(reserved, PHYSICAL_BYTES, vec![(0i32, 3u32)])));
        let later = 0x78;
        let place = Block { start: address, pitch: 16, rows: 1 };
        let shape = Shape::linear(16);
        let copy = ToDeviceLater { destination: place, shape, stream: stream.0, token: later };
        stage.say(TO_DEVICE_LATER, &encode(&copy));
        Scene {
            context,
            context_to_end,
            dead_context,
            stream,
            event: id(ObjectKind::Event, 1, 0),
            module: id(ObjectKind::Module, 1, 0),
            function: id(ObjectKind::Function, 1, 0),
            library,
            kernel: id(ObjectKind::Kernel, 1, 0),
            library_module,
            pool,
            physical,
            link: id(ObjectKind::LinkState, 1, 0),
            exec: id(ObjectKind::GraphExec, 1, 0),
            array: id(ObjectKind::Array, 1, 0),
            mipmapped: id(ObjectKind::MipmappedArray, 1, 0),
            pooled,
            freed_pooled,
            reserved,
            reserved_to_free,
            later,
            graph,
            freed,
            orphans,
            address,
            address_to_free,
            freed_address,
            orphan_address,
            shared,
            to_share: place_to_share(),
            managed: managed.range.address,
            host_call,
            upload,
            half_upload,
            bad_plans,
            plan,
            fresh: 10,
        }
    }

    pub fn alive(&self, kind: ObjectKind) -> Id {
        match kind {
            ObjectKind::Context => self.context,
            ObjectKind::Stream => self.stream,
            ObjectKind::Event => self.event,
            ObjectKind::Module => self.module,
            ObjectKind::Function => self.function,
            ObjectKind::Library => self.library,
            ObjectKind::Kernel => self.kernel,
            ObjectKind::MemPool => self.pool,
            ObjectKind::AllocationHandle => self.physical,
            ObjectKind::LinkState => self.link,
            ObjectKind::GraphExec => self.exec,
            ObjectKind::Array => self.array,
            ObjectKind::MipmappedArray => self.mipmapped,
            other => panic!("the scene has no {other:?}: make one in Stage::make_all"),
        }
    }
}

/// An honest client at work.
struct Stage<'a, R> {
    client: &'a mut Client<R>,
    context: Id,
}

impl<R: Road> Stage<'_, R> {
    /// A call that must succeed.
    fn say(&mut self, op: u32, body: &[u8]) -> Vec<u8> {
        let answer = self.client.ask(op, self.context.0, body);
        let answer =
            answer.unwrap_or_else(|end| panic!("an honest call of {op:#x} ended the session: {end:?}"));
        assert_eq!(answer.code, 0, "an honest call of {op:#x} failed");
        answer.body
    }

    fn make_context(&mut self, context: Id) {
        self.say(CONTEXT_NEW, &encode(&ContextNew { context, device: 0, flags: 0, primary: false }));
    }

    fn make_stream(&mut self, stream: Id) {
        self.say(call::op("cuStreamCreateWithPriority"), &encode(&(stream, 0u32, 0i32)));
    }

    fn make_event(&mut self, event: Id) {
        self.say(call::op("cuEventCreate"), &encode(&(event, 0u32)));
    }

    /// One of each kind, at one place.
    fn make_all(&mut self, place: usize) -> Vec<Id> {
        let of = |kind| id(kind, 1, place);
        self.make_stream(of(ObjectKind::Stream));
        self.make_event(of(ObjectKind::Event));
        let upload = 0x1000 + place as u64;
        self.send_image(upload, CODE.as_bytes());
        let (module, jit) = (of(ObjectKind::Module), JitOptions::default());
        self.say(LOAD_MODULE, &encode(&LoadModule { upload, module, fatbin: false, jit: jit.clone() }));
        self.find("touch", module, of(ObjectKind::Function));
        self.say(FIND_VARIABLE, &encode(&FindVariable { within: module, name: "counter".into() }));
        self.send_image(upload, CODE.as_bytes());
        let library = of(ObjectKind::Library);
        self.say(LOAD_LIBRARY, &encode(&LoadLibrary { upload, library, jit }));
        self.find("touch", library, of(ObjectKind::Kernel));
        let (pool, physical) = (of(ObjectKind::MemPool), of(ObjectKind::AllocationHandle));
        let properties = PoolNew { pool, device: 0, max_bytes: 0, usage: 0 };
        self.say(call::op("cuMemPoolCreate"), &encode(&properties));
        let properties = PhysicalNew { physical, device: 0, bytes: PHYSICAL_BYTES, compression: 0, usage: 0 };
        self.say(call::op("cuMemCreate"), &encode(&properties));
        let link = of(ObjectKind::LinkState);
        self.say(call::op("cuLinkCreate_v2"), &encode(&(link, JitOptions::default())));
        self.instantiate(of(ObjectKind::GraphExec), of(ObjectKind::Event));
        self.make_array(of(ObjectKind::Array), 0);
        self.make_array(of(ObjectKind::MipmappedArray), 2);
        [
            ObjectKind::Stream,
            ObjectKind::Event,
            ObjectKind::Module,
            ObjectKind::Function,
            ObjectKind::Library,
            ObjectKind::Kernel,
            ObjectKind::MemPool,
            ObjectKind::AllocationHandle,
            ObjectKind::LinkState,
            ObjectKind::GraphExec,
            ObjectKind::Array,
            ObjectKind::MipmappedArray,
        ]
        .map(of)
        .to_vec()
    }

    /// Two rows of sixteen bytes, of which surfaces can be made.
    fn make_array(&mut self, array: Id, levels: u32) {
        const FLOAT: u32 = 0x20;
        let descriptor = Descriptor3D {
            width: 4,
            height: 2,
            depth: 0,
            format: FLOAT,
            channels: 1,
            flags: arrays::SURFACE,
        };
        self.say(ARRAY_CREATE, &encode(&ArrayNew { array, descriptor, levels }));
    }

    /// A graph of two steps: an event is recorded, and nothing is done.
    fn instantiate(&mut self, exec: Id, event: Id) {
        let step = |work| Step { work, after: Vec::new(), enabled: true };
        let upload = 0x54;
        let plan = Plan { levels: vec![vec![step(Work::RecordEvent(event.0)), step(Work::Empty)]] };
        self.send_image(upload, &plan.encode());
        self.say(GRAPH_INSTANTIATE, &encode(&GraphInstantiate { upload, exec, graph: Id(0) }));
    }

    /// Ends one that [`Stage::make_all`] made.
    fn destroy(&mut self, id: Id) {
        let operation = match id.kind() {
            Some(ObjectKind::Stream) => call::op("cuStreamDestroy_v2"),
            Some(ObjectKind::Event) => call::op("cuEventDestroy_v2"),
            Some(ObjectKind::MemPool) => call::op("cuMemPoolDestroy"),
            Some(ObjectKind::AllocationHandle) => call::op("cuMemRelease"),
            Some(ObjectKind::LinkState) => call::op("cuLinkDestroy"),
            Some(ObjectKind::GraphExec) => GRAPH_EXEC_GONE,
            Some(ObjectKind::Array | ObjectKind::MipmappedArray) => ARRAY_DESTROY,
            _ => UNLOAD,
        };
        self.say(operation, &encode(&id));
    }

    /// What conditional nodes look at.
    fn make_value(&mut self, graph: Id) -> u64 {
        let value = GraphConditional { graph, context: self.context, default: 0, flags: 0 };
        decode(&self.say(GRAPH_CONDITIONAL, &encode(&value))).expect("a value")
    }

    fn allocate_of(&mut self, pool: Id) -> u64 {
        let stream = id(ObjectKind::Stream, 1, 0);
        let body = self.say(call::op("cuMemAllocAsync"), &encode(&(pool, ALLOCATION_BYTES, stream)));
        decode(&body).expect("an address")
    }

    fn reserve(&mut self) -> u64 {
        let body = self.say(call::op("cuMemAddressReserve"), &encode(&(RESERVED_BYTES, 0u64, 0u64)));
        decode(&body).expect("an address")
    }

    fn find(&mut self, name: &str, within: Id, found: Id) {
        self.say(FIND_FUNCTION, &encode(&FindFunction { within, name: name.into(), found }));
    }

    fn send_image(&mut self, upload: u64, image: &[u8]) {
        let piece = ImagePiece { upload, image_bytes: image.len() as u64 };
        self.say(IMAGE_PIECE, &[&encode(&piece)[..], image].concat());
    }

    fn allocate(&mut self) -> u64 {
        let body = self.say(ALLOCATE, &encode(&Allocate { bytes: ALLOCATION_BYTES }));
        let range: Range = decode(&body).expect("a range");
        assert_eq!(range.bytes, ALLOCATION_BYTES, "a driver that chooses addresses gives what was asked for");
        range.address
    }
}
