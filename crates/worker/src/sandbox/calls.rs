//! System calls by list (seccomp).

/// On machines that the filter compiler knows.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
pub(super) fn filter(requests: Option<u8>) -> Result<(), String> {
    listed::install(requests).map_err(|e| e.to_string())
}

/// Elsewhere Landlock, limits and the unprivileged user must do.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
pub(super) fn filter(_requests: Option<u8>) -> Result<(), String> {
    Err(format!("not possible on {}", std::env::consts::ARCH))
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod listed {
    use nix::libc;
    use seccompiler::{
        BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
        SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
    };

    /// Allowed whatever the arguments: memory, time, the sockets and pipes already open, and the
    /// end.
    const ALLOWED: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_gettimeofday,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_sched_yield,
        libc::SYS_restart_syscall,
        libc::SYS_ppoll,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_recvfrom,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_close,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_sigaltstack,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// `requests`: the letter of requests to devices that are allowed.
    pub(super) fn install(requests: Option<u8>) -> Result<(), Error> {
        let arch = std::env::consts::ARCH.try_into()?;
        let plain = ALLOWED.iter().map(|call| (*call, Vec::new()));
        let limited = [
            (libc::SYS_mmap, not_executable()?),
            (libc::SYS_mprotect, not_executable()?),
            (libc::SYS_tgkill, first_is(std::process::id().into())?),
            (libc::SYS_prctl, first_is(libc::PR_SET_NAME as u64)?),
        ];
        let asking = requests.map(of_letter).transpose()?.map(|rule| (libc::SYS_ioctl, rule));
        let limited = limited.into_iter().chain(asking).map(|(call, rule)| (call, vec![rule]));
        // A forbidden call fails instead of killing: a newer C library may try one and do without
        // it.
        let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        let filter =
            SeccompFilter::new(plain.chain(limited).collect(), refuse, SeccompAction::Allow, arch)?;
        apply_filter(&BpfProgram::try_from(filter)?)
    }

    /// Memory may be mapped, but never to be executed: the third argument of both calls.
    fn not_executable() -> Result<SeccompRule, BackendError> {
        let mask = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        SeccompRule::new(vec![SeccompCondition::new(2, SeccompCmpArgLen::Dword, mask, 0)?])
    }

    /// Requests to an open device of one kind: the letter is in the second byte of their number,
    /// the second argument.
    fn of_letter(letter: u8) -> Result<SeccompRule, BackendError> {
        let kind = SeccompCmpOp::MaskedEq(0xff00);
        SeccompRule::new(vec![SeccompCondition::new(
            1,
            SeccompCmpArgLen::Dword,
            kind,
            u64::from(letter) << 8,
        )?])
    }

    /// The first argument has one value only: signals go to itself, for an abort has to work; and
    /// its name may change.
    fn first_is(value: u64) -> Result<SeccompRule, BackendError> {
        SeccompRule::new(vec![SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            value,
        )?])
    }
}
