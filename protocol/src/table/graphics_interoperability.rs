//! The chapter "Graphics Interoperability". What a row says: [`crate::table`].

#[macro_export]
macro_rules! graphics_interoperability { ($then:ident) => { $then! {
    chapter "Graphics Interoperability";

    /// Lets a graphics resource go.
    #[since(3000)] deny fn cuGraphicsUnregisterResource(resource: GraphicsResource = gone);
    /// The array behind a mapped graphics resource.
    #[since(3000)] deny fn cuGraphicsSubResourceGetMappedArray(pArray: Out<Array>, resource: GraphicsResource, arrayIndex: u32, mipLevel: u32);
    /// The mipmapped array behind a mapped graphics resource.
    #[since(5000)] deny fn cuGraphicsResourceGetMappedMipmappedArray(pMipmappedArray: Out<MipmappedArray>, resource: GraphicsResource);
    /// The address of a mapped graphics resource.
    #[since(3020)] deny fn cuGraphicsResourceGetMappedPointer_v2(pDevPtr: Out<DevPtr>, pSize: Out<usize>, resource: GraphicsResource);
    /// The address of a mapped graphics resource, in 32-bit sizes.
    #[since(3000)] deny fn cuGraphicsResourceGetMappedPointer(pDevPtr: Out<DevPtrV1>, pSize: Out<u32>, resource: GraphicsResource);
    /// Says how a graphics resource will be used.
    #[since(6050)] deny fn cuGraphicsResourceSetMapFlags_v2(resource: GraphicsResource, flags: u32);
    /// Says how a graphics resource will be used, as before CUDA 6.5.
    #[since(3000)] deny fn cuGraphicsResourceSetMapFlags(resource: GraphicsResource, flags: u32);
    /// Maps graphics resources, in stream order.
    #[since(3000)] deny fn cuGraphicsMapResources | cuGraphicsMapResources_ptsz (
        count: u32, resources: In<GraphicsResource>[count as usize], hStream: Stream,
    );
    /// Unmaps graphics resources, in stream order.
    #[since(3000)] deny fn cuGraphicsUnmapResources | cuGraphicsUnmapResources_ptsz (
        count: u32, resources: In<GraphicsResource>[count as usize], hStream: Stream,
    );
} } }
