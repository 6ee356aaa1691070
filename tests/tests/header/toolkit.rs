//! What the toolkit's headers declare. `cuda.h` goes through the C preprocessor, because which functions it declares depends on
//! macros; the typedefs and the comments are read as they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The type of a parameter: a named type under some pointers. No header has a pointer that is itself const.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CType {
    pub name: String,
    pub pointers: usize,
    /// Of what the innermost pointer points to.
    pub is_const: bool,
}

#[derive(Debug)]
pub struct CudaHeader {
    /// Every function with the types of its parameters.
    pub functions: BTreeMap<String, Vec<CType>>,
    pub enums: BTreeSet<String>,
}

/// `PFN_<function>_v<since><suffix>`: what a CUDA version called by that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Typedef {
    pub function: String,
    pub since: u32,
    /// Empty, `_ptds` or `_ptsz`.
    pub suffix: &'static str,
}

pub fn include() -> PathBuf {
    let folder = std::env::var_os("FARWARP_CUDA_INCLUDE")
        .expect("FARWARP_CUDA_INCLUDE must name the folder with cuda.h; scripts/test sets it");
    let folder = PathBuf::from(folder);
    assert!(folder.join("cuda.h").is_file(), "{} has no cuda.h", folder.display());
    folder
}

pub fn text_of(header: &str) -> String {
    let path = include().join(header);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `cuda.h` with every version and every per-thread form of its functions.
pub fn cuda_h() -> CudaHeader {
    let mut header = CudaHeader { functions: BTreeMap::new(), enums: BTreeSet::new() };
    for statement in preprocessed().split(';').map(str::trim) {
        if let Some((name, types)) = function_in(statement) {
            let known = header.functions.insert(name.clone(), types.clone());
            assert!(known.is_none_or(|known| known == types), "{name} is declared in two ways");
        } else if let Some(name) = enum_in(statement, &header.enums) {
            header.enums.insert(name);
        }
    }
    header
}

fn preprocessed() -> String {
    // The macro makes cuda.h declare what libcuda exports, instead of what one program would call.
    let output = Command::new("cc")
        .args(["-E", "-P", "-x", "c", "-D__CUDA_API_VERSION_INTERNAL", "-I"])
        .arg(include())
        .arg(include().join("cuda.h"))
        .output()
        .expect("the C compiler must run");
    assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cuda.h is ASCII");
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

fn function_in(statement: &str) -> Option<(String, Vec<CType>)> {
    let declaration = statement.strip_prefix("CUresult")?;
    let (name, rest) = declaration.split_once('(')?;
    let parameters = rest.strip_suffix(')')?;
    let name = name.trim();
    let is_name =
        name.starts_with("cu") && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| (name.to_owned(), types_of(parameters)))
}

fn types_of(parameters: &str) -> Vec<CType> {
    match parameters.trim() {
        "" | "void" => Vec::new(),
        some => some.split(',').map(type_of).collect(),
    }
}

fn type_of(parameter: &str) -> CType {
    let parameter = parameter.trim();
    let name_length =
        parameter.bytes().rev().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let spelled = parameter[..parameter.len() - name_length].trim();
    let (is_const, named) = match spelled.strip_prefix("const ") {
        Some(named) => (true, named),
        None => (false, spelled),
    };
    let pointers = named.matches('*').count();
    let words: Vec<&str> = named.trim_end_matches(['*', ' ']).split_whitespace().collect();
    assert!(!words.is_empty(), "a parameter without a name: {parameter}");
    CType { name: words.join(" "), pointers, is_const }
}

/// `typedef enum … {…} NAME`, or another name for one.
fn enum_in(statement: &str, known: &BTreeSet<String>) -> Option<String> {
    let definition = statement.strip_prefix("typedef ")?;
    if definition.starts_with("enum ") {
        return Some(definition.rsplit_once('}')?.1.trim().to_owned());
    }
    let (of, name) = definition.split_once(' ')?;
    known.contains(of).then(|| name.trim().to_owned())
}

/// All function typedefs of `cudaTypedefs.h` and `cudaProfilerTypedefs.h`, with the types of the parameters.
pub fn typedefs() -> Vec<(Typedef, Vec<CType>)> {
    let text = text_of("cudaTypedefs.h") + &text_of("cudaProfilerTypedefs.h");
    text.split("(CUDAAPI *PFN_")
        .skip(1)
        .map(|rest| {
            let (name, rest) = rest.split_once(")(").expect("a function type");
            let (parameters, _) = rest.split_once(");").expect("a list of parameters");
            (typedef_named(name), types_of(parameters))
        })
        .collect()
}

fn typedef_named(name: &str) -> Typedef {
    let suffix = ["_ptds", "_ptsz"].into_iter().find(|suffix| name.ends_with(suffix)).unwrap_or("");
    let versioned = name.strip_suffix(suffix).expect("the suffix was found there");
    let (function, since) = versioned.rsplit_once("_v").expect("every typedef says its version");
    Typedef { function: function.to_owned(), since: since.parse().expect("a CUDA version"), suffix }
}
