//! The chapter "Stream Memory Operations". What a row says: [`crate::table`].

#[macro_export]
macro_rules! stream_memory_operations { ($then:ident) => { $then! {
    chapter "Stream Memory Operations";

    /// Makes later work of a stream wait for a 32-bit word in memory.
    #[since(11070)] ask fn cuStreamWaitValue32_v2 | cuStreamWaitValue32_v2_ptsz (stream: Stream, addr: DevPtr[4], value: u32, flags: u32);
    /// Makes later work of a stream wait for a 32-bit word in memory, as before CUDA 11.7.
    #[since(8000)] ask fn cuStreamWaitValue32 | cuStreamWaitValue32_ptsz (stream: Stream, addr: DevPtr[4], value: u32, flags: u32);
    /// Makes later work of a stream wait for a 64-bit word in memory.
    #[since(11070)] ask fn cuStreamWaitValue64_v2 | cuStreamWaitValue64_v2_ptsz (stream: Stream, addr: DevPtr[8], value: u64, flags: u32);
    /// Makes later work of a stream wait for a 64-bit word in memory, as before CUDA 11.7.
    #[since(9000)] ask fn cuStreamWaitValue64 | cuStreamWaitValue64_ptsz (stream: Stream, addr: DevPtr[8], value: u64, flags: u32);
    /// Writes a 32-bit word, in stream order.
    #[since(11070)] ask fn cuStreamWriteValue32_v2 | cuStreamWriteValue32_v2_ptsz (stream: Stream, addr: DevPtr[4], value: u32, flags: u32);
    /// Writes a 32-bit word, in stream order, as before CUDA 11.7.
    #[since(8000)] ask fn cuStreamWriteValue32 | cuStreamWriteValue32_ptsz (stream: Stream, addr: DevPtr[4], value: u32, flags: u32);
    /// Writes a 64-bit word, in stream order.
    #[since(11070)] ask fn cuStreamWriteValue64_v2 | cuStreamWriteValue64_v2_ptsz (stream: Stream, addr: DevPtr[8], value: u64, flags: u32);
    /// Writes a 64-bit word, in stream order, as before CUDA 11.7.
    #[since(9000)] ask fn cuStreamWriteValue64 | cuStreamWriteValue64_ptsz (stream: Stream, addr: DevPtr[8], value: u64, flags: u32);
    /// Several waits and writes in one call.
    #[since(11070)] hand fn cuStreamBatchMemOp_v2 | cuStreamBatchMemOp_v2_ptsz ( // each operation is rebuilt field by field
        stream: Stream, count: u32, paramArray: In<Struct<CUstreamBatchMemOpParams>>[count as usize], flags: u32,
    );
    /// Several waits and writes in one call, as before CUDA 11.7.
    #[since(8000)] hand fn cuStreamBatchMemOp | cuStreamBatchMemOp_ptsz ( // each operation is rebuilt field by field
        stream: Stream, count: u32, paramArray: In<Struct<CUstreamBatchMemOpParams>>[count as usize], flags: u32,
    );
} } }
