//! The attacks, each a function of its argument that says whether it worked.

use std::ffi::{CString, c_long};
use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::ptr::{null, null_mut};
use std::time::Duration;

type Attack = fn(&str) -> Result<()>;

pub const ALL: &[(&str, Attack)] = &[
    ("nothing", |_| Ok(())),
    ("udp-socket", |_| UdpSocket::bind("127.0.0.1:0").map(drop)),
    ("tcp-connect", |address| TcpStream::connect(address).map(drop)),
    ("unix-connect", |path| UnixStream::connect(path).map(drop)),
    ("netlink-socket", |_| call(libc::SYS_socket, [libc::AF_NETLINK.into(), libc::SOCK_RAW.into(), 0, 0, 0])),
    ("read-file", |path| File::open(path)?.read(&mut [0; 16]).map(drop)),
    ("list-folder", |path| fs::read_dir(path).map(drop)),
    ("write-file", |path| File::create(path)?.write_all(b"was here")),
    ("append-file", |path| OpenOptions::new().append(true).open(path)?.write_all(b"was here")),
    ("exec", |_| exec()),
    ("fork", |_| fork().map(drop)),
    ("fork-bomb", |_| bomb(fork)),
    ("thread-bomb", |_| thread_bomb()),
    ("memory-bomb", |_| memory_bomb()),
    ("log-flood", |_| log_flood()),
    ("kill", |process| kill(pid(process)?)),
    ("kill-all", |_| kill(-1)),
    ("ptrace", |process| call(libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), pid(process)?.into(), 0, 0, 0])),
    ("read-memory", |process| read_memory(pid(process)?)),
    ("take-descriptor", |process| take_descriptor(pid(process)?)),
    ("mount", |path| mount(path)),
    ("unshare", |_| call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0])),
    ("become-root", |_| call(libc::SYS_setuid, [0; 5])),
    ("io-uring", |_| call(libc::SYS_io_uring_setup, [8, [0u8; 120].as_ptr() as c_long, 0, 0, 0])),
    ("keyring", |_| call(libc::SYS_keyctl, [0, -3, 1, 0, 0])),
    ("userfaultfd", |_| call(libc::SYS_userfaultfd, [0; 5])),
    ("bpf", |_| call(libc::SYS_bpf, [0, [0u8; 128].as_ptr() as c_long, 128, 0, 0])),
    ("perf-event", |_| call(libc::SYS_perf_event_open, [[0u8; 128].as_ptr() as c_long, 0, -1, -1, 0])),
    ("raise-limits", |_| raise_limits()),
    ("shared-memory", |_| call(libc::SYS_shmget, [libc::IPC_PRIVATE.into(), 4096, 0o600, 0, 0])),
];

fn number(result: c_long) -> Result<()> {
    if result == -1 { Err(Error::last_os_error()) } else { Ok(()) }
}

fn call(which: c_long, arguments: [c_long; 5]) -> Result<()> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: each attack passes arguments of its call; pointers among them are to live arrays.
    number(unsafe { libc::syscall(which, a, b, c, d, e) })
}

fn kill(process: libc::pid_t) -> Result<()> {
    call(libc::SYS_kill, [process.into(), libc::SIGKILL.into(), 0, 0, 0])
}

fn pid(text: &str) -> Result<libc::pid_t> {
    text.parse().map_err(|_| Error::from(ErrorKind::InvalidInput))
}

fn exec() -> Result<()> {
    let program = CString::new("/bin/true")?;
    // SAFETY: both arrays end with a null.
    number(unsafe { libc::execve(program.as_ptr(), [program.as_ptr(), null()].as_ptr(), [null()].as_ptr()) }
        as c_long)
}

/// A child that stays, and does nothing.
fn fork() -> Result<c_long> {
    // SAFETY: the child only sleeps.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        child => Ok(child.into()),
    }
}

fn bomb(one: fn() -> Result<c_long>) -> Result<()> {
    const MANY: usize = 10_000;
    for _ in 0..MANY {
        one()?;
    }
    Ok(())
}

fn thread_bomb() -> Result<()> {
    const MANY: usize = 10_000;
    for _ in 0..MANY {
        std::thread::Builder::new().stack_size(16 << 10).spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        })?;
    }
    Ok(())
}

/// Ends the worker, or the machine.
fn memory_bomb() -> Result<()> {
    const PIECE: usize = 16 << 20;
    // More than the test grants, and no more than a machine that runs tests has.
    const PIECES: usize = 128;
    let mut all = Vec::new();
    for _ in 0..PIECES {
        all.push(vec![1u8; PIECE]);
    }
    // It takes a moment until it is seen.
    std::thread::sleep(Duration::from_secs(5));
    std::hint::black_box(&all);
    Ok(())
}

fn log_flood() -> Result<()> {
    const LINES: usize = 20_000;
    let line = [b'x'; 200];
    let mut log = std::io::stderr();
    for _ in 0..LINES {
        log.write_all(&line)?;
        log.write_all(b"\x1b[2J\n")?;
    }
    Ok(())
}

fn read_memory(process: libc::pid_t) -> Result<()> {
    let mut byte = 0u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: 0x1000 as *mut _, iov_len: 1 };
    // SAFETY: the local buffer is one byte of ours.
    number(unsafe { libc::process_vm_readv(process, &local, 1, &remote, 1, 0) } as c_long)
}

fn take_descriptor(process: libc::pid_t) -> Result<()> {
    // SAFETY: plain numbers.
    let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    number(handle)?;
    call(libc::SYS_pidfd_getfd, [handle, 0, 0, 0, 0])
}

fn mount(path: &str) -> Result<()> {
    let (kind, at) = (CString::new("tmpfs")?, CString::new(path)?);
    // SAFETY: C strings that live.
    number(unsafe { libc::mount(kind.as_ptr(), at.as_ptr(), kind.as_ptr(), 0, null_mut()) } as c_long)
}

fn raise_limits() -> Result<()> {
    let most = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads one structure.
    number(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &most) } as c_long)
}
