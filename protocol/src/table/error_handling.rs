//! The chapter "Error Handling". What a row says: [`crate::table`].

#[macro_export]
macro_rules! error_handling {
    ($then:ident) => {
        $then! {
            chapter "Error Handling";

            /// Describes an error in a sentence.
            #[since(6000)] here fn cuGetErrorString(error: Enum<CUresult>, pStr: Out<In<Text>>);
            /// Spells an error's name.
            #[since(6000)] here fn cuGetErrorName(error: Enum<CUresult>, pStr: Out<In<Text>>);
        }
    };
}
