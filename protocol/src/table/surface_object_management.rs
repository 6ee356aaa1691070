//! The chapter "Surface Object Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! surface_object_management {
    ($then:ident) => {
        $then! {
            chapter "Surface Object Management";

            /// Creates a surface object.
            #[since(5000)] hand fn cuSurfObjectCreate(pSurfObject: Out<SurfObject> = new, pResDesc: In<Struct<CUDA_RESOURCE_DESC>>); // the struct names what is the session's
            /// Destroys a surface object.
            #[since(5000)] hand fn cuSurfObjectDestroy(surfObject: SurfObject = gone); // the struct names what is the session's
            /// What a surface object writes to.
            #[since(5000)] hand fn cuSurfObjectGetResourceDesc(pResDesc: Out<Struct<CUDA_RESOURCE_DESC>>, surfObject: SurfObject); // the struct names what is the session's
        }
    };
}
