//! The chapter "Graph Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! graph_management { ($then:ident) => { $then! {
    chapter "Graph Management";

    /// Creates an empty graph.
    #[since(10000)] here fn cuGraphCreate(phGraph: Out<Graph> = new, flags: u32);
    /// Adds a kernel launch to a graph.
    #[since(12000)] here fn cuGraphAddKernelNode_v2(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: In<Struct<CUDA_KERNEL_NODE_PARAMS>>,
    );
    /// Adds a kernel launch to a graph, in 32-bit sizes.
    #[since(10000)] here fn cuGraphAddKernelNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: In<Struct<CUDA_KERNEL_NODE_PARAMS_v1>>,
    );
    /// The launch of a kernel node.
    #[since(12000)] here fn cuGraphKernelNodeGetParams_v2(hNode: GraphNode, nodeParams: Out<Struct<CUDA_KERNEL_NODE_PARAMS>>);
    /// The launch of a kernel node, in 32-bit sizes.
    #[since(10000)] here fn cuGraphKernelNodeGetParams(hNode: GraphNode, nodeParams: Out<Struct<CUDA_KERNEL_NODE_PARAMS_v1>>);
    /// Sets the launch of a kernel node.
    #[since(12000)] here fn cuGraphKernelNodeSetParams_v2(hNode: GraphNode, nodeParams: In<Struct<CUDA_KERNEL_NODE_PARAMS>>);
    /// Sets the launch of a kernel node, in 32-bit sizes.
    #[since(10000)] here fn cuGraphKernelNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUDA_KERNEL_NODE_PARAMS_v1>>);
    /// Adds a copy to a graph.
    #[since(10000)] here fn cuGraphAddMemcpyNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, copyParams: In<Struct<CUDA_MEMCPY3D>>, ctx: Context,
    );
    /// The copy of a copy node.
    #[since(10000)] deny fn cuGraphMemcpyNodeGetParams(hNode: GraphNode, nodeParams: Out<Struct<CUDA_MEMCPY3D>>);
    /// Sets the copy of a copy node.
    #[since(10000)] deny fn cuGraphMemcpyNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUDA_MEMCPY3D>>);
    /// Adds a memset to a graph.
    #[since(10000)] here fn cuGraphAddMemsetNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, memsetParams: In<Struct<CUDA_MEMSET_NODE_PARAMS>>, ctx: Context,
    );
    /// The memset of a memset node.
    #[since(10000)] deny fn cuGraphMemsetNodeGetParams(hNode: GraphNode, nodeParams: Out<Struct<CUDA_MEMSET_NODE_PARAMS>>);
    /// Sets the memset of a memset node.
    #[since(10000)] deny fn cuGraphMemsetNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUDA_MEMSET_NODE_PARAMS>>);
    /// Adds a host function to a graph.
    #[since(10000)] here fn cuGraphAddHostNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: In<Struct<CUDA_HOST_NODE_PARAMS>>,
    );
    /// The function of a host node.
    #[since(10000)] here fn cuGraphHostNodeGetParams(hNode: GraphNode, nodeParams: Out<Struct<CUDA_HOST_NODE_PARAMS>>);
    /// Sets the function of a host node.
    #[since(10000)] here fn cuGraphHostNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUDA_HOST_NODE_PARAMS>>);
    /// Adds a graph to a graph.
    #[since(10000)] here fn cuGraphAddChildGraphNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, childGraph: Graph,
    );
    /// The graph in a child graph node.
    #[since(10000)] here fn cuGraphChildGraphNodeGetGraph(hNode: GraphNode, phGraph: Out<Graph>);
    /// Adds a node that does nothing to a graph.
    #[since(10000)] here fn cuGraphAddEmptyNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize,
    );
    /// Adds the record of an event to a graph.
    #[since(11010)] here fn cuGraphAddEventRecordNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, event: Event,
    );
    /// The event of a record node.
    #[since(11010)] here fn cuGraphEventRecordNodeGetEvent(hNode: GraphNode, event_out: Out<Event>);
    /// Sets the event of a record node.
    #[since(11010)] here fn cuGraphEventRecordNodeSetEvent(hNode: GraphNode, event: Event);
    /// Adds the wait for an event to a graph.
    #[since(11010)] here fn cuGraphAddEventWaitNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, event: Event,
    );
    /// The event of a wait node.
    #[since(11010)] here fn cuGraphEventWaitNodeGetEvent(hNode: GraphNode, event_out: Out<Event>);
    /// Sets the event of a wait node.
    #[since(11010)] here fn cuGraphEventWaitNodeSetEvent(hNode: GraphNode, event: Event);
    /// Adds the signal of another API's semaphores to a graph.
    #[since(11020)] deny fn cuGraphAddExternalSemaphoresSignalNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: In<Struct<CUDA_EXT_SEM_SIGNAL_NODE_PARAMS>>,
    );
    /// The semaphores of a signal node.
    #[since(11020)] deny fn cuGraphExternalSemaphoresSignalNodeGetParams(hNode: GraphNode, params_out: Out<Struct<CUDA_EXT_SEM_SIGNAL_NODE_PARAMS>>);
    /// Sets the semaphores of a signal node.
    #[since(11020)] deny fn cuGraphExternalSemaphoresSignalNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUDA_EXT_SEM_SIGNAL_NODE_PARAMS>>);
    /// Adds the wait for another API's semaphores to a graph.
    #[since(11020)] deny fn cuGraphAddExternalSemaphoresWaitNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: In<Struct<CUDA_EXT_SEM_WAIT_NODE_PARAMS>>,
    );
    /// The semaphores of a wait node.
    #[since(11020)] deny fn cuGraphExternalSemaphoresWaitNodeGetParams(hNode: GraphNode, params_out: Out<Struct<CUDA_EXT_SEM_WAIT_NODE_PARAMS>>);
    /// Sets the semaphores of a wait node.
    #[since(11020)] deny fn cuGraphExternalSemaphoresWaitNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUDA_EXT_SEM_WAIT_NODE_PARAMS>>);
    /// Adds stream memory operations to a graph.
    #[since(11070)] here fn cuGraphAddBatchMemOpNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: In<Struct<CUDA_BATCH_MEM_OP_NODE_PARAMS>>,
    );
    /// The operations of a memory operation node.
    #[since(11070)] here fn cuGraphBatchMemOpNodeGetParams(hNode: GraphNode, nodeParams_out: Out<Struct<CUDA_BATCH_MEM_OP_NODE_PARAMS>>);
    /// Sets the operations of a memory operation node.
    #[since(11070)] here fn cuGraphBatchMemOpNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUDA_BATCH_MEM_OP_NODE_PARAMS>>);
    /// Sets the operations of a memory operation node in an executable graph.
    #[since(11070)] hand fn cuGraphExecBatchMemOpNodeSetParams( // the graph goes up again
        hGraphExec: GraphExec, hNode: GraphNode, nodeParams: In<Struct<CUDA_BATCH_MEM_OP_NODE_PARAMS>>,
    );
    /// Adds an allocation to a graph.
    #[since(11040)] here fn cuGraphAddMemAllocNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: Out<Struct<CUDA_MEM_ALLOC_NODE_PARAMS>>,
    );
    /// The allocation of an allocation node.
    #[since(11040)] here fn cuGraphMemAllocNodeGetParams(hNode: GraphNode, params_out: Out<Struct<CUDA_MEM_ALLOC_NODE_PARAMS>>);
    /// Adds a free to a graph.
    #[since(11040)] here fn cuGraphAddMemFreeNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, dptr: DevPtr,
    );
    /// The address that a free node frees.
    #[since(11040)] here fn cuGraphMemFreeNodeGetParams(hNode: GraphNode, dptr_out: Out<DevPtr>);
    /// Gives a device's unused graph memory back.
    #[since(11040)] here fn cuDeviceGraphMemTrim(device: Device);
    /// One figure about a device's graph memory.
    #[since(11040)] here fn cuDeviceGetGraphMemAttribute(device: Device, attr: Enum<CUgraphMem_attribute>, value: Out<Bytes>[8]);
    /// Resets one figure about a device's graph memory.
    #[since(11040)] here fn cuDeviceSetGraphMemAttribute(device: Device, attr: Enum<CUgraphMem_attribute>, value: In<Bytes>[8]);
    /// Copies a graph.
    #[since(10000)] here fn cuGraphClone(phGraphClone: Out<Graph> = new, originalGraph: Graph);
    /// The node of a clone that was copied from a node.
    #[since(10000)] here fn cuGraphNodeFindInClone(phNode: Out<GraphNode> = new, hOriginalNode: GraphNode, hClonedGraph: Graph);
    /// What a node does.
    #[since(10000)] here fn cuGraphNodeGetType(hNode: GraphNode, type_: Out<Enum<CUgraphNodeType>>);
    /// The graph that a node is in.
    #[since(13010)] here fn cuGraphNodeGetContainingGraph(hNode: GraphNode, phGraph: Out<Graph>);
    /// A node's number within its graph.
    #[since(13010)] here fn cuGraphNodeGetLocalId(hNode: GraphNode, nodeId: Out<u32>);
    /// A node's number in the eyes of profilers.
    #[since(13010)] here fn cuGraphNodeGetToolsId(hNode: GraphNode, toolsNodeId: Out<u64>);
    /// A graph's number.
    #[since(13010)] here fn cuGraphGetId(hGraph: Graph, graphId: Out<u32>);
    /// An executable graph's number.
    #[since(13010)] here fn cuGraphExecGetId(hGraphExec: GraphExec, graphId: Out<u32>);
    /// The nodes of a graph.
    #[since(10000)] here fn cuGraphGetNodes(hGraph: Graph, nodes: Option<Out<GraphNode>>, numNodes: InOut<usize>);
    /// The nodes of a graph that wait for none.
    #[since(10000)] here fn cuGraphGetRootNodes(hGraph: Graph, rootNodes: Option<Out<GraphNode>>, numRootNodes: InOut<usize>);
    /// The dependencies within a graph.
    #[since(12030)] here fn cuGraphGetEdges_v2(
        hGraph: Graph, from: Option<Out<GraphNode>>, to: Option<Out<GraphNode>>, edgeData: Option<Out<Struct<CUgraphEdgeData>>>,
        numEdges: InOut<usize>,
    );
    /// The dependencies within a graph, as before CUDA 12.3.
    #[since(10000)] here fn cuGraphGetEdges(hGraph: Graph, from: Option<Out<GraphNode>>, to: Option<Out<GraphNode>>, numEdges: InOut<usize>);
    /// The nodes that a node waits for.
    #[since(12030)] here fn cuGraphNodeGetDependencies_v2(
        hNode: GraphNode, dependencies: Option<Out<GraphNode>>, edgeData: Option<Out<Struct<CUgraphEdgeData>>>,
        numDependencies: InOut<usize>,
    );
    /// The nodes that a node waits for, as before CUDA 12.3.
    #[since(10000)] here fn cuGraphNodeGetDependencies(hNode: GraphNode, dependencies: Option<Out<GraphNode>>, numDependencies: InOut<usize>);
    /// The nodes that wait for a node.
    #[since(12030)] here fn cuGraphNodeGetDependentNodes_v2(
        hNode: GraphNode, dependentNodes: Option<Out<GraphNode>>, edgeData: Option<Out<Struct<CUgraphEdgeData>>>,
        numDependentNodes: InOut<usize>,
    );
    /// The nodes that wait for a node, as before CUDA 12.3.
    #[since(10000)] here fn cuGraphNodeGetDependentNodes(hNode: GraphNode, dependentNodes: Option<Out<GraphNode>>, numDependentNodes: InOut<usize>);
    /// Adds dependencies to a graph.
    #[since(12030)] here fn cuGraphAddDependencies_v2(
        hGraph: Graph, from: In<GraphNode>[numDependencies], to: In<GraphNode>[numDependencies],
        edgeData: Option<In<Struct<CUgraphEdgeData>>>[numDependencies], numDependencies: usize,
    );
    /// Adds dependencies to a graph, as before CUDA 12.3.
    #[since(10000)] here fn cuGraphAddDependencies(
        hGraph: Graph, from: In<GraphNode>[numDependencies], to: In<GraphNode>[numDependencies], numDependencies: usize,
    );
    /// Removes dependencies from a graph.
    #[since(12030)] here fn cuGraphRemoveDependencies_v2(
        hGraph: Graph, from: In<GraphNode>[numDependencies], to: In<GraphNode>[numDependencies],
        edgeData: Option<In<Struct<CUgraphEdgeData>>>[numDependencies], numDependencies: usize,
    );
    /// Removes dependencies from a graph, as before CUDA 12.3.
    #[since(10000)] here fn cuGraphRemoveDependencies(
        hGraph: Graph, from: In<GraphNode>[numDependencies], to: In<GraphNode>[numDependencies], numDependencies: usize,
    );
    /// Removes a node and its dependencies.
    #[since(10000)] hand fn cuGraphDestroyNode(hNode: GraphNode = gone); // the shim forgets what it remembered
    /// Makes a graph executable.
    #[since(11040)] hand fn cuGraphInstantiateWithFlags(phGraphExec: Out<GraphExec> = new, hGraph: Graph, flags: u64); // the plan goes up in pieces
    /// Makes a graph executable, with a log of what was wrong.
    #[since(11000)] hand fn cuGraphInstantiate_v2( // the plan goes up in pieces
        phGraphExec: Out<GraphExec> = new, hGraph: Graph, phErrorNode: Option<Out<GraphNode>>, logBuffer: Option<Out<Text>>[bufferSize],
        bufferSize: usize,
    );
    /// Makes a graph executable, with a log of what was wrong, as before CUDA 11.0.
    #[since(10000)] hand fn cuGraphInstantiate( // the plan goes up in pieces
        phGraphExec: Out<GraphExec> = new, hGraph: Graph, phErrorNode: Option<Out<GraphNode>>, logBuffer: Option<Out<Text>>[bufferSize],
        bufferSize: usize,
    );
    /// Makes a graph executable, with parameters that also tell what was wrong.
    #[since(12000)] hand fn cuGraphInstantiateWithParams | cuGraphInstantiateWithParams_ptsz ( // the plan goes up in pieces
        phGraphExec: Out<GraphExec> = new, hGraph: Graph, instantiateParams: InOut<Struct<CUDA_GRAPH_INSTANTIATE_PARAMS>>,
    );
    /// The flags that a graph was made executable with.
    #[since(12000)] here fn cuGraphExecGetFlags(hGraphExec: GraphExec, flags: Out<u64>);
    /// Sets the launch of a kernel node in an executable graph.
    #[since(12000)] hand fn cuGraphExecKernelNodeSetParams_v2( // the graph goes up again
        hGraphExec: GraphExec, hNode: GraphNode, nodeParams: In<Struct<CUDA_KERNEL_NODE_PARAMS>>,
    );
    /// Sets the launch of a kernel node in an executable graph, in 32-bit sizes.
    #[since(10010)] hand fn cuGraphExecKernelNodeSetParams( // the graph goes up again
        hGraphExec: GraphExec, hNode: GraphNode, nodeParams: In<Struct<CUDA_KERNEL_NODE_PARAMS_v1>>,
    );
    /// Sets the copy of a copy node in an executable graph.
    #[since(10020)] hand fn cuGraphExecMemcpyNodeSetParams( // the graph goes up again
        hGraphExec: GraphExec, hNode: GraphNode, copyParams: In<Struct<CUDA_MEMCPY3D>>, ctx: Context,
    );
    /// Sets the memset of a memset node in an executable graph.
    #[since(10020)] hand fn cuGraphExecMemsetNodeSetParams( // the graph goes up again
        hGraphExec: GraphExec, hNode: GraphNode, memsetParams: In<Struct<CUDA_MEMSET_NODE_PARAMS>>, ctx: Context,
    );
    /// Sets the function of a host node in an executable graph.
    #[since(10020)] hand fn cuGraphExecHostNodeSetParams(hGraphExec: GraphExec, hNode: GraphNode, nodeParams: In<Struct<CUDA_HOST_NODE_PARAMS>>); // the graph goes up again
    /// Sets what a child graph's nodes do in an executable graph.
    #[since(11010)] hand fn cuGraphExecChildGraphNodeSetParams(hGraphExec: GraphExec, hNode: GraphNode, childGraph: Graph); // the graph goes up again
    /// Sets the event of a record node in an executable graph.
    #[since(11010)] hand fn cuGraphExecEventRecordNodeSetEvent(hGraphExec: GraphExec, hNode: GraphNode, event: Event); // the graph goes up again
    /// Sets the event of a wait node in an executable graph.
    #[since(11010)] hand fn cuGraphExecEventWaitNodeSetEvent(hGraphExec: GraphExec, hNode: GraphNode, event: Event); // the graph goes up again
    /// Sets the semaphores of a signal node in an executable graph.
    #[since(11020)] deny fn cuGraphExecExternalSemaphoresSignalNodeSetParams(
        hGraphExec: GraphExec, hNode: GraphNode, nodeParams: In<Struct<CUDA_EXT_SEM_SIGNAL_NODE_PARAMS>>,
    );
    /// Sets the semaphores of a wait node in an executable graph.
    #[since(11020)] deny fn cuGraphExecExternalSemaphoresWaitNodeSetParams(
        hGraphExec: GraphExec, hNode: GraphNode, nodeParams: In<Struct<CUDA_EXT_SEM_WAIT_NODE_PARAMS>>,
    );
    /// Switches a node of an executable graph on or off.
    #[since(11060)] hand fn cuGraphNodeSetEnabled(hGraphExec: GraphExec, hNode: GraphNode, isEnabled: u32); // the graph goes up again
    /// Whether a node of an executable graph is on.
    #[since(11060)] here fn cuGraphNodeGetEnabled(hGraphExec: GraphExec, hNode: GraphNode, isEnabled: Out<u32>);
    /// Brings an executable graph to the device before its first launch.
    #[since(11010)] hand fn cuGraphUpload | cuGraphUpload_ptsz (hGraph: GraphExec, hStream: Stream); // a graph that touches host memory stays here
    /// Launches an executable graph.
    #[since(10000)] hand fn cuGraphLaunch | cuGraphLaunch_ptsz (hGraph: GraphExec, hStream: Stream); // a graph that touches host memory is launched step by step
    /// Destroys an executable graph.
    #[since(10000)] hand fn cuGraphExecDestroy(hGraphExec: GraphExec = gone); // the shim forgets what it remembered
    /// Destroys a graph.
    #[since(10000)] hand fn cuGraphDestroy(hGraph: Graph = gone); // the shim forgets what it remembered
    /// Makes an executable graph do what a like graph says.
    #[since(12000)] hand fn cuGraphExecUpdate_v2(hGraphExec: GraphExec, hGraph: Graph, resultInfo: Out<Struct<CUgraphExecUpdateResultInfo>>); // the graph goes up again
    /// Makes an executable graph do what a like graph says, as before CUDA 12.0.
    #[since(10020)] hand fn cuGraphExecUpdate( // the graph goes up again
        hGraphExec: GraphExec, hGraph: Graph, hErrorNode_out: Out<GraphNode>, updateResult_out: Out<Enum<CUgraphExecUpdateResult>>,
    );
    /// Copies a kernel node's attributes to another.
    #[since(11000)] here fn cuGraphKernelNodeCopyAttributes(dst: GraphNode, src: GraphNode);
    /// One attribute of a kernel node.
    #[since(11000)] here fn cuGraphKernelNodeGetAttribute(
        hNode: GraphNode, attr: Enum<CUkernelNodeAttrID>, value_out: Out<Struct<CUkernelNodeAttrValue>>,
    );
    /// Sets one attribute of a kernel node.
    #[since(11000)] here fn cuGraphKernelNodeSetAttribute(hNode: GraphNode, attr: Enum<CUkernelNodeAttrID>, value: In<Struct<CUkernelNodeAttrValue>>);
    /// Writes a graph to a file in the DOT language.
    #[since(11030)] here fn cuGraphDebugDotPrint(hGraph: Graph, path: In<Path>, flags: u32);
    /// Creates an object that is destroyed with the last graph that holds it.
    #[since(11030)] here fn cuUserObjectCreate(
        object_out: Out<UserObject> = new, ptr: HostPtr, destroy: HostFn<CUhostFn>, initialRefcount: u32, flags: u32,
    );
    /// Takes references on a user object.
    #[since(11030)] here fn cuUserObjectRetain(object: UserObject, count: u32);
    /// Gives references on a user object back.
    #[since(11030)] here fn cuUserObjectRelease(object: UserObject, count: u32);
    /// Has a graph hold a user object.
    #[since(11030)] here fn cuGraphRetainUserObject(graph: Graph, object: UserObject, count: u32, flags: u32);
    /// Has a graph let a user object go.
    #[since(11030)] here fn cuGraphReleaseUserObject(graph: Graph, object: UserObject, count: u32);
    /// Adds a node of any type to a graph.
    #[since(13040)] here fn cuGraphAddNode_v3(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        dependencyData: Option<In<Struct<CUgraphEdgeData>>>[numDependencies], numDependencies: usize,
        nodeParams: Out<Struct<CUgraphNodeParams>>,
    );
    /// Adds a node of any type to a graph, as before CUDA 13.4.
    #[since(12030)] here fn cuGraphAddNode_v2(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        dependencyData: Option<In<Struct<CUgraphEdgeData>>>[numDependencies], numDependencies: usize,
        nodeParams: Out<Struct<CUgraphNodeParams>>,
    );
    /// Adds a node of any type to a graph, as before CUDA 12.3.
    #[since(12020)] here fn cuGraphAddNode(
        phGraphNode: Out<GraphNode> = new in hGraph, hGraph: Graph, dependencies: Option<In<GraphNode>>[numDependencies],
        numDependencies: usize, nodeParams: Out<Struct<CUgraphNodeParams>>,
    );
    /// Sets what a node of any type does.
    #[since(13040)] here fn cuGraphNodeSetParams_v2(hNode: GraphNode, nodeParams: In<Struct<CUgraphNodeParams>>);
    /// Sets what a node of any type does, as before CUDA 13.4.
    #[since(12020)] here fn cuGraphNodeSetParams(hNode: GraphNode, nodeParams: In<Struct<CUgraphNodeParams>>);
    /// What a node of any type does.
    #[since(13020)] here fn cuGraphNodeGetParams(hNode: GraphNode, nodeParams: Out<Struct<CUgraphNodeParams>>);
    /// Sets what a node of any type does in an executable graph.
    #[since(12020)] hand fn cuGraphExecNodeSetParams(hGraphExec: GraphExec, hNode: GraphNode, nodeParams: In<Struct<CUgraphNodeParams>>); // the graph goes up again
    /// Creates the value that a conditional node looks at.
    #[since(12030)] hand fn cuGraphConditionalHandleCreate( // the value is the driver's own
        pHandle_out: Out<ConditionalHandle> = new in hGraph, hGraph: Graph, ctx: Context, defaultLaunchValue: u32, flags: u32,
    );
} } }
