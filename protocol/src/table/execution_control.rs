//! The chapter "Execution Control". What a row says: [`crate::table`].

#[macro_export]
macro_rules! execution_control { ($then:ident) => { $then! {
    chapter "Execution Control";

    /// One number about a function.
    #[since(2020)] hand fn cuFuncGetAttribute( // the shim knows what the image holds
        pi: Out<i32>, attrib: Enum<CUfunction_attribute>, hfunc: Function,
    );
    /// Sets one number of a function.
    #[since(9000)] ask fn cuFuncSetAttribute(hfunc: Function, attrib: Enum<CUfunction_attribute>, value: i32);
    /// Prefers L1 cache or shared memory for a function.
    #[since(3000)] ask fn cuFuncSetCacheConfig(hfunc: Function, config: Enum<CUfunc_cache>);
    /// The module that a function came from.
    #[since(11000)] here fn cuFuncGetModule(hmod: Out<Module>, hfunc: Function);
    /// A function's name, as its image spells it.
    #[since(12030)] here fn cuFuncGetName(name: Out<In<Text>>, hfunc: Function);
    /// Where a function's parameter stands, and its size.
    #[since(12040)] hand fn cuFuncGetParamInfo( // the shim knows what the image holds
        func: Function, paramIndex: usize, paramOffset: Out<usize>, paramSize: Option<Out<usize>>,
    );
    /// How many parameters a function has.
    #[since(13020)] hand fn cuFuncGetParamCount(func: Function, paramCount: Out<usize>); // the shim knows what the image holds
    /// Whether a lazily loaded function is there yet.
    #[since(12040)] here fn cuFuncIsLoaded(state: Out<Enum<CUfunctionLoadingState>>, function: Function);
    /// Loads a lazily loaded function now.
    #[since(12040)] ask fn cuFuncLoad(function: Function);
    /// Launches a kernel.
    #[since(4000)] hand fn cuLaunchKernel | cuLaunchKernel_ptsz ( // the parameters' layout comes from the function
        f: Launchable, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32,
        hStream: Stream, kernelParams: Option<In<HostPtr>>, extra: Option<In<HostPtr>>,
    );
    /// Launches a kernel, with attributes.
    #[since(11060)] hand fn cuLaunchKernelEx | cuLaunchKernelEx_ptsz ( // the parameters' layout comes from the function
        config: In<Struct<CUlaunchConfig>>, f: Launchable, kernelParams: Option<In<HostPtr>>, extra: Option<In<HostPtr>>,
    );
    /// Launches a kernel whose blocks may wait for each other.
    #[since(9000)] hand fn cuLaunchCooperativeKernel | cuLaunchCooperativeKernel_ptsz ( // the parameters' layout comes from the function
        f: Launchable, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32,
        hStream: Stream, kernelParams: Option<In<HostPtr>>,
    );
    /// Has a host function called when the stream gets there, with a choice of how the stream waits.
    #[since(13010)] hand fn cuLaunchHostFunc_v2 | cuLaunchHostFunc_v2_ptsz ( // the function runs in the client
        hStream: Stream, fn_: HostFn<CUhostFn>, userData: HostPtr, syncMode: u32,
    );
    /// Has a host function called when the stream gets there, as before CUDA 13.1.
    #[since(10000)] hand fn cuLaunchHostFunc | cuLaunchHostFunc_ptsz ( // the function runs in the client
        hStream: Stream, fn_: HostFn<CUhostFn>, userData: HostPtr,
    );

    // Deprecated.

    /// Sets the block of the launch that comes next.
    #[since(2000)] here fn cuFuncSetBlockShape(hfunc: Function, x: i32, y: i32, z: i32);
    /// Sets the shared memory of the launch that comes next.
    #[since(2000)] here fn cuFuncSetSharedSize(hfunc: Function, bytes: u32);
    /// Sets the size of the parameters of the launch that comes next.
    #[since(2000)] here fn cuParamSetSize(hfunc: Function, numbytes: u32);
    /// Sets an integer parameter of the launch that comes next.
    #[since(2000)] here fn cuParamSeti(hfunc: Function, offset: i32, value: u32);
    /// Sets a float parameter of the launch that comes next.
    #[since(2000)] here fn cuParamSetf(hfunc: Function, offset: i32, value: f32);
    /// Sets parameter bytes of the launch that comes next.
    #[since(2000)] here fn cuParamSetv(hfunc: Function, offset: i32, ptr: In<Bytes>[numbytes as usize], numbytes: u32);
    /// Launches one block of what cuFuncSet… and cuParamSet… prepared.
    #[since(2000)] hand fn cuLaunch(f: Function); // what was prepared is kept in the shim
    /// Launches a grid of what cuFuncSet… and cuParamSet… prepared.
    #[since(2000)] hand fn cuLaunchGrid(f: Function, grid_width: i32, grid_height: i32); // what was prepared is kept in the shim
    /// Launches a grid of what cuFuncSet… and cuParamSet… prepared, in stream order.
    #[since(2000)] hand fn cuLaunchGridAsync(f: Function, grid_width: i32, grid_height: i32, hStream: Stream); // what was prepared is kept in the shim
    /// Launches a cooperative kernel on several devices.
    #[since(9000)] deny fn cuLaunchCooperativeKernelMultiDevice(
        launchParamsList: In<Struct<CUDA_LAUNCH_PARAMS>>[numDevices as usize], numDevices: u32, flags: u32,
    );
    /// Makes a texture reference known to the launch that comes next.
    #[since(2000)] deny fn cuParamSetTexRef(hfunc: Function, texunit: i32, hTexRef: TexRef);
    /// Sets the width of a function's shared memory banks.
    #[since(4020)] ask fn cuFuncSetSharedMemConfig(hfunc: Function, config: Enum<CUsharedconfig>);
} } }
