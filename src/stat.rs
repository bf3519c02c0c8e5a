//! What the file system says of a path without reading it.

use std::io;
use std::path::Path;

/// What kind of thing stands at a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something else: "pipe", "socket", "device".
    Special(&'static str),
}

/// The answer of `lstat`, as far as it tells whether a file was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// The kind.
    pub kind: Kind,
    /// The device.
    pub device: u64,
    /// The inode; 0 where the system does not tell.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// When the content was changed, in nanoseconds since 1970.
    pub mtime_ns: i128,
    /// When the inode was changed, in nanoseconds since 1970.
    pub ctime_ns: i128,
    /// The permission bits.
    pub mode: u32,
}

impl Stat {
    /// Of the path itself, links not followed; `None` if nothing is there.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        if_there(path.symlink_metadata().map(|metadata| Self::from_metadata(&metadata)))
    }

    /// Of what the path leads to; `None` if nothing is there, or if links lead nowhere or in a circle.
    pub fn of_pointee(path: &Path) -> io::Result<Option<Self>> {
        if_there(path.metadata().map(|metadata| Self::from_metadata(&metadata)))
    }

    /// Of a file that is open.
    pub fn of_open(file: &std::fs::File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from_metadata(&metadata))
    }

    /// Whether the owner may execute it.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// Of `name` in the open directory `dir`, the link itself or what it leads to; `None` as in [`Stat::of_pointee`].
    #[cfg(unix)]
    pub(crate) fn at(
        dir: &std::os::fd::OwnedFd,
        name: &str,
        follow: bool,
    ) -> io::Result<Option<Self>> {
        use rustix::fs::AtFlags;
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        if_there(
            rustix::fs::statat(dir, name, flags)
                .map(|stat| from_raw(&stat))
                .map_err(io::Error::from),
        )
    }

    #[cfg(unix)]
    fn from_metadata(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            kind: kind(metadata.file_type()),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode() & 0o7777,
        }
    }

    #[cfg(not(unix))]
    fn from_metadata(metadata: &std::fs::Metadata) -> Self {
        let since_1970 = |time: io::Result<std::time::SystemTime>| {
            let since = time.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            since.and_then(|since| i128::try_from(since.as_nanos()).ok()).unwrap_or(0)
        };
        Self {
            kind: kind(metadata.file_type()),
            device: 0,
            inode: 0,
            size: metadata.len(),
            mtime_ns: since_1970(metadata.modified()),
            ctime_ns: since_1970(metadata.created()),
            mode: if metadata.permissions().readonly() { 0o444 } else { 0o644 },
        }
    }
}

/// Whether an error says that there is nothing at a path: no such name, a file where a directory should be, links in a circle.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    if matches!(error.kind(), NotFound | NotADirectory) {
        return true;
    }
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return true;
    }
    false
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn kind(file_type: std::fs::FileType) -> Kind {
    if file_type.is_file() {
        return Kind::File;
    }
    if file_type.is_dir() {
        return Kind::Directory;
    }
    if file_type.is_symlink() {
        return Kind::Link;
    }
    Kind::Special(special(file_type))
}

#[cfg(unix)]
fn special(file_type: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if file_type.is_fifo() => "pipe",
        () if file_type.is_socket() => "socket",
        () => "device",
    }
}

#[cfg(not(unix))]
fn special(_: std::fs::FileType) -> &'static str {
    "device"
}

#[cfg(unix)]
fn nanoseconds(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

#[cfg(unix)]
#[allow(clippy::unnecessary_cast)] // the widths of these fields differ from system to system
fn from_raw(stat: &rustix::fs::Stat) -> Stat {
    Stat {
        kind: kind_of_raw(rustix::fs::FileType::from_raw_mode(stat.st_mode)),
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: stat.st_size as u64,
        mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        mode: stat.st_mode as u32 & 0o7777,
    }
}

/// The kind that a directory entry or a mode tells.
#[cfg(unix)]
pub(crate) fn kind_of_raw(file_type: rustix::fs::FileType) -> Kind {
    use rustix::fs::FileType;
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        FileType::Fifo => Kind::Special("pipe"),
        FileType::Socket => Kind::Special("socket"),
        _ => Kind::Special("device"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::testing::TempDir;
    use std::fs;

    #[test]
    fn nothing_at_a_path_is_no_error() {
        let dir = TempDir::new();
        dir.write("file", "x");
        assert_eq!(Stat::of(&dir.path("absent")).unwrap(), None);
        assert_eq!(Stat::of(&dir.path("file/below")).unwrap(), None);
    }

    #[test]
    fn a_file_tells_its_size_kind_and_executable_bit() {
        let dir = TempDir::new();
        dir.write("file", "four");
        let stat = Stat::of(&dir.path("file")).unwrap().unwrap();
        assert_eq!((stat.kind, stat.size, stat.is_executable()), (Kind::File, 4, false));
        assert_eq!(Stat::of(&dir.path("")).unwrap().unwrap().kind, Kind::Directory);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_told_apart_from_what_it_leads_to() {
        let dir = TempDir::new();
        dir.write("file", "four");
        dir.link("link", "file");
        dir.link("dangling", "absent");
        dir.link("circle", "circle");
        assert_eq!(Stat::of(&dir.path("link")).unwrap().unwrap().kind, Kind::Link);
        assert_eq!(
            Stat::of_pointee(&dir.path("link")).unwrap(),
            Stat::of(&dir.path("file")).unwrap()
        );
        assert_eq!(Stat::of_pointee(&dir.path("dangling")).unwrap(), None);
        assert_eq!(Stat::of_pointee(&dir.path("circle")).unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn every_way_to_ask_gives_the_same_answer() {
        let dir = TempDir::new();
        dir.write("file", "four");
        dir.link("link", "file");
        let handle = std::os::fd::OwnedFd::from(fs::File::open(dir.path("")).unwrap());
        for name in ["file", "link", "absent"] {
            assert_eq!(Stat::at(&handle, name, false).unwrap(), Stat::of(&dir.path(name)).unwrap());
            assert_eq!(
                Stat::at(&handle, name, true).unwrap(),
                Stat::of_pointee(&dir.path(name)).unwrap()
            );
        }
        let open = fs::File::open(dir.path("file")).unwrap();
        assert_eq!(Some(Stat::of_open(&open).unwrap()), Stat::of(&dir.path("file")).unwrap());
    }
}
