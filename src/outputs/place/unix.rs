//! A directory by its descriptor.

use super::{copy_exactly, temporary_name};
use crate::digest::Digest;
use crate::ordered::Set;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// An open directory. Names are single components; none of them is followed if it is a link.
#[derive(Debug)]
pub(in crate::outputs) struct Directory(OwnedFd);

const OPEN_DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Directory {
    /// Opens the directory at a path, through links.
    pub(in crate::outputs) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, OPEN_DIR, Mode::empty())?))
    }

    /// Opens a directory in this one. The error is `NotADirectory` for a link as well.
    pub(in crate::outputs) fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        match rustix::fs::openat(&self.0, name, OPEN_DIR | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::LOOP | Errno::MLINK) => Err(io::Error::from(io::ErrorKind::NotADirectory)),
            opened => Ok(Self(opened?)),
        }
    }

    /// Opens a directory in this one and lets its owner read, write and enter it.
    pub(in crate::outputs) fn open_dir_unlocked(&self, name: &OsStr) -> io::Result<Self> {
        let dir = match self.open_dir(name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.change_mode(name, |mode| mode | 0o700)?;
                self.open_dir(name)?
            }
            dir => dir?,
        };
        let mode = rustix::fs::fstat(&dir.0)?.st_mode & 0o7777;
        if mode & 0o700 != 0o700 {
            rustix::fs::fchmod(&dir.0, Mode::from_raw_mode(mode | 0o700))?;
        }
        Ok(dir)
    }

    /// Makes a directory in this one, or takes the one that is there.
    pub(in crate::outputs) fn make_dir(&self, name: &OsStr) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => self.open_dir(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes whatever has this name, with everything below it. Nothing there is fine.
    pub(in crate::outputs) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            // POSIX says PERM for a directory, Linux ISDIR.
            Err(error @ (Errno::ISDIR | Errno::PERM)) => match self.open_dir_unlocked(name) {
                Ok(dir) => {
                    dir.remove_children()?;
                    self.remove_dir(name)
                }
                Err(_) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Removes everything in this directory.
    pub(in crate::outputs) fn remove_children(&self) -> io::Result<()> {
        // The list is complete before anything is removed: what a listing shows while it is changed is left open by POSIX.
        let names: Vec<OsString> = self.names()?;
        names.iter().try_for_each(|name| self.remove(name))
    }

    /// Removes an empty directory. Nothing there is fine.
    pub(in crate::outputs) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::EXIST) => Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty)),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves the file with that digest, or the link, at `staged` here, replacing a file or link of that name in one step. False if it had
    /// to be copied, from another file system: then the bytes are looked at once more on their way, and for a moment nothing has that name.
    pub(in crate::outputs) fn take_in(
        &self,
        staged: &Path,
        name: &OsStr,
        digest: Option<&Digest>,
    ) -> io::Result<bool> {
        match rustix::fs::renameat(CWD, staged, &self.0, name) {
            Err(Errno::XDEV) => {}
            moved => return moved.map(|()| true).map_err(io::Error::from),
        }
        match digest {
            Some(digest) => self.copy_in(staged, name, digest)?,
            None => {
                let target = fs::read_link(staged)?;
                self.remove_file(name)?;
                rustix::fs::symlinkat(target, &self.0, name)?;
            }
        }
        Ok(false)
    }

    fn copy_in(&self, staged: &Path, name: &OsStr, digest: &Digest) -> io::Result<()> {
        let from = File::open(staged)?;
        let mode = from.metadata()?.mode() & 0o7777;
        let copy = |to: File| {
            copy_exactly(&from, &to, digest)?;
            to.set_permissions(Permissions::from_mode(mode)).map(|()| to)
        };
        // What has no name is gone with a build that is killed: the tree may be the user's own, and nobody would know of what is left there.
        if let Some(nameless) = self.nameless() {
            let file = copy(nameless)?;
            self.remove_file(name)?;
            return self.give_name(&file, name);
        }
        let temporary = temporary_name();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let to = rustix::fs::openat(&self.0, &temporary, flags, Mode::from_raw_mode(0o600))?;
        let copied = copy(File::from(to))
            .and_then(|_| Ok(rustix::fs::renameat(&self.0, &temporary, &self.0, name)?));
        if copied.is_err() {
            let _ = rustix::fs::unlinkat(&self.0, &temporary, AtFlags::empty());
        }
        copied
    }

    /// A new file in this directory that has no name; `None` where there is no such thing.
    #[cfg(target_os = "linux")]
    fn nameless(&self) -> Option<File> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, ".", flags, Mode::from_raw_mode(0o600));
        file.ok().map(File::from)
    }

    #[cfg(not(target_os = "linux"))]
    fn nameless(&self) -> Option<File> {
        None
    }

    /// Gives a nameless file a name that nothing has.
    fn give_name(&self, file: &File, name: &OsStr) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, path, &self.0, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Removes a file or link. Nothing there is fine.
    fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves what has this name to `to`, where nothing stands.
    pub(in crate::outputs) fn move_out(&self, name: &OsStr, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat(&self.0, name, CWD, to) {
            Err(Errno::XDEV) => {
                self.copy_out(name, to)?;
                self.remove(name)
            }
            moved => Ok(moved?),
        }
    }

    fn copy_out(&self, name: &OsStr, to: &Path) -> io::Result<()> {
        match rustix::fs::readlinkat(&self.0, name, Vec::new()) {
            Ok(target) => {
                return std::os::unix::fs::symlink(OsStr::from_bytes(target.as_bytes()), to);
            }
            Err(Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut from = File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?);
        let metadata = from.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::from(io::ErrorKind::CrossesDevices));
        }
        let mut copy = File::create_new(to)?;
        io::copy(&mut from, &mut copy)?;
        copy.set_permissions(metadata.permissions())?;
        copy.set_modified(metadata.modified()?)
    }

    /// Sets or takes the executable bit of a file, for everyone who may read it.
    pub(in crate::outputs) fn set_executable(
        &self,
        name: &OsStr,
        executable: bool,
    ) -> io::Result<()> {
        self.change_mode(name, |mode| match executable {
            true => mode | 0o100 | (mode & 0o444) >> 2,
            false => mode & !0o111,
        })
    }

    /// Sets when a file was changed, in nanoseconds since 1970.
    pub(in crate::outputs) fn set_modified(&self, name: &OsStr, ns: i128) -> io::Result<()> {
        let out_of_range = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let seconds = i64::try_from(ns.div_euclid(1_000_000_000)).map_err(out_of_range)?;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: seconds,
                tv_nsec: ns.rem_euclid(1_000_000_000) as _,
            },
        };
        Ok(rustix::fs::utimensat(&self.0, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Whether names that differ in case only are one here. Asks by a name that stands here; where none has a letter, by one that is
    /// made for it and removed.
    pub(in crate::outputs) fn folds_case(&self) -> io::Result<bool> {
        let names: Set<OsString> = self.names()?.into_iter().collect();
        let mut others = names.iter().filter_map(|name| in_other_case(name));
        if let Some(other) = others.find(|other| !names.contains(other)) {
            return self.has(&other);
        }
        let probe = temporary_name();
        rustix::fs::mkdirat(&self.0, probe.as_str(), Mode::from_raw_mode(0o700))?;
        let folds = self.has(OsStr::new(&probe.to_ascii_uppercase()));
        self.remove_dir(OsStr::new(&probe))?;
        folds
    }

    fn has(&self, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(false),
            stat => Ok(stat.map(|_| true)?),
        }
    }

    /// The names in this directory.
    fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// Changes the permissions of a file or directory that need not be readable, without following a link.
    #[cfg(target_os = "linux")]
    fn change_mode(&self, name: &OsStr, change: impl Fn(u32) -> u32) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        // Linux changes no mode through such a descriptor, but through its name in /proc it does.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::set_permissions(path, Permissions::from_mode(change(stat.st_mode & 0o7777)))
    }

    /// Changes the permissions of a file or directory that need not be readable, without following a link.
    #[cfg(not(target_os = "linux"))]
    fn change_mode(&self, name: &OsStr, change: impl Fn(u32) -> u32) -> io::Result<()> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(change(u32::from(stat.st_mode) & 0o7777) as _);
        Ok(rustix::fs::chmodat(&self.0, name, mode, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// A name with upper and lower case exchanged; `None` if that changes nothing.
fn in_other_case(name: &OsStr) -> Option<OsString> {
    let exchanged = |byte: &u8| match byte.is_ascii_lowercase() {
        true => byte.to_ascii_uppercase(),
        false => byte.to_ascii_lowercase(),
    };
    let other = OsString::from_vec(name.as_bytes().iter().map(exchanged).collect());
    (other != name).then_some(other)
}
