//! The chapter "Virtual Memory Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! virtual_memory_management { ($then:ident) => { $then! {
    chapter "Virtual Memory Management";

    /// Reserves addresses without memory.
    #[since(10020)] hand fn cuMemAddressReserve( // the shim holds the same addresses
        ptr: Out<DevPtr> = new, size: usize, alignment: usize, addr: Option<DevPtr>, flags: u64,
    );
    /// Gives reserved addresses back.
    #[since(10020)] hand fn cuMemAddressFree(ptr: DevPtr[size] = gone, size: usize); // the shim holds the same addresses
    /// Allocates physical memory without an address.
    #[since(10020)] hand fn cuMemCreate( // the shim knows what is mapped where
        handle: Out<AllocationHandle> = new, size: DeviceBytes, prop: In<Struct<CUmemAllocationProp>>, flags: u64,
    );
    /// Gives physical memory back once nothing maps it.
    #[since(10020)] hand fn cuMemRelease(handle: AllocationHandle = gone); // the shim knows what is mapped where
    /// Maps physical memory at reserved addresses.
    #[since(10020)] hand fn cuMemMap( // the shim knows what is mapped where
        ptr: DevPtr[size], size: usize, offset: usize, handle: AllocationHandle, flags: u64,
    );
    /// Maps or unmaps the tiles of sparse arrays, in stream order.
    #[since(11010)] deny fn cuMemMapArrayAsync | cuMemMapArrayAsync_ptsz (
        mapInfoList: In<Struct<CUarrayMapInfo>>[count as usize], count: u32, hStream: Stream,
    );
    /// Unmaps physical memory.
    #[since(10020)] hand fn cuMemUnmap(ptr: DevPtr[size], size: usize); // the shim knows what is mapped where
    /// Says who may use mapped addresses, and how.
    #[since(10020)] hand fn cuMemSetAccess( // the shim knows what is mapped where
        ptr: DevPtr[size], size: usize, desc: In<Struct<CUmemAccessDesc>>[count], count: usize,
    );
    /// How a device or host may use an address.
    #[since(10020)] here fn cuMemGetAccess(flags: Out<u64>, location: In<Struct<CUmemLocation>>, ptr: DevPtr); // the shim knows what is mapped where
    /// A handle by which another process can open physical memory.
    #[since(10020)] deny fn cuMemExportToShareableHandle(
        shareableHandle: Out<Bytes>, handle: AllocationHandle, handleType: Enum<CUmemAllocationHandleType>, flags: u64,
    );
    /// Opens another process's physical memory.
    #[since(10020)] deny fn cuMemImportFromShareableHandle(
        handle: Out<AllocationHandle> = new, osHandle: HostPtr, shHandleType: Enum<CUmemAllocationHandleType>,
    );
    /// What sizes and addresses of physical memory must be multiples of.
    #[since(10020)] here fn cuMemGetAllocationGranularity(
        granularity: Out<usize>, prop: In<Struct<CUmemAllocationProp>>, option: Enum<CUmemAllocationGranularity_flags>,
    );
    /// What physical memory was created as.
    #[since(10020)] here fn cuMemGetAllocationPropertiesFromHandle(prop: Out<Struct<CUmemAllocationProp>>, handle: AllocationHandle);
    /// The physical memory behind an address, with a reference.
    #[since(11000)] here fn cuMemRetainAllocationHandle(handle: Out<AllocationHandle> = new, addr: HostPtr);
} } }
