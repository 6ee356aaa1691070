//! User objects: what a program wants destroyed with the last graph that holds it.

use crate::state::State;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;

pub struct UserObject {
    /// The program's function and its argument.
    pub destroy: (u64, u64),
    pub references: u64,
    /// How many of them the program itself has.
    pub own: u64,
}

impl State {
    pub fn retain_object(&mut self, object: Id, count: u32) -> Result<(), Code> {
        let object = self.objects.get_mut(object).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        object.references += u64::from(count);
        Ok(())
    }

    /// Gives references back, the program's own or a graph's. What must be called when they were the last is handed out.
    pub fn release_object(&mut self, id: Id, count: u32, own: bool) -> Result<Option<(u64, u64)>, Code> {
        let object = self.objects.get_mut(id).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let count = u64::from(count);
        if own {
            object.own = object.own.checked_sub(count).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        }
        object.references = object.references.saturating_sub(count);
        if object.references > 0 {
            return Ok(None);
        }
        Ok(self.objects.remove(id).map(|object| object.destroy))
    }
}
