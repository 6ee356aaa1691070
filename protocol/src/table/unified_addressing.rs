//! The chapter "Unified Addressing". What a row says: [`crate::table`].

#[macro_export]
macro_rules! unified_addressing { ($then:ident) => { $then! {
    chapter "Unified Addressing";

    /// One fact about an address.
    #[since(4000)] here fn cuPointerGetAttribute(data: Out<Bytes>, attribute: Enum<CUpointer_attribute>, ptr: DevPtr);
    /// Moves managed memory to where it will be used, in stream order.
    #[since(12020)] here fn cuMemPrefetchAsync_v2 | cuMemPrefetchAsync_v2_ptsz (
        devPtr: DevPtr[count], count: usize, location: Location, flags: u32, hStream: Stream,
    );
    /// Moves managed memory to where it will be used, in stream order, as before CUDA 12.2.
    #[since(8000)] here fn cuMemPrefetchAsync | cuMemPrefetchAsync_ptsz (devPtr: DevPtr[count], count: usize, dstDevice: Device, hStream: Stream);
    /// Says how managed memory will be used.
    #[since(12020)] here fn cuMemAdvise_v2(devPtr: DevPtr[count], count: usize, advice: Enum<CUmem_advise>, location: Location);
    /// Says how managed memory will be used, as before CUDA 12.2.
    #[since(8000)] here fn cuMemAdvise(devPtr: DevPtr[count], count: usize, advice: Enum<CUmem_advise>, device: Device);
    /// Moves many ranges of managed memory, in stream order.
    #[since(13000)] deny fn cuMemPrefetchBatchAsync | cuMemPrefetchBatchAsync_ptsz (
        dptrs: In<DevPtr>[count], sizes: In<usize>[count], count: usize, prefetchLocs: In<Struct<CUmemLocation>>[numPrefetchLocs],
        prefetchLocIdxs: In<usize>[numPrefetchLocs], numPrefetchLocs: usize, flags: u64, hStream: Stream,
    );
    /// Says that many ranges of managed memory hold nothing of worth any more.
    #[since(13000)] deny fn cuMemDiscardBatchAsync | cuMemDiscardBatchAsync_ptsz (
        dptrs: In<DevPtr>[count], sizes: In<usize>[count], count: usize, flags: u64, hStream: Stream,
    );
    /// Discards many ranges and moves them, contents not included.
    #[since(13000)] deny fn cuMemDiscardAndPrefetchBatchAsync | cuMemDiscardAndPrefetchBatchAsync_ptsz (
        dptrs: In<DevPtr>[count], sizes: In<usize>[count], count: usize, prefetchLocs: In<Struct<CUmemLocation>>[numPrefetchLocs],
        prefetchLocIdxs: In<usize>[numPrefetchLocs], numPrefetchLocs: usize, flags: u64, hStream: Stream,
    );
    /// Where the pages of a range lie.
    #[since(13040)] deny fn cuMemGetLocationInfo(
        ptr: DevPtr, size: usize, summaryGranularity: usize, samplingGranularity: usize, location_out: Out<Struct<CUmemLocation>>,
    );
    /// One fact about a range of managed memory.
    #[since(8000)] deny fn cuMemRangeGetAttribute(
        data: Out<Bytes>[dataSize], dataSize: usize, attribute: Enum<CUmem_range_attribute>, devPtr: DevPtr[count], count: usize,
    );
    /// Several facts about a range of managed memory.
    #[since(8000)] deny fn cuMemRangeGetAttributes(
        data: In<HostPtr>[numAttributes], dataSizes: In<usize>[numAttributes], attributes: In<Enum<CUmem_range_attribute>>[numAttributes],
        numAttributes: usize, devPtr: DevPtr[count], count: usize,
    );
    /// Sets one property of the allocation that an address lies in.
    #[since(6000)] deny fn cuPointerSetAttribute(value: In<Bytes>, attribute: Enum<CUpointer_attribute>, ptr: DevPtr);
    /// Several facts about an address.
    #[since(7000)] here fn cuPointerGetAttributes(
        numAttributes: u32, attributes: In<Enum<CUpointer_attribute>>[numAttributes as usize], data: In<HostPtr>[numAttributes as usize],
        ptr: DevPtr,
    );
} } }
