//! A directory by its path, where the system has no operations relative to an open one. A directory that is swapped for a
//! link between the check and the use is not noticed here.

use super::{copy_exactly, temporary_name};
use crate::digest::Digest;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A directory. Names are single components; none of them is followed if it is a link.
#[derive(Debug)]
pub(in crate::outputs) struct Directory(PathBuf);

impl Directory {
    /// Opens the directory at a path, through links.
    pub(in crate::outputs) fn open(path: &Path) -> io::Result<Self> {
        match fs::metadata(path)?.is_dir() {
            true => Ok(Self(path.to_path_buf())),
            false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        }
    }

    /// Opens a directory in this one. The error is `NotADirectory` for a link as well.
    pub(in crate::outputs) fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.0.join(name);
        match fs::symlink_metadata(&path)?.is_dir() {
            true => Ok(Self(path)),
            false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        }
    }

    /// Opens a directory in this one. There is no mode to change.
    pub(in crate::outputs) fn open_dir_unlocked(&self, name: &OsStr) -> io::Result<Self> {
        self.open_dir(name)
    }

    /// Makes a directory in this one, or takes the one that is there.
    pub(in crate::outputs) fn make_dir(&self, name: &OsStr) -> io::Result<Self> {
        match fs::create_dir(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.open_dir(name),
        }
    }

    /// Removes whatever has this name, with everything below it. Nothing there is fine.
    pub(in crate::outputs) fn remove(&self, name: &OsStr) -> io::Result<()> {
        let path = self.0.join(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => unlock(&path).and_then(|()| fs::remove_file(&path)),
            Err(error) => Err(error),
        };
        unless_gone(removed)
    }

    /// Removes everything in this directory.
    pub(in crate::outputs) fn remove_children(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            self.remove(&entry?.file_name())?;
        }
        Ok(())
    }

    /// Removes an empty directory. Nothing there is fine.
    pub(in crate::outputs) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        unless_gone(fs::remove_dir(self.0.join(name)))
    }

    /// Moves the file with that digest, or the link, at `staged` here, replacing a file or link of that name. False if it had to be
    /// copied, from another file system: then the bytes are looked at once more on their way.
    pub(in crate::outputs) fn take_in(
        &self,
        staged: &Path,
        name: &OsStr,
        digest: Option<&Digest>,
    ) -> io::Result<bool> {
        let to = self.0.join(name);
        match fs::rename(staged, &to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                unlock(&to)?;
                return fs::rename(staged, &to).map(|()| true);
            }
            moved => return moved.map(|()| true),
        }
        let temporary = self.0.join(temporary_name());
        let copied = match digest {
            Some(digest) => File::open(staged)
                .and_then(|from| copy_exactly(&from, &File::create_new(&temporary)?, digest)),
            None => fs::copy(staged, &temporary).map(drop),
        };
        let copied = copied.and_then(|()| fs::rename(&temporary, &to));
        if copied.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        copied.map(|()| false)
    }

    /// Moves what has this name to `to`, where nothing stands.
    pub(in crate::outputs) fn move_out(&self, name: &OsStr, to: &Path) -> io::Result<()> {
        let from = self.0.join(name);
        match fs::rename(&from, to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                fs::copy(&from, to)?;
                self.remove(name)
            }
            moved => moved,
        }
    }

    /// Whether names that differ in case only are one here.
    pub(in crate::outputs) fn folds_case(&self) -> io::Result<bool> {
        let probe = temporary_name();
        fs::create_dir(self.0.join(&probe))?;
        let folds = fs::exists(self.0.join(probe.to_ascii_uppercase()));
        fs::remove_dir(self.0.join(&probe))?;
        folds
    }

    /// There is no executable bit to set.
    pub(in crate::outputs) fn set_executable(
        &self,
        _name: &OsStr,
        _executable: bool,
    ) -> io::Result<()> {
        Ok(())
    }

    /// Sets when a file was changed, in nanoseconds since 1970.
    pub(in crate::outputs) fn set_modified(&self, name: &OsStr, ns: i128) -> io::Result<()> {
        let ns = u64::try_from(ns).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let file = File::options().write(true).open(self.0.join(name))?;
        file.set_times(
            FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(ns)),
        )
    }
}

/// A file that is marked read-only can be neither removed nor replaced here.
#[allow(clippy::permissions_set_readonly_false)] // It is about to go.
fn unlock(path: &Path) -> io::Result<()> {
    let mut permissions = fs::symlink_metadata(path)?.permissions();
    if permissions.readonly() {
        permissions.set_readonly(false);
        fs::set_permissions(path, permissions)?;
    }
    Ok(())
}

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
