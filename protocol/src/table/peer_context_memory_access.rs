//! The chapter "Peer Context Memory Access". What a row says: [`crate::table`].

#[macro_export]
macro_rules! peer_context_memory_access { ($then:ident) => { $then! {
    chapter "Peer Context Memory Access";

    /// Whether a device can reach another's memory.
    #[since(4000)] here fn cuDeviceCanAccessPeer(canAccessPeer: Out<i32>, dev: Device, peerDev: Device);
    /// Lets the current context reach a context's memory.
    #[since(4000)] hand fn cuCtxEnablePeerAccess(peerContext: Context, Flags: u32); // the arena's memory is granted range by range
    /// Takes that back.
    #[since(4000)] hand fn cuCtxDisablePeerAccess(peerContext: Context); // the arena's memory is granted range by range
    /// One fact about the way between two devices.
    #[since(8000)] here fn cuDeviceGetP2PAttribute(value: Out<i32>, attrib: Enum<CUdevice_P2PAttribute>, srcDevice: Device, dstDevice: Device);
    /// Which atomics a device can do on another's memory.
    #[since(13000)] deny fn cuDeviceGetP2PAtomicCapabilities(
        capabilities: Out<u32>[count as usize], operations: In<Enum<CUatomicOperation>>[count as usize], count: u32, srcDevice: Device,
        dstDevice: Device,
    );
} } }
