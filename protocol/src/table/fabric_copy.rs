//! The chapter "Fabric Copy". What a row says: [`crate::table`].

#[macro_export]
macro_rules! fabric_copy { ($then:ident) => { $then! {
    chapter "Fabric Copy";

    /// Many copies over the fabric, in stream order.
    #[since(13050)] deny fn cuFabricCpyBatchAsync | cuFabricCpyBatchAsync_ptsz (
        numOps: usize, opList: In<Struct<CUDA_FABRIC_COPY_BATCH_OP>>[numOps], flags: u64, hStream: Stream,
    );
} } }
