//! The chapter "Device Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! device_management { ($then:ident) => { $then! {
    chapter "Device Management";

    /// The device behind an ordinal.
    #[since(2000)] here fn cuDeviceGet(device: Out<Device>, ordinal: i32);
    /// How many devices this process sees.
    #[since(2000)] here fn cuDeviceGetCount(count: Out<i32>);
    /// A device's name, cut to the given room.
    #[since(2000)] here fn cuDeviceGetName(name: Out<Text>[len.max(0) as usize], len: i32, dev: Device);
    /// A device's UUID; of a MIG instance its own.
    #[since(11040)] here fn cuDeviceGetUuid_v2(uuid: Out<Struct<CUuuid>>, dev: Device);
    /// A device's UUID; of a MIG instance that of the whole device.
    #[since(9020)] here fn cuDeviceGetUuid(uuid: Out<Struct<CUuuid>>, dev: Device);
    /// A device's LUID and node mask, which exist on Windows only.
    #[since(10000)] here fn cuDeviceGetLuid(luid: Out<Text>[8], deviceNodeMask: Out<u32>, dev: Device);
    /// All the memory of a device, in bytes.
    #[since(3020)] here fn cuDeviceTotalMem_v2(bytes: Out<usize>, dev: Device);
    /// All the memory of a device, in bytes, in 32-bit sizes.
    #[since(2000)] here fn cuDeviceTotalMem(bytes: Out<u32>, dev: Device);
    /// How many elements a linear 1D texture may have.
    #[since(11010)] deny fn cuDeviceGetTexture1DLinearMaxWidth(
        maxWidthInElements: Out<usize>, format: Enum<CUarray_format>, numChannels: u32, dev: Device,
    );
    /// One number about a device.
    #[since(2000)] here fn cuDeviceGetAttribute(pi: Out<i32>, attrib: Enum<CUdevice_attribute>, dev: Device);
    /// Which atomics a device can do on host memory.
    #[since(13000)] deny fn cuDeviceGetHostAtomicCapabilities(
        capabilities: Out<u32>[count as usize], operations: In<Enum<CUatomicOperation>>[count as usize], count: u32, dev: Device,
    );
    /// The NvSciSync attributes that suit a device.
    #[since(10020)] deny fn cuDeviceGetNvSciSyncAttributes(nvSciSyncAttrList: Out<Bytes>, dev: Device, flags: i32);
    /// Makes a pool the one that a device's stream-ordered allocations come from.
    #[since(11020)] hand fn cuDeviceSetMemPool(dev: Device, pool: MemPool); // the shim keeps books of pools
    /// The pool that a device's stream-ordered allocations come from.
    #[since(11020)] hand fn cuDeviceGetMemPool(pool: Out<MemPool>, dev: Device); // the shim keeps books of pools
    /// The pool that a device began with.
    #[since(11020)] hand fn cuDeviceGetDefaultMemPool(pool_out: Out<MemPool>, dev: Device); // the shim keeps books of pools
    /// Whether contexts of a device can be limited in this way.
    #[since(11040)] here fn cuDeviceGetExecAffinitySupport(pi: Out<i32>, type_: Enum<CUexecAffinityType>, dev: Device);
    /// Makes third-party writes that were done before it visible.
    #[since(11030)] deny fn cuFlushGPUDirectRDMAWrites(target: Enum<CUflushGPUDirectRDMAWritesTarget>, scope: Enum<CUflushGPUDirectRDMAWritesScope>);

    // Deprecated.

    /// A few limits of a device in one struct.
    #[since(2000)] here fn cuDeviceGetProperties(prop: Out<Struct<CUdevprop>>, dev: Device);
    /// A device's compute capability.
    #[since(2000)] here fn cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, dev: Device);
} } }
