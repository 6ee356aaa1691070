//! Work of a graph's steps that no driver may see.

use farwarp_protocol::graph::{
    Conditional, Copy, Fill, Kernel, MemoryOperation, MemoryOperations, Side, Work,
};
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::limits::KERNEL_PARAM_BYTES_MAX;

use crate::scene::{ALLOCATION_BYTES, id};

/// By the rule that stops each. `lost_value` was one that conditional nodes looked at, in a graph that is gone.
pub fn that_lie(context: Id, address: u64, lost_value: u64) -> Vec<(&'static str, Work)> {
    let (context, nobody) = (context.0, id(ObjectKind::Context, 1, 7).0);
    let function = id(ObjectKind::Function, 1, 0).0;
    let mut works = Vec::new();
    let mut lie = |rule, work| works.push((rule, work));
    let kernel = Kernel {
        function,
        context,
        grid: [1; 3],
        block: [1; 3],
        shared_bytes: 0,
        attributes: Vec::new(),
        params: vec![0; 12],
    };
    lie(
        "NoSuchObject",
        Work::Kernel(Kernel { function: id(ObjectKind::Function, 1, 7).0, ..kernel.clone() }),
    );
    lie("NoSuchObject", Work::Kernel(Kernel { function: context, ..kernel.clone() }));
    lie("NoContext", Work::Kernel(Kernel { context: nobody, ..kernel.clone() }));
    lie("TooMuch", Work::Kernel(Kernel { params: vec![0; KERNEL_PARAM_BYTES_MAX + 1], ..kernel.clone() }));
    lie("LaunchAttribute", Work::Kernel(Kernel { attributes: vec![(1, [0xff; 64])], ..kernel }));

    let side = Side { host: false, address, pitch: 16, rows: 1 };
    let copy = Copy { context, to: side, from: side, shape: [16, 1, 1] };
    let outside = Side { address: address + ALLOCATION_BYTES - 15, ..side };
    lie("OutOfRange", Work::Copy(Copy { to: outside, ..copy }));
    lie("OutOfRange", Work::Copy(Copy { from: outside, ..copy }));
    lie("OutOfRange", Work::Copy(Copy { shape: [u64::MAX, u64::MAX, u64::MAX], ..copy }));
    lie("OutOfRange", Work::Copy(Copy { shape: [16, 1 << 61, 1 << 3], ..copy }));
    lie("HostStep", Work::Copy(Copy { from: Side { host: true, ..side }, ..copy }));
    lie("HostStep", Work::Copy(Copy { to: Side { host: true, ..side }, ..copy }));
    lie("NoContext", Work::Copy(Copy { context: nobody, ..copy }));

    let fill = Fill { context, address, pitch: 16, value: 0, element_bytes: 4, width: 4, height: 1 };
    lie("OutOfRange", Work::Fill(Fill { width: ALLOCATION_BYTES / 4 + 1, ..fill }));
    lie("OutOfRange", Work::Fill(Fill { width: 1 << 62, ..fill }));
    lie("OutOfRange", Work::Fill(Fill { height: u64::MAX, pitch: u64::MAX, ..fill }));
    lie("OutOfRange", Work::Fill(Fill { height: 0, ..fill }));
    lie("NoContext", Work::Fill(Fill { context: nobody, ..fill }));

    lie("NoSuchObject", Work::WaitEvent(context));
    let batch = |operation, address| {
        let operations = vec![MemoryOperation { operation, address, value: 0, flags: 0 }];
        Work::MemoryOperations(MemoryOperations { context, operations, flags: 0 })
    };
    let end = address + ALLOCATION_BYTES;
    for (operation, address) in [(1, end - 3), (2, end), (4, end - 7), (5, u64::MAX)] {
        lie("OutOfRange", batch(operation, address));
    }
    for operation in [0, 7, 8, u32::MAX] {
        lie("MemoryOperation", batch(operation, address));
    }
    let many = vec![MemoryOperation { operation: 2, address, value: 0, flags: 0 }; 257];
    lie("Plan", Work::MemoryOperations(MemoryOperations { context, operations: many, flags: 0 }));

    let conditional =
        |handle, context| Work::Conditional(Conditional { context, handle, kind: 0, bodies: vec![] });
    lie("NoSuchConditional", conditional(0, context));
    lie("NoSuchConditional", conditional(lost_value, context));
    lie("NoSuchConditional", conditional(address, context));
    lie("NoContext", conditional(0, nobody));
    works
}
