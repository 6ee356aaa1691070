//! The one shim of a process: made by cuInit, leaked on purpose, absent in a forked child.
#![allow(unsafe_code)] // a global pointer, atexit, pthread_atfork and the system calls around them.

use crate::connect::{self, Connection};
use crate::contexts::Contexts;
use crate::memory::Memory;
use crate::objects::Objects;
use crate::remote::Remote;
use crate::{settings, stats};
use farwarp_protocol::error::{
    CUDA_ERROR_DEINITIALIZED, CUDA_ERROR_INVALID_DEVICE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NO_DEVICE,
    CUDA_ERROR_NOT_INITIALIZED, Code,
};
use farwarp_protocol::snapshot::{DeviceSnapshot, Snapshot};
use once_cell::sync::Lazy;
use std::io::Write;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

pub struct Shim {
    pub remote: Remote,
    pub snapshot: Snapshot,
    /// The server's ordinal of each device that the program sees.
    pub visible: Vec<usize>,
    contexts: Mutex<Contexts>,
    objects: Mutex<Objects>,
    memory: Mutex<Memory>,
    began: Instant,
    boot_ms: u64,
}

static SHIM: AtomicPtr<Shim> = AtomicPtr::new(std::ptr::null_mut());
/// Held while the first thread connects; what it holds is why that failed.
static CONNECTING: Mutex<Option<Code>> = Mutex::new(None);
static INITIALIZED: AtomicBool = AtomicBool::new(false);
static FORKED: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicBool = AtomicBool::new(false);
/// What a forked child must close, so that neither agent nor server takes it for its parent.
static NOT_FOR_CHILDREN: [AtomicI32; 1 + LINK_SOCKETS_MAX] =
    [const { AtomicI32::new(-1) }; 1 + LINK_SOCKETS_MAX];
/// A client's link has one socket; there is room for a link of another kind.
const LINK_SOCKETS_MAX: usize = 3;

/// The shim, once cuInit has succeeded in this very process.
pub fn shim() -> Result<&'static Shim, Code> {
    if INITIALIZED.load(Ordering::Acquire) { connected() } else { Err(CUDA_ERROR_NOT_INITIALIZED) }
}

/// The shim, if it has a server.
fn connected() -> Result<&'static Shim, Code> {
    let shim = SHIM.load(Ordering::Acquire);
    if shim.is_null() {
        return Err(CUDA_ERROR_NOT_INITIALIZED);
    }
    if ENDED.load(Ordering::Relaxed) {
        return Err(CUDA_ERROR_DEINITIALIZED);
    }
    // SAFETY: the pointer comes from Box::leak in `init` and what it points to is never freed.
    Ok(unsafe { &*shim })
}

/// cuInit.
pub fn init(flags: u32) -> Result<(), Code> {
    if flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let shim = server()?;
    if shim.visible.is_empty() {
        return Err(CUDA_ERROR_NO_DEVICE);
    }
    INITIALIZED.store(true, Ordering::Release);
    Ok(())
}

/// The shim, which the first call that needs a server connects: cuInit, or the question for the driver's version before it,
/// whose answer must stay true for the life of the process. A failure is remembered, as the driver does: whatever was
/// missing will not come by asking again.
pub fn server() -> Result<&'static Shim, Code> {
    if FORKED.load(Ordering::Relaxed) {
        return Err(CUDA_ERROR_NOT_INITIALIZED);
    }
    let mut failed = lock(&CONNECTING);
    if SHIM.load(Ordering::Acquire).is_null() {
        if let Some(code) = *failed {
            return Err(code);
        }
        start().inspect_err(|code| *failed = Some(*code))?;
    }
    connected()
}

fn start() -> Result<(), Code> {
    let began = Instant::now();
    // SAFETY: registers a function that only does what is lawful between fork and exec.
    unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
    let Connection { remote, snapshot, visible, held, redial, boot_ms, lease } =
        connect::connect().map_err(|error| {
            complain(&error.to_string());
            error.code()
        })?;
    NOT_FOR_CHILDREN[0].store(lease.unwrap_or(-1), Ordering::Relaxed);
    let shim: &'static Shim = Box::leak(Box::new(Shim {
        contexts: Mutex::new(Contexts::new(visible.len())),
        objects: Mutex::new(Objects::new()),
        memory: Mutex::new(Memory::new(held)),
        remote,
        snapshot,
        visible,
        began,
        boot_ms,
    }));
    start_thread(move || shim.remote.help(redial, crate::by_hand::host_call::run));
    SHIM.store(std::ptr::from_ref(shim).cast_mut(), Ordering::Release);
    // SAFETY: registers a function of the C calling convention that does not unwind.
    unsafe { libc::atexit(at_exit) };
    Ok(())
}

/// Starts a thread of ours, with every signal blocked: the program's handlers are the program's threads' affair.
pub fn start_thread(life: impl FnOnce() + Send + 'static) {
    // SAFETY: the two sets live here; a set that was filled or read by these functions is a set.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = std::thread::Builder::new().name("farwarp".into()).spawn(life);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        if let Err(error) = started {
            complain(&format!("no thread could be started: {error}; calls go on without batching"));
        }
    }
}

/// The sockets of the connection from now on. When one is lost their numbers are the program's again, which may open its own files
/// under them.
pub fn link_sockets(sockets: &[RawFd]) {
    let places = &NOT_FOR_CHILDREN[1..];
    for (place, fd) in places.iter().zip(sockets.iter().copied().chain(std::iter::repeat(-1))) {
        place.store(fd, Ordering::Relaxed);
    }
}

/// The child of a fork has no connection and, as in CUDA, no way to one.
extern "C" fn in_the_child() {
    if SHIM.swap(std::ptr::null_mut(), Ordering::Relaxed).is_null() {
        return;
    }
    FORKED.store(true, Ordering::Relaxed);
    INITIALIZED.store(false, Ordering::Relaxed);
    for place in &NOT_FOR_CHILDREN {
        let fd = place.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the descriptor is this process's copy of ours, and nothing else here knows it.
            unsafe { libc::close(fd) };
        }
    }
}

/// The program ends: what it told is sent, the server hears of it, and the bill is written.
extern "C" fn at_exit() {
    let _ = std::panic::catch_unwind(|| {
        let Ok(shim) = connected() else { return };
        let (_, link) = shim.remote.traffic();
        shim.remote.goodbye();
        ENDED.store(true, Ordering::Relaxed);
        let (traffic, _) = shim.remote.traffic();
        if let Some(path) = settings::trusted("FARWARP_STATS") {
            let text = stats::json(&traffic, link, shim.boot_ms, shim.began.elapsed().as_millis() as u64);
            if let Err(error) = std::fs::write(&path, text) {
                complain(&format!("cannot write {path}: {error}"));
            }
        }
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) && !settings::is_on("FARWARP_QUIET") {
            let seconds = shim.began.elapsed().as_secs_f32();
            let link = link.unwrap_or_default();
            say(&format!(
                "{} calls answered by the server, {} round trips, {:.1} MB up, {:.1} MB down, {seconds:.1} s",
                traffic.asks() + traffic.tells,
                traffic.round_trips,
                link.bytes_up as f32 / 1e6,
                link.bytes_down as f32 / 1e6,
            ));
        }
    });
}

impl Shim {
    pub fn contexts(&self) -> MutexGuard<'_, Contexts> {
        lock(&self.contexts)
    }

    pub fn objects(&self) -> MutexGuard<'_, Objects> {
        lock(&self.objects)
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// What is known of a device of the program's.
    pub fn device(&self, ordinal: i32) -> Result<&DeviceSnapshot, Code> {
        Ok(&self.snapshot.devices[self.server_ordinal(ordinal)? as usize])
    }

    /// The server's number for a device of the program's.
    pub fn server_ordinal(&self, ordinal: i32) -> Result<i32, Code> {
        let index = usize::try_from(ordinal).ok().and_then(|ordinal| self.visible.get(ordinal));
        index.map(|index| *index as i32).ok_or(CUDA_ERROR_INVALID_DEVICE)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in one call must not make every later one fail; each table is consistent between its own operations.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub fn is_set_uid() -> bool {
    // SAFETY: reads a number that the kernel gave the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// A failure, in one line; never silenced.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "farwarp: {line}");
}

/// Something that people want to know; FARWARP_QUIET=1 silences it.
pub fn say(line: &str) {
    static QUIET: Lazy<bool> = Lazy::new(|| settings::is_on("FARWARP_QUIET"));
    if !*QUIET {
        complain(line);
    }
}

/// Something for whoever looks for a fault (FARWARP_LOG=debug).
pub fn note(line: &str) {
    note_lines(|| [line]);
}

/// Several lines, which are only put together when somebody looks.
pub fn note_lines<L: AsRef<str>, I: IntoIterator<Item = L>>(lines: impl FnOnce() -> I) {
    static LOGGING: Lazy<bool> =
        Lazy::new(|| settings::trusted("FARWARP_LOG").is_some_and(|level| level != "off"));
    if *LOGGING {
        lines().into_iter().for_each(|line| complain(line.as_ref()));
    }
}
