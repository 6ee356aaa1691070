//! The chapter "Tensor Map Object Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! tensor_map_object_management { ($then:ident) => { $then! {
    chapter "Tensor Map Object Management";

    /// Describes a tensor in memory for copies by tile.
    #[since(12000)] deny fn cuTensorMapEncodeTiled(
        tensorMap: Out<Struct<CUtensorMap>>, tensorDataType: Enum<CUtensorMapDataType>, tensorRank: u32, globalAddress: HostPtr,
        globalDim: In<u64>, globalStrides: In<u64>, boxDim: In<u32>, elementStrides: In<u32>, interleave: Enum<CUtensorMapInterleave>,
        swizzle: Enum<CUtensorMapSwizzle>, l2Promotion: Enum<CUtensorMapL2promotion>, oobFill: Enum<CUtensorMapFloatOOBfill>,
    );
    /// Describes a tensor in memory for copies by column.
    #[since(12000)] deny fn cuTensorMapEncodeIm2col(
        tensorMap: Out<Struct<CUtensorMap>>, tensorDataType: Enum<CUtensorMapDataType>, tensorRank: u32, globalAddress: HostPtr,
        globalDim: In<u64>, globalStrides: In<u64>, pixelBoxLowerCorner: In<i32>, pixelBoxUpperCorner: In<i32>, channelsPerPixel: u32,
        pixelsPerColumn: u32, elementStrides: In<u32>, interleave: Enum<CUtensorMapInterleave>, swizzle: Enum<CUtensorMapSwizzle>,
        l2Promotion: Enum<CUtensorMapL2promotion>, oobFill: Enum<CUtensorMapFloatOOBfill>,
    );
    /// Describes a tensor in memory for copies by column, along W alone.
    #[since(12080)] deny fn cuTensorMapEncodeIm2colWide(
        tensorMap: Out<Struct<CUtensorMap>>, tensorDataType: Enum<CUtensorMapDataType>, tensorRank: u32, globalAddress: HostPtr,
        globalDim: In<u64>, globalStrides: In<u64>, pixelBoxLowerCornerWidth: i32, pixelBoxUpperCornerWidth: i32, channelsPerPixel: u32,
        pixelsPerColumn: u32, elementStrides: In<u32>, interleave: Enum<CUtensorMapInterleave>, mode: Enum<CUtensorMapIm2ColWideMode>,
        swizzle: Enum<CUtensorMapSwizzle>, l2Promotion: Enum<CUtensorMapL2promotion>, oobFill: Enum<CUtensorMapFloatOOBfill>,
    );
    /// Puts another address into a tensor map.
    #[since(12000)] deny fn cuTensorMapReplaceAddress(tensorMap: InOut<Struct<CUtensorMap>>, globalAddress: HostPtr);
    /// Says what kind of allocation a tensor map describes.
    #[since(13050)] deny fn cuTensorMapSetAllocationClass(
        tensorMap: InOut<Struct<CUtensorMap>>, allocClass: Enum<CUtensorMapAllocClass>,
        outAllocClass: Option<Out<Enum<CUtensorMapAllocClass>>>,
    );
} } }
