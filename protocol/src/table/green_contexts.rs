//! The chapter "Green Contexts". What a row says: [`crate::table`].

#[macro_export]
macro_rules! green_contexts { ($then:ident) => { $then! {
    chapter "Green Contexts";

    /// Creates a context with a part of a device.
    #[since(12040)] deny fn cuGreenCtxCreate(phCtx: Out<GreenCtx> = new, desc: DevResourceDesc, dev: Device, flags: u32);
    /// Destroys a green context.
    #[since(12040)] deny fn cuGreenCtxDestroy(hCtx: GreenCtx = gone);
    /// A green context in the guise of an ordinary one.
    #[since(12040)] deny fn cuCtxFromGreenCtx(pContext: Out<Context>, hCtx: GreenCtx);
    /// What a device has to divide.
    #[since(12040)] deny fn cuDeviceGetDevResource(device: Device, resource: Out<Struct<CUdevResource>>, type_: Enum<CUdevResourceType>);
    /// What a context has to divide.
    #[since(12040)] deny fn cuCtxGetDevResource(hCtx: Context, resource: Out<Struct<CUdevResource>>, type_: Enum<CUdevResourceType>);
    /// What a green context has to divide.
    #[since(12040)] deny fn cuGreenCtxGetDevResource(hCtx: GreenCtx, resource: Out<Struct<CUdevResource>>, type_: Enum<CUdevResourceType>);
    /// Divides multiprocessors into equal groups.
    #[since(12040)] deny fn cuDevSmResourceSplitByCount(
        result: Option<Out<Struct<CUdevResource>>>, nbGroups: InOut<u32>, input: In<Struct<CUdevResource>>,
        remainder: Option<Out<Struct<CUdevResource>>>, flags: u32, minCount: u32,
    );
    /// Divides multiprocessors into groups as described.
    #[since(13010)] deny fn cuDevSmResourceSplit(
        result: Option<Out<Struct<CUdevResource>>>[nbGroups as usize], nbGroups: u32, input: In<Struct<CUdevResource>>,
        remainder: Option<Out<Struct<CUdevResource>>>, flags: u32,
        groupParams: InOut<Struct<CU_DEV_SM_RESOURCE_GROUP_PARAMS>>[nbGroups as usize],
    );
    /// Makes one description of several resources.
    #[since(12040)] deny fn cuDevResourceGenerateDesc(
        phDesc: Out<DevResourceDesc> = new, resources: In<Struct<CUdevResource>>[nbResources as usize], nbResources: u32,
    );
    /// Records all work of a green context in an event.
    #[since(12040)] deny fn cuGreenCtxRecordEvent(hCtx: GreenCtx, hEvent: Event);
    /// Makes all later work of a green context wait for an event.
    #[since(12040)] deny fn cuGreenCtxWaitEvent(hCtx: GreenCtx, hEvent: Event);
    /// The green context of a stream.
    #[since(12040)] here fn cuStreamGetGreenCtx(hStream: Stream, phCtx: Out<GreenCtx>);
    /// Creates a stream in a green context.
    #[since(12050)] deny fn cuGreenCtxStreamCreate(phStream: Out<Stream> = new in greenCtx, greenCtx: GreenCtx, flags: u32, priority: i32);
    /// A number that no other green context of the process ever had.
    #[since(12090)] deny fn cuGreenCtxGetId(greenCtx: GreenCtx, greenCtxId: Out<u64>);
    /// What a stream has to divide.
    #[since(13010)] deny fn cuStreamGetDevResource | cuStreamGetDevResource_ptsz (
        hStream: Stream, resource: Out<Struct<CUdevResource>>, type_: Enum<CUdevResourceType>,
    );
} } }
