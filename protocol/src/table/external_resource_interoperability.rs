//! The chapter "External Resource Interoperability". What a row says: [`crate::table`].

#[macro_export]
macro_rules! external_resource_interoperability { ($then:ident) => { $then! {
    chapter "External Resource Interoperability";

    /// Opens memory of another API.
    #[since(10000)] deny fn cuImportExternalMemory(
        extMem_out: Out<ExternalMemory> = new, memHandleDesc: In<Struct<CUDA_EXTERNAL_MEMORY_HANDLE_DESC>>,
    );
    /// Maps a buffer in memory of another API.
    #[since(10000)] deny fn cuExternalMemoryGetMappedBuffer(
        devPtr: Out<DevPtr>, extMem: ExternalMemory, bufferDesc: In<Struct<CUDA_EXTERNAL_MEMORY_BUFFER_DESC>>,
    );
    /// Maps a mipmapped array in memory of another API.
    #[since(10000)] deny fn cuExternalMemoryGetMappedMipmappedArray(
        mipmap: Out<MipmappedArray>, extMem: ExternalMemory, mipmapDesc: In<Struct<CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC>>,
    );
    /// Closes memory of another API.
    #[since(10000)] deny fn cuDestroyExternalMemory(extMem: ExternalMemory = gone);
    /// Opens a semaphore of another API.
    #[since(10000)] deny fn cuImportExternalSemaphore(
        extSem_out: Out<ExternalSemaphore> = new, semHandleDesc: In<Struct<CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC>>,
    );
    /// Signals semaphores of another API, in stream order.
    #[since(10000)] deny fn cuSignalExternalSemaphoresAsync | cuSignalExternalSemaphoresAsync_ptsz (
        extSemArray: In<ExternalSemaphore>[numExtSems as usize],
        paramsArray: In<Struct<CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS>>[numExtSems as usize], numExtSems: u32, stream: Stream,
    );
    /// Waits for semaphores of another API, in stream order.
    #[since(10000)] deny fn cuWaitExternalSemaphoresAsync | cuWaitExternalSemaphoresAsync_ptsz (
        extSemArray: In<ExternalSemaphore>[numExtSems as usize],
        paramsArray: In<Struct<CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS>>[numExtSems as usize], numExtSems: u32, stream: Stream,
    );
    /// Closes a semaphore of another API.
    #[since(10000)] deny fn cuDestroyExternalSemaphore(extSem: ExternalSemaphore = gone);
} } }
