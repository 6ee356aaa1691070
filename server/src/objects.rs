//! What a session owns at the driver, by the ids that its client chose. No handle of the driver's ever comes off the wire.

use crate::refusal::Refusal;
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::HashMap;

#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// The driver's handle.
    pub raw: u64,
    /// It dies when this one does.
    pub parent: Id,
}

#[derive(Default)]
pub struct Objects {
    live: HashMap<Id, Object>,
    counts: HashMap<ObjectKind, usize>,
}

impl Objects {
    /// Whether the client may give this id to something new.
    pub fn check_new(&self, id: Id, kind: ObjectKind) -> Result<(), Refusal> {
        if id.kind() != Some(kind) || self.live.contains_key(&id) {
            return Err(Refusal::BadNewId { id, kind });
        }
        let got = self.counts.get(&kind).copied().unwrap_or(0) as u64 + 1;
        let max = kind.live_max() as u64;
        if got > max { Err(Refusal::TooMuch { what: "live objects of a kind", got, max }) } else { Ok(()) }
    }

    /// Only after the driver has made it.
    pub fn born(&mut self, id: Id, raw: u64, parent: Id) {
        if self.live.insert(id, Object { raw, parent }).is_none()
            && let Some(kind) = id.kind()
        {
            *self.counts.entry(kind).or_default() += 1;
        }
    }

    fn forget(&mut self, id: Id) {
        if self.live.remove(&id).is_some()
            && let Some(count) = id.kind().and_then(|kind| self.counts.get_mut(&kind))
        {
            *count -= 1;
        }
    }

    pub fn get(&self, id: Id, kind: ObjectKind) -> Result<u64, Refusal> {
        match self.live.get(&id) {
            Some(object) if id.kind() == Some(kind) => Ok(object.raw),
            _ => Err(Refusal::NoSuchObject { id, kind }),
        }
    }

    pub fn is_live(&self, id: Id) -> bool {
        self.live.contains_key(&id)
    }

    /// In what a live object was made.
    pub fn parent(&self, id: Id) -> Option<Id> {
        self.live.get(&id).map(|object| object.parent)
    }

    pub fn remove(&mut self, id: Id, kind: ObjectKind) -> Result<u64, Refusal> {
        let raw = self.get(id, kind)?;
        self.forget(id);
        self.children_gone(id);
        Ok(raw)
    }

    /// Forgets everything whose parent is gone, and what came out of that.
    pub fn children_gone(&mut self, parent: Id) {
        let children: Vec<Id> =
            self.live.iter().filter(|(_, object)| object.parent == parent).map(|(id, _)| *id).collect();
        for child in children {
            self.forget(child);
            self.children_gone(child);
        }
    }

    /// The driver's handles of one kind.
    pub fn all(&self, kind: ObjectKind) -> impl Iterator<Item = u64> {
        self.live.iter().filter(move |(id, _)| id.kind() == Some(kind)).map(|(_, object)| object.raw)
    }

    /// The driver's handles of one kind that belong to a parent.
    pub fn of(&self, parent: Id, kind: ObjectKind) -> impl Iterator<Item = u64> {
        self.live
            .iter()
            .filter(move |(id, object)| object.parent == parent && id.kind() == Some(kind))
            .map(|(_, object)| object.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: ObjectKind, index: u32) -> Id {
        Id::new(kind, 1, index)
    }

    #[test]
    fn a_handle_is_found_only_alive_and_as_what_it_is() {
        let mut objects = Objects::default();
        let stream = id(ObjectKind::Stream, 0);
        objects.check_new(stream, ObjectKind::Stream).unwrap();
        objects.born(stream, 77, Id(0));
        assert_eq!(objects.get(stream, ObjectKind::Stream), Ok(77));
        assert!(objects.get(stream, ObjectKind::Event).is_err());
        assert!(objects.get(Id::new(ObjectKind::Stream, 2, 0), ObjectKind::Stream).is_err());
        assert_eq!(objects.remove(stream, ObjectKind::Stream), Ok(77));
        assert!(objects.get(stream, ObjectKind::Stream).is_err());
    }

    #[test]
    fn an_id_cannot_be_given_twice_nor_lie_about_its_kind() {
        let mut objects = Objects::default();
        let event = id(ObjectKind::Event, 3);
        assert!(objects.check_new(event, ObjectKind::Stream).is_err());
        assert!(objects.check_new(Id(0), ObjectKind::Stream).is_err());
        objects.born(event, 1, Id(0));
        assert!(objects.check_new(event, ObjectKind::Event).is_err());
    }

    #[test]
    fn a_client_that_counts_wrong_on_purpose_is_refused_at_the_kinds_limit() {
        let mut objects = Objects::default();
        for index in 0..ObjectKind::Context.live_max() as u32 {
            objects.check_new(id(ObjectKind::Context, index), ObjectKind::Context).unwrap();
            objects.born(id(ObjectKind::Context, index), 1, Id(0));
        }
        let one_more = id(ObjectKind::Context, 9999);
        assert!(matches!(
            objects.check_new(one_more, ObjectKind::Context),
            Err(Refusal::TooMuch { got: 257, max: 256, .. })
        ));
        objects.check_new(id(ObjectKind::Stream, 0), ObjectKind::Stream).unwrap();
        objects.remove(id(ObjectKind::Context, 7), ObjectKind::Context).unwrap();
        objects.check_new(one_more, ObjectKind::Context).unwrap();
    }

    #[test]
    fn children_die_with_their_parents() {
        let mut objects = Objects::default();
        let (context, module) = (id(ObjectKind::Context, 0), id(ObjectKind::Module, 0));
        let function = id(ObjectKind::Function, 0);
        objects.born(context, 1, Id(0));
        objects.born(module, 2, context);
        objects.born(function, 3, module);
        objects.remove(context, ObjectKind::Context).unwrap();
        assert!(objects.get(function, ObjectKind::Function).is_err());
    }
}
