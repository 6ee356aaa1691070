//! Seccomp: which system calls a worker may make, each with what it is needed for.
//!
//! With the software GPU, whose calls are known, every other call fails as if the kernel did not have it. NVIDIA's library
//! differs by version: there every other call is logged by the kernel and made, and only what no driver needs is refused.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// A system call, and why it stands in its list.
type Call = (i64, &'static str);

/// What every libcuda needs, and the worker itself.
const ALLOWED: &[Call] = &[
    (libc::SYS_brk, "memory: allocators, the arena, what the driver maps"),
    (libc::SYS_mmap, "memory: allocators, the arena, what the driver maps"),
    (libc::SYS_munmap, "memory: allocators, the arena, what the driver maps"),
    (libc::SYS_mremap, "memory: allocators, the arena, what the driver maps"),
    (libc::SYS_mprotect, "memory: allocators, the arena, what the driver maps"),
    (libc::SYS_madvise, "memory: allocators, the arena, what the driver maps"),
    (libc::SYS_mincore, "memory: allocators, the arena, what the driver maps"),
    (libc::SYS_msync, "whether a page that a kernel names is mapped"),
    (libc::SYS_mlock, "pinned memory"),
    (libc::SYS_munlock, "pinned memory"),
    (libc::SYS_get_mempolicy, "on which node memory lies; it changes nothing"),
    (libc::SYS_read, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_readv, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_pread64, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_write, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_writev, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_pwrite64, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_lseek, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_close, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_close_range, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_fcntl, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_dup, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_dup2, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_dup3, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_fsync, "files that are open: the log, what kernels print, sockets"),
    (libc::SYS_openat, "files that landlock lets it open, and what they are"),
    (libc::SYS_fstat, "files that landlock lets it open, and what they are"),
    (libc::SYS_newfstatat, "files that landlock lets it open, and what they are"),
    (libc::SYS_statx, "files that landlock lets it open, and what they are"),
    (libc::SYS_faccessat, "files that landlock lets it open, and what they are"),
    (libc::SYS_faccessat2, "files that landlock lets it open, and what they are"),
    (libc::SYS_readlinkat, "files that landlock lets it open, and what they are"),
    (libc::SYS_memfd_create, "memory with a name: shared allocations, what kernels print"),
    (libc::SYS_ftruncate, "memory with a name: shared allocations, what kernels print"),
    (libc::SYS_fallocate, "memory with a name: shared allocations, what kernels print"),
    (libc::SYS_ioctl, "devices, and whether a socket blocks"),
    (
        libc::SYS_sendmsg,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_sendmmsg,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_sendto,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_recvmsg,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_recvmmsg,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_recvfrom,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_getsockopt,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_setsockopt,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_getsockname,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_getpeername,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (
        libc::SYS_shutdown,
        "the sockets that the gate hands over; making, binding or connecting one is not among these",
    ),
    (libc::SYS_ppoll, "waiting"),
    (libc::SYS_epoll_create1, "waiting"),
    (libc::SYS_epoll_ctl, "waiting"),
    (libc::SYS_epoll_pwait, "waiting"),
    (libc::SYS_eventfd2, "waiting"),
    (libc::SYS_pipe2, "waiting"),
    (libc::SYS_futex, "waiting"),
    (libc::SYS_nanosleep, "waiting"),
    (libc::SYS_clock_nanosleep, "waiting"),
    (libc::SYS_restart_syscall, "waiting"),
    (libc::SYS_exit, "threads of its own; making one is allowed below"),
    (libc::SYS_exit_group, "threads of its own; making one is allowed below"),
    (libc::SYS_gettid, "threads of its own; making one is allowed below"),
    (libc::SYS_set_robust_list, "threads of its own; making one is allowed below"),
    (libc::SYS_set_tid_address, "threads of its own; making one is allowed below"),
    (libc::SYS_rseq, "threads of its own; making one is allowed below"),
    (libc::SYS_membarrier, "threads of its own; making one is allowed below"),
    (libc::SYS_arch_prctl, "threads of its own; making one is allowed below"),
    (libc::SYS_sched_yield, "threads of its own; making one is allowed below"),
    (libc::SYS_sched_getaffinity, "threads of its own; making one is allowed below"),
    (libc::SYS_sched_setaffinity, "threads of its own; making one is allowed below"),
    (libc::SYS_getcpu, "threads of its own; making one is allowed below"),
    (
        libc::SYS_rt_sigaction,
        "signals that it handles: a fault in a kernel of the software GPU, a stack overflow",
    ),
    (
        libc::SYS_rt_sigprocmask,
        "signals that it handles: a fault in a kernel of the software GPU, a stack overflow",
    ),
    (
        libc::SYS_rt_sigreturn,
        "signals that it handles: a fault in a kernel of the software GPU, a stack overflow",
    ),
    (
        libc::SYS_sigaltstack,
        "signals that it handles: a fault in a kernel of the software GPU, a stack overflow",
    ),
    (libc::SYS_clock_gettime, "time and chance"),
    (libc::SYS_clock_getres, "time and chance"),
    (libc::SYS_gettimeofday, "time and chance"),
    (libc::SYS_getrandom, "time and chance"),
    (libc::SYS_getpid, "who and where it is"),
    (libc::SYS_getppid, "who and where it is"),
    (libc::SYS_getuid, "who and where it is"),
    (libc::SYS_geteuid, "who and where it is"),
    (libc::SYS_getgid, "who and where it is"),
    (libc::SYS_getegid, "who and where it is"),
    (libc::SYS_uname, "who and where it is"),
    (libc::SYS_sysinfo, "who and where it is"),
    (libc::SYS_getrusage, "who and where it is"),
    (libc::SYS_getrlimit, "who and where it is"),
];

/// The calls of an older kind that one architecture has beside those.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[Call] = &[
    (libc::SYS_open, "an older form, which the C library still uses"),
    (libc::SYS_stat, "an older form, which the C library still uses"),
    (libc::SYS_lstat, "an older form, which the C library still uses"),
    (libc::SYS_access, "an older form, which the C library still uses"),
    (libc::SYS_readlink, "an older form, which the C library still uses"),
    (libc::SYS_poll, "an older form, which the C library still uses"),
    (libc::SYS_select, "an older form, which the C library still uses"),
    (libc::SYS_pipe, "an older form, which the C library still uses"),
    (libc::SYS_epoll_wait, "an older form, which the C library still uses"),
    (libc::SYS_time, "an older form, which the C library still uses"),
    (libc::SYS_getdents64, "an older form, which the C library still uses"),
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[Call] = &[(libc::SYS_getdents64, "libraries that list a folder")];

/// What no driver needs and an intruder would begin with: refused whatever the driver is.
const REFUSED: &[Call] = &[
    (libc::SYS_execve, "another program"),
    (libc::SYS_execveat, "another program"),
    (libc::SYS_ptrace, "another process's memory, descriptors or life"),
    (libc::SYS_process_vm_readv, "another process's memory, descriptors or life"),
    (libc::SYS_process_vm_writev, "another process's memory, descriptors or life"),
    (libc::SYS_pidfd_open, "another process's memory, descriptors or life"),
    (libc::SYS_pidfd_getfd, "another process's memory, descriptors or life"),
    (libc::SYS_pidfd_send_signal, "another process's memory, descriptors or life"),
    (libc::SYS_socket, "the network. The gate's sockets are connected already"),
    (libc::SYS_socketpair, "the network. The gate's sockets are connected already"),
    (libc::SYS_bind, "the network. The gate's sockets are connected already"),
    (libc::SYS_connect, "the network. The gate's sockets are connected already"),
    (libc::SYS_listen, "the network. The gate's sockets are connected already"),
    (libc::SYS_mount, "mounts and namespaces"),
    (libc::SYS_umount2, "mounts and namespaces"),
    (libc::SYS_pivot_root, "mounts and namespaces"),
    (libc::SYS_setns, "mounts and namespaces"),
    (libc::SYS_unshare, "mounts and namespaces"),
    (libc::SYS_open_by_handle_at, "mounts and namespaces"),
    (libc::SYS_bpf, "wide doors into the kernel"),
    (libc::SYS_perf_event_open, "wide doors into the kernel"),
    (libc::SYS_userfaultfd, "wide doors into the kernel"),
    (libc::SYS_io_uring_setup, "wide doors into the kernel"),
    (libc::SYS_io_uring_enter, "wide doors into the kernel"),
    (libc::SYS_io_uring_register, "wide doors into the kernel"),
    (libc::SYS_keyctl, "wide doors into the kernel"),
    (libc::SYS_add_key, "wide doors into the kernel"),
    (libc::SYS_request_key, "wide doors into the kernel"),
    (libc::SYS_kexec_load, "wide doors into the kernel"),
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

pub fn restrict(nvidia: bool) -> Result<String, String> {
    let (others, words) = match nvidia {
        true => (SeccompAction::Log, "calls beyond the list are logged, not refused"),
        false => (SeccompAction::Errno(libc::ENOSYS as u32), "calls beyond the list fail"),
    };
    let apply = || -> Result<(), seccompiler::Error> {
        // Of several filters the strictest answer counts. The last one no longer lets another be set.
        apply_filter(&program(refused()?, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))?)?;
        // Its flags lie in memory, where no filter can look; the C library then uses `clone`.
        let unreadable = Rules::from([(libc::SYS_clone3, Vec::new())]);
        apply_filter(&program(unreadable, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?)?;
        apply_filter(&program(allowed()?, others, SeccompAction::Allow)?)
    };
    let count = ALLOWED.len() + ALLOWED_HERE.len() + allowed_in_part().map_or(0, |rules| rules.len());
    apply().map(|()| format!("{count} calls; {words}")).map_err(|error| error.to_string())
}

fn allowed() -> Result<Rules, seccompiler::Error> {
    let whole = ALLOWED.iter().chain(ALLOWED_HERE).map(|(call, _)| (*call, Vec::new()));
    Ok(whole.chain(allowed_in_part()?).collect())
}

/// Allowed with some arguments only.
fn allowed_in_part() -> Result<Rules, seccompiler::Error> {
    let own = u64::from(std::process::id());
    let is = |argument, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    let thread = libc::CLONE_THREAD as u64;
    let a_thread = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(thread), thread)?;
    let any_of = |argument, values: &[u64]| -> Result<Vec<SeccompRule>, seccompiler::Error> {
        values.iter().map(|value| Ok(SeccompRule::new(vec![is(argument, *value)?])?)).collect()
    };
    Ok(Rules::from([
        // A thread, never a process.
        (libc::SYS_clone, vec![SeccompRule::new(vec![a_thread])?]),
        // Aborting.
        (libc::SYS_tgkill, any_of(0, &[own])?),
        // A thread's name, and that of its memory; nothing else that `prctl` can do.
        (
            libc::SYS_prctl,
            any_of(0, &[libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64, libc::PR_SET_VMA as u64])?,
        ),
        // Its own limits: 0 is itself.
        (libc::SYS_prlimit64, any_of(0, &[0])?),
    ]))
}

fn refused() -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = REFUSED.iter().map(|(call, _)| (*call, Vec::new())).collect();
    // Signals to anybody but itself.
    let own = u64::from(std::process::id());
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)?;
        rules.insert(call, vec![SeccompRule::new(vec![other])?]);
    }
    Ok(rules)
}

fn program(
    rules: Rules,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, others, these, arch)?.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_call_is_both_allowed_and_refused_and_none_stands_twice() {
        let allowed: Vec<i64> = ALLOWED.iter().chain(ALLOWED_HERE).map(|(call, _)| *call).collect();
        let set: BTreeSet<i64> = allowed.iter().copied().collect();
        assert_eq!(set.len(), allowed.len());
        assert!(REFUSED.iter().all(|(call, _)| !set.contains(call)));
        assert_eq!(REFUSED.iter().map(|(call, _)| call).collect::<BTreeSet<_>>().len(), REFUSED.len());
    }

    #[test]
    fn both_lists_become_programs() {
        let errno = SeccompAction::Errno(libc::EPERM as u32);
        for rules in [allowed(), refused()] {
            assert!(!program(rules.unwrap(), SeccompAction::Allow, errno.clone()).unwrap().is_empty());
        }
    }
}
