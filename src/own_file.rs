//! The files that we keep for ourselves beside a build: read and written so that whatever a crash, another version or a stranger has put
//! in their place costs time only. Knows nothing of what they hold.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A larger file is not read, in bytes: about 14 million entries of the stat index.
const LARGEST: u64 = 1 << 30;

/// Opens for reading without waiting, should a pipe have taken the file's place.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        options.custom_flags(flags);
    }
    options.open(path)
}

/// The bytes of the file at `path`; `None` if what stands there is none of ours: no regular file, or
/// larger than any of ours.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Err(_) if fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) => {
            return Ok(None);
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes beside `path`, then renames. Nobody else may write it at the same time.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = draft_of(path);
    clear_the_way(&draft)?;
    clear_the_way(path)?;
    let result = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result
}

/// Takes away what stands at `path` if it is a directory, a link, a pipe or a socket: it would be written through, waited for, or be in the
/// way. A device is never taken away. Only for paths in the state of a checkout or
/// in a store, where everything is ours.
pub(crate) fn clear_the_way(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(kind) if is_in_the_way(kind) => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(unix)]
fn is_in_the_way(kind: fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_symlink() || kind.is_fifo() || kind.is_socket()
}

#[cfg(not(unix))]
fn is_in_the_way(kind: fs::FileType) -> bool {
    kind.is_symlink()
}

/// The same each time, so that a draft that was left by a killed build is used up by the next.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[cfg(unix)]
    #[test]
    fn what_is_none_of_ours_is_not_read_and_needs_no_memory() {
        let dir = TempDir::new();
        let path = dir.path().join("file");
        File::create(&path).unwrap().set_len(1 << 42).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        assert_eq!(read(&dir.path().join("loop")).unwrap(), None);
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"12345");
    }

    #[cfg(unix)]
    #[test]
    fn whatever_stands_in_the_place_is_replaced_and_nothing_behind_it_is_touched() {
        let dir = TempDir::new();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("directory/full")).unwrap();
        fs::write(at("behind"), "precious").unwrap();
        std::os::unix::fs::symlink(at("behind"), at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        std::os::unix::fs::symlink(at("behind"), at("file.new")).unwrap();
        for name in ["directory", "link", "dangling", "loop", "file"] {
            replace(&at(name), b"new").unwrap();
            assert_eq!(fs::symlink_metadata(at(name)).unwrap().len(), 3, "{name}");
        }
        assert_eq!(fs::read(at("behind")).unwrap(), b"precious");
    }
}
