//! What a program hands over as code, in any of its forms, and what of it can be run.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use farwarp_face::*;

use crate::driver::device::ComputeCapability;
use crate::driver::edge::{In, Result, Text, bytes_at};
use crate::driver::limits;
use crate::driver::settings::{self, Sass};
use crate::ptx::{self, EntryInfo, KernelInfo, ParamInfo, Program, PtxError, Space, Variable};
use crate::{cubin, fatbin};

/// Code that is ready to become modules.
pub struct Image {
    entries: Vec<EntryInfo>,
    by_name: HashMap<String, usize>,
    variables: Vec<Variable>,
    code: Code,
}

enum Code {
    Ptx(Arc<Program>),
    /// A cubin, whose launches do nothing: `FARWARP_SOFTGPU_SASS=record`.
    Recorded(HashMap<String, KernelInfo>),
}

/// An entry that is ready to be launched.
pub struct Compiled {
    pub info: KernelInfo,
    /// `None` where launches do nothing.
    pub kernel: Option<Arc<ptx::Kernel>>,
}

impl Image {
    fn new(entries: Vec<EntryInfo>, variables: Vec<Variable>, code: Code) -> Arc<Image> {
        let by_name = entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
        Arc::new(Image { entries, by_name, variables, code })
    }

    pub fn entries(&self) -> &[EntryInfo] {
        &self.entries
    }

    pub fn entry(&self, name: &str) -> Result<&EntryInfo> {
        self.by_name.get(name).map(|index| &self.entries[*index]).ok_or(CUDA_ERROR_NOT_FOUND)
    }

    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    pub fn function_address(&self, name: &str) -> Option<u64> {
        match &self.code {
            Code::Ptx(program) => program.function_address(name),
            Code::Recorded(_) => None,
        }
    }

    /// Compiles an entry; `addresses` says where variables lie.
    pub fn compile(&self, name: &str, addresses: &dyn Fn(&str) -> Option<u64>) -> Result<Compiled> {
        match &self.code {
            Code::Ptx(program) => {
                let kernel = ptx::compile(program, name, addresses).map_err(|error| ptx_error(&error))?;
                Ok(Compiled { info: kernel.info().clone(), kernel: Some(kernel) })
            }
            Code::Recorded(infos) => {
                let info = infos.get(name).ok_or(CUDA_ERROR_NOT_FOUND)?.clone();
                Ok(Compiled { info, kernel: None })
            }
        }
    }
}

/// `__fatBinC_Wrapper_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Wrapper {
    magic: u32,
    version: u32,
    data: u64,
    /// Version 1: a file name. Version 2: containers that were linked before, up to a NULL.
    more: u64,
}

/// The second version of a wrapper names several containers.
const WRAPPER_PRELINKED: u32 = 2;
/// No linker makes more of them.
const PRELINKED_LIMIT: u64 = 4096;

/// Reads the image at an address: a wrapper, a container, a cubin, or text that ends with NUL.
pub fn read(address: u64, capability: ComputeCapability) -> Result<Arc<Image>> {
    match In::<u32>::at(address).get()? {
        fatbin::WRAPPER_MAGIC => {
            let wrapper = In::<Wrapper>::at(address).get()?;
            let mut containers = Vec::new();
            if wrapper.data != 0 {
                containers.push(container(wrapper.data)?);
            }
            if wrapper.version == WRAPPER_PRELINKED {
                containers.extend(prelinked(wrapper.more)?);
            }
            from_containers(&containers, capability)
        }
        fatbin::MAGIC => from_containers(&[container(address)?], capability),
        cubin::MAGIC => from_cubin(|| elf(address)),
        _ => from_text(&Text::at(address).get()?),
    }
}

/// Reads an image that is a file's contents.
pub fn read_file(path: &str, capability: ComputeCapability) -> Result<Arc<Image>> {
    let mut bytes = std::fs::read(path).map_err(|_| CUDA_ERROR_FILE_NOT_FOUND)?;
    match bytes.first_chunk::<4>().map(|word| u32::from_le_bytes(*word)) {
        Some(fatbin::MAGIC) => from_containers(&[bytes], capability),
        Some(cubin::MAGIC) => from_cubin(|| Ok(bytes)),
        _ => {
            bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
            from_text(&String::from_utf8_lossy(&bytes))
        }
    }
}

fn container(address: u64) -> Result<Vec<u8>> {
    let header = In::<[u8; fatbin::HEADER_BYTES]>::at(address).get()?;
    let bytes = fatbin::container_bytes(&header).map_err(|_| CUDA_ERROR_INVALID_IMAGE)?;
    Ok(bytes_at(address, bytes))
}

fn prelinked(list: u64) -> Result<Vec<Vec<u8>>> {
    let mut containers = Vec::new();
    if list == 0 {
        return Ok(containers);
    }
    for index in 0..PRELINKED_LIMIT {
        match In::<u64>::at(list + index * 8).get()? {
            0 => break,
            address => containers.push(container(address)?),
        }
    }
    Ok(containers)
}

fn elf(address: u64) -> Result<Vec<u8>> {
    let header = In::<[u8; cubin::HEADER_BYTES]>::at(address).get()?;
    let bytes = cubin::image_bytes(&header).ok_or(CUDA_ERROR_INVALID_IMAGE)?;
    Ok(bytes_at(address, bytes))
}

/// Runs the first container that has PTX: the others hold the same program for other devices, or cubins.
fn from_containers(containers: &[Vec<u8>], capability: ComputeCapability) -> Result<Arc<Image>> {
    let wanted = (capability.major * 10 + capability.minor) as u32;
    let mut cubin = None;
    for container in containers {
        let entries = fatbin::entries(container).map_err(|_| CUDA_ERROR_INVALID_IMAGE)?;
        let unpack = |entry: &fatbin::Entry<'_>| {
            entry.unpack().map(Cow::into_owned).map_err(|_| CUDA_ERROR_INVALID_IMAGE)
        };
        if let Some(entry) = fatbin::choose(&entries, fatbin::Code::Ptx, wanted) {
            let text = unpack(entry)?;
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            return from_text(&String::from_utf8_lossy(&text[..end]));
        }
        if let Some(entry) = fatbin::choose(&entries, fatbin::Code::Elf, wanted) {
            cubin.get_or_insert(unpack(entry)?);
        }
    }
    from_cubin(|| cubin.ok_or(CUDA_ERROR_NO_BINARY_FOR_GPU))
}

/// Reads PTX. A text with an instruction that the engine does not have is refused whole, as a compiler would refuse it.
pub fn from_text(text: &str) -> Result<Arc<Image>> {
    let program = Program::index(text).and_then(|program| program.check_opcodes().map(|()| program));
    let program = program.map_err(|error| match ptx_error(&error) {
        CUDA_ERROR_NOT_SUPPORTED => CUDA_ERROR_INVALID_PTX,
        code => code,
    })?;
    let entries = program.entries().cloned().collect();
    let variables = program.variables().to_vec();
    Ok(Image::new(entries, variables, Code::Ptx(Arc::new(program))))
}

/// Instructions of hardware: refused, unless only the calls are wanted.
fn from_cubin(image: impl FnOnce() -> Result<Vec<u8>>) -> Result<Arc<Image>> {
    if settings::sass() == Sass::Refuse {
        return Err(CUDA_ERROR_NO_BINARY_FOR_GPU);
    }
    let cubin = cubin::read(&image()?).ok_or(CUDA_ERROR_INVALID_IMAGE)?;
    let infos = cubin.kernels.iter().map(|kernel| (kernel.name.clone(), recorded_info(kernel))).collect();
    let entries = cubin.kernels.into_iter().map(recorded_entry).collect();
    let variables = cubin.variables.into_iter().map(recorded_variable).collect();
    Ok(Image::new(entries, variables, Code::Recorded(infos)))
}

/// As strict as any compiler about what an address is aligned to.
const ALIGN: u32 = 8;

fn recorded_entry(kernel: cubin::Kernel) -> EntryInfo {
    let params = kernel.params.iter().map(|&(offset, size)| ParamInfo { offset, size, align: ALIGN });
    EntryInfo {
        name: kernel.name,
        param_bytes: kernel.params.last().map_or(0, |(offset, size)| offset + size),
        params: params.collect(),
        max_threads: kernel.max_threads,
        required_threads: kernel.required_threads,
        min_blocks: None,
    }
}

fn recorded_info(kernel: &cubin::Kernel) -> KernelInfo {
    KernelInfo {
        name: kernel.name.clone(),
        static_shared_bytes: kernel.shared_bytes,
        local_bytes: 0,
        registers: kernel.registers,
        param_bytes: kernel.params.last().map_or(0, |(offset, size)| offset + size),
        max_threads_per_block: kernel.max_threads.unwrap_or(limits::THREADS_PER_BLOCK as u32),
        required_threads: kernel.required_threads,
        uses_heap: false,
    }
}

fn recorded_variable(variable: cubin::Variable) -> Variable {
    Variable {
        name: variable.name,
        space: if variable.constant { Space::Const } else { Space::Global },
        size: variable.bytes,
        align: ALIGN.into(),
        init: variable.first,
        relocations: Vec::new(),
        managed: false,
        external: false,
    }
}

thread_local! {
    /// Why this thread's last PTX was refused.
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What a compiler would have written into its log of errors; once.
pub fn last_words() -> String {
    LAST_WORDS.take()
}

/// What a program is told about PTX that can't be run. People are told more, on stderr and in the log of errors.
fn ptx_error(error: &PtxError) -> CUresult {
    eprintln!("farwarp: PTX refused by the software GPU: {error}");
    LAST_WORDS.set(format!("ptxas error   : {error}\n"));
    match error {
        PtxError::Syntax { .. } | PtxError::UnknownSymbol { .. } => CUDA_ERROR_INVALID_PTX,
        PtxError::Unsupported { .. } => CUDA_ERROR_NOT_SUPPORTED,
        PtxError::NoEntry(_) => CUDA_ERROR_NOT_FOUND,
    }
}
