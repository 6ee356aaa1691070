//! The chapter "Multicast Object Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! multicast_object_management { ($then:ident) => { $then! {
    chapter "Multicast Object Management";

    /// Creates an object that stores to memory of several devices at once.
    #[since(12010)] deny fn cuMulticastCreate(mcHandle: Out<AllocationHandle> = new, prop: In<Struct<CUmulticastObjectProp>>);
    /// Adds a device to a multicast object.
    #[since(12010)] deny fn cuMulticastAddDevice(mcHandle: AllocationHandle, dev: Device);
    /// Binds physical memory to a multicast object.
    #[since(13010)] deny fn cuMulticastBindMem_v2(
        mcHandle: AllocationHandle, dev: Device, mcOffset: usize, memHandle: AllocationHandle, memOffset: usize, size: usize, flags: u64,
    );
    /// Binds physical memory to a multicast object, as before CUDA 13.1.
    #[since(12010)] deny fn cuMulticastBindMem(
        mcHandle: AllocationHandle, mcOffset: usize, memHandle: AllocationHandle, memOffset: usize, size: usize, flags: u64,
    );
    /// Binds mapped memory to a multicast object.
    #[since(13010)] deny fn cuMulticastBindAddr_v2(mcHandle: AllocationHandle, dev: Device, mcOffset: usize, memptr: DevPtr, size: usize, flags: u64);
    /// Binds mapped memory to a multicast object, as before CUDA 13.1.
    #[since(12010)] deny fn cuMulticastBindAddr(mcHandle: AllocationHandle, mcOffset: usize, memptr: DevPtr, size: usize, flags: u64);
    /// Unbinds a device's memory from a multicast object.
    #[since(12010)] deny fn cuMulticastUnbind(mcHandle: AllocationHandle, dev: Device, mcOffset: usize, size: usize);
    /// What sizes of a multicast object must be multiples of.
    #[since(12010)] deny fn cuMulticastGetGranularity(
        granularity: Out<usize>, prop: In<Struct<CUmulticastObjectProp>>, option: Enum<CUmulticastGranularity_flags>,
    );
} } }
