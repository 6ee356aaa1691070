//! The chapter "Surface Reference Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! surface_reference_management {
    ($then:ident) => {
        $then! {
            chapter "Surface Reference Management";

            /// Binds an array to a surface reference.
            #[since(3000)] deny fn cuSurfRefSetArray(hSurfRef: SurfRef, hArray: Array, Flags: u32);
            /// The array bound to a surface reference.
            #[since(3000)] deny fn cuSurfRefGetArray(phArray: Out<Array>, hSurfRef: SurfRef);
        }
    };
}
