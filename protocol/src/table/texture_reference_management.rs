//! The chapter "Texture Reference Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! texture_reference_management { ($then:ident) => { $then! {
    chapter "Texture Reference Management";

    /// Binds an array to a texture reference.
    #[since(2000)] deny fn cuTexRefSetArray(hTexRef: TexRef, hArray: Array, Flags: u32);
    /// Binds a mipmapped array to a texture reference.
    #[since(5000)] deny fn cuTexRefSetMipmappedArray(hTexRef: TexRef, hMipmappedArray: MipmappedArray, Flags: u32);
    /// Binds linear memory to a texture reference.
    #[since(3020)] deny fn cuTexRefSetAddress_v2(ByteOffset: Out<usize>, hTexRef: TexRef, dptr: DevPtr, bytes: usize);
    /// Binds linear memory to a texture reference, in 32-bit sizes.
    #[since(2000)] deny fn cuTexRefSetAddress(ByteOffset: Out<u32>, hTexRef: TexRef, dptr: DevPtrV1, bytes: u32);
    /// Binds pitched memory to a texture reference.
    #[since(4010)] deny fn cuTexRefSetAddress2D_v3(hTexRef: TexRef, desc: In<Struct<CUDA_ARRAY_DESCRIPTOR>>, dptr: DevPtr, Pitch: usize);
    /// Binds pitched memory to a texture reference, as before CUDA 4.1.
    #[since(3020)] deny fn cuTexRefSetAddress2D_v2(hTexRef: TexRef, desc: In<Struct<CUDA_ARRAY_DESCRIPTOR>>, dptr: DevPtr, Pitch: usize);
    /// Binds pitched memory to a texture reference, in 32-bit sizes.
    #[since(2020)] deny fn cuTexRefSetAddress2D(hTexRef: TexRef, desc: In<Struct<CUDA_ARRAY_DESCRIPTOR_v1>>, dptr: DevPtrV1, Pitch: u32);
    /// Sets a texture reference's format.
    #[since(2000)] deny fn cuTexRefSetFormat(hTexRef: TexRef, fmt: Enum<CUarray_format>, NumPackedComponents: i32);
    /// Sets what a texture reference reads beyond its edge.
    #[since(2000)] deny fn cuTexRefSetAddressMode(hTexRef: TexRef, dim: i32, am: Enum<CUaddress_mode>);
    /// Sets how a texture reference interpolates.
    #[since(2000)] deny fn cuTexRefSetFilterMode(hTexRef: TexRef, fm: Enum<CUfilter_mode>);
    /// Sets how a texture reference interpolates between levels.
    #[since(5000)] deny fn cuTexRefSetMipmapFilterMode(hTexRef: TexRef, fm: Enum<CUfilter_mode>);
    /// Sets a texture reference's level bias.
    #[since(5000)] deny fn cuTexRefSetMipmapLevelBias(hTexRef: TexRef, bias: f32);
    /// Sets the levels that a texture reference may read.
    #[since(5000)] deny fn cuTexRefSetMipmapLevelClamp(hTexRef: TexRef, minMipmapLevelClamp: f32, maxMipmapLevelClamp: f32);
    /// Sets a texture reference's anisotropy.
    #[since(5000)] deny fn cuTexRefSetMaxAnisotropy(hTexRef: TexRef, maxAniso: u32);
    /// Sets a texture reference's border colour.
    #[since(8000)] deny fn cuTexRefSetBorderColor(hTexRef: TexRef, pBorderColor: In<f32>[4]);
    /// Sets a texture reference's flags.
    #[since(2000)] deny fn cuTexRefSetFlags(hTexRef: TexRef, Flags: u32);
    /// The memory bound to a texture reference.
    #[since(3020)] deny fn cuTexRefGetAddress_v2(pdptr: Out<DevPtr>, hTexRef: TexRef);
    /// The memory bound to a texture reference, in 32-bit sizes.
    #[since(2000)] deny fn cuTexRefGetAddress(pdptr: Out<DevPtrV1>, hTexRef: TexRef);
    /// The array bound to a texture reference.
    #[since(2000)] deny fn cuTexRefGetArray(phArray: Out<Array>, hTexRef: TexRef);
    /// The mipmapped array bound to a texture reference.
    #[since(5000)] deny fn cuTexRefGetMipmappedArray(phMipmappedArray: Out<MipmappedArray>, hTexRef: TexRef);
    /// What a texture reference reads beyond its edge.
    #[since(2000)] deny fn cuTexRefGetAddressMode(pam: Out<Enum<CUaddress_mode>>, hTexRef: TexRef, dim: i32);
    /// How a texture reference interpolates.
    #[since(2000)] deny fn cuTexRefGetFilterMode(pfm: Out<Enum<CUfilter_mode>>, hTexRef: TexRef);
    /// A texture reference's format.
    #[since(2000)] deny fn cuTexRefGetFormat(pFormat: Out<Enum<CUarray_format>>, pNumChannels: Out<i32>, hTexRef: TexRef);
    /// How a texture reference interpolates between levels.
    #[since(5000)] deny fn cuTexRefGetMipmapFilterMode(pfm: Out<Enum<CUfilter_mode>>, hTexRef: TexRef);
    /// A texture reference's level bias.
    #[since(5000)] deny fn cuTexRefGetMipmapLevelBias(pbias: Out<f32>, hTexRef: TexRef);
    /// The levels that a texture reference may read.
    #[since(5000)] deny fn cuTexRefGetMipmapLevelClamp(pminMipmapLevelClamp: Out<f32>, pmaxMipmapLevelClamp: Out<f32>, hTexRef: TexRef);
    /// A texture reference's anisotropy.
    #[since(5000)] deny fn cuTexRefGetMaxAnisotropy(pmaxAniso: Out<i32>, hTexRef: TexRef);
    /// A texture reference's border colour.
    #[since(8000)] deny fn cuTexRefGetBorderColor(pBorderColor: Out<f32>[4], hTexRef: TexRef);
    /// A texture reference's flags.
    #[since(2000)] deny fn cuTexRefGetFlags(pFlags: Out<u32>, hTexRef: TexRef);
    /// Creates a texture reference.
    #[since(2000)] deny fn cuTexRefCreate(pTexRef: Out<TexRef> = new);
    /// Destroys a texture reference.
    #[since(2000)] deny fn cuTexRefDestroy(hTexRef: TexRef = gone);
} } }
