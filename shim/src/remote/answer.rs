//! What the server answered, and to what: so that an answer which is none can be named.

use farwarp_protocol::client;
use farwarp_protocol::codec::{self, Decode};
use farwarp_protocol::describe::name_of;
use farwarp_protocol::error::{CUDA_ERROR_UNKNOWN, Code};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Answer {
    op: u32,
    answer: client::Answer,
}

impl Answer {
    pub(super) fn to(op: u32, answer: client::Answer) -> Answer {
        Answer { op, answer }
    }

    /// The body, if the call succeeded.
    pub fn value<T: Decode<()>>(&self) -> Result<T, Code> {
        self.check()?;
        codec::decode(&self.body).map_err(|_| self.malformed())
    }

    /// The code when the server answers what is no answer to this. People are told once.
    pub fn malformed(&self) -> Code {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Ordering::Relaxed) {
            let (name, bytes) = (name_of(self.op), self.body.len());
            crate::state::complain(&format!(
                "the server answered {name} by {bytes} bytes that are no answer to it"
            ));
        }
        CUDA_ERROR_UNKNOWN
    }
}

impl Deref for Answer {
    type Target = client::Answer;

    fn deref(&self) -> &client::Answer {
        &self.answer
    }
}
