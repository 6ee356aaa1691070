//! The chapter "Driver Entry Point Access". What a row says: [`crate::table`].

#[macro_export]
macro_rules! driver_entry_point_access { ($then:ident) => { $then! {
    chapter "Driver Entry Point Access";

    /// The entry point of a driver function as a CUDA version knew it, and why there is none.
    #[since(12000)] here fn cuGetProcAddress_v2(
        symbol: In<Text>, pfn: Out<HostPtr>, cudaVersion: i32, flags: u64, symbolStatus: Option<Out<Enum<CUdriverProcAddressQueryResult>>>,
    );
    /// The entry point of a driver function as a CUDA version knew it.
    #[since(11030)] here fn cuGetProcAddress(symbol: In<Text>, pfn: Out<HostPtr>, cudaVersion: i32, flags: u64);
} } }
