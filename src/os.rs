//! The few calls that need `unsafe`: joining a jobserver whose descriptors came with this process, which descriptors a child gets,
//! leases on files, and locks on a byte of one. Knows no command and no build.
#![allow(unsafe_code)]

use jobserver::Client;
#[cfg(unix)]
use rustix::io::{FdFlags, fcntl_setfd};
#[cfg(target_os = "linux")]
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd as _, OwnedFd};
#[cfg(unix)]
use std::os::fd::{BorrowedFd, RawFd};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
#[cfg(unix)]
use std::process::Command;

/// Joins the jobserver that this process's environment names in `CARGO_MAKEFLAGS`, `MAKEFLAGS` or `MFLAGS`; `None` if
/// there is none that can be used. To be called early, before this process has pipes of its own: make names the
/// descriptors also to those to whom it does not hand them, and only a pipe can be mistaken for them.
pub(crate) fn join_jobserver() -> Option<Client> {
    // SAFETY: The crate never takes over the descriptors that the variable names: it opens them anew or duplicates them.
    // `true` makes it refuse numbers that are not open or not pipes.
    unsafe { Client::from_env_ext(true) }.client.ok()
}

/// Makes the child of `command` inherit `keep` and not inherit `close`. Nothing changes in this process.
#[cfg(unix)]
pub(crate) fn settle_descriptors(command: &mut Command, close: Vec<RawFd>, keep: Vec<RawFd>) {
    let settle = move || {
        close.iter().for_each(|descriptor| set_flags(*descriptor, FdFlags::CLOEXEC));
        keep.iter().for_each(|descriptor| set_flags(*descriptor, FdFlags::empty()));
        Ok(())
    };
    // SAFETY: Between fork and exec the closure calls nothing but fcntl, which is safe there; it neither allocates,
    // nor locks, nor panics.
    unsafe { command.pre_exec(settle) };
}

/// A descriptor that is not open is left alone: who needs it will say so.
#[cfg(unix)]
fn set_flags(descriptor: RawFd, flags: FdFlags) {
    if descriptor >= 0 {
        // SAFETY: The number is only given to the kernel, which refuses it if it is not open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let _ = fcntl_setfd(descriptor, flags);
    }
}

/// Descriptors above 2 that came with this process and that its children would inherit unasked. Taken once, at the first call.
#[cfg(unix)]
pub(crate) fn inherited_descriptors() -> &'static [RawFd] {
    static INHERITED: std::sync::OnceLock<Vec<RawFd>> = std::sync::OnceLock::new();
    INHERITED.get_or_init(|| find_inherited().unwrap_or_default())
}

/// Lets no child of this process inherit the descriptors that came with it, unless it is told to keep them ([`settle_descriptors`]): for a process that is all ours. Without them
/// to be closed in each child, children are started in the system's faster way, without a copy of this process.
#[cfg(unix)]
pub(crate) fn let_nobody_inherit() {
    for descriptor in inherited_descriptors() {
        set_flags(*descriptor, FdFlags::CLOEXEC);
    }
    NOBODY_INHERITS.store(true, std::sync::atomic::Ordering::Relaxed);
}

/// Whether [`let_nobody_inherit`] was called.
#[cfg(unix)]
pub(crate) fn nobody_inherits() -> bool {
    NOBODY_INHERITS.load(std::sync::atomic::Ordering::Relaxed)
}

#[cfg(unix)]
static NOBODY_INHERITS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Only Linux tells the flags of a descriptor by its number; elsewhere nothing is found.
#[cfg(unix)]
fn find_inherited() -> std::io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(about) = std::fs::read_to_string(entry.path()) else { continue };
        if number > 2 && !closes_on_exec(&about) {
            found.push(number);
        }
    }
    Ok(found)
}

#[cfg(unix)]
fn closes_on_exec(about: &str) -> bool {
    const O_CLOEXEC: u64 = 0o2000000;
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok())
        .is_none_or(|flags| flags & O_CLOEXEC != 0)
}

/// Takes a read lease on an open file: SIGIO tells this process when somebody wants to write there, and who wants to waits.
#[cfg(target_os = "linux")]
pub(crate) fn take_lease(file: &OwnedFd) -> io::Result<()> {
    lease_call(file, libc::F_SETLEASE, libc::F_RDLCK).map(drop)
}

/// Whoever waits for it goes on.
#[cfg(target_os = "linux")]
pub(crate) fn give_up_lease(file: &OwnedFd) -> io::Result<()> {
    lease_call(file, libc::F_SETLEASE, libc::F_UNLCK).map(drop)
}

/// Whether somebody wants to write into a file that a lease was taken on, or the lease is gone already.
#[cfg(target_os = "linux")]
pub(crate) fn is_lease_wanted(file: &OwnedFd) -> bool {
    lease_call(file, libc::F_GETLEASE, 0).is_ok_and(|lease| lease == libc::F_UNLCK)
}

#[cfg(target_os = "linux")]
fn lease_call(file: &OwnedFd, call: libc::c_int, lease: libc::c_int) -> io::Result<libc::c_int> {
    // SAFETY: The descriptor is open for as long as it is borrowed, and these calls take a number and no pointer.
    match unsafe { libc::fcntl(file.as_raw_fd(), call, lease) } {
        -1 => Err(io::Error::last_os_error()),
        lease => Ok(lease),
    }
}

/// Who has a lock that was tried for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// The file that it was tried with, until that is closed.
    ByUs,
    /// Another open file, of this process or another.
    ByOthers,
}

/// Tries to lock the byte at `place` of a file that is open for writing, which need not be so long; of the place all bits but the highest count. The lock
/// belongs to the open file, not to the process. Nothing is said where the system has no such locks.
pub(crate) fn lock_byte(file: &std::fs::File, place: u64) -> std::io::Result<Held> {
    #[cfg(target_os = "linux")]
    {
        let place = (place & i64::MAX as u64) as i64;
        // SAFETY: The descriptor is open for as long as it is borrowed; the structure is plain numbers, for which all zero is a value, and the pointer is to it
        // on this stack. The kernel wants a process of zero there.
        let locked = unsafe {
            let mut lock: libc::flock64 = std::mem::zeroed();
            lock.l_type = libc::F_WRLCK as libc::c_short;
            lock.l_whence = libc::SEEK_SET as libc::c_short;
            lock.l_start = place.min(i64::MAX - 1);
            lock.l_len = 1;
            libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock)
        };
        match locked {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(Held::ByOthers),
                error => Err(error),
            },
            _ => Ok(Held::ByUs),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, place);
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// Lets a signal through to this thread: whoever started us may have shut it out, and that is inherited.
#[cfg(target_os = "linux")]
pub(crate) fn let_in(signal: libc::c_int) {
    // SAFETY: A set of signals is plain numbers, for which all zero is a value; each pointer is to the set on this stack or null, which
    // the call allows for the set that nobody asks for.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        libc::sigaddset(&raw mut signals, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const signals, std::ptr::null_mut());
    }
}
