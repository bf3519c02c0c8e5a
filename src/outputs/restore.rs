//! Puts exactly a result's outputs in place. Everything is fetched and checked before anything is touched.

use super::clear::{Known, remove_directories, take_away};
use super::place::{Directory, Ground, Missing, name_of, temporary_name};
use super::scan::{Entry, NOT_UTF8, Scan, behind_a_link, owns, scan, stat_of};
use super::{Displaced, Roots, folding, has_content, link_stays};
use crate::content::{Content, Output};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::ordered::Map;
use crate::path::{Base, OutputPath};
use crate::pattern::OutputPattern;
use crate::result::check_outputs;
use crate::stat::{Kind, Stat};
use crate::store::{Store, StoreError};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The longest name and the longest path that are restored, in bytes: what file systems take at most.
const NAME_SIZE_MAX: usize = 255;
const PATH_SIZE_MAX: usize = 4096;

/// Why a restore did not come about.
#[derive(Debug)]
pub enum RestoreError {
    /// The store could not give what it promised: nothing on disk has been touched. It was a miss.
    Store(StoreError),
    /// The result names a path that the action does not own, or that cannot be: nothing has been touched. It was a miss.
    Refused(String),
    /// Two of its paths are one name here, where upper and lower case are not told apart: nothing has been touched. It was a miss,
    /// and no damage: elsewhere the result may be right.
    OneName(OutputPath, OutputPath),
    /// The workspace could not be written.
    Io(Error),
}

/// What a restore did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// The bytes of all files of the result.
    pub bytes: u64,
    /// How many files were already right and have not been touched.
    pub untouched: usize,
    /// What stood in the way and was not ours.
    pub displaced: Vec<Displaced>,
}

/// Puts exactly `outputs` in place: fetches every blob that is not already right on disk into staging, then calls `commit`
/// (which forgets the record), then swaps. `known` as in [`super::clear()`].
///
/// Restored files are writable and have the mode that the user's umask gives to new ones.
pub fn restore(
    patterns: &[OutputPattern],
    outputs: &[Output],
    known: &[Output],
    roots: &Roots,
    index: &Index,
    store: &dyn Store,
    commit: &mut dyn FnMut() -> Result<()>,
) -> Result<Restored, RestoreError> {
    check(patterns, outputs).map_err(RestoreError::Refused)?;
    let scan = scan(patterns, roots).map_err(RestoreError::Io)?;
    let mut ground = Ground::new(patterns, roots);
    let pairs = folding::alike(outputs.iter().map(|output| &output.path));
    let same = folding::same(pairs, |path| ground.folds_case(path)).map_err(RestoreError::Io)?;
    if let Some((first, second)) = same {
        return Err(RestoreError::OneName(first, second));
    }
    check_ways(patterns, outputs, roots).map_err(RestoreError::Io)?;
    let plan = Plan::new(outputs, &scan, known, roots, index).map_err(RestoreError::Io)?;
    let staged = Staged::fetch(&plan, roots, store)?;
    commit().map_err(RestoreError::Io)?;

    let mut restored =
        Restored { bytes: bytes(outputs), untouched: plan.untouched(), displaced: Vec::new() };
    plan.make_room(&scan, &mut ground, roots, &mut restored.displaced).map_err(RestoreError::Io)?;
    plan.put_in_place(staged, &mut ground, roots, index).map_err(RestoreError::Io)?;
    Ok(restored)
}

/// Refuses a result as a whole that says anything an honest one cannot say.
fn check(patterns: &[OutputPattern], outputs: &[Output]) -> Result<(), String> {
    check_outputs(outputs)?;
    for output in outputs {
        let path = &output.path;
        if !owns(patterns, path) {
            return Err(format!("`{path}` is not an output of the step"));
        }
        if path.path.as_str().len() > PATH_SIZE_MAX
            || path.path.components().any(|name| name.len() > NAME_SIZE_MAX)
        {
            return Err(format!(
                "the path `{}…` is too long",
                path.path.as_str().chars().take(80).collect::<String>()
            ));
        }
        match &output.content {
            Content::Link { target, .. } if !is_link_target(path, target) => {
                return Err(format!(
                    "the link `{path}` leads out of its root, to `{}`",
                    target.escape_debug()
                ));
            }
            Content::File { .. } if path.path.is_root() => {
                return Err(format!("`{path}` is a directory, not a file"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_link_target(path: &OutputPath, target: &str) -> bool {
    !target.is_empty()
        && !target.contains('\0')
        && target.len() < PATH_SIZE_MAX
        && link_stays(path, target)
}

/// Checks that every directory which outputs lie below and which is not owned is a directory, or not there yet.
fn check_ways(patterns: &[OutputPattern], outputs: &[Output], roots: &Roots) -> Result<()> {
    let mut checked = HashSet::new();
    for output in outputs.iter().filter(|output| output.path.base == Base::Tree) {
        let mut above = output.path.path.parent();
        while let Some(path) = above.filter(|path| !path.is_root()) {
            above = path.parent();
            let dir = OutputPath { base: Base::Tree, path };
            if owns(patterns, &dir) {
                continue;
            }
            let path = roots.path(&dir);
            if !checked.insert(dir) {
                break;
            }
            match stat_of(&path)?.map(|stat| stat.kind) {
                None | Some(Kind::Directory) => {}
                Some(Kind::Link) => return Err(behind_a_link(&path)),
                Some(_) => {
                    return Err(Error::io(
                        "cannot write below",
                        &path,
                        io::Error::from(io::ErrorKind::NotADirectory),
                    ));
                }
            }
        }
    }
    Ok(())
}

fn bytes(outputs: &[Output]) -> u64 {
    outputs.iter().fold(0, |sum, output| match &output.content {
        Content::File { digest, .. } => sum.saturating_add(digest.size),
        _ => sum,
    })
}

/// What is to be done for each output and with each thing that is there.
struct Plan<'a> {
    outputs: Vec<(&'a Output, Todo)>,
    /// What is there and may not stay, with whether it is ours; and whether it is replaced in one step by what comes.
    stale: Vec<(&'a Entry, bool, bool)>,
    /// Directories that stay: those that outputs lie in, or that are outputs.
    needed: HashSet<(Base, &'a str)>,
}

/// What is to be done for an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Todo {
    /// It is right.
    Nothing,
    /// It has the right bytes, as of this stat, and the wrong executable bit.
    SetMode(Stat),
    /// It has to be made.
    Make,
}

impl<'a> Plan<'a> {
    fn new(
        outputs: &'a [Output],
        scan: &'a Scan,
        known: &[Output],
        roots: &Roots,
        index: &Index,
    ) -> Result<Self> {
        let there: Map<_, _> =
            scan.entries.iter().map(|entry| (&entry.present.path, entry)).collect();
        let mut plan = Self { outputs: Vec::new(), stale: Vec::new(), needed: HashSet::new() };
        for output in outputs {
            let entry = there.get(&output.path).copied();
            plan.outputs.push((output, todo(output, entry, roots, index)?));
            plan.need(output);
        }
        let wanted: Map<_, _> =
            plan.outputs.iter().map(|(output, todo)| (&output.path, (*output, *todo))).collect();
        let known = Known::new(known);
        for entry in &scan.entries {
            let wanted = wanted.get(&entry.present.path);
            if wanted.is_none_or(|(_, todo)| *todo == Todo::Make) {
                let is_ours = known.is_ours(entry, roots, index)?;
                let is_replaced = entry.present.stat.kind != NOT_UTF8
                    && wanted.is_some_and(|(output, _)| output.content != Content::EmptyDirectory);
                plan.stale.push((entry, is_ours, is_replaced));
            }
        }
        Ok(plan)
    }

    fn need(&mut self, output: &'a Output) {
        let path = output.path.path.as_str();
        if output.content == Content::EmptyDirectory {
            self.needed.insert((output.path.base, path));
        }
        self.needed.insert((output.path.base, ""));
        for (end, _) in path.rmatch_indices('/') {
            // Whatever lies above a directory that was noted has been noted with it.
            if !self.needed.insert((output.path.base, &path[..end])) {
                break;
            }
        }
    }

    fn untouched(&self) -> usize {
        let is_untouched = |(output, todo): &&(&Output, Todo)| {
            *todo == Todo::Nothing && matches!(output.content, Content::File { .. })
        };
        self.outputs.iter().filter(is_untouched).count()
    }

    /// Takes away what may not stay.
    fn make_room(
        &self,
        scan: &Scan,
        ground: &mut Ground<'_>,
        roots: &Roots,
        displaced: &mut Vec<Displaced>,
    ) -> Result<()> {
        for (entry, is_ours, is_replaced) in &self.stale {
            if !(*is_ours && *is_replaced) {
                displaced.extend(take_away(entry, *is_ours, ground, roots)?);
            }
        }
        remove_directories(
            scan,
            |path| self.needed.contains(&(path.base, path.path.as_str())),
            ground,
            roots,
        )
    }

    /// Makes what is missing, from what is staged.
    fn put_in_place(
        &self,
        mut staged: Staged,
        ground: &mut Ground<'_>,
        roots: &Roots,
        index: &Index,
    ) -> Result<()> {
        for (place, (output, todo)) in self.outputs.iter().enumerate() {
            if *todo == Todo::Nothing {
                continue;
            }
            let path = roots.path(&output.path);
            let trouble = |source| Error::io("cannot restore", &path, source);
            let name = name_of(&output.path, roots);
            let gone = || trouble(io::Error::from(io::ErrorKind::NotFound));
            let dir = ground.parent(&output.path, Missing::Make)?.ok_or_else(gone)?;
            let was = match todo {
                Todo::SetMode(was) => {
                    let executable =
                        matches!(output.content, Content::File { executable: true, .. });
                    dir.set_executable(&name, executable).map(|()| Some(*was))
                }
                _ if output.content == Content::EmptyDirectory => dir.make_dir(&name).map(|_| None),
                _ => staged.put(place, &output.content, dir, &name),
            };
            if let (Some(was), Content::File { digest, .. }) =
                (was.map_err(trouble)?, &output.content)
            {
                remember(&path, digest, &was, index);
            }
        }
        Ok(())
    }
}

fn todo(output: &Output, entry: Option<&Entry>, roots: &Roots, index: &Index) -> Result<Todo> {
    let Some(entry) = entry else { return Ok(Todo::Make) };
    if !has_content(&entry.present, &output.content, roots, index)? {
        return Ok(Todo::Make);
    }
    Ok(match &output.content {
        Content::File { executable, .. } if entry.present.stat.is_executable() != *executable => {
            Todo::SetMode(entry.present.stat)
        }
        _ => Todo::Nothing,
    })
}

/// Tells the index of a file that was just put in place, if it is still the one whose bytes are known, as of `was`.
fn remember(path: &Path, digest: &Digest, was: &Stat, index: &Index) {
    if let Ok(Some(now)) = Stat::of(path)
        && (now.kind, now.inode, now.size, now.mtime_ns)
            == (Kind::File, was.inode, was.size, was.mtime_ns)
    {
        index.remember(&now, *digest);
    }
}

/// Files and links that wait to be put in place, by the places of their outputs: where each is, and what the file system said of it
/// when it was complete. What is left of them is removed in the end.
struct Staged(HashMap<usize, (PathBuf, Option<Stat>)>);

impl Staged {
    /// Fetches all files that have to be made, and makes the links.
    fn fetch(plan: &Plan<'_>, roots: &Roots, store: &dyn Store) -> Result<Self, RestoreError> {
        let makes = plan.outputs.iter().enumerate().filter(|(_, (_, todo))| *todo == Todo::Make);
        let made: Vec<(usize, &Content)> = makes
            .map(|(place, (output, _))| (place, &output.content))
            .filter(|(_, content)| **content != Content::EmptyDirectory)
            .collect();
        if made.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let trouble = |source| {
            RestoreError::Io(Error::io("cannot work in the directory", &roots.staging, source))
        };
        fs::create_dir_all(&roots.staging).map_err(trouble)?;
        let paths =
            made.iter().map(|(place, _)| (*place, (roots.staging.join(temporary_name()), None)));
        let mut staged = Self(paths.collect());
        let blobs = staged.make_links(&made).map_err(trouble)?;
        if !blobs.is_empty() {
            store.fetch(&blobs).map_err(|error| match error {
                StoreError::Destination(error) => RestoreError::Io(error),
                error => RestoreError::Store(error),
            })?;
        }
        let mode = mode_of_new(&roots.staging).map_err(trouble)?;
        for (place, content) in made {
            if let Some((path, stat)) = staged.0.get_mut(&place) {
                *stat = Some(complete(path, content, mode)?);
            }
        }
        Ok(staged)
    }

    /// Makes the links and says what is to be fetched for the files.
    fn make_links(&self, made: &[(usize, &Content)]) -> io::Result<Vec<(Digest, PathBuf)>> {
        let mut blobs = Vec::new();
        for (place, content) in made {
            match (self.0.get(place), content) {
                (Some((path, _)), Content::File { digest, .. }) => {
                    blobs.push((*digest, path.clone()))
                }
                (Some((path, _)), Content::Link { target, .. }) => make_link(target, path)?,
                _ => {}
            }
        }
        Ok(blobs)
    }

    /// Puts what waits for that place there. Gives the stat that it had, if it is still the same file and no copy.
    fn put(
        &mut self,
        place: usize,
        content: &Content,
        dir: &Directory,
        name: &OsStr,
    ) -> io::Result<Option<Stat>> {
        let (path, stat) = self.0.get(&place).ok_or(io::ErrorKind::NotFound)?;
        let stat = *stat;
        let digest = match content {
            Content::File { digest, .. } => Some(digest),
            Content::Link { .. } | Content::EmptyDirectory => None,
        };
        if !dir.take_in(path, name, digest)? {
            return Ok(None);
        }
        self.0.remove(&place);
        Ok(stat)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (path, _) in self.0.values() {
            let _ = fs::remove_file(path);
        }
    }
}

/// Gives a staged file its mode, and looks once more whether the store has kept its word.
fn complete(path: &Path, content: &Content, mode: u32) -> Result<Stat, RestoreError> {
    let trouble = |source| RestoreError::Io(Error::io("cannot work on", path, source));
    let stat =
        Stat::of(path).map_err(trouble)?.ok_or_else(|| trouble(io::ErrorKind::NotFound.into()))?;
    let Content::File { digest, executable } = content else { return Ok(stat) };
    if stat.kind != Kind::File || stat.size != digest.size {
        let how = format!("{} bytes were fetched, not {}", stat.size, digest.size);
        return Err(RestoreError::Store(StoreError::Damaged {
            what: format!("the blob {}", digest.hash),
            how,
        }));
    }
    let mode = if *executable { mode } else { mode & !0o111 };
    if stat.mode & 0o7777 != mode {
        set_mode(path, mode).map_err(trouble)?;
    }
    Ok(stat)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// The mode of new executable files: what the umask leaves of 0777, and all rights for the owner. The umask can only be read by
/// setting it, for all threads, so a new directory is asked instead, once.
fn mode_of_new(staging: &Path) -> io::Result<u32> {
    static MODE: OnceLock<u32> = OnceLock::new();
    if let Some(mode) = MODE.get() {
        return Ok(*mode);
    }
    let probe = staging.join(temporary_name());
    fs::create_dir(&probe)?;
    let stat = Stat::of(&probe);
    fs::remove_dir(&probe)?;
    Ok(*MODE.get_or_init(|| stat.ok().flatten().map_or(0o755, |stat| stat.mode & 0o777 | 0o700)))
}

#[cfg(unix)]
fn make_link(target: &str, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn make_link(target: &str, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, at)
}
