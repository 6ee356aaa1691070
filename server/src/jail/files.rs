//! Landlock: which files a worker may open. What it holds already, and what the gate hands to it, it keeps.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::Plan;

/// The newest set of rights that was tried; an older kernel gives what it has.
const RIGHTS: ABI = ABI::V6;

/// Where the loader finds libraries.
const LIBRARIES: [&str; 5] = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"];
/// What libraries read of the system, by name: never the folder in which secrets lie beside it.
const READ: [&str; 16] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
    // Its own process, and how many processors it may use.
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/filesystems",
    "/proc/sys/vm",
    "/sys/devices/system",
    "/sys/fs/cgroup",
];
/// What NVIDIA's driver reads beyond that.
const READ_BY_NVIDIA: [&str; 8] = [
    "/usr/local/nvidia",
    "/usr/share/nvidia",
    "/etc/nvidia",
    "/proc/driver",
    "/proc/devices",
    "/proc/modules",
    "/proc/sys/kernel",
    "/sys",
];
/// Written to by anybody, kept by nobody.
const SINKS: [&str; 1] = ["/dev/null"];

pub fn restrict(plan: &Plan) -> Result<String, String> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let driver = plan.driver.parent().map(Path::to_owned);
    let resolved = plan.driver.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    let nvidia: &[&str] = if plan.nvidia { &READ_BY_NVIDIA } else { &[] };
    let places = LIBRARIES.iter().chain(&READ).chain(nvidia).map(PathBuf::from);
    let restricted = || -> Result<_, landlock::RulesetError> {
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(RIGHTS))?
            .handle_access(AccessNet::from_all(RIGHTS))?
            .scope(Scope::from_all(RIGHTS))?
            .create()?
            .add_rules(rules(places.chain(driver).chain(resolved), read))?
            .add_rules(rules(SINKS.map(PathBuf::from), read | AccessFs::WriteFile))?
            .add_rules(rules(devices(plan.nvidia), read | AccessFs::WriteFile | AccessFs::IoctlDev))?;
        rules.restrict_self()
    };
    match restricted() {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => Err("this kernel has none".into()),
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => {
            Ok("files, TCP, abstract sockets and signals".into())
        }
        Ok(_) => Ok("as far as this kernel goes".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Devices that the driver opens.
pub fn devices(nvidia: bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/dev").map(Iterator::flatten) else { return Vec::new() };
    let of_the_driver = |name: &str| nvidia && (name.starts_with("nvidia") || name == "dxg");
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(of_the_driver))
        .map(|entry| entry.path())
        .collect()
}

/// A place that does not exist needs no rule.
fn rules(
    places: impl IntoIterator<Item = PathBuf>,
    access: BitFlags<AccessFs>,
) -> impl Iterator<Item = Result<PathBeneath<PathFd>, landlock::RulesetError>> {
    places.into_iter().filter_map(move |place| {
        let file = PathFd::new(&place).ok()?;
        // A right to folders is none that a file can have.
        let access = if place.is_dir() { access } else { access & AccessFs::from_file(RIGHTS) };
        Some(Ok(PathBeneath::new(file, access)))
    })
}
