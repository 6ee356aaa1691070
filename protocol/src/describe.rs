//! A call in words, for a log: its name and its arguments, without the bytes that travel with it.
//!
//! It reads what a peer may have written, so nothing here trusts a length, and what cannot be read is shown as bytes.

use crate::call::{self, OWN_OPS, op};
use crate::codec::{Decode, decode_prefix};
use crate::table::{self, Row};
use std::fmt::{Debug, Write};

/// Bytes of a body from which its arguments are read; a launch's parameters or a copy's bytes follow behind them.
pub const ARGUMENT_BYTES_MAX: usize = 96;

/// `cuMemsetD32Async(dstDevice: 0x20000000000, ui: 0x7, N: 0x400, hStream: 0x1)`, as far as `body` tells.
pub fn describe(operation: u32, body: &[u8]) -> String {
    if let Some(row) = table::rows().find(|row| op(row.name) == operation) {
        return format!("{}({})", row.name, arguments(row, body));
    }
    match OWN_OPS.iter().find(|(_, number)| *number == operation) {
        Some((name, _)) => format!("{name} {}", own(operation, body)),
        None => format!("operation {operation:#010x}"),
    }
}

/// The name of an operation.
pub fn name_of(operation: u32) -> &'static str {
    let named = table::rows().map(|row| row.name).find(|name| op(name) == operation);
    let ours = || OWN_OPS.iter().find(|(_, number)| *number == operation).map(|(name, _)| *name);
    named.or_else(ours).unwrap_or("something unknown")
}

fn arguments(row: &Row, mut body: &[u8]) -> String {
    let mut text = String::new();
    for arg in row.args {
        let Some(bytes) = wire_bytes(arg.kind) else {
            let _ = write!(text, "{}{}: …", separator(&text), arg.name);
            break;
        };
        let Some((value, rest)) = body.split_at_checked(bytes) else { break };
        if bytes > 0 {
            let _ = write!(text, "{}{}: {}", separator(&text), arg.name, number(value));
        }
        body = rest;
    }
    text
}

fn separator(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ", " }
}

/// How many bytes an argument of this kind takes in a call's body, where that is the same for each.
fn wire_bytes(kind: &str) -> Option<usize> {
    match kind {
        "u8" => Some(1),
        "u16" => Some(2),
        "i32" | "u32" | "f32" | "Device" => Some(4),
        "i64" | "u64" | "usize" | "DevPtr" | "DeviceBytes" | "Stream" | "Event" | "Context" | "Module"
        | "Function" | "Library" | "Kernel" | "Launchable" | "Graph" | "GraphNode" => Some(8),
        // What the call writes does not travel with it.
        _ if kind.starts_with("Out <") || kind.starts_with("Out<") => Some(0),
        _ if kind.starts_with("Enum") => Some(4),
        _ => None,
    }
}

fn number(bytes: &[u8]) -> String {
    let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    format!("{value:#x}")
}

/// The bodies of the session's own operations.
fn own(operation: u32, body: &[u8]) -> String {
    match operation {
        call::CONTEXT_NEW => value::<call::ContextNew>(body),
        call::CONTEXT_GONE => value::<call::ContextGone>(body),
        call::IMAGE_PIECE => value::<call::ImagePiece>(body),
        call::UNLOAD => value::<call::Unload>(body),
        call::LAUNCH => value::<call::Launch>(body),
        call::COPY_TO_DEVICE => value::<call::CopyToDevice>(body),
        call::COPY_TO_HOST => value::<call::CopyToHost>(body),
        call::COPY_ON_DEVICE => value::<call::CopyOnDevice>(body),
        call::BOX_TO_DEVICE => value::<call::BoxToDevice>(body),
        call::BOX_TO_HOST => value::<call::BoxToHost>(body),
        call::BOX_ON_DEVICE => value::<call::BoxOnDevice>(body),
        call::FILL => value::<call::Fill>(body),
        call::LAND => value::<call::Land>(body),
        call::TO_DEVICE_LATER => value::<call::ToDeviceLater>(body),
        call::LATER_BYTES => value::<call::LaterBytes>(body),
        call::FREE | call::FENCE => value::<u64>(body),
        call::ALLOCATE => value::<call::Allocate>(body),
        call::HOST_CALL => value::<call::HostCall>(body),
        _ => bytes(body),
    }
}

fn value<T: Decode<()> + Debug>(body: &[u8]) -> String {
    match decode_prefix::<T>(body) {
        Ok((value, _)) => format!("{value:?}"),
        Err(_) => bytes(body),
    }
}

fn bytes(body: &[u8]) -> String {
    body.iter().take(ARGUMENT_BYTES_MAX).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;

    #[test]
    fn a_row_of_the_table_is_shown_with_its_arguments_by_name() {
        let mut body = Vec::new();
        body.extend(0x2000u64.to_le_bytes());
        body.extend(7u32.to_le_bytes());
        body.extend(64u64.to_le_bytes());
        body.extend(1u64.to_le_bytes());
        let text = describe(op("cuMemsetD32Async"), &body);
        assert_eq!(text, "cuMemsetD32Async(dstDevice: 0x2000, ui: 0x7, N: 0x40, hStream: 0x1)");
        assert_eq!(describe(op("cuMemsetD32Async"), &body[..9]), "cuMemsetD32Async(dstDevice: 0x2000)");
    }

    #[test]
    fn an_operation_of_the_session_is_shown_as_its_struct_without_the_bytes_behind_it() {
        let mut body = encode(&call::CopyToDevice { destination: 5, stream: 1, settled: false });
        body.extend([0xff; 1000]);
        let text = describe(call::COPY_TO_DEVICE, &body);
        assert_eq!(text, "COPY_TO_DEVICE CopyToDevice { destination: 5, stream: 1, settled: false }");
    }

    #[test]
    fn what_no_row_knows_is_shown_by_its_number() {
        assert_eq!(describe(1, &[1, 2]), "operation 0x00000001");
    }
}
