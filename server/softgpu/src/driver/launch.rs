//! Launches: what a program asks for, held against what the device can do, and put into a stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farwarp_face::*;
use farwarp_protocol::graph;

use crate::driver::context::Context;
use crate::driver::edge::{In, Result, bytes_at};
use crate::driver::function::{Function, launchable};
use crate::driver::graph::Conditional;
use crate::driver::handles::Handle;
use crate::driver::job::Action;
use crate::driver::module::Variables;
use crate::driver::ranges::{Kind, Range};
use crate::driver::stream;
use crate::driver::{arena, limits, machine, memory, occupancy, transfer};
use crate::ptx;

/// One launch, as any of the launching functions spells it.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    pub function: Handle,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub stream: Handle,
    pub cooperative: bool,
    /// Addresses of the parameters' values, one pointer each.
    pub params: u64,
    /// Or a list of what the parameters are: a buffer and its size.
    pub extra: u64,
}

/// CU_LAUNCH_PARAM_END, _BUFFER_POINTER, _BUFFER_SIZE.
const END: u64 = 0;
const BUFFER_POINTER: u64 = 1;
const BUFFER_SIZE: u64 = 2;
/// A list of extras has two kinds of entry; one that is longer is garbage.
const EXTRAS_LIMIT: u64 = 8;

pub fn launch(request: &Request) -> Result {
    let place = stream::resolve(request.stream)?;
    let function = launchable(request.function, &place.context)?;
    if function.context != place.context.handle {
        return Err(CUDA_ERROR_INVALID_HANDLE);
    }
    check_size(request, &function)?;
    let params = parameters(request, &function)?;
    let action = action(request, &place.context, &function, params)?;
    let job = place.add(Vec::new(), action);
    if blocking() { stream::synchronize(&place.context, &[job]) } else { Ok(()) }
}

/// A launch as a job's action; the parameters are in their buffer already.
pub fn action(
    request: &Request,
    context: &Arc<Context>,
    function: &Arc<Function>,
    params: Vec<u8>,
) -> Result<Action> {
    match &function.compiled()?.kernel {
        Some(kernel) => run(request, context, function, kernel, params),
        None => Ok(Action::Nothing),
    }
}

/// A kernel node, held against what the device can do.
pub fn check_kernel(kernel: &graph::Kernel, context: &Context, function: &Function) -> Result<Request> {
    if function.context != context.handle {
        return Err(CUDA_ERROR_INVALID_HANDLE);
    }
    let cooperative = kernel.attributes.iter().any(|(id, value)| *id == COOPERATIVE && value[0] != 0);
    let graph::Kernel { function: handle, grid, block, shared_bytes, .. } = *kernel;
    let request =
        Request { function: handle, grid, block, shared_bytes, stream: 0, cooperative, params: 0, extra: 0 };
    check_size(&request, function)?;
    Ok(request)
}

/// CU_LAUNCH_ATTRIBUTE_COOPERATIVE.
const COOPERATIVE: u32 = 2;

fn run(
    request: &Request,
    context: &Arc<Context>,
    function: &Function,
    kernel: &Arc<ptx::Kernel>,
    params: Vec<u8>,
) -> Result<Action> {
    let console = context.console.clone();
    let workspace = request.cooperative.then(|| Workspace::make(context)).transpose()?;
    let launch = ptx::Launch {
        kernel: kernel.clone(),
        grid: request.grid,
        block: request.block,
        dynamic_shared_bytes: request.shared_bytes,
        params,
        cooperative: request.cooperative,
        workspace: workspace.as_ref().map_or(0, |workspace| workspace.0.start),
        heap: kernel.info().uses_heap.then(|| context.heap().cloned()).transpose()?,
        memory: context.viewer.clone(),
        printf: Arc::new(move |piece: String| console.print(&piece)),
        set_conditional: Conditional::set,
    };
    let holds = Holds { _variables: function.variables.clone(), _workspace: workspace };
    Ok(Action::Kernel(Box::new(launch), holds))
}

/// What a grid may touch, and the program can't keep for it: the variables of its module, which may be unloaded meanwhile,
/// and its workspace.
pub struct Holds {
    _variables: Arc<Variables>,
    _workspace: Option<Workspace>,
}

/// Where a cooperative grid counts who has come to its barrier: zeros at the beginning.
struct Workspace(Arc<Range>);

/// The runtime's headers use a few words of it.
const WORKSPACE_BYTES: usize = 512;

impl Workspace {
    fn make(context: &Context) -> Result<Workspace> {
        let kind = Kind::Variable { managed: false };
        let range = memory::allocate(context, WORKSPACE_BYTES as u64, arena::ALIGNMENT, kind)?;
        transfer::write(range.start, &[0; WORKSPACE_BYTES]);
        Ok(Workspace(range))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        memory::strike(&self.0);
    }
}

/// CUDA_LAUNCH_BLOCKING.
fn blocking() -> bool {
    static BLOCKING: once_cell::sync::Lazy<bool> = once_cell::sync::Lazy::new(|| {
        std::env::var("CUDA_LAUNCH_BLOCKING").is_ok_and(|value| value.trim() == "1")
    });
    *BLOCKING
}

fn check_size(request: &Request, function: &Function) -> Result {
    let info = function.info()?;
    let fits = |asked: [u32; 3], most: [i32; 3]| {
        asked.iter().zip(most).all(|(asked, most)| *asked > 0 && i64::from(*asked) <= i64::from(most))
    };
    let threads = request.block.iter().map(|side| u64::from(*side)).product::<u64>();
    if !fits(request.grid, limits::GRID)
        || !fits(request.block, limits::BLOCK)
        || threads > limits::THREADS_PER_BLOCK as u64
    {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if info.required_threads.is_some_and(|required| required != request.block)
        || threads > u64::from(info.max_threads_per_block)
    {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let dynamic = i64::from(request.shared_bytes);
    let allowed = i64::from(function.settings.max_dynamic_shared_bytes.load(Ordering::Relaxed));
    let most = if allowed > i64::from(limits::SHARED_PER_BLOCK_BYTES) {
        i64::from(limits::SHARED_PER_BLOCK_OPTIN_BYTES)
    } else {
        i64::from(limits::SHARED_PER_BLOCK_BYTES)
    };
    if dynamic > allowed || dynamic + i64::from(info.static_shared_bytes) > most {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if request.cooperative {
        check_cooperative(request, function, threads)?;
    }
    Ok(())
}

/// All blocks of a cooperative grid are there at once.
fn check_cooperative(request: &Request, function: &Function, threads: u64) -> Result {
    let blocks = request.grid.iter().map(|side| u64::from(*side)).product::<u64>();
    let each = occupancy::blocks_per_multiprocessor(function, threads as i32, request.shared_bytes as usize)?;
    let room = each as u64 * machine::cores() as u64;
    if blocks > room { Err(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE) } else { Ok(()) }
}

/// The parameter block, read now: the program may change its values as soon as the call returns.
fn parameters(request: &Request, function: &Function) -> Result<Vec<u8>> {
    let mut block = vec![0; function.entry.param_bytes as usize];
    if request.params != 0 && request.extra != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if request.extra != 0 {
        let buffer = extra_buffer(request.extra)?;
        let ends = function.entry.params.iter().map(|parameter| parameter.offset + parameter.size);
        if (buffer.len() as u64) < ends.max().map_or(0, u64::from) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let kept = buffer.len().min(block.len());
        block[..kept].copy_from_slice(&buffer[..kept]);
        return Ok(block);
    }
    let parameters = &function.entry.params;
    if request.params == 0 && !parameters.is_empty() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    for (index, parameter) in parameters.iter().enumerate() {
        let value = In::<u64>::at(request.params + 8 * index as u64).get()?;
        if value == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let (at, size) = (parameter.offset as usize, parameter.size as usize);
        block[at..at + size].copy_from_slice(&bytes_at(value, size));
    }
    Ok(block)
}

fn extra_buffer(list: u64) -> Result<Vec<u8>> {
    let (mut buffer, mut size) = (0, None);
    for index in 0..EXTRAS_LIMIT {
        let word = |offset: u64| In::<u64>::at(list + 16 * index + offset).get();
        match word(0)? {
            END => break,
            BUFFER_POINTER => buffer = word(8)?,
            BUFFER_SIZE => size = Some(In::<u64>::at(word(8)?).get()?),
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
    }
    match (buffer, size) {
        (0, Some(0)) | (_, Some(0)) => Ok(Vec::new()),
        (0, _) | (_, None) => Err(CUDA_ERROR_INVALID_VALUE),
        (buffer, Some(size)) if size <= limits::KERNEL_PARAM_BYTES as u64 => {
            Ok(bytes_at(buffer, size as usize))
        }
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}
