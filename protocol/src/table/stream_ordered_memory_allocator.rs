//! The chapter "Stream Ordered Memory Allocator". What a row says: [`crate::table`].

#[macro_export]
macro_rules! stream_ordered_memory_allocator { ($then:ident) => { $then! {
    chapter "Stream Ordered Memory Allocator";

    /// Frees memory, in stream order.
    #[since(11020)] hand fn cuMemFreeAsync | cuMemFreeAsync_ptsz (dptr: DevPtr = gone, hStream: Stream); // the shim forgets what it remembered
    /// Allocates from the device's current pool, in stream order.
    #[since(11020)] hand fn cuMemAllocAsync | cuMemAllocAsync_ptsz (dptr: Out<DevPtr> = new, bytesize: DeviceBytes, hStream: Stream); // the shim holds the range that the driver chose
    /// Gives a pool's unused memory back.
    #[since(11020)] ask fn cuMemPoolTrimTo(pool: MemPool, minBytesToKeep: usize);
    /// Sets one property of a pool.
    #[since(11020)] hand fn cuMemPoolSetAttribute(pool: MemPool, attr: Enum<CUmemPool_attribute>, value: In<Bytes>[8]); // the attribute says how wide its value is
    /// One property of a pool.
    #[since(11020)] hand fn cuMemPoolGetAttribute(pool: MemPool, attr: Enum<CUmemPool_attribute>, value: Out<Bytes>[8]); // the attribute says how wide its value is
    /// Says which devices may use a pool's memory.
    #[since(11020)] hand fn cuMemPoolSetAccess(pool: MemPool, map: In<Struct<CUmemAccessDesc>>[count], count: usize); // devices are renumbered, structs rebuilt
    /// How a device may use a pool's memory.
    #[since(11020)] hand fn cuMemPoolGetAccess(flags: Out<Enum<CUmemAccess_flags>>, memPool: MemPool, location: In<Struct<CUmemLocation>>); // devices are renumbered, structs rebuilt
    /// Creates a pool.
    #[since(11020)] hand fn cuMemPoolCreate(pool: Out<MemPool> = new, poolProps: In<Struct<CUmemPoolProps>>); // the shim keeps books of pools
    /// Destroys a pool once nothing of it is allocated.
    #[since(11020)] hand fn cuMemPoolDestroy(pool: MemPool = gone); // the shim keeps books of pools
    /// The pool that a location began with.
    #[since(13000)] hand fn cuMemGetDefaultMemPool(pool_out: Out<MemPool>, location: In<Struct<CUmemLocation>>, type_: Enum<CUmemAllocationType>); // the shim keeps books of pools
    /// The pool that a location's allocations come from.
    #[since(13000)] hand fn cuMemGetMemPool(pool: Out<MemPool>, location: In<Struct<CUmemLocation>>, type_: Enum<CUmemAllocationType>); // the shim keeps books of pools
    /// Makes a pool the one that a location's allocations come from.
    #[since(13000)] hand fn cuMemSetMemPool(location: In<Struct<CUmemLocation>>, type_: Enum<CUmemAllocationType>, pool: MemPool); // the shim keeps books of pools
    /// Allocates from a pool, in stream order.
    #[since(11020)] hand fn cuMemAllocFromPoolAsync | cuMemAllocFromPoolAsync_ptsz ( // the shim holds the range that the driver chose
        dptr: Out<DevPtr> = new, bytesize: DeviceBytes, pool: MemPool, hStream: Stream,
    );
    /// A handle by which another process can open a pool.
    #[since(11020)] deny fn cuMemPoolExportToShareableHandle(
        handle_out: Out<Bytes>, pool: MemPool, handleType: Enum<CUmemAllocationHandleType>, flags: u64,
    );
    /// Opens another process's pool.
    #[since(11020)] deny fn cuMemPoolImportFromShareableHandle(
        pool_out: Out<MemPool> = new, handle: HostPtr, handleType: Enum<CUmemAllocationHandleType>, flags: u64,
    );
    /// What another process needs to use one allocation of a pool.
    #[since(11020)] deny fn cuMemPoolExportPointer(shareData_out: Out<Struct<CUmemPoolPtrExportData>>, ptr: DevPtr);
    /// The address of one allocation of another process's pool.
    #[since(11020)] deny fn cuMemPoolImportPointer(ptr_out: Out<DevPtr> = new, pool: MemPool, shareData: In<Struct<CUmemPoolPtrExportData>>);
} } }
