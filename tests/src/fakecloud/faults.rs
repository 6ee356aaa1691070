//! What goes wrong, and when.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// By the number of the create, from 1.
    pub creates: BTreeMap<usize, CreateFault>,
    /// So many requests are answered with 429, with this Retry-After or none.
    pub limited: u32,
    pub retry_after_s: Option<u32>,
    /// So many attempts to destroy fail.
    pub destroy_failures: u32,
    /// A machine is in no list until so long after its birth.
    pub list_lag_ms: u64,
    /// Everything is answered with a page for people.
    pub html: bool,
    /// A search is answered with more bytes than anybody should take.
    pub huge: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateFault {
    /// Somebody else was faster.
    StockOut,
    /// The machine is made, and the connection cut.
    AnswerLost,
    /// The machine is made and billed, and the answer is an error.
    FailsAndBills,
    /// Nothing is made, and the answer is an error without a word about that.
    Unclear,
    /// The machine is made and never runs.
    Stuck,
    /// Its container runs, and ends at once.
    Exits,
}
