//! The chapter "Logical Endpoint". What a row says: [`crate::table`].

#[macro_export]
macro_rules! logical_endpoint { ($then:ident) => { $then! {
    chapter "Logical Endpoint";

    /// Reserves numbers for logical endpoints.
    #[since(13030)] deny fn cuLogicalEndpointIdReserve(baseLeId: Out<LogicalEndpoint>, count: u32);
    /// Gives the numbers of logical endpoints back.
    #[since(13030)] deny fn cuLogicalEndpointIdRelease(baseLeId: LogicalEndpoint, count: u32);
    /// Creates a logical endpoint under a reserved number.
    #[since(13030)] deny fn cuLogicalEndpointCreate(leId: LogicalEndpoint, prop: In<Struct<CUlogicalEndpointProp>>);
    /// Adds a device to a logical endpoint.
    #[since(13030)] deny fn cuLogicalEndpointAddDevice(leId: LogicalEndpoint, dev: Device);
    /// Destroys a logical endpoint.
    #[since(13030)] deny fn cuLogicalEndpointDestroy(leId: LogicalEndpoint = gone);
    /// Binds mapped memory to a logical endpoint.
    #[since(13030)] deny fn cuLogicalEndpointBindAddr(leId: LogicalEndpoint, dev: Device, offset: u64, ptr: HostPtr, size: u64, flags: u64);
    /// Binds physical memory to a logical endpoint.
    #[since(13030)] deny fn cuLogicalEndpointBindMem(
        leId: LogicalEndpoint, dev: Device, offset: u64, memHandle: AllocationHandle, memOffset: u64, size: u64, flags: u64,
    );
    /// Unbinds memory from a logical endpoint.
    #[since(13030)] deny fn cuLogicalEndpointUnbind(leId: LogicalEndpoint, dev: Device, offset: u64, size: u64);
    /// A handle by which another process can open a logical endpoint.
    #[since(13030)] deny fn cuLogicalEndpointExport(handle: Out<Bytes>, leId: LogicalEndpoint, handleType: Enum<CUlogicalEndpointIpcHandleType>);
    /// Opens another process's logical endpoint.
    #[since(13030)] deny fn cuLogicalEndpointImport(leId: LogicalEndpoint, handle: In<Bytes>, handleType: Enum<CUlogicalEndpointIpcHandleType>);
    /// Alignment and greatest size of what a logical endpoint binds.
    #[since(13030)] deny fn cuLogicalEndpointGetLimits(bindAlignment: Out<u64>, maxSize: Out<u64>, prop: In<Struct<CUlogicalEndpointProp>>);
    /// Whether logical endpoints are ready.
    #[since(13030)] deny fn cuLogicalEndpointQuery(leId: LogicalEndpoint, count: u32, queryStatus: Out<i32>[count as usize]);
} } }
