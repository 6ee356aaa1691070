//! Ids of driver objects, chosen by the client.
//!
//! An id is what the program holds as a `CUstream`, `CUevent`, … It carries its kind and a generation, so that a stale, foreign or
//! wrong-kind handle is recognised on both sides without asking anyone, and it is never one of the small numbers to which CUDA
//! gives a meaning of their own (0 is NULL, 1 the legacy and 2 the per-thread default stream).

/// What an id names. The numbers are part of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    Context = 1,
    Stream = 2,
    Event = 3,
    Module = 4,
    Function = 5,
    Library = 6,
    Kernel = 7,
    Array = 8,
    MipmappedArray = 9,
    /// A link under way: `CUlinkState`.
    LinkState = 20,
    /// A pool of stream-ordered memory.
    MemPool = 21,
    /// Physical memory without an address.
    AllocationHandle = 22,
    Graph = 30,
    GraphNode = 31,
    GraphExec = 32,
    UserObject = 33,
}

impl ObjectKind {
    fn from_number(number: u8) -> Option<ObjectKind> {
        use ObjectKind::*;
        [
            Context,
            Stream,
            Event,
            Module,
            Function,
            Library,
            Kernel,
            Array,
            MipmappedArray,
            LinkState,
            MemPool,
            AllocationHandle,
            Graph,
            GraphNode,
            GraphExec,
            UserObject,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

impl ObjectKind {
    /// Live objects of this kind in one session. The client is told that memory is out when it asks for one more; a client that
    /// names one more all the same ends its session.
    pub const fn live_max(self) -> usize {
        match self {
            // Each costs the driver hundreds of MiB.
            ObjectKind::Context => 256,
            // Each may cost the driver a queue and a thread.
            ObjectKind::Stream => 16 << 10,
            ObjectKind::LinkState | ObjectKind::MemPool => 1 << 10,
            ObjectKind::Module | ObjectKind::Library | ObjectKind::Graph | ObjectKind::GraphExec => 64 << 10,
            // Of the cheap ones programs do make hundreds of thousands.
            _ => 1 << 20,
        }
    }
}

/// `kind : 7 bits · generation : 16 bits · index : 24 bits`, below the 47 bits of a user-space address.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, crate::codec::Encode, crate::codec::Decode,
)]
pub struct Id(pub u64);

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 16;
/// More have no number; see [`ObjectKind::live_max`] for how many there may be.
const INDICES: usize = 1 << INDEX_BITS;

impl Id {
    pub fn new(kind: ObjectKind, generation: u16, index: u32) -> Id {
        debug_assert!((index as usize) < INDICES);
        Id((kind as u64) << (GENERATION_BITS + INDEX_BITS) | (generation as u64) << INDEX_BITS | index as u64)
    }

    pub fn kind(self) -> Option<ObjectKind> {
        let number = self.0 >> (GENERATION_BITS + INDEX_BITS);
        u8::try_from(number).ok().and_then(ObjectKind::from_number)
    }

    fn index(self) -> usize {
        self.0 as usize & (INDICES - 1)
    }
}

/// The live objects of one kind and what is remembered of each.
#[derive(Debug)]
pub struct Slab<T> {
    kind: ObjectKind,
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u16,
    object: Option<T>,
}

impl<T> Slab<T> {
    pub const fn new(kind: ObjectKind) -> Slab<T> {
        Slab { kind, places: Vec::new(), free: Vec::new() }
    }

    /// The new object's id; `None` when there are [`ObjectKind::live_max`] already.
    pub fn insert(&mut self, object: T) -> Option<Id> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() < self.kind.live_max() => {
                self.places.push(Place { generation: 1, object: None });
                self.places.len() as u32 - 1
            }
            None => return None,
        };
        let place = &mut self.places[index as usize];
        place.object = Some(object);
        Some(Id::new(self.kind, place.generation, index))
    }

    pub fn get(&self, id: Id) -> Option<&T> {
        let place = self.places.get(id.index())?;
        (id == Id::new(self.kind, place.generation, id.index() as u32))
            .then_some(place.object.as_ref())
            .flatten()
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let kind = self.kind;
        let place = self.places.get_mut(id.index())?;
        (id == Id::new(kind, place.generation, id.index() as u32)).then_some(place.object.as_mut()).flatten()
    }

    /// Forgets an object; its id is never given out again until the generation has gone round.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        self.get(id)?;
        let place = &mut self.places[id.index()];
        place.generation = place.generation.checked_add(1).unwrap_or(1);
        self.free.push(id.index() as u32);
        place.object.take()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            Some((Id::new(self.kind, place.generation, index as u32), place.object.as_ref()?))
        })
    }

    /// Forgets every object for which `dies` holds and hands back their ids.
    pub fn remove_where(&mut self, dies: impl Fn(&T) -> bool) -> Vec<Id> {
        let ids: Vec<Id> = self.iter().filter(|(_, object)| dies(object)).map(|(id, _)| id).collect();
        for id in &ids {
            self.remove(*id);
        }
        ids
    }
}

const _: () = {
    assert!(ObjectKind::Event.live_max() <= INDICES);
    assert!(7 + GENERATION_BITS + INDEX_BITS == 47);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_the_kind_allows_and_a_place_that_is_left_serves_again() {
        let mut contexts = Slab::new(ObjectKind::Context);
        let ids: Vec<Id> = (0..).map_while(|number| contexts.insert(number)).collect();
        assert_eq!(ids.len(), ObjectKind::Context.live_max());
        contexts.remove(ids[7]).unwrap();
        assert!(contexts.insert(0).is_some() && contexts.insert(0).is_none());
    }

    #[test]
    fn an_id_tells_its_kind_and_is_no_special_stream() {
        let mut streams = Slab::new(ObjectKind::Stream);
        let id = streams.insert("a").unwrap();
        assert_eq!(id.kind(), Some(ObjectKind::Stream));
        assert!(id.0 > 2 && id.0 < 1 << 47);
        assert_eq!(Id(0).kind(), None);
        assert_eq!(Id(u64::MAX).kind(), None);
    }

    #[test]
    fn a_freed_id_stays_dead_after_its_place_is_reused() {
        let mut events = Slab::new(ObjectKind::Event);
        let first = events.insert(1).unwrap();
        assert_eq!(events.remove(first), Some(1));
        let second = events.insert(2).unwrap();
        assert_ne!(first, second);
        assert_eq!(events.get(first), None);
        assert_eq!(events.remove(first), None);
        assert_eq!(events.get(second), Some(&2));
    }

    #[test]
    fn an_id_of_another_kind_is_not_found() {
        let mut events = Slab::new(ObjectKind::Event);
        let mut streams = Slab::new(ObjectKind::Stream);
        let event = events.insert(()).unwrap();
        streams.insert(()).unwrap();
        assert_eq!(streams.get(event), None);
    }
}
