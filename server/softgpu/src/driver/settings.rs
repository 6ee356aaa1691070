//! What the environment says about the machine to imitate. Read once, at `cuInit`; a value that makes no sense is as good
//! as none, and said so on stderr.

use std::env;

use crate::driver::device::Device;
use crate::driver::pages;

/// More devices than any machine that programs were written for.
const DEVICES_LIMIT: usize = 16;
const DEFAULT_MEMORY_BYTES: u64 = 8 << 30;
/// Tensor cores, asynchronous copies and all that nvcc compiles for, without the cluster and TMA instructions that no engine
/// on a CPU would make faster.
const DEFAULT_COMPUTE_CAPABILITY: (i32, i32) = (8, 6);

/// `FARWARP_SOFTGPU_DEVICES`.
pub fn devices() -> usize {
    setting("FARWARP_SOFTGPU_DEVICES", |text| text.parse().ok().filter(|count| *count <= DEVICES_LIMIT))
        .unwrap_or(1)
}

/// `FARWARP_SOFTGPU_CC`, for example `8.6`.
pub fn compute_capability() -> (i32, i32) {
    setting("FARWARP_SOFTGPU_CC", |text| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok().filter(|minor| (0..10).contains(minor))?))
    })
    .unwrap_or(DEFAULT_COMPUTE_CAPABILITY)
}

/// `FARWARP_SOFTGPU_MEMORY` for each device, for example `2GiB`. Without it, what this host can lend without swapping.
pub fn memory_bytes(devices: usize) -> u64 {
    setting("FARWARP_SOFTGPU_MEMORY", size).unwrap_or_else(|| {
        let lendable = pages::host_memory_bytes() / 4 * 3 / devices.max(1) as u64;
        DEFAULT_MEMORY_BYTES.min(lendable)
    })
}

/// The descriptor of a gate that counts device memory for several processes.
pub fn meter() -> Option<i32> {
    setting(farwarp_protocol::meter::VARIABLE, |text| text.parse().ok())
}

/// What to do with a cubin, which this driver can't run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sass {
    /// `CUDA_ERROR_NO_BINARY_FOR_GPU`.
    Refuse,
    /// Load it, and let its launches do nothing: for tests of the calls that a program makes.
    Record,
}

/// `FARWARP_SOFTGPU_SASS`.
pub fn sass() -> Sass {
    setting("FARWARP_SOFTGPU_SASS", |text| match text {
        "refuse" => Some(Sass::Refuse),
        "record" => Some(Sass::Record),
        _ => None,
    })
    .unwrap_or(Sass::Refuse)
}

/// `CUDA_VISIBLE_DEVICES`, if it is set: ordinals or the beginnings of UUIDs.
pub fn visible_devices() -> Option<Vec<String>> {
    let list = env::var("CUDA_VISIBLE_DEVICES").ok()?;
    Some(list.split(',').map(|item| item.trim().to_owned()).collect())
}

/// The devices that the list names, in its order. It ends at the first item that names none, as NVIDIA's driver reads it; one
/// that is named twice empties it.
pub fn choose(wanted: &[String], all: Vec<Device>) -> Vec<Device> {
    let mut all: Vec<Option<Device>> = all.into_iter().map(Some).collect();
    let mut chosen = Vec::new();
    for item in wanted {
        let found = match item.parse::<usize>() {
            Ok(index) => (index < all.len()).then_some(index),
            Err(_) => all.iter().position(|device| {
                device.as_ref().is_some_and(|device| item.len() > 4 && device.uuid_text().starts_with(item))
            }),
        };
        let Some(index) = found else { break };
        match all[index].take() {
            Some(device) => chosen.push(device),
            None => return Vec::new(),
        }
    }
    chosen
}

fn setting<T>(name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let text = env::var(name).ok()?;
    let value = parse(text.trim());
    if value.is_none() {
        eprintln!("farwarp: {name}={text} makes no sense, ignored");
    }
    value
}

/// `1073741824`, `1024MiB`, `1G`.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].trim().to_ascii_lowercase().trim_end_matches(['i', 'b']) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok().filter(|number| *number > 0)?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        assert_eq!(size("512"), Some(512));
        assert_eq!(size("3 MiB"), Some(3 << 20));
        assert_eq!(size("2G"), Some(2 << 30));
        assert_eq!(size("2X"), None);
        assert_eq!(size(""), None);
        assert_eq!(size("99999999999T"), None);
    }
}
