//! Which symbol `cuGetProcAddress` means: a program names a function and the CUDA version that it was built with, and gets
//! the function as that version knew it. Where the symbol lies is for the library that exports it to say.

use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_FOUND, CUDA_SUCCESS, Code};
use farwarp_protocol::table::{self, PER_THREAD_SINCE, Row};
use once_cell::sync::Lazy;
use std::ffi::CStr;

/// `CU_GET_PROC_ADDRESS_LEGACY_STREAM`; it is also what no flag means.
const LEGACY_STREAM: u64 = 1;
/// `CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM`.
const PER_THREAD_DEFAULT_STREAM: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This exported symbol.
    Symbol(&'static str),
    /// No function has that name, or only one that is newer than the table.
    NotFound,
    /// The function came with a later CUDA version than the one asked for.
    VersionNotSufficient,
    /// A flag that CUDA does not have.
    InvalidFlags,
}

/// The symbol that a program built with `cuda_version` means by `function`.
pub fn choose(function: &CStr, cuda_version: i32, flags: u64) -> Choice {
    if flags & !(LEGACY_STREAM | PER_THREAD_DEFAULT_STREAM) != 0 {
        return Choice::InvalidFlags;
    }
    let forms = forms_of(function.to_str().unwrap_or_default());
    if forms.is_empty() {
        return Choice::NotFound;
    }
    let version = u32::try_from(cuda_version).unwrap_or(0);
    match forms.iter().rev().find(|form| form.since <= version) {
        None => Choice::VersionNotSufficient,
        Some(form) => Choice::Symbol(form.symbol(version, flags)),
    }
}

impl Choice {
    /// What the call returns. cuda.h speaks of success with a NULL address for what is not found; drivers and their likes
    /// return this code, and programs look at the address or the status.
    pub fn code(self) -> Code {
        match self {
            Choice::Symbol(_) => CUDA_SUCCESS,
            Choice::NotFound | Choice::VersionNotSufficient => CUDA_ERROR_NOT_FOUND,
            Choice::InvalidFlags => CUDA_ERROR_INVALID_VALUE,
        }
    }

    /// The `CUdriverProcAddressQueryResult`.
    pub fn status(self) -> u32 {
        match self {
            Choice::Symbol(_) => 0,
            Choice::NotFound | Choice::InvalidFlags => 1,
            Choice::VersionNotSufficient => 2,
        }
    }
}

/// One form of a function: what it was from a CUDA version on, until the next form came.
struct Form {
    function: &'static str,
    since: u32,
    row: &'static Row,
}

impl Form {
    fn symbol(&self, version: u32, flags: u64) -> &'static str {
        let per_thread = flags & PER_THREAD_DEFAULT_STREAM != 0 && version >= PER_THREAD_SINCE;
        self.row.per_thread.filter(|_| per_thread).unwrap_or(self.row.name)
    }
}

/// By function, then by version.
static FORMS: Lazy<Vec<Form>> = Lazy::new(|| {
    let mut forms: Vec<Form> = table::rows().flat_map(forms_in).collect();
    forms.sort_by_key(|form| (form.function, form.since));
    forms
});

fn forms_of(function: &str) -> &'static [Form] {
    let start = FORMS.partition_point(|form| form.function < function);
    let end = FORMS.partition_point(|form| form.function <= function);
    &FORMS[start..end]
}

/// A symbol is a form of the function whose name it bears, less the version; one is a form of another function, too.
fn forms_in(row: &'static Row) -> impl Iterator<Item = Form> {
    let own = Form { function: unversioned(row.name), since: row.since, row };
    // CUDA 12 took the name away from the older call, which returned a log.
    let renamed = (row.name == "cuGraphInstantiateWithFlags").then_some(Form {
        function: "cuGraphInstantiate",
        since: 12000,
        row,
    });
    [Some(own), renamed].into_iter().flatten()
}

fn unversioned(symbol: &'static str) -> &'static str {
    match symbol.rsplit_once("_v") {
        Some((function, version)) if version.bytes().all(|digit| digit.is_ascii_digit()) => function,
        _ => symbol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(function: &CStr, version: i32, flags: u64) -> &'static str {
        match choose(function, version, flags) {
            Choice::Symbol(symbol) => symbol,
            other => panic!("{function:?} at {version} with {flags}: {other:?}"),
        }
    }

    #[test]
    fn a_program_gets_the_function_that_it_was_built_with() {
        assert_eq!(found(c"cuMemAlloc", 2000, 0), "cuMemAlloc");
        assert_eq!(found(c"cuMemAlloc", 3020, 0), "cuMemAlloc_v2");
        assert_eq!(found(c"cuCtxCreate", 11030, 0), "cuCtxCreate_v2");
        assert_eq!(found(c"cuCtxCreate", 13050, 0), "cuCtxCreate_v4");
        assert_eq!(found(c"cuGetProcAddress", 11030, 0), "cuGetProcAddress");
        assert_eq!(found(c"cuGetProcAddress", 12000, 0), "cuGetProcAddress_v2");
    }

    #[test]
    fn cu_graph_instantiate_changed_hands_with_cuda_12() {
        assert_eq!(found(c"cuGraphInstantiate", 10000, 0), "cuGraphInstantiate");
        assert_eq!(found(c"cuGraphInstantiate", 11080, 0), "cuGraphInstantiate_v2");
        assert_eq!(found(c"cuGraphInstantiate", 12000, 0), "cuGraphInstantiateWithFlags");
        assert_eq!(found(c"cuGraphInstantiateWithFlags", 11040, 0), "cuGraphInstantiateWithFlags");
    }

    #[test]
    fn the_per_thread_form_is_preferred_where_there_is_one_and_it_is_asked_for() {
        assert_eq!(found(c"cuLaunchKernel", 7000, 2), "cuLaunchKernel_ptsz");
        assert_eq!(found(c"cuMemcpyHtoD", 12000, 2), "cuMemcpyHtoD_v2_ptds");
        assert_eq!(found(c"cuMemAlloc", 12000, 2), "cuMemAlloc_v2");
        assert_eq!(found(c"cuLaunchKernel", 6050, 2), "cuLaunchKernel");
        assert_eq!(found(c"cuLaunchKernel", 12000, 1), "cuLaunchKernel");
        assert_eq!(found(c"cuLaunchKernel", 12000, 0), "cuLaunchKernel");
    }

    #[test]
    fn what_is_not_there_is_never_a_wrong_pointer() {
        assert_eq!(choose(c"", 0, 0), Choice::NotFound);
        assert_eq!(choose(c"cuSubgridCreate", 13030, 0), Choice::NotFound);
        assert_eq!(choose(c"cuMemAlloc_v2", 12000, 0), Choice::NotFound);
        assert_eq!(choose(c"\xff", 12000, 0), Choice::NotFound);
        assert_eq!(choose(c"cuMemCreate", 9000, 0), Choice::VersionNotSufficient);
        assert_eq!(choose(c"cuInit", -1, 0), Choice::VersionNotSufficient);
        assert_eq!(choose(c"cuInit", 12000, 4), Choice::InvalidFlags);
    }
}
