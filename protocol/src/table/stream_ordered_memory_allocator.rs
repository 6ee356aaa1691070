//! The chapter "Stream Ordered Memory Allocator". What a row says: [`crate::table`].

#[macro_export]
macro_rules! stream_ordered_memory_allocator { ($then:ident) => { $then! {
    chapter "Stream Ordered Memory Allocator";

    /// Frees memory, in stream order.
    #[since(11020)] deny fn cuMemFreeAsync | cuMemFreeAsync_ptsz (dptr: DevPtr = gone, hStream: Stream);
    /// Allocates from the device's current pool, in stream order.
    #[since(11020)] deny fn cuMemAllocAsync | cuMemAllocAsync_ptsz (dptr: Out<DevPtr> = new, bytesize: DeviceBytes, hStream: Stream);
    /// Gives a pool's unused memory back.
    #[since(11020)] deny fn cuMemPoolTrimTo(pool: MemPool, minBytesToKeep: usize);
    /// Sets one property of a pool.
    #[since(11020)] deny fn cuMemPoolSetAttribute(pool: MemPool, attr: Enum<CUmemPool_attribute>, value: In<Bytes>[8]);
    /// One property of a pool.
    #[since(11020)] deny fn cuMemPoolGetAttribute(pool: MemPool, attr: Enum<CUmemPool_attribute>, value: Out<Bytes>[8]);
    /// Says which devices may use a pool's memory.
    #[since(11020)] deny fn cuMemPoolSetAccess(pool: MemPool, map: In<Struct<CUmemAccessDesc>>[count], count: usize);
    /// How a device may use a pool's memory.
    #[since(11020)] deny fn cuMemPoolGetAccess(flags: Out<Enum<CUmemAccess_flags>>, memPool: MemPool, location: In<Struct<CUmemLocation>>);
    /// Creates a pool.
    #[since(11020)] deny fn cuMemPoolCreate(pool: Out<MemPool> = new, poolProps: In<Struct<CUmemPoolProps>>);
    /// Destroys a pool once nothing of it is allocated.
    #[since(11020)] deny fn cuMemPoolDestroy(pool: MemPool = gone);
    /// The pool that a location began with.
    #[since(13000)] deny fn cuMemGetDefaultMemPool(pool_out: Out<MemPool>, location: In<Struct<CUmemLocation>>, type_: Enum<CUmemAllocationType>);
    /// The pool that a location's allocations come from.
    #[since(13000)] deny fn cuMemGetMemPool(pool: Out<MemPool>, location: In<Struct<CUmemLocation>>, type_: Enum<CUmemAllocationType>);
    /// Makes a pool the one that a location's allocations come from.
    #[since(13000)] deny fn cuMemSetMemPool(location: In<Struct<CUmemLocation>>, type_: Enum<CUmemAllocationType>, pool: MemPool);
    /// Allocates from a pool, in stream order.
    #[since(11020)] deny fn cuMemAllocFromPoolAsync | cuMemAllocFromPoolAsync_ptsz (
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
