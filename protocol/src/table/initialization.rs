//! The chapter "Initialization". What a row says: [`crate::table`].

#[macro_export]
macro_rules! initialization {
    ($then:ident) => {
        $then! {
            chapter "Initialization";

            /// Initializes the driver; every other call needs it first.
            #[since(2000)] here fn cuInit(Flags: u32);
        }
    };
}
