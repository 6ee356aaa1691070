//! The chapter "Memory Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! memory_management { ($then:ident) => { $then! {
    chapter "Memory Management";

    /// Free and total memory of the current context's device.
    #[since(3020)] hand fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>); // credit that the program has not used is free
    /// Free and total memory of the current context's device, in 32-bit sizes.
    #[since(2000)] deny fn cuMemGetInfo(free: Out<u32>, total: Out<u32>);
    /// Allocates device memory.
    #[since(3020)] hand fn cuMemAlloc_v2(dptr: Out<DevPtr> = new, bytesize: DeviceBytes); // the address is cut from the arena's credit
    /// Allocates device memory, in 32-bit sizes.
    #[since(2000)] deny fn cuMemAlloc(dptr: Out<DevPtrV1> = new, bytesize: u32);
    /// Allocates device memory by rows, each as far from the next as suits the device.
    #[since(3020)] hand fn cuMemAllocPitch_v2( // the address lies in the arena
        dptr: Out<DevPtr> = new, pPitch: Out<usize>, WidthInBytes: usize, Height: usize, ElementSizeBytes: u32,
    );
    /// Allocates device memory by rows, each as far from the next as suits the device, in 32-bit sizes.
    #[since(2000)] deny fn cuMemAllocPitch(dptr: Out<DevPtrV1> = new, pPitch: Out<u32>, WidthInBytes: u32, Height: u32, ElementSizeBytes: u32);
    /// Frees device memory.
    #[since(3020)] hand fn cuMemFree_v2(dptr: DevPtr = gone); // told; the address is given out again after the server's word
    /// Frees device memory, in 32-bit sizes.
    #[since(2000)] deny fn cuMemFree(dptr: DevPtrV1 = gone);
    /// Base and size of the allocation that an address lies in.
    #[since(3020)] here fn cuMemGetAddressRange_v2(pbase: Option<Out<DevPtr>>, psize: Option<Out<usize>>, dptr: DevPtr);
    /// Base and size of the allocation that an address lies in, in 32-bit sizes.
    #[since(2000)] deny fn cuMemGetAddressRange(pbase: Option<Out<DevPtrV1>>, psize: Option<Out<u32>>, dptr: DevPtrV1);
    /// Allocates pinned host memory.
    #[since(3020)] hand fn cuMemAllocHost_v2(pp: Out<HostPtr>, bytesize: usize); // the memory is the program's, and lives in the shim
    /// Allocates pinned host memory, in 32-bit sizes.
    #[since(2000)] hand fn cuMemAllocHost(pp: Out<HostPtr>, bytesize: u32); // the memory is the program's, and lives in the shim
    /// Frees pinned host memory.
    #[since(2000)] hand fn cuMemFreeHost(p: HostPtr); // the memory is the program's, and lives in the shim
    /// Allocates pinned host memory, with flags.
    #[since(2020)] hand fn cuMemHostAlloc(pp: Out<HostPtr>, bytesize: usize, Flags: u32); // the memory is the program's, and lives in the shim
    /// The address at which a kernel sees pinned memory.
    #[since(3020)] hand fn cuMemHostGetDevicePointer_v2(pdptr: Out<DevPtr>, p: HostPtr, Flags: u32); // from now on the memory is shared
    /// The address at which a kernel sees pinned memory, in 32-bit sizes.
    #[since(2020)] deny fn cuMemHostGetDevicePointer(pdptr: Out<DevPtrV1>, p: HostPtr, Flags: u32);
    /// The flags that pinned memory was allocated with.
    #[since(2030)] here fn cuMemHostGetFlags(pFlags: Out<u32>, p: HostPtr);
    /// Allocates memory that host and devices share.
    #[since(6000)] hand fn cuMemAllocManaged(dptr: Out<DevPtr> = new, bytesize: DeviceBytes, flags: u32); // its pages are here as well
    /// Has a function called when something happens to a device.
    #[since(12040)] deny fn cuDeviceRegisterAsyncNotification(
        device: Device, callbackFunc: HostFn<CUasyncCallback>, userData: HostPtr, callback: Out<AsyncCallbackHandle>,
    );
    /// Takes that function back.
    #[since(12040)] deny fn cuDeviceUnregisterAsyncNotification(device: Device, callback: AsyncCallbackHandle);
    /// The device at a PCI address.
    #[since(4010)] here fn cuDeviceGetByPCIBusId(dev: Out<Device>, pciBusId: In<Text>);
    /// A device's PCI address.
    #[since(4010)] here fn cuDeviceGetPCIBusId(pciBusId: Out<Text>[len.max(0) as usize], len: i32, dev: Device);
    /// A handle by which another process can open an event.
    #[since(4010)] deny fn cuIpcGetEventHandle(pHandle: Out<Struct<CUipcEventHandle>>, event: Event);
    /// Opens another process's event.
    #[since(4010)] deny fn cuIpcOpenEventHandle(phEvent: Out<Event> = new, handle: Struct<CUipcEventHandle>);
    /// A handle by which another process can open an allocation.
    #[since(4010)] hand fn cuIpcGetMemHandle(pHandle: Out<Struct<CUipcMemHandle>>, dptr: DevPtr); // the chunk that it lies in is offered to others
    /// Maps another process's allocation.
    #[since(11000)] hand fn cuIpcOpenMemHandle_v2(pdptr: Out<DevPtr> = new, handle: Struct<CUipcMemHandle>, Flags: u32); // the gate has the memory's descriptor
    /// Maps another process's allocation, as before CUDA 11.0.
    #[since(4010)] hand fn cuIpcOpenMemHandle(pdptr: Out<DevPtr> = new, handle: Struct<CUipcMemHandle>, Flags: u32); // the gate has the memory's descriptor
    /// Unmaps another process's allocation.
    #[since(4010)] hand fn cuIpcCloseMemHandle(dptr: DevPtr = gone); // the shim counts how often it was opened
    /// Pins host memory that the program allocated.
    #[since(6050)] hand fn cuMemHostRegister_v2(p: HostPtr, bytesize: usize, Flags: u32); // the memory is the program's, and lives in the shim
    /// Pins host memory that the program allocated, as before CUDA 6.5.
    #[since(4000)] hand fn cuMemHostRegister(p: HostPtr, bytesize: usize, Flags: u32); // the memory is the program's, and lives in the shim
    /// Unpins it.
    #[since(4000)] hand fn cuMemHostUnregister(p: HostPtr); // the memory is the program's, and lives in the shim
    /// Copies between addresses of any kind.
    #[since(4000)] hand fn cuMemcpy | cuMemcpy_ptds ( // either side may be host memory
        dst: DevPtr[ByteCount], src: DevPtr[ByteCount], ByteCount: usize,
    );
    /// Copies device memory of one context to another.
    #[since(4000)] hand fn cuMemcpyPeer | cuMemcpyPeer_ptds ( // an address may be of pinned host memory
        dstDevice: DevPtr[ByteCount], dstContext: Context, srcDevice: DevPtr[ByteCount], srcContext: Context, ByteCount: usize,
    );
    /// Copies host memory to device memory.
    #[since(3020)] hand fn cuMemcpyHtoD_v2 | cuMemcpyHtoD_v2_ptds ( // the bytes travel beside the log
        dstDevice: DevPtr[ByteCount], srcHost: HostBytes[ByteCount], ByteCount: usize,
    );
    /// Copies host memory to device memory, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyHtoD(dstDevice: DevPtrV1[ByteCount as usize], srcHost: HostBytes[ByteCount as usize], ByteCount: u32);
    /// Copies device memory to host memory.
    #[since(3020)] hand fn cuMemcpyDtoH_v2 | cuMemcpyDtoH_v2_ptds ( // the bytes travel beside the log
        dstHost: Out<Bytes>[ByteCount], srcDevice: DevPtr[ByteCount], ByteCount: usize,
    );
    /// Copies device memory to host memory, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyDtoH(dstHost: Out<Bytes>[ByteCount as usize], srcDevice: DevPtrV1[ByteCount as usize], ByteCount: u32);
    /// Copies device memory to device memory.
    #[since(3020)] hand fn cuMemcpyDtoD_v2 | cuMemcpyDtoD_v2_ptds ( // an address may be of pinned host memory
        dstDevice: DevPtr[ByteCount], srcDevice: DevPtr[ByteCount], ByteCount: usize,
    );
    /// Copies device memory to device memory, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyDtoD(dstDevice: DevPtrV1[ByteCount as usize], srcDevice: DevPtrV1[ByteCount as usize], ByteCount: u32);
    /// Copies device memory into a 1D array.
    #[since(3020)] hand fn cuMemcpyDtoA_v2 | cuMemcpyDtoA_v2_ptds (dstArray: Array, dstOffset: usize, srcDevice: DevPtr[ByteCount], ByteCount: usize); // as copies of boxes
    /// Copies device memory into a 1D array, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyDtoA(dstArray: Array, dstOffset: u32, srcDevice: DevPtrV1[ByteCount as usize], ByteCount: u32);
    /// Copies a 1D array to device memory.
    #[since(3020)] hand fn cuMemcpyAtoD_v2 | cuMemcpyAtoD_v2_ptds (dstDevice: DevPtr[ByteCount], srcArray: Array, srcOffset: usize, ByteCount: usize); // as copies of boxes
    /// Copies a 1D array to device memory, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyAtoD(dstDevice: DevPtrV1[ByteCount as usize], srcArray: Array, srcOffset: u32, ByteCount: u32);
    /// Copies host memory into a 1D array.
    #[since(3020)] hand fn cuMemcpyHtoA_v2 | cuMemcpyHtoA_v2_ptds ( // as copies of boxes
        dstArray: Array, dstOffset: usize, srcHost: HostBytes[ByteCount], ByteCount: usize,
    );
    /// Copies host memory into a 1D array, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyHtoA(dstArray: Array, dstOffset: u32, srcHost: HostBytes[ByteCount as usize], ByteCount: u32);
    /// Copies a 1D array to host memory.
    #[since(3020)] hand fn cuMemcpyAtoH_v2 | cuMemcpyAtoH_v2_ptds ( // as copies of boxes
        dstHost: Out<Bytes>[ByteCount], srcArray: Array, srcOffset: usize, ByteCount: usize,
    );
    /// Copies a 1D array to host memory, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyAtoH(dstHost: Out<Bytes>[ByteCount as usize], srcArray: Array, srcOffset: u32, ByteCount: u32);
    /// Copies a 1D array into another.
    #[since(3020)] hand fn cuMemcpyAtoA_v2 | cuMemcpyAtoA_v2_ptds ( // as copies of boxes
        dstArray: Array, dstOffset: usize, srcArray: Array, srcOffset: usize, ByteCount: usize,
    );
    /// Copies a 1D array into another, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyAtoA(dstArray: Array, dstOffset: u32, srcArray: Array, srcOffset: u32, ByteCount: u32);
    /// Copies a rectangle.
    #[since(3020)] hand fn cuMemcpy2D_v2 | cuMemcpy2D_v2_ptds (pCopy: In<Struct<CUDA_MEMCPY2D>>); // the struct may name host memory
    /// Copies a rectangle, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpy2D(pCopy: In<Struct<CUDA_MEMCPY2D_v1>>);
    /// Copies a rectangle whose pitch may be anything.
    #[since(3020)] hand fn cuMemcpy2DUnaligned_v2 | cuMemcpy2DUnaligned_v2_ptds (pCopy: In<Struct<CUDA_MEMCPY2D>>); // the struct may name host memory
    /// Copies a rectangle whose pitch may be anything, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpy2DUnaligned(pCopy: In<Struct<CUDA_MEMCPY2D_v1>>);
    /// Copies a box.
    #[since(3020)] hand fn cuMemcpy3D_v2 | cuMemcpy3D_v2_ptds (pCopy: In<Struct<CUDA_MEMCPY3D>>); // the struct may name host memory
    /// Copies a box, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpy3D(pCopy: In<Struct<CUDA_MEMCPY3D_v1>>);
    /// Copies a box of one context to another.
    #[since(4000)] hand fn cuMemcpy3DPeer | cuMemcpy3DPeer_ptds (pCopy: In<Struct<CUDA_MEMCPY3D_PEER>>); // the struct may name host memory
    /// Copies between addresses of any kind, in stream order.
    #[since(4000)] hand fn cuMemcpyAsync | cuMemcpyAsync_ptsz ( // either side may be host memory
        dst: DevPtr[ByteCount], src: DevPtr[ByteCount], ByteCount: usize, hStream: Stream,
    );
    /// Copies device memory of one context to another, in stream order.
    #[since(4000)] hand fn cuMemcpyPeerAsync | cuMemcpyPeerAsync_ptsz ( // an address may be of pinned host memory
        dstDevice: DevPtr[ByteCount], dstContext: Context, srcDevice: DevPtr[ByteCount], srcContext: Context, ByteCount: usize,
        hStream: Stream,
    );
    /// Copies host memory to device memory, in stream order.
    #[since(3020)] hand fn cuMemcpyHtoDAsync_v2 | cuMemcpyHtoDAsync_v2_ptsz ( // the bytes travel beside the log
        dstDevice: DevPtr[ByteCount], srcHost: HostBytes[ByteCount], ByteCount: usize, hStream: Stream,
    );
    /// Copies host memory to device memory, in stream order, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyHtoDAsync(
        dstDevice: DevPtrV1[ByteCount as usize], srcHost: HostBytes[ByteCount as usize], ByteCount: u32, hStream: Stream,
    );
    /// Copies device memory to host memory, in stream order.
    #[since(3020)] hand fn cuMemcpyDtoHAsync_v2 | cuMemcpyDtoHAsync_v2_ptsz ( // the bytes travel beside the log
        dstHost: Out<Bytes>[ByteCount], srcDevice: DevPtr[ByteCount], ByteCount: usize, hStream: Stream,
    );
    /// Copies device memory to host memory, in stream order, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyDtoHAsync(
        dstHost: Out<Bytes>[ByteCount as usize], srcDevice: DevPtrV1[ByteCount as usize], ByteCount: u32, hStream: Stream,
    );
    /// Copies device memory to device memory, in stream order.
    #[since(3020)] hand fn cuMemcpyDtoDAsync_v2 | cuMemcpyDtoDAsync_v2_ptsz ( // an address may be of pinned host memory
        dstDevice: DevPtr[ByteCount], srcDevice: DevPtr[ByteCount], ByteCount: usize, hStream: Stream,
    );
    /// Copies device memory to device memory, in stream order, in 32-bit sizes.
    #[since(3000)] deny fn cuMemcpyDtoDAsync(
        dstDevice: DevPtrV1[ByteCount as usize], srcDevice: DevPtrV1[ByteCount as usize], ByteCount: u32, hStream: Stream,
    );
    /// Copies host memory into a 1D array, in stream order.
    #[since(3020)] hand fn cuMemcpyHtoAAsync_v2 | cuMemcpyHtoAAsync_v2_ptsz ( // as copies of boxes
        dstArray: Array, dstOffset: usize, srcHost: HostBytes[ByteCount], ByteCount: usize, hStream: Stream,
    );
    /// Copies host memory into a 1D array, in stream order, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyHtoAAsync(
        dstArray: Array, dstOffset: u32, srcHost: HostBytes[ByteCount as usize], ByteCount: u32, hStream: Stream,
    );
    /// Copies a 1D array to host memory, in stream order.
    #[since(3020)] hand fn cuMemcpyAtoHAsync_v2 | cuMemcpyAtoHAsync_v2_ptsz ( // as copies of boxes
        dstHost: Out<Bytes>[ByteCount], srcArray: Array, srcOffset: usize, ByteCount: usize, hStream: Stream,
    );
    /// Copies a 1D array to host memory, in stream order, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpyAtoHAsync(
        dstHost: Out<Bytes>[ByteCount as usize], srcArray: Array, srcOffset: u32, ByteCount: u32, hStream: Stream,
    );
    /// Copies a rectangle, in stream order.
    #[since(3020)] hand fn cuMemcpy2DAsync_v2 | cuMemcpy2DAsync_v2_ptsz (pCopy: In<Struct<CUDA_MEMCPY2D>>, hStream: Stream); // the struct may name host memory
    /// Copies a rectangle, in stream order, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpy2DAsync(pCopy: In<Struct<CUDA_MEMCPY2D_v1>>, hStream: Stream);
    /// Copies a box, in stream order.
    #[since(3020)] hand fn cuMemcpy3DAsync_v2 | cuMemcpy3DAsync_v2_ptsz (pCopy: In<Struct<CUDA_MEMCPY3D>>, hStream: Stream); // the struct may name host memory
    /// Copies a box, in stream order, in 32-bit sizes.
    #[since(2000)] deny fn cuMemcpy3DAsync(pCopy: In<Struct<CUDA_MEMCPY3D_v1>>, hStream: Stream);
    /// Copies a box of one context to another, in stream order.
    #[since(4000)] hand fn cuMemcpy3DPeerAsync | cuMemcpy3DPeerAsync_ptsz (pCopy: In<Struct<CUDA_MEMCPY3D_PEER>>, hStream: Stream); // the struct may name host memory
    /// Many copies in one call, in stream order but in no order among themselves.
    #[since(13000)] hand fn cuMemcpyBatchAsync_v2 | cuMemcpyBatchAsync_v2_ptsz ( // each copy for itself
        dsts: In<DevPtr>[count], srcs: In<DevPtr>[count], sizes: In<usize>[count], count: usize,
        attrs: In<Struct<CUmemcpyAttributes>>[numAttrs], attrsIdxs: In<usize>[numAttrs], numAttrs: usize, hStream: Stream,
    );
    /// Many copies in one call, in stream order but in no order among themselves, as before CUDA 13.0.
    #[since(12080)] hand fn cuMemcpyBatchAsync | cuMemcpyBatchAsync_ptsz ( // each copy for itself
        dsts: In<DevPtr>[count], srcs: In<DevPtr>[count], sizes: In<usize>[count], count: usize,
        attrs: In<Struct<CUmemcpyAttributes>>[numAttrs], attrsIdxs: In<usize>[numAttrs], numAttrs: usize, failIdx: Out<usize>,
        hStream: Stream,
    );
    /// Many copies of boxes in one call, in no order among themselves.
    #[since(13000)] hand fn cuMemcpy3DBatchAsync_v2 | cuMemcpy3DBatchAsync_v2_ptsz ( // each copy for itself
        numOps: usize, opList: In<Struct<CUDA_MEMCPY3D_BATCH_OP>>[numOps], flags: u64, hStream: Stream,
    );
    /// Many copies of boxes in one call, in no order among themselves, as before CUDA 13.0.
    #[since(12080)] hand fn cuMemcpy3DBatchAsync | cuMemcpy3DBatchAsync_ptsz ( // each copy for itself
        numOps: usize, opList: In<Struct<CUDA_MEMCPY3D_BATCH_OP>>[numOps], failIdx: Out<usize>, flags: u64, hStream: Stream,
    );
    /// One copy with the attributes that a batch's have.
    #[since(13020)] deny fn cuMemcpyWithAttributesAsync | cuMemcpyWithAttributesAsync_ptsz (
        dst: DevPtr[size], src: DevPtr[size], size: usize, attr: In<Struct<CUmemcpyAttributes>>, hStream: Stream,
    );
    /// One copy of a box with the attributes that a batch's have.
    #[since(13020)] deny fn cuMemcpy3DWithAttributesAsync | cuMemcpy3DWithAttributesAsync_ptsz (
        op: In<Struct<CUDA_MEMCPY3D_BATCH_OP>>, flags: u64, hStream: Stream,
    );
    /// Sets bytes.
    #[since(3020)] hand fn cuMemsetD8_v2 | cuMemsetD8_v2_ptds (dstDevice: DevPtr[N], uc: u8, N: usize); // all widths are one operation
    /// Sets bytes, in 32-bit sizes.
    #[since(2000)] deny fn cuMemsetD8(dstDevice: DevPtrV1[N as usize], uc: u8, N: u32);
    /// Sets 16-bit words.
    #[since(3020)] hand fn cuMemsetD16_v2 | cuMemsetD16_v2_ptds (dstDevice: DevPtr[N.saturating_mul(2)], us: u16, N: usize); // all widths are one operation
    /// Sets 16-bit words, in 32-bit sizes.
    #[since(2000)] deny fn cuMemsetD16(dstDevice: DevPtrV1[(N as usize).saturating_mul(2)], us: u16, N: u32);
    /// Sets 32-bit words.
    #[since(3020)] hand fn cuMemsetD32_v2 | cuMemsetD32_v2_ptds (dstDevice: DevPtr[N.saturating_mul(4)], ui: u32, N: usize); // all widths are one operation
    /// Sets 32-bit words, in 32-bit sizes.
    #[since(2000)] deny fn cuMemsetD32(dstDevice: DevPtrV1[(N as usize).saturating_mul(4)], ui: u32, N: u32);
    /// Sets the bytes of a rectangle.
    #[since(3020)] hand fn cuMemsetD2D8_v2 | cuMemsetD2D8_v2_ptds ( // all widths are one operation
        dstDevice: DevPtr[dstPitch.saturating_mul(Height.saturating_sub(1)).saturating_add(Width)], dstPitch: usize, uc: u8, Width: usize,
        Height: usize,
    );
    /// Sets the bytes of a rectangle, in 32-bit sizes.
    #[since(2000)] deny fn cuMemsetD2D8(
        dstDevice: DevPtrV1[(dstPitch as usize).saturating_mul((Height as usize).saturating_sub(1)).saturating_add((Width as usize))],
        dstPitch: u32, uc: u8, Width: u32, Height: u32,
    );
    /// Sets the 16-bit words of a rectangle.
    #[since(3020)] hand fn cuMemsetD2D16_v2 | cuMemsetD2D16_v2_ptds ( // all widths are one operation
        dstDevice: DevPtr[dstPitch.saturating_mul(Height.saturating_sub(1)).saturating_add(Width.saturating_mul(2))], dstPitch: usize,
        us: u16, Width: usize, Height: usize,
    );
    /// Sets the 16-bit words of a rectangle, in 32-bit sizes.
    #[since(2000)] deny fn cuMemsetD2D16(

        dstDevice: DevPtrV1[(dstPitch as usize).saturating_mul((Height as usize).saturating_sub(1)).saturating_add((Width as usize).saturating_mul(2))],
        dstPitch: u32, us: u16, Width: u32, Height: u32,
    );
    /// Sets the 32-bit words of a rectangle.
    #[since(3020)] hand fn cuMemsetD2D32_v2 | cuMemsetD2D32_v2_ptds ( // all widths are one operation
        dstDevice: DevPtr[dstPitch.saturating_mul(Height.saturating_sub(1)).saturating_add(Width.saturating_mul(4))], dstPitch: usize,
        ui: u32, Width: usize, Height: usize,
    );
    /// Sets the 32-bit words of a rectangle, in 32-bit sizes.
    #[since(2000)] deny fn cuMemsetD2D32(

        dstDevice: DevPtrV1[(dstPitch as usize).saturating_mul((Height as usize).saturating_sub(1)).saturating_add((Width as usize).saturating_mul(4))],
        dstPitch: u32, ui: u32, Width: u32, Height: u32,
    );
    /// Sets bytes, in stream order.
    #[since(3020)] hand fn cuMemsetD8Async | cuMemsetD8Async_ptsz (dstDevice: DevPtr[N], uc: u8, N: usize, hStream: Stream); // all widths are one operation
    /// Sets 16-bit words, in stream order.
    #[since(3020)] hand fn cuMemsetD16Async | cuMemsetD16Async_ptsz (dstDevice: DevPtr[N.saturating_mul(2)], us: u16, N: usize, hStream: Stream); // all widths are one operation
    /// Sets 32-bit words, in stream order.
    #[since(3020)] hand fn cuMemsetD32Async | cuMemsetD32Async_ptsz (dstDevice: DevPtr[N.saturating_mul(4)], ui: u32, N: usize, hStream: Stream); // all widths are one operation
    /// Sets the bytes of a rectangle, in stream order.
    #[since(3020)] hand fn cuMemsetD2D8Async | cuMemsetD2D8Async_ptsz ( // all widths are one operation
        dstDevice: DevPtr[dstPitch.saturating_mul(Height.saturating_sub(1)).saturating_add(Width)], dstPitch: usize, uc: u8, Width: usize,
        Height: usize, hStream: Stream,
    );
    /// Sets the 16-bit words of a rectangle, in stream order.
    #[since(3020)] hand fn cuMemsetD2D16Async | cuMemsetD2D16Async_ptsz ( // all widths are one operation
        dstDevice: DevPtr[dstPitch.saturating_mul(Height.saturating_sub(1)).saturating_add(Width.saturating_mul(2))], dstPitch: usize,
        us: u16, Width: usize, Height: usize, hStream: Stream,
    );
    /// Sets the 32-bit words of a rectangle, in stream order.
    #[since(3020)] hand fn cuMemsetD2D32Async | cuMemsetD2D32Async_ptsz ( // all widths are one operation
        dstDevice: DevPtr[dstPitch.saturating_mul(Height.saturating_sub(1)).saturating_add(Width.saturating_mul(4))], dstPitch: usize,
        ui: u32, Width: usize, Height: usize, hStream: Stream,
    );
    /// Creates a 1D or 2D array.
    #[since(3020)] hand fn cuArrayCreate_v2(pHandle: Out<Array> = new, pAllocateArray: In<Struct<CUDA_ARRAY_DESCRIPTOR>>); // the shim knows what each array is like
    /// Creates a 1D or 2D array, in 32-bit sizes.
    #[since(2000)] deny fn cuArrayCreate(pHandle: Out<Array> = new, pAllocateArray: In<Struct<CUDA_ARRAY_DESCRIPTOR_v1>>);
    /// What a 1D or 2D array was created as.
    #[since(3020)] hand fn cuArrayGetDescriptor_v2(pArrayDescriptor: Out<Struct<CUDA_ARRAY_DESCRIPTOR>>, hArray: Array); // the shim knows what each array is like
    /// What a 1D or 2D array was created as, in 32-bit sizes.
    #[since(2000)] deny fn cuArrayGetDescriptor(pArrayDescriptor: Out<Struct<CUDA_ARRAY_DESCRIPTOR_v1>>, hArray: Array);
    /// The tiles of a sparse array.
    #[since(11010)] deny fn cuArrayGetSparseProperties(sparseProperties: Out<Struct<CUDA_ARRAY_SPARSE_PROPERTIES>>, array: Array);
    /// The tiles of a sparse mipmapped array.
    #[since(11010)] deny fn cuMipmappedArrayGetSparseProperties(sparseProperties: Out<Struct<CUDA_ARRAY_SPARSE_PROPERTIES>>, mipmap: MipmappedArray);
    /// The memory that must be mapped under a deferred array.
    #[since(11060)] deny fn cuArrayGetMemoryRequirements(
        memoryRequirements: Out<Struct<CUDA_ARRAY_MEMORY_REQUIREMENTS>>, array: Array, device: Device,
    );
    /// The memory that must be mapped under a deferred mipmapped array.
    #[since(11060)] deny fn cuMipmappedArrayGetMemoryRequirements(
        memoryRequirements: Out<Struct<CUDA_ARRAY_MEMORY_REQUIREMENTS>>, mipmap: MipmappedArray, device: Device,
    );
    /// One plane of a multi-planar array.
    #[since(11020)] deny fn cuArrayGetPlane(pPlaneArray: Out<Array>, hArray: Array, planeIdx: u32);
    /// Destroys an array.
    #[since(2000)] hand fn cuArrayDestroy(hArray: Array = gone); // the shim knows what each array is like
    /// Creates an array of up to three dimensions.
    #[since(3020)] hand fn cuArray3DCreate_v2(pHandle: Out<Array> = new, pAllocateArray: In<Struct<CUDA_ARRAY3D_DESCRIPTOR>>); // the shim knows what each array is like
    /// Creates an array of up to three dimensions, in 32-bit sizes.
    #[since(2000)] deny fn cuArray3DCreate(pHandle: Out<Array> = new, pAllocateArray: In<Struct<CUDA_ARRAY3D_DESCRIPTOR_v1>>);
    /// What a 3D array was created as.
    #[since(3020)] hand fn cuArray3DGetDescriptor_v2(pArrayDescriptor: Out<Struct<CUDA_ARRAY3D_DESCRIPTOR>>, hArray: Array); // the shim knows what each array is like
    /// What a 3D array was created as, in 32-bit sizes.
    #[since(2000)] deny fn cuArray3DGetDescriptor(pArrayDescriptor: Out<Struct<CUDA_ARRAY3D_DESCRIPTOR_v1>>, hArray: Array);
    /// Creates a mipmapped array.
    #[since(5000)] hand fn cuMipmappedArrayCreate( // the shim knows what each array is like
        pHandle: Out<MipmappedArray> = new, pMipmappedArrayDesc: In<Struct<CUDA_ARRAY3D_DESCRIPTOR>>, numMipmapLevels: u32,
    );
    /// One level of a mipmapped array.
    #[since(5000)] hand fn cuMipmappedArrayGetLevel(pLevelArray: Out<Array>, hMipmappedArray: MipmappedArray, level: u32); // the shim knows what each array is like
    /// Destroys a mipmapped array.
    #[since(5000)] hand fn cuMipmappedArrayDestroy(hMipmappedArray: MipmappedArray = gone); // the shim knows what each array is like
    /// A handle (DMA-BUF) for a range of addresses.
    #[since(11070)] deny fn cuMemGetHandleForAddressRange(
        handle: Out<Bytes>, dptr: DevPtr, size: usize, handleType: Enum<CUmemRangeHandleType>, flags: u64,
    );
    /// Decompresses many buffers, in stream order.
    #[since(12060)] deny fn cuMemBatchDecompressAsync | cuMemBatchDecompressAsync_ptsz (
        paramsArray: In<Struct<CUmemDecompressParams>>[count], count: usize, flags: u32, errorIndex: Option<Out<usize>>, stream: Stream,
    );
} } }
