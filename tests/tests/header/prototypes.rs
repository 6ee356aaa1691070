//! A row for every function, and every row as the function is declared.

use crate::toolkit::{self, CType, CudaHeader};
use farwarp_protocol::table::{self, Row, WITHOUT_ROWS};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Kinds that are one C type each. A scalar may be spelled in several ways.
const NAMED: &[(&str, &[&str])] = &[
    ("i32", &["int"]),
    ("u32", &["unsigned int", "unsigned", "cuuint32_t"]),
    ("u64", &["unsigned long long", "cuuint64_t"]),
    ("usize", &["size_t"]),
    ("DeviceBytes", &["size_t"]),
    ("f32", &["float"]),
    ("u8", &["unsigned char"]),
    ("u16", &["unsigned short"]),
    ("Text", &["char"]),
    ("Path", &["char"]),
    ("Bytes", &["void"]),
    ("Image", &["void"]),
    ("Device", &["CUdevice"]),
    ("DevPtr", &["CUdeviceptr"]),
    ("DevPtrV1", &["CUdeviceptr_v1"]),
    ("Launchable", &["CUfunction"]),
    ("AllocationHandle", &["CUmemGenericAllocationHandle"]),
    ("Array", &["CUarray"]),
    ("AsyncCallbackHandle", &["CUasyncCallbackHandle"]),
    ("CheckpointOperation", &["CUcheckpointOperationHandle"]),
    ("ConditionalHandle", &["CUgraphConditionalHandle"]),
    ("Context", &["CUcontext"]),
    ("CoredumpCallbackHandle", &["CUcoredumpCallbackHandle"]),
    ("DevResourceDesc", &["CUdevResourceDesc"]),
    ("Event", &["CUevent"]),
    ("ExternalMemory", &["CUexternalMemory"]),
    ("ExternalSemaphore", &["CUexternalSemaphore"]),
    ("Function", &["CUfunction"]),
    ("Graph", &["CUgraph"]),
    ("GraphExec", &["CUgraphExec"]),
    ("GraphNode", &["CUgraphNode"]),
    ("GraphicsResource", &["CUgraphicsResource"]),
    ("Location", &["CUmemLocation"]),
    ("GreenCtx", &["CUgreenCtx"]),
    ("Kernel", &["CUkernel"]),
    ("Library", &["CUlibrary"]),
    ("LinkState", &["CUlinkState"]),
    ("LogIterator", &["CUlogIterator"]),
    ("LogicalEndpoint", &["CUlogicalEndpointId"]),
    ("LogsCallbackHandle", &["CUlogsCallbackHandle"]),
    ("MemPool", &["CUmemoryPool"]),
    ("MipmappedArray", &["CUmipmappedArray"]),
    ("Module", &["CUmodule"]),
    ("Stream", &["CUstream"]),
    ("SurfObject", &["CUsurfObject"]),
    ("SurfRef", &["CUsurfref"]),
    ("TexObject", &["CUtexObject"]),
    ("TexRef", &["CUtexref"]),
    ("UserObject", &["CUuserObject"]),
];

#[test]
fn every_function_of_cuda_h_has_a_row_and_every_row_a_function() {
    let mut declared: BTreeSet<String> = toolkit::cuda_h().functions.into_keys().collect();
    declared.extend(profiler_control().into_keys());
    let rows: Vec<String> =
        table::rows().flat_map(|row| [Some(row.name), row.per_thread]).flatten().map(str::to_owned).collect();
    let in_table: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), in_table.len(), "a symbol stands in two rows");
    let without_row: Vec<_> = declared.difference(&in_table).collect();
    let without_function: Vec<_> = in_table.difference(&declared).collect();
    assert!(without_row.is_empty(), "functions without a row: {without_row:?}");
    assert!(without_function.is_empty(), "rows without a function: {without_function:?}");
}

#[test]
fn a_header_with_functions_has_rows_or_a_reason() {
    let with_rows = ["cuda.h", "cudaTypedefs.h", "cudaProfilerTypedefs.h"];
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(toolkit::include()).expect("the folder can be read") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let declares = name.starts_with("cuda")
            && name.ends_with(".h")
            && toolkit::text_of(&name).lines().any(|line| line.starts_with("CUresult CUDAAPI cu"));
        if declares && !with_rows.contains(&name.as_str()) {
            let reason = WITHOUT_ROWS.iter().find(|(header, _)| *header == name);
            assert!(
                reason.is_some_and(|(_, reason)| !reason.is_empty()),
                "{name} has functions, and no rows or reason"
            );
            seen.insert(name);
        }
    }
    let listed: BTreeSet<String> = WITHOUT_ROWS.iter().map(|(header, _)| header.to_string()).collect();
    assert_eq!(listed, seen, "headers that are listed, and those that declare functions");
}

#[test]
fn every_row_has_the_types_of_its_function() {
    let header = toolkit::cuda_h();
    let profiler = profiler_control();
    let mut wrong = Vec::new();
    for row in table::rows() {
        for symbol in [Some(row.name), row.per_thread].into_iter().flatten() {
            match header.functions.get(symbol).or_else(|| profiler.get(symbol)) {
                Some(types) => wrong.extend(faults(&header, row, symbol, types)),
                None => wrong.push(format!("{symbol} is not in the header")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A comparison that calls everything equal would pass above.
#[test]
fn a_wrong_kind_is_noticed() {
    let header = toolkit::cuda_h();
    let of = |name: &str, pointers, is_const| CType { name: name.to_owned(), pointers, is_const };
    let fits =
        |kind: &str, c: &CType| fits(&header, kind, c).unwrap_or_else(|kind| panic!("unknown kind {kind}"));
    assert!(fits("Out<DevPtr>", &of("CUdeviceptr", 1, false)));
    assert!(!fits("Out<DevPtr>", &of("CUdeviceptr_v1", 1, false)));
    assert!(!fits("Out<DevPtr>", &of("CUdeviceptr", 0, false)));
    assert!(!fits("Out<DevPtr>", &of("CUdeviceptr", 1, true)), "what is const is not written");
    assert!(fits("Out<In<GraphNode>>", &of("CUgraphNode", 2, true)));
    assert!(!fits("u32", &of("int", 0, false)));
    assert!(fits("Enum<CUdevice_attribute>", &of("CUdevice_attribute", 0, false)));
    assert!(!fits("Enum<CUmemLocation>", &of("CUmemLocation", 0, false)), "a struct is no enum");
    assert!(!fits("Struct<CUlimit>", &of("CUlimit", 0, false)), "an enum is no struct");
    assert!(super::prototypes::fits(&header, "Out<Nothing>", &of("int", 1, false)).is_err());
}

/// The header that declares these is not in the wheels; their typedefs are.
fn profiler_control() -> BTreeMap<String, Vec<CType>> {
    let all = toolkit::typedefs().into_iter();
    all.filter(|(typedef, _)| typedef.function.starts_with("cuProfiler"))
        .map(|(typedef, types)| (typedef.function, types))
        .collect()
}

fn faults(header: &CudaHeader, row: &Row, symbol: &str, types: &[CType]) -> Vec<String> {
    if row.args.len() != types.len() {
        return vec![format!("{symbol} takes {} arguments, its row has {}", types.len(), row.args.len())];
    }
    let pairs = row.args.iter().zip(types);
    pairs
        // The compiler spaces what it stringifies as it likes.
        .filter_map(|(arg, c)| match fits(header, &arg.kind.replace(' ', ""), c) {
            Ok(true) => None,
            Ok(false) => {
                Some(format!("{symbol}: {} is {} in the row and {c:?} in the header", arg.name, arg.kind))
            }
            Err(kind) => Some(format!(
                "{symbol}: {} has the kind {kind}, of which this test knows no C type",
                arg.name
            )),
        })
        .collect()
}

/// Whether a kind is that type in C; a kind that is not known comes back.
fn fits(header: &CudaHeader, kind: &str, c: &CType) -> Result<bool, String> {
    if let Some((outer, inner)) = kind.strip_suffix('>').and_then(|kind| kind.split_once('<')) {
        return match outer {
            "Option" => fits(header, inner, c),
            "In" => Ok(c.pointers > 0 && fits(header, inner, &pointee(c))?),
            "Out" | "InOut" => {
                Ok(c.pointers > 0 && !(c.pointers == 1 && c.is_const) && fits(header, inner, &pointee(c))?)
            }
            "Enum" => Ok(by_value(c, inner) && (header.enums.contains(inner) || inner == "CUoutput_mode")),
            "Struct" => Ok(by_value(c, inner) && !header.enums.contains(inner)),
            "HostFn" => Ok(by_value(c, inner)),
            _ => Err(kind.to_owned()),
        };
    }
    match kind {
        "HostPtr" => Ok(c.name == "void" && c.pointers == 1 && !c.is_const),
        "HostBytes" => Ok(c.name == "void" && c.pointers == 1 && c.is_const),
        _ => {
            let (_, names) = NAMED.iter().find(|(name, _)| *name == kind).ok_or(kind)?;
            Ok(c.pointers == 0 && names.contains(&c.name.as_str()))
        }
    }
}

fn by_value(c: &CType, name: &str) -> bool {
    c.pointers == 0 && c.name == name
}

/// The headers leave const away from much that is only read; `In` may stand there, too.
fn pointee(c: &CType) -> CType {
    let pointers = c.pointers - 1;
    CType { name: c.name.clone(), pointers, is_const: c.is_const && pointers > 0 }
}
