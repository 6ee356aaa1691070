//! The chapter "Occupancy". What a row says: [`crate::table`].

#[macro_export]
macro_rules! occupancy { ($then:ident) => { $then! {
    chapter "Occupancy";

    /// How many blocks of a kernel fit on one multiprocessor.
    #[since(6050)] ask fn cuOccupancyMaxActiveBlocksPerMultiprocessor(numBlocks: Out<i32>, func: Launchable, blockSize: i32, dynamicSMemSize: usize);
    /// How many blocks of a kernel fit on one multiprocessor, with flags.
    #[since(7000)] ask fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        numBlocks: Out<i32>, func: Launchable, blockSize: i32, dynamicSMemSize: usize, flags: u32,
    );
    /// A block size that fills the device.
    #[since(6050)] hand fn cuOccupancyMaxPotentialBlockSize( // the function runs in the client
        minGridSize: Out<i32>, blockSize: Out<i32>, func: Launchable, blockSizeToDynamicSMemSize: HostFn<CUoccupancyB2DSize>,
        dynamicSMemSize: usize, blockSizeLimit: i32,
    );
    /// A block size that fills the device, with flags.
    #[since(7000)] hand fn cuOccupancyMaxPotentialBlockSizeWithFlags( // the function runs in the client
        minGridSize: Out<i32>, blockSize: Out<i32>, func: Launchable, blockSizeToDynamicSMemSize: HostFn<CUoccupancyB2DSize>,
        dynamicSMemSize: usize, blockSizeLimit: i32, flags: u32,
    );
    /// The dynamic shared memory left to each of so many blocks.
    #[since(10020)] ask fn cuOccupancyAvailableDynamicSMemPerBlock(dynamicSmemSize: Out<usize>, func: Launchable, numBlocks: i32, blockSize: i32);
    /// The greatest cluster that a launch could have.
    #[since(11070)] hand fn cuOccupancyMaxPotentialClusterSize(clusterSize: Out<i32>, func: Launchable, config: In<Struct<CUlaunchConfig>>); // the configuration is rebuilt field by field
    /// How many clusters of a launch fit on the device.
    #[since(11070)] hand fn cuOccupancyMaxActiveClusters(numClusters: Out<i32>, func: Launchable, config: In<Struct<CUlaunchConfig>>); // the configuration is rebuilt field by field
} } }
