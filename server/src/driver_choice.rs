//! Which libcuda the workers will load, and the refusal to start inside our own.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where NVIDIA's installers and the distributions put their library. Absolute, because a search path could find ours.
const NVIDIA_PLACES: [&str; 7] = [
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "/usr/lib64/libcuda.so.1",
    "/usr/lib/libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/libcuda.so.1",
    "/usr/local/nvidia/lib64/libcuda.so.1",
    "/run/opengl-driver/lib/libcuda.so.1",
    "/usr/lib/wsl/lib/libcuda.so.1",
];
/// The library alone is not enough: images carry it to machines without a GPU.
const NVIDIA_DEVICES: [&str; 2] = ["/dev/nvidiactl", "/dev/dxg"];
/// Beside the program, as `scripts/build` lays it out.
const SOFTWARE_GPU: &str = "../lib/farwarp/softgpu/libcuda.so.1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    pub path: PathBuf,
    pub kind: DriverKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    Nvidia,
    SoftwareGpu,
    /// Named by `--driver`, and neither of the two by its place.
    Other,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nvidia => "nvidia",
            Self::SoftwareGpu => "software GPU",
            Self::Other => "other",
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("--driver must be an absolute path, not {}", .0.display())]
    Relative(PathBuf),
    #[error("there is no driver at {}: {error}", path.display())]
    Missing { path: PathBuf, error: std::io::Error },
    #[error("no driver: no NVIDIA device with its libcuda.so.1, and no software GPU at {}", .0.display())]
    None(PathBuf),
    #[error("{} is farwarp's own client library; a server with it would call itself", .0.display())]
    OurShim(PathBuf),
}

/// The library named, or NVIDIA's where it has a device, or the software GPU.
pub fn choose(named: Option<&Path>, program: &Path) -> Result<Driver, DriverError> {
    let exists = |path: &str| Path::new(path).exists();
    let nvidia =
        NVIDIA_DEVICES.into_iter().any(exists).then(|| NVIDIA_PLACES.into_iter().find(|path| exists(path)));
    let software = program.parent().unwrap_or(Path::new("/")).join(SOFTWARE_GPU);
    let path = match (named, nvidia.flatten()) {
        (Some(named), _) if !named.is_absolute() => return Err(DriverError::Relative(named.into())),
        (Some(named), _) => named.to_owned(),
        (None, Some(nvidia)) => nvidia.into(),
        (None, None) if software.exists() => software,
        (None, None) => return Err(DriverError::None(software)),
    };
    let resolved =
        fs::canonicalize(&path).map_err(|error| DriverError::Missing { path: path.clone(), error })?;
    if is_our_shim(&resolved) {
        return Err(DriverError::OurShim(resolved));
    }
    Ok(Driver { kind: kind_of(&path, &resolved), path: resolved })
}

fn kind_of(path: &Path, resolved: &Path) -> DriverKind {
    if resolved.parent().is_some_and(|folder| folder.ends_with("softgpu")) {
        DriverKind::SoftwareGpu
    } else if NVIDIA_PLACES.into_iter().any(|place| Path::new(place) == path) {
        DriverKind::Nvidia
    } else {
        DriverKind::Other
    }
}

/// The client's library of ours lies in `lib/farwarp/` itself.
fn is_our_shim(library: &Path) -> bool {
    library.ends_with("farwarp/libcuda.so.1")
}

/// Refuses a process into which our shim was preloaded: its workers would inherit the same.
pub fn refuse_our_shim() -> Result<(), DriverError> {
    // A process without /proc has bigger worries, which the worker will meet.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    match mapped_shim(&maps) {
        Some(library) => Err(DriverError::OurShim(library)),
        None => Ok(()),
    }
}

fn mapped_shim(maps: &str) -> Option<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])));
    paths.into_iter().find(|path| is_our_shim(path)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_or_missing_driver_is_refused() {
        let program = Path::new("/nowhere/bin/farwarp-server");
        let choose = |path: &str| choose(Some(Path::new(path)), program).unwrap_err();
        assert!(matches!(choose("libcuda.so.1"), DriverError::Relative(_)));
        assert!(matches!(choose("/nowhere/libcuda.so.1"), DriverError::Missing { .. }));
    }

    #[test]
    fn the_software_gpu_beside_the_program_is_found_and_the_shim_is_refused() {
        let dist = tempfile::tempdir().unwrap();
        let softgpu = dist.path().join("lib/farwarp/softgpu");
        fs::create_dir_all(&softgpu).unwrap();
        fs::create_dir(dist.path().join("bin")).unwrap();
        fs::write(softgpu.join("libcuda.so.1"), "").unwrap();
        let shim = dist.path().join("lib/farwarp/libcuda.so.1");
        fs::write(&shim, "").unwrap();
        let program = dist.path().join("bin/farwarp-server");
        let found = choose(Some(&softgpu.join("libcuda.so.1")), &program).unwrap();
        assert_eq!(found.kind, DriverKind::SoftwareGpu);
        assert!(matches!(choose(Some(&shim), &program), Err(DriverError::OurShim(_))));
        if !NVIDIA_DEVICES.into_iter().any(|device| Path::new(device).exists()) {
            assert_eq!(choose(None, &program).unwrap(), found);
        }
    }

    #[test]
    fn a_mapped_shim_is_seen_and_a_software_gpu_is_not_taken_for_it() {
        let line =
            |path: &str| format!("7f00-7f01 r-xp 00000000 fe:00 12 {path}\n7f02-7f03 rw-p 0 00:00 0\n");
        let shim = "/opt/dist/lib/farwarp/libcuda.so.1";
        assert_eq!(mapped_shim(&line(shim)), Some(shim.into()));
        assert_eq!(mapped_shim(&line("/opt/dist/lib/farwarp/softgpu/libcuda.so.1")), None);
        assert_eq!(mapped_shim(&line("/usr/lib/libcuda.so.1")), None);
    }
}
