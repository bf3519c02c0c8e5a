//! One file of the store: opened, copied with its digest taken, made under a temporary name. Knows no layout.

use super::USE_GRAIN;
use crate::digest::{CHUNK, Digest, Hasher};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Files smaller than this are not worth the question whether they can be cloned; in bytes.
const CLONE_FROM: u64 = 64 * 1024;

/// Opens a file for reading. Follows no link and does not wait for the other end of a pipe; whether it is a regular file is
/// left to the caller.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    }
    options.open(path)
}

/// Opens a regular file for reading and says its size; anything else is an error.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// Opens a regular file that is there for writing behind what it holds. Follows no link and does not wait for the other end of a pipe.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    }
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// Removes a file of the store, or a directory in its place; says whether it did.
pub(super) fn remove(path: &Path) -> bool {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) }.is_ok()
}

/// Makes a file for a user of the store, with the modes that the user's files have. Can be read as well.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// Makes a file that only the user can read.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a directory that only the user can read, and those above it.
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// In what way others than this user can write to a directory. The superuser can anyway.
#[cfg(unix)]
pub(super) fn exposure(dir: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(dir).ok()?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user && metadata.uid() != 0 {
        return Some("belongs to another user");
    }
    (metadata.mode() & 0o022 != 0).then_some("can be written to by other users")
}

#[cfg(not(unix))]
pub(super) fn exposure(_dir: &Path) -> Option<&'static str> {
    None
}

/// Which of two files the system refused something.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The one that is read.
    From(io::Error),
    /// The one that is written.
    To(io::Error),
}

/// Copies all of `from`, of about `size` bytes, to the empty file `to`, and says the digest of what `to` has then. Clones
/// where the file system can, and reads the clone.
pub(super) fn copy(
    from: &mut File,
    to: &mut File,
    size: u64,
    buffer: &mut Vec<u8>,
) -> Result<Digest, CopyError> {
    if size >= CLONE_FROM && clone(from, to) {
        to.rewind().map_err(CopyError::To)?;
        return digest(to, size, buffer).map_err(CopyError::To);
    }
    let mut hasher = Hasher::default();
    each_chunk(from, size, buffer, |chunk| {
        hasher.update(chunk);
        to.write_all(chunk)
    })?;
    Ok(hasher.finish())
}

/// The digest of what is left to read, about `size` bytes.
pub(super) fn digest(from: &mut File, size: u64, buffer: &mut Vec<u8>) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    each_chunk(from, size, buffer, |chunk| {
        hasher.update(chunk);
        Ok(())
    })
    .map_err(|(CopyError::From(error) | CopyError::To(error))| error)?;
    Ok(hasher.finish())
}

/// Reads a file into `buffer`; false if it has more than `limit` bytes.
pub(super) fn read_small(from: &mut File, limit: u64, buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.clear();
    from.take(limit + 1).read_to_end(buffer)?;
    Ok(buffer.len() as u64 <= limit)
}

fn each_chunk(
    from: &mut File,
    size: u64,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), CopyError> {
    // For a small file a small buffer will do, with a byte to spare in which to notice its end.
    let room = usize::try_from(size).map_or(CHUNK, |size| CHUNK.min(size.saturating_add(1)));
    if buffer.len() < room {
        buffer.resize(room, 0);
    }
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(buffer.get(..count).unwrap_or_default()).map_err(CopyError::To)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::From(error)),
        }
    }
}

#[cfg(target_os = "linux")]
fn clone(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn clone(_from: &File, _to: &File) -> bool {
    false
}

/// Whether a file with these bytes is there. If so it counts as used now, as in [`is_there`].
pub(super) fn has_bytes(path: &Path, bytes: &[u8]) -> bool {
    let Ok((file, size)) = open_regular(path) else { return false };
    let mut there = Vec::with_capacity(bytes.len() + 1);
    size == bytes.len() as u64
        && (&file).take(size + 1).read_to_end(&mut there).is_ok()
        && there == bytes
        && is_there(path, size)
}

/// Whether a file of that size is there. If so it counts as used now, by which a collection that was about to remove it knows that somebody
/// counts on it: it is noted first, and looked for afterwards.
pub(super) fn is_there(path: &Path, size: u64) -> bool {
    let Ok((file, found)) = open_regular(path) else { return false };
    if found != size {
        return false;
    }
    let _ = file.set_modified(SystemTime::now());
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// Sets the time of the last use to now, unless it is recent. Where that cannot be done (a store that is read-only) it is left.
pub(super) fn mark_used(file: &File) {
    if is_old(file.metadata().and_then(|metadata| metadata.modified()), USE_GRAIN) {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn is_old(modified: io::Result<SystemTime>, limit: Duration) -> bool {
    modified.is_ok_and(|modified| age(SystemTime::now(), modified) > limit)
}

/// How far two times are apart: a time that lies in the future, from a clock that was wrong, is no reason to keep a file for ever.
pub(super) fn age(now: SystemTime, modified: SystemTime) -> Duration {
    now.duration_since(modified).unwrap_or_else(|error| error.duration())
}

/// A file under a temporary name, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) file: File,
    path: PathBuf,
}

impl Temporary {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { file: create_private(path)?, path: path.to_path_buf() })
    }

    /// Gives it its name; gives it back where that fails.
    pub(super) fn rename(mut self, to: &Path) -> Result<(), (Self, io::Error)> {
        match fs::rename(&self.path, to) {
            Ok(()) => {
                self.path = PathBuf::new();
                Ok(())
            }
            Err(error) => Err((self, error)),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
