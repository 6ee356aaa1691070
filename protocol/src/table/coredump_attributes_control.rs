//! The chapter "Coredump Attributes Control". What a row says: [`crate::table`].

#[macro_export]
macro_rules! coredump_attributes_control { ($then:ident) => { $then! {
    chapter "Coredump Attributes Control";

    /// One setting of the current context's core dumps.
    #[since(12010)] deny fn cuCoredumpGetAttribute(attrib: Enum<CUcoredumpSettings>, value: Option<Out<Bytes>>, size: InOut<usize>);
    /// One setting of all core dumps.
    #[since(12010)] deny fn cuCoredumpGetAttributeGlobal(attrib: Enum<CUcoredumpSettings>, value: Option<Out<Bytes>>, size: InOut<usize>);
    /// Sets one setting of the current context's core dumps.
    #[since(12010)] deny fn cuCoredumpSetAttribute(attrib: Enum<CUcoredumpSettings>, value: In<Bytes>, size: InOut<usize>);
    /// Sets one setting of all core dumps.
    #[since(12010)] deny fn cuCoredumpSetAttributeGlobal(attrib: Enum<CUcoredumpSettings>, value: In<Bytes>, size: InOut<usize>);
    /// Has a function called when a core dump begins.
    #[since(13020)] deny fn cuCoredumpRegisterStartCallback(
        callback: HostFn<CUcoredumpStatusCallback>, userData: HostPtr, callbackOut: Out<CoredumpCallbackHandle>,
    );
    /// Has a function called when a core dump is written.
    #[since(13020)] deny fn cuCoredumpRegisterCompleteCallback(
        callback: HostFn<CUcoredumpStatusCallback>, userData: HostPtr, callbackOut: Out<CoredumpCallbackHandle>,
    );
    /// Takes the function for the beginning back.
    #[since(13020)] deny fn cuCoredumpDeregisterStartCallback(callback: CoredumpCallbackHandle);
    /// Takes the function for the end back.
    #[since(13020)] deny fn cuCoredumpDeregisterCompleteCallback(callback: CoredumpCallbackHandle);
    /// A table of undocumented functions, by its UUID.
    #[since(3000)] here fn cuGetExportTable(ppExportTable: Out<In<Bytes>>, pExportTableId: In<Struct<CUuuid>>);
} } }
