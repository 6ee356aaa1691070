//! The chapter "Texture Object Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! texture_object_management { ($then:ident) => { $then! {
    chapter "Texture Object Management";

    /// Creates a texture object.
    #[since(5000)] deny fn cuTexObjectCreate(
        pTexObject: Out<TexObject> = new, pResDesc: In<Struct<CUDA_RESOURCE_DESC>>, pTexDesc: In<Struct<CUDA_TEXTURE_DESC>>,
        pResViewDesc: Option<In<Struct<CUDA_RESOURCE_VIEW_DESC>>>,
    );
    /// Destroys a texture object.
    #[since(5000)] deny fn cuTexObjectDestroy(texObject: TexObject = gone);
    /// What a texture object reads from.
    #[since(5000)] deny fn cuTexObjectGetResourceDesc(pResDesc: Out<Struct<CUDA_RESOURCE_DESC>>, texObject: TexObject);
    /// How a texture object reads.
    #[since(5000)] deny fn cuTexObjectGetTextureDesc(pTexDesc: Out<Struct<CUDA_TEXTURE_DESC>>, texObject: TexObject);
    /// As what a texture object sees its memory.
    #[since(5000)] deny fn cuTexObjectGetResourceViewDesc(pResViewDesc: Out<Struct<CUDA_RESOURCE_VIEW_DESC>>, texObject: TexObject);
} } }
