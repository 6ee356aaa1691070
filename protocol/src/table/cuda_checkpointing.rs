//! The chapter "CUDA Checkpointing". What a row says: [`crate::table`].

#[macro_export]
macro_rules! cuda_checkpointing { ($then:ident) => { $then! {
    chapter "CUDA Checkpointing";

    /// The thread of a process that restores it.
    #[since(12080)] deny fn cuCheckpointProcessGetRestoreThreadId(pid: i32, tid: Out<i32>);
    /// Whether a process runs, is locked or is checkpointed.
    #[since(12080)] deny fn cuCheckpointProcessGetState(pid: i32, state: Out<Enum<CUprocessState>>);
    /// Stops a process's CUDA calls.
    #[since(12080)] deny fn cuCheckpointProcessLock(pid: i32, args: Option<In<Struct<CUcheckpointLockArgs>>>);
    /// Takes a locked process off its devices.
    #[since(12080)] deny fn cuCheckpointProcessCheckpoint(pid: i32, args: Option<InOut<Struct<CUcheckpointCheckpointArgs>>>);
    /// Puts a process back on devices.
    #[since(12080)] deny fn cuCheckpointProcessRestore(pid: i32, args: Option<InOut<Struct<CUcheckpointRestoreArgs>>>);
    /// Ends a checkpoint or restore whose bytes the program stored itself.
    #[since(13040)] deny fn cuCheckpointOperationComplete(handle: CheckpointOperation);
    /// Lets a process's CUDA calls go on.
    #[since(12080)] deny fn cuCheckpointProcessUnlock(pid: i32, args: Option<In<Struct<CUcheckpointUnlockArgs>>>);
} } }
