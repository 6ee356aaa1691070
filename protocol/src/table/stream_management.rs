//! The chapter "Stream Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! stream_management { ($then:ident) => { $then! {
    chapter "Stream Management";

    /// Creates a stream.
    #[since(2000)] hand fn cuStreamCreate(phStream: Out<Stream> = new, Flags: u32); // the shim chooses the id and remembers the flags
    /// Creates a stream with a priority.
    #[since(5050)] hand fn cuStreamCreateWithPriority(phStream: Out<Stream> = new, flags: u32, priority: i32); // the shim chooses the id and remembers the flags
    /// Begins to capture a stream into a graphics API's command list.
    #[since(13010)] deny fn cuStreamBeginCaptureToCig | cuStreamBeginCaptureToCig_ptsz (
        hStream: Stream, streamCigCaptureParams: In<Struct<CUstreamCigCaptureParams>>,
    );
    /// Ends the capture into a graphics API's command list.
    #[since(13010)] deny fn cuStreamEndCaptureToCig | cuStreamEndCaptureToCig_ptsz (hStream: Stream);
    /// A stream's priority.
    #[since(5050)] here fn cuStreamGetPriority | cuStreamGetPriority_ptsz (hStream: Stream, priority: Out<i32>);
    /// The device of a stream.
    #[since(12080)] here fn cuStreamGetDevice | cuStreamGetDevice_ptsz (hStream: Stream, device: Out<Device>);
    /// The flags that a stream was created with.
    #[since(5050)] here fn cuStreamGetFlags | cuStreamGetFlags_ptsz (hStream: Stream, flags: Out<u32>);
    /// A number that no other stream of the process ever had.
    #[since(12000)] here fn cuStreamGetId | cuStreamGetId_ptsz (hStream: Stream, streamId: Out<u64>);
    /// The context of a stream, or its green context.
    #[since(12050)] here fn cuStreamGetCtx_v2 | cuStreamGetCtx_v2_ptsz (
        hStream: Stream, pCtx: Option<Out<Context>>, pGreenCtx: Option<Out<GreenCtx>>,
    );
    /// The context of a stream, as before CUDA 12.5.
    #[since(9020)] here fn cuStreamGetCtx | cuStreamGetCtx_ptsz (hStream: Stream, pctx: Out<Context>);
    /// Makes later work of a stream wait for an event.
    #[since(3020)] tell fn cuStreamWaitEvent | cuStreamWaitEvent_ptsz (hStream: Stream, hEvent: Event, Flags: u32);
    /// Has a host function called when the stream gets there, with the stream's status.
    #[since(5000)] hand fn cuStreamAddCallback | cuStreamAddCallback_ptsz ( // the function runs in the client
        hStream: Stream, callback: HostFn<CUstreamCallback>, userData: HostPtr, flags: u32,
    );
    /// Begins to capture a stream into a new graph.
    #[since(10010)] here fn cuStreamBeginCapture_v2 | cuStreamBeginCapture_v2_ptsz (hStream: Stream, mode: Enum<CUstreamCaptureMode>);
    /// Begins to capture a stream into a new graph, as before CUDA 10.1.
    #[since(10000)] here fn cuStreamBeginCapture | cuStreamBeginCapture_ptsz (hStream: Stream);
    /// Begins to capture a stream over a graph that was captured before.
    #[since(13030)] deny fn cuStreamBeginRecaptureToGraph | cuStreamBeginRecaptureToGraph_ptsz (
        hStream: Stream, mode: Enum<CUstreamCaptureMode>, hGraph: Graph, callbackFunc: HostFn<CUgraphRecaptureCallback>, userData: HostPtr,
    );
    /// Begins to capture a stream into a graph that exists.
    #[since(12030)] here fn cuStreamBeginCaptureToGraph | cuStreamBeginCaptureToGraph_ptsz (
        hStream: Stream, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        dependencyData: Option<In<Struct<CUgraphEdgeData>>>[numDependencies], numDependencies: usize, mode: Enum<CUstreamCaptureMode>,
    );
    /// Swaps the thread's capture mode.
    #[since(10010)] here fn cuThreadExchangeStreamCaptureMode(mode: InOut<Enum<CUstreamCaptureMode>>);
    /// Ends a capture and returns its graph.
    #[since(10000)] here fn cuStreamEndCapture | cuStreamEndCapture_ptsz (hStream: Stream, phGraph: Out<Graph> = new);
    /// Whether a stream is being captured.
    #[since(10000)] here fn cuStreamIsCapturing | cuStreamIsCapturing_ptsz (hStream: Stream, captureStatus: Out<Enum<CUstreamCaptureStatus>>);
    /// A stream's capture: state, number, graph and dependencies with their data.
    #[since(12030)] here fn cuStreamGetCaptureInfo_v3 | cuStreamGetCaptureInfo_v3_ptsz (
        hStream: Stream, captureStatus_out: Out<Enum<CUstreamCaptureStatus>>, id_out: Option<Out<u64>>, graph_out: Option<Out<Graph>>,
        dependencies_out: Option<Out<In<GraphNode>>>, edgeData_out: Option<Out<In<Struct<CUgraphEdgeData>>>>,
        numDependencies_out: Option<Out<usize>>,
    );
    /// A stream's capture: state, number, graph and dependencies.
    #[since(11030)] here fn cuStreamGetCaptureInfo_v2 | cuStreamGetCaptureInfo_v2_ptsz (
        hStream: Stream, captureStatus_out: Out<Enum<CUstreamCaptureStatus>>, id_out: Option<Out<u64>>, graph_out: Option<Out<Graph>>,
        dependencies_out: Option<Out<In<GraphNode>>>, numDependencies_out: Option<Out<usize>>,
    );
    /// A stream's capture: state and number.
    #[since(10010)] here fn cuStreamGetCaptureInfo | cuStreamGetCaptureInfo_ptsz (
        hStream: Stream, captureStatus_out: Out<Enum<CUstreamCaptureStatus>>, id_out: Option<Out<u64>>,
    );
    /// Changes what the next captured node of a stream depends on.
    #[since(12030)] here fn cuStreamUpdateCaptureDependencies_v2 | cuStreamUpdateCaptureDependencies_v2_ptsz (
        hStream: Stream, dependencies: Option<In<GraphNode>>[numDependencies],
        dependencyData: Option<In<Struct<CUgraphEdgeData>>>[numDependencies], numDependencies: usize, flags: u32,
    );
    /// Changes what the next captured node of a stream depends on, as before CUDA 12.3.
    #[since(11030)] here fn cuStreamUpdateCaptureDependencies | cuStreamUpdateCaptureDependencies_ptsz (
        hStream: Stream, dependencies: Option<In<GraphNode>>[numDependencies], numDependencies: usize, flags: u32,
    );
    /// Ties managed memory to a stream.
    #[since(6000)] here fn cuStreamAttachMemAsync | cuStreamAttachMemAsync_ptsz (hStream: Stream, dptr: DevPtr[length], length: usize, flags: u32);
    /// Whether all work of a stream is done.
    #[since(2000)] ask fn cuStreamQuery | cuStreamQuery_ptsz (hStream: Stream);
    /// Waits for all work of a stream.
    #[since(2000)] hand fn cuStreamSynchronize | cuStreamSynchronize_ptsz (hStream: Stream); // other threads go on while this one waits
    /// Destroys a stream; its work still runs to its end.
    #[since(4000)] hand fn cuStreamDestroy_v2(hStream: Stream = gone); // the shim forgets what it remembered
    /// Destroys a stream; its work still runs to its end, as before CUDA 4.0.
    #[since(2000)] hand fn cuStreamDestroy(hStream: Stream = gone); // the shim forgets what it remembered
    /// Copies a stream's attributes to another.
    #[since(11000)] hand fn cuStreamCopyAttributes | cuStreamCopyAttributes_ptsz (dstStream: Stream, srcStream: Stream); // the shim knows which attributes cross
    /// One attribute of a stream.
    #[since(11000)] hand fn cuStreamGetAttribute | cuStreamGetAttribute_ptsz ( // the shim knows which attributes cross
        hStream: Stream, attr: Enum<CUstreamAttrID>, value: Out<Struct<CUstreamAttrValue>>,
    );
    /// Sets one attribute of a stream.
    #[since(11000)] hand fn cuStreamSetAttribute | cuStreamSetAttribute_ptsz ( // the shim knows which attributes cross
        hStream: Stream, attr: Enum<CUstreamAttrID>, param: In<Struct<CUstreamAttrValue>>,
    );
} } }
