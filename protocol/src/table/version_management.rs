//! The chapter "Version Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! version_management {
    ($then:ident) => {
        $then! {
            chapter "Version Management";

            /// The newest CUDA version that the driver speaks; needs no cuInit.
            #[since(2020)] here fn cuDriverGetVersion(driverVersion: Out<i32>);
        }
    };
}
