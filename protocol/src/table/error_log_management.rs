//! The chapter "Error Log Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! error_log_management { ($then:ident) => { $then! {
    chapter "Error Log Management";

    /// Has a function called for each line of the driver's error log.
    #[since(12090)] deny fn cuLogsRegisterCallback(callbackFunc: HostFn<CUlogsCallback>, userData: HostPtr, callback_out: Out<LogsCallbackHandle>);
    /// Takes that function back.
    #[since(12090)] deny fn cuLogsUnregisterCallback(callback: LogsCallbackHandle);
    /// The end of the driver's error log as it is now.
    #[since(12090)] deny fn cuLogsCurrent(iterator_out: Out<LogIterator>, flags: u32);
    /// Writes the driver's error log to a file.
    #[since(12090)] deny fn cuLogsDumpToFile(iterator: Option<InOut<LogIterator>>, pathToFile: In<Path>, flags: u32);
    /// Writes the driver's error log to memory.
    #[since(12090)] deny fn cuLogsDumpToMemory(iterator: Option<InOut<LogIterator>>, buffer: Out<Text>, size: InOut<usize>, flags: u32);
} } }
