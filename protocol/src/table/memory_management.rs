#[macro_export]
macro_rules! memory_management { ($then:ident) => { $then! {
    chapter "Memory Management";

    /// Allocates device memory.
    #[since(3020)] hand fn cuMemAlloc_v2(dptr: Out<DevPtr> = new, bytesize: DeviceBytes);
    /// Sets 32-bit words.
    #[since(3020)] tell fn cuMemsetD32_v2 | cuMemsetD32_v2_ptds (dstDevice: DevPtr[n.saturating_mul(4)], ui: u32, n: usize);
} } }
