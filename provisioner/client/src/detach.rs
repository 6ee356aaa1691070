//! Starts a program so that this process cannot notice: no child, no exit signal, nothing inherited but the environment given.
//!
//! The way: a first clone without an exit signal, which `wait` does not see, makes a second one, which becomes the program; the
//! first ends at once and is reaped here by `__WCLONE`. The program is then nobody's child of ours. Both share this process's
//! memory until then, as after vfork, so that the cost does not grow with it and no `pthread_atfork` handler of the host runs.
#![allow(unsafe_code)] // clone, and the raw system calls that alone are lawful between it and exec.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

/// Stack of each of the two short-lived processes. They call only thin wrappers of system calls.
const STACK_BYTES: usize = 64 << 10;
/// Where the kernel has no close_range, at most so many descriptors are tried one by one.
const CLOSE_ONE_BY_ONE_MAX: RawFd = 65_536;
/// Signals have numbers from 1 to this.
const SIGNAL_MAX: libc::c_int = 64;
/// Handler, flags, restorer and mask; an architecture without the restorer reads less.
const KERNEL_SIGACTION_BYTES: usize = 32;

/// The program that is to run by itself: its own session, signals as after login, / as its directory, no descriptors but 0, 1, 2.
pub struct Program<'a> {
    pub path: &'a Path,
    /// Behind the name.
    pub arguments: &'a [OsString],
    /// All of it.
    pub environment: &'a [(OsString, OsString)],
    /// Takes both stdout and stderr; absent, they go nowhere.
    pub output: Option<BorrowedFd<'a>>,
}

/// The variables of ours that mean something to an agent; the others were meant for one program, or mark a server.
const FOR_THE_AGENT: [&[u8]; 4] = [b"FARWARP_RUNTIME", b"FARWARP_STATE", b"FARWARP_CONFIG", b"FARWARP_LOG"];

/// The variables that a program of ours must not inherit: they were meant for the program that called CUDA.
pub fn is_foreign(name: &OsStr) -> bool {
    let name = name.as_bytes();
    [&b"LD_PRELOAD"[..], b"LD_LIBRARY_PATH", b"LD_AUDIT"].contains(&name)
        || name.starts_with(b"CUDA_")
        || (name.starts_with(b"FARWARP_") && !FOR_THE_AGENT.contains(&name))
}

/// This process's environment without what is foreign.
pub fn clean_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !is_foreign(name)).collect()
}

/// Starts the program and returns its pid, once it runs or is known not to.
pub fn start(program: &Program<'_>) -> io::Result<u32> {
    let path = c_string(program.path.as_os_str())?;
    let arguments = std::iter::once(Ok(path.clone()))
        .chain(program.arguments.iter().map(|argument| c_string(argument)))
        .collect::<io::Result<Vec<_>>>()?;
    let environment = program.environment.iter().map(assignment).collect::<io::Result<Vec<_>>>()?;
    let pointers = |strings: &[CString]| {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
    };
    let (arguments, environment) = (pointers(&arguments), pointers(&environment));
    let mut outer_stack = vec![MaybeUninit::<u128>::uninit(); STACK_BYTES / 16];
    let mut inner_stack = vec![MaybeUninit::<u128>::uninit(); STACK_BYTES / 16];
    let mut birth = Birth {
        path: path.as_ptr(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        output: program.output.map(|fd| fd.as_raw_fd()),
        inner_stack: top_of(&mut inner_stack),
        pid: 0,
        failed: 0,
    };
    // No handler of the host may run in a process that shares its memory.
    let _blocked = SignalsBlocked::new();
    // SAFETY: `outer` has the type clone wants, its stack and `birth` live until CLONE_VFORK lets this thread go on, and both
    // processes call nothing but system calls before exec or _exit.
    let outer = unsafe {
        libc::clone(
            outer,
            top_of(&mut outer_stack),
            libc::CLONE_VM | libc::CLONE_VFORK,
            (&raw mut birth).cast(),
        )
    };
    if outer < 0 {
        return Err(io::Error::last_os_error());
    }
    reap(outer);
    // SAFETY: `birth` lives here; volatile because other processes that shared this memory have written it.
    let (pid, failed) =
        unsafe { ((&raw const birth.pid).read_volatile(), (&raw const birth.failed).read_volatile()) };
    if failed != 0 { Err(io::Error::from_raw_os_error(failed)) } else { Ok(pid as u32) }
}

struct Birth {
    path: *const libc::c_char,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
    output: Option<RawFd>,
    inner_stack: *mut libc::c_void,
    /// The program's, written by the outer process.
    pid: libc::pid_t,
    /// The errno of what did not work, written by either.
    failed: libc::c_int,
}

/// Makes the inner process and ends, which leaves the inner one without a parent here.
extern "C" fn outer(birth: *mut libc::c_void) -> libc::c_int {
    let birth = birth.cast::<Birth>();
    // SAFETY: `start` waits and keeps `birth` and the stack alive; only system calls are made.
    unsafe {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let pid = libc::clone(inner, (*birth).inner_stack, flags, birth.cast());
        if pid < 0 {
            (*birth).failed = *libc::__errno_location();
        }
        (*birth).pid = pid;
    }
    0
}

/// Becomes the program.
extern "C" fn inner(birth: *mut libc::c_void) -> libc::c_int {
    let birth = birth.cast::<Birth>();
    // SAFETY: as in `outer`; the strings that exec reads live in `start`.
    unsafe {
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        default_signals();
        if redirect((*birth).output) {
            close_from(3);
            libc::execve((*birth).path, (*birth).arguments, (*birth).environment);
        }
        (*birth).failed = *libc::__errno_location();
        libc::_exit(127)
    }
}

/// Every disposition the default, nothing blocked: exec keeps what was ignored, and the mask.
///
/// # Safety
/// Only in a process that does not share its signal handlers.
unsafe fn default_signals() {
    // SAFETY: a kernel sigaction of zeros is the default disposition; it and the set live here. The raw call, because libc's refuses
    // the two signals that it keeps for itself, which a careless parent may have ignored. What cannot be set is refused, which is well.
    unsafe {
        let default = [0u64; KERNEL_SIGACTION_BYTES / 8];
        for signal in 1..=SIGNAL_MAX {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<u64>(),
                SIGNAL_MAX as usize / 8,
            );
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// 0 from nowhere, 1 and 2 to the output.
///
/// # Safety
/// Only in a process that has a descriptor table of its own.
unsafe fn redirect(output: Option<RawFd>) -> bool {
    // SAFETY: system calls on descriptors of this process only. The output is moved out of the way of 0, 1 and 2 first.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        let source = libc::fcntl(output.unwrap_or(null), libc::F_DUPFD, 3);
        let nowhere = libc::fcntl(null, libc::F_DUPFD, 3);
        libc::dup2(nowhere, 0) == 0 && libc::dup2(source, 1) == 1 && libc::dup2(source, 2) == 2
    }
}

/// # Safety
/// Only in a process that has a descriptor table of its own.
unsafe fn close_from(first: RawFd) {
    // SAFETY: nothing in this process uses these descriptors any more.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) == 0 {
            return;
        }
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        for fd in first..RawFd::try_from(limit.rlim_cur).unwrap_or(RawFd::MAX).min(CLOSE_ONE_BY_ONE_MAX) {
            libc::close(fd);
        }
    }
}

/// Takes the outer process's end, which only `__WCLONE` sees: the host's own `wait` does not.
fn reap(outer: libc::pid_t) {
    let mut status = 0;
    // SAFETY: waits for a process of ours; `status` lives here.
    while unsafe { libc::waitpid(outer, &mut status, libc::__WCLONE) } < 0 {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        // SAFETY: the sets live here and are initialised by the functions that are for it.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Self(before)
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that pthread_sigmask gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

fn top_of(stack: &mut [MaybeUninit<u128>]) -> *mut libc::c_void {
    stack.as_mut_ptr_range().end.cast()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

fn assignment((name, value): &(OsString, OsString)) -> io::Result<CString> {
    let mut text = name.clone();
    text.push("=");
    text.push(value);
    CString::new(text.into_vec()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}
