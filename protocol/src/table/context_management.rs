//! The chapter "Context Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! context_management { ($then:ident) => { $then! {
    chapter "Context Management";

    /// Creates a context and makes it current.
    #[since(12050)] hand fn cuCtxCreate_v4( // the shim keeps contexts and each thread's stack of them
        pctx: Out<Context> = new, ctxCreateParams: Option<In<Struct<CUctxCreateParams>>>, flags: u32, dev: Device,
    );
    /// Creates a context that may be limited to some multiprocessors, and makes it current.
    #[since(11040)] hand fn cuCtxCreate_v3( // the shim keeps contexts and each thread's stack of them
        pctx: Out<Context> = new, paramsArray: Option<In<Struct<CUexecAffinityParam>>>[numParams.max(0) as usize], numParams: i32,
        flags: u32, dev: Device,
    );
    /// Creates a context and makes it current, as before CUDA 11.4.
    #[since(3020)] hand fn cuCtxCreate_v2( // the shim keeps contexts and each thread's stack of them
        pctx: Out<Context> = new, flags: u32, dev: Device,
    );
    /// Creates a context and makes it current, as before CUDA 3.2.
    #[since(2000)] hand fn cuCtxCreate(pctx: Out<Context> = new, flags: u32, dev: Device); // the shim keeps contexts and each thread's stack of them
    /// Destroys a context and all that it holds.
    #[since(4000)] hand fn cuCtxDestroy_v2(ctx: Context = gone); // the shim keeps contexts and each thread's stack of them
    /// Destroys a context and all that it holds, as before CUDA 4.0.
    #[since(2000)] hand fn cuCtxDestroy(ctx: Context = gone); // the shim keeps contexts and each thread's stack of them
    /// Makes a context current, on top of the thread's stack.
    #[since(4000)] here fn cuCtxPushCurrent_v2(ctx: Context);
    /// Makes a context current, on top of the thread's stack, as before CUDA 4.0.
    #[since(2000)] here fn cuCtxPushCurrent(ctx: Context);
    /// Takes the current context off the thread's stack.
    #[since(4000)] here fn cuCtxPopCurrent_v2(pctx: Option<Out<Context>>);
    /// Takes the current context off the thread's stack, as before CUDA 4.0.
    #[since(2000)] here fn cuCtxPopCurrent(pctx: Option<Out<Context>>);
    /// Replaces the top of the thread's stack of contexts.
    #[since(4000)] here fn cuCtxSetCurrent(ctx: Option<Context>);
    /// The thread's current context, or NULL.
    #[since(4000)] here fn cuCtxGetCurrent(pctx: Out<Context>);
    /// The device of a context.
    #[since(13000)] here fn cuCtxGetDevice_v2(device: Out<Device>, ctx: Option<Context>);
    /// The device of the current context, as before CUDA 13.0.
    #[since(2000)] here fn cuCtxGetDevice(device: Out<Device>);
    /// The flags of the current context.
    #[since(7000)] here fn cuCtxGetFlags(flags: Out<u32>);
    /// Sets the flags of the current context.
    #[since(12010)] here fn cuCtxSetFlags(flags: u32);
    /// A number that no other context of the process ever had.
    #[since(12000)] here fn cuCtxGetId(ctx: Option<Context>, ctxId: Out<u64>);
    /// Waits for all work of a context.
    #[since(13000)] hand fn cuCtxSynchronize_v2(ctx: Option<Context>); // other threads go on while this one waits
    /// Waits for all work of the current context, as before CUDA 13.0.
    #[since(2000)] hand fn cuCtxSynchronize(); // other threads go on while this one waits
    /// Sets a limit of the current context, rounded as the device likes.
    #[since(3010)] ask fn cuCtxSetLimit(limit: Enum<CUlimit>, value: usize);
    /// A limit of the current context.
    #[since(3010)] ask fn cuCtxGetLimit(pvalue: Out<usize>, limit: Enum<CUlimit>);
    /// How the current context divides L1 cache and shared memory.
    #[since(3020)] ask fn cuCtxGetCacheConfig(pconfig: Out<Enum<CUfunc_cache>>);
    /// Prefers L1 cache or shared memory for the current context.
    #[since(3020)] ask fn cuCtxSetCacheConfig(config: Enum<CUfunc_cache>);
    /// The API version that a context was made with.
    #[since(3020)] here fn cuCtxGetApiVersion(ctx: Option<Context>, version: Out<u32>);
    /// The least and the greatest priority that a stream can have.
    #[since(5050)] here fn cuCtxGetStreamPriorityRange(leastPriority: Option<Out<i32>>, greatestPriority: Option<Out<i32>>);
    /// Makes all persisting lines of the L2 cache ordinary again.
    #[since(11000)] ask fn cuCtxResetPersistingL2Cache();
    /// How the current context is limited.
    #[since(11040)] here fn cuCtxGetExecAffinity(pExecAffinity: Out<Struct<CUexecAffinityParam>>, type_: Enum<CUexecAffinityType>);
    /// Records all work of a context in an event.
    #[since(12050)] ask fn cuCtxRecordEvent(hCtx: Context, hEvent: Event);
    /// Makes all later work of a context wait for an event.
    #[since(12050)] ask fn cuCtxWaitEvent(hCtx: Context, hEvent: Event);

    // Deprecated.

    /// Takes a reference on the current context.
    #[since(2000)] here fn cuCtxAttach(pctx: Out<Context>, flags: u32);
    /// Gives a reference on a context back.
    #[since(2000)] hand fn cuCtxDetach(ctx: Context); // the shim keeps contexts and each thread's stack of them
    /// The width of the current context's shared memory banks.
    #[since(4020)] ask fn cuCtxGetSharedMemConfig(pConfig: Out<Enum<CUsharedconfig>>);
    /// Sets the width of the current context's shared memory banks.
    #[since(4020)] ask fn cuCtxSetSharedMemConfig(config: Enum<CUsharedconfig>);
} } }
