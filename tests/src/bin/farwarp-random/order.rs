//! What happens before what: each happening knows all that is over when it begins.

/// A call of a thread, or a piece of work of a stream.
pub type Happening = usize;

/// Happenings, as bits.
#[derive(Debug, Clone, Default)]
pub struct Past(Vec<u64>);

impl Past {
    pub fn has(&self, happening: Happening) -> bool {
        self.0.get(happening / 64).is_some_and(|bits| bits >> (happening % 64) & 1 == 1)
    }

    pub fn join(&mut self, other: &Past) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }

    fn add(&mut self, happening: Happening) {
        if self.0.len() <= happening / 64 {
            self.0.resize(happening / 64 + 1, 0);
        }
        self.0[happening / 64] |= 1 << (happening % 64);
    }
}

/// The past of each happening, itself included.
#[derive(Default)]
pub struct Order(Vec<Past>);

impl Order {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn add(&mut self, mut past: Past) -> Happening {
        let happening = self.0.len();
        past.add(happening);
        self.0.push(past);
        happening
    }

    pub fn past(&self, happening: Happening) -> &Past {
        &self.0[happening]
    }

    pub fn is_before(&self, first: Happening, second: Happening) -> bool {
        self.0[second].has(first)
    }

    pub fn forget_from(&mut self, length: usize) {
        self.0.truncate(length);
    }
}
