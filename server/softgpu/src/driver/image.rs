//! What a program hands over as code, in any of its forms, and what of it can be run.

use std::sync::Arc;

use farwarp_face::*;

use crate::driver::device::ComputeCapability;
use crate::driver::edge::{In, Result, Text, bytes_at};
use crate::fatbin;
use crate::ptx::{Program, PtxError};

/// Code that is ready to become modules.
pub struct Image {
    pub program: Arc<Program>,
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

const ELF_MAGIC: u32 = u32::from_le_bytes(*b"\x7FELF");

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
        ELF_MAGIC => Err(without_ptx()),
        _ => from_text(&Text::at(address).get()?),
    }
}

/// Reads an image that is a file's contents.
pub fn read_file(path: &str, capability: ComputeCapability) -> Result<Arc<Image>> {
    let mut bytes = std::fs::read(path).map_err(|_| CUDA_ERROR_FILE_NOT_FOUND)?;
    match bytes.first_chunk::<4>().map(|word| u32::from_le_bytes(*word)) {
        Some(fatbin::MAGIC) => from_containers(&[bytes], capability),
        Some(ELF_MAGIC) => Err(without_ptx()),
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

/// Runs the first container that has PTX: the others hold the same program for other devices, or cubins.
fn from_containers(containers: &[Vec<u8>], capability: ComputeCapability) -> Result<Arc<Image>> {
    let wanted = (capability.major * 10 + capability.minor) as u32;
    for container in containers {
        let entries = fatbin::entries(container).map_err(|_| CUDA_ERROR_INVALID_IMAGE)?;
        if let Some(entry) = fatbin::choose(&entries, wanted) {
            let text = entry.unpack().map_err(|_| CUDA_ERROR_INVALID_IMAGE)?;
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            return from_text(&String::from_utf8_lossy(&text[..end]));
        }
    }
    Err(without_ptx())
}

fn from_text(text: &str) -> Result<Arc<Image>> {
    let program = Program::index(text).map_err(|error| ptx_error(&error))?;
    Ok(Arc::new(Image { program: Arc::new(program) }))
}

/// What a program is told about PTX that can't be run. People are told more, on stderr.
pub fn ptx_error(error: &PtxError) -> CUresult {
    eprintln!("farwarp: PTX refused by the software GPU: {error}");
    match error {
        PtxError::Syntax { .. } | PtxError::UnknownSymbol { .. } => CUDA_ERROR_INVALID_PTX,
        PtxError::Unsupported { .. } => CUDA_ERROR_NOT_SUPPORTED,
        PtxError::NoEntry(_) => CUDA_ERROR_NOT_FOUND,
    }
}

fn without_ptx() -> CUresult {
    CUDA_ERROR_NO_BINARY_FOR_GPU
}
