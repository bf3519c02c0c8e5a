//! The file system below a root, as a walk needs it: listings, stats and links of directories. Knows no patterns.

use crate::stat::{self, Kind, Stat};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much of a `.gitignore` is read. Git's own limit is 100 MiB; nobody has written this much by hand.
const LONGEST_RULES: u64 = 16 << 20;

/// The root.
pub(super) struct Tree {
    root: PathBuf,
    #[cfg(unix)]
    handle: std::os::fd::OwnedFd,
}

/// A directory below it.
pub(super) struct Directory<'t> {
    tree: &'t Tree,
    /// From the root, `/` between components; empty for the root.
    path: &'t str,
    /// Open, if its listing was asked for.
    #[cfg(unix)]
    handle: Option<std::os::fd::OwnedFd>,
}

/// The listing of a directory: names in one buffer, so that a file costs no allocation.
#[derive(Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
    #[cfg(target_os = "linux")]
    buffer: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    kind: Option<Kind>,
}

impl Listing {
    /// The names, sorted by their bytes, and the kinds as far as the directory tells them.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], Option<Kind>)> {
        self.entries.iter().map(|entry| (&self.names[entry.start..entry.end], entry.kind))
    }

    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.entries.binary_search_by(|entry| self.names[entry.start..entry.end].cmp(name)).is_ok()
    }

    fn clear(&mut self) {
        self.names.clear();
        self.entries.clear();
    }

    fn push(&mut self, name: &[u8], kind: Option<Kind>) {
        let start = self.names.len();
        self.names.extend_from_slice(name);
        self.entries.push(Entry { start, end: self.names.len(), kind });
    }

    fn sort(&mut self) {
        let names = &self.names;
        self.entries.sort_unstable_by(|a, b| names[a.start..a.end].cmp(&names[b.start..b.end]));
    }
}

impl Tree {
    /// `None` if there is no such directory.
    pub(super) fn open(root: &Path) -> io::Result<Option<Self>> {
        if !root.is_dir() {
            // Asks again, for an error that is not an absence.
            return Stat::of_pointee(root).map(|_| None);
        }
        Ok(Some(Self {
            root: root.to_path_buf(),
            #[cfg(unix)]
            handle: File::open(root)?.into(),
        }))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory at `path`, which need not be there.
    pub(super) fn directory<'t>(&'t self, path: &'t str) -> Directory<'t> {
        Directory {
            tree: self,
            path,
            #[cfg(unix)]
            handle: None,
        }
    }

    /// What `path` leads to.
    pub(super) fn stat_pointee(&self, path: &str) -> io::Result<Option<Stat>> {
        self.directory("").stat(if path.is_empty() { "." } else { path }, true)
    }
}

impl Directory<'_> {
    /// Where `name` lies, from the root.
    pub(super) fn join(&self, name: &str) -> String {
        if self.path.is_empty() {
            return name.to_owned();
        }
        let mut path = String::with_capacity(self.path.len() + 1 + name.len());
        path.push_str(self.path);
        path.push('/');
        path.push_str(name);
        path
    }

    /// Its path in the file system.
    pub(super) fn full_path(&self, name: &str) -> PathBuf {
        self.tree.root.join(self.join(name))
    }

    /// The text of the link `name`; `None` if it is gone.
    pub(super) fn read_link(&self, name: &str) -> io::Result<Option<PathBuf>> {
        match std::fs::read_link(self.full_path(name)) {
            Ok(text) => Ok(Some(text)),
            // No link any more.
            Err(error)
                if stat::is_absence(&error) || error.kind() == io::ErrorKind::InvalidInput =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The bytes of its `.gitignore`, if there is one. As for Git, one that is a link does not count.
    pub(super) fn read_rules(&self) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open_rules() {
            Ok(file) => file,
            Err(error) if stat::is_absence(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut text = Vec::new();
        file.take(LONGEST_RULES).read_to_end(&mut text)?;
        Ok(Some(text))
    }
}

#[cfg(unix)]
impl Directory<'_> {
    /// Lists it; false if there is no such directory.
    pub(super) fn list(&mut self, listing: &mut Listing) -> io::Result<bool> {
        use rustix::fs::{Mode, OFlags, openat};
        listing.clear();
        let path = if self.path.is_empty() { "." } else { self.path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle =
            match openat(&self.tree.handle, path, flags, Mode::empty()).map_err(io::Error::from) {
                Ok(handle) => handle,
                Err(error) if stat::is_absence(&error) => return Ok(false),
                Err(error) => return Err(error),
            };
        read_entries(&handle, listing)?;
        self.handle = Some(handle);
        listing.sort();
        Ok(true)
    }

    /// Of `name` in it, or of what that leads to.
    pub(super) fn stat(&self, name: &str, follow: bool) -> io::Result<Option<Stat>> {
        match &self.handle {
            Some(handle) => Stat::at(handle, name, follow),
            None => Stat::at(&self.tree.handle, &self.join(name), follow),
        }
    }

    fn open_rules(&self) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, openat};
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = match &self.handle {
            Some(handle) => openat(handle, ".gitignore", flags, Mode::empty()),
            None => openat(&self.tree.handle, self.join(".gitignore"), flags, Mode::empty()),
        };
        Ok(open?.into())
    }
}

#[cfg(target_os = "linux")]
fn read_entries(handle: &std::os::fd::OwnedFd, listing: &mut Listing) -> io::Result<()> {
    let mut buffer = std::mem::take(&mut listing.buffer);
    buffer.reserve(32 << 10);
    let mut entries = rustix::fs::RawDir::new(handle, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        push_entry(entry.file_name().to_bytes(), entry.file_type(), listing);
    }
    listing.buffer = buffer;
    Ok(())
}

#[cfg(all(unix, not(target_os = "linux")))]
fn read_entries(handle: &std::os::fd::OwnedFd, listing: &mut Listing) -> io::Result<()> {
    for entry in rustix::fs::Dir::read_from(handle)? {
        let entry = entry?;
        push_entry(entry.file_name().to_bytes(), entry.file_type(), listing);
    }
    Ok(())
}

#[cfg(unix)]
fn push_entry(name: &[u8], file_type: rustix::fs::FileType, listing: &mut Listing) {
    if !matches!(name, b"." | b"..") {
        let kind =
            (file_type != rustix::fs::FileType::Unknown).then(|| stat::kind_of_raw(file_type));
        listing.push(name, kind);
    }
}

#[cfg(not(unix))]
impl Directory<'_> {
    /// Lists it; false if there is no such directory.
    pub(super) fn list(&mut self, listing: &mut Listing) -> io::Result<bool> {
        listing.clear();
        let entries = match std::fs::read_dir(self.tree.root.join(self.path)) {
            Ok(entries) => entries,
            Err(error) if stat::is_absence(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        for entry in entries {
            listing.push(entry?.file_name().as_encoded_bytes(), None);
        }
        listing.sort();
        Ok(true)
    }

    /// Of `name` in it, or of what that leads to.
    pub(super) fn stat(&self, name: &str, follow: bool) -> io::Result<Option<Stat>> {
        let path = self.full_path(name);
        if follow { Stat::of_pointee(&path) } else { Stat::of(&path) }
    }

    fn open_rules(&self) -> io::Result<File> {
        let path = self.full_path(".gitignore");
        if path.is_symlink() {
            return Err(io::ErrorKind::NotFound.into());
        }
        File::open(path)
    }
}
