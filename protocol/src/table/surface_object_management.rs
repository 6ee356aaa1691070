//! The chapter "Surface Object Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! surface_object_management { ($then:ident) => { $then! {
    chapter "Surface Object Management";

    /// Creates a surface object.
    #[since(5000)] deny fn cuSurfObjectCreate(pSurfObject: Out<SurfObject> = new, pResDesc: In<Struct<CUDA_RESOURCE_DESC>>);
    /// Destroys a surface object.
    #[since(5000)] deny fn cuSurfObjectDestroy(surfObject: SurfObject = gone);
    /// What a surface object writes to.
    #[since(5000)] deny fn cuSurfObjectGetResourceDesc(pResDesc: Out<Struct<CUDA_RESOURCE_DESC>>, surfObject: SurfObject);
} } }
