//! The chapter "Texture Object Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! texture_object_management { ($then:ident) => { $then! {
    chapter "Texture Object Management";

    /// Creates a texture object.
    #[since(5000)] hand fn cuTexObjectCreate( // the struct names what is the session's
        pTexObject: Out<TexObject> = new, pResDesc: In<Struct<CUDA_RESOURCE_DESC>>, pTexDesc: In<Struct<CUDA_TEXTURE_DESC>>,
        pResViewDesc: Option<In<Struct<CUDA_RESOURCE_VIEW_DESC>>>,
    );
    /// Destroys a texture object.
    #[since(5000)] hand fn cuTexObjectDestroy(texObject: TexObject = gone); // the struct names what is the session's
    /// What a texture object reads from.
    #[since(5000)] hand fn cuTexObjectGetResourceDesc(pResDesc: Out<Struct<CUDA_RESOURCE_DESC>>, texObject: TexObject); // the struct names what is the session's
    /// How a texture object reads.
    #[since(5000)] hand fn cuTexObjectGetTextureDesc(pTexDesc: Out<Struct<CUDA_TEXTURE_DESC>>, texObject: TexObject); // the struct names what is the session's
    /// As what a texture object sees its memory.
    #[since(5000)] hand fn cuTexObjectGetResourceViewDesc(pResViewDesc: Out<Struct<CUDA_RESOURCE_VIEW_DESC>>, texObject: TexObject); // the struct names what is the session's
} } }
