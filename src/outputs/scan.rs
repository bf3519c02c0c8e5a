//! Lists what stands where an action's outputs are. Reads no file and follows no link.

use super::{Present, Roots};
use crate::error::{Error, Result};
use crate::ordered;
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::OutputPattern;
use crate::stat::{Kind, Stat};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The kind under which a name that is not UTF-8 is shown: no path of ours can say it.
pub(super) const NOT_UTF8: Kind = Kind::Special("file whose name is not UTF-8");

/// Everything that is owned.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// What is not a directory with something in it, sorted by path.
    pub(super) entries: Vec<Entry>,
    /// Every directory that is owned, empty or not, sorted by path: what lies below one comes later.
    pub(super) directories: Vec<OutputPath>,
    /// Every directory that was listed, owned or not.
    pub(super) listed: Vec<OutputPath>,
}

/// Something that is owned.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where and what.
    pub(super) present: Present,
    /// Its name as the file system has it.
    pub(super) name: OsString,
}

/// Lists what `patterns` own.
pub(super) fn scan(patterns: &[OutputPattern], roots: &Roots) -> Result<Scan> {
    let mut scan = Scan::default();
    let mut way = Way::default();
    for literal in outermost(patterns) {
        if !way.is_open(literal, roots)? {
            continue;
        }
        let path = roots.path(literal);
        if let Some(stat) = stat_of(&path)? {
            let name = path.file_name().unwrap_or_default().to_owned();
            scan.walk(Found { path: literal.clone(), name, stat, owned: false }, patterns, roots)?;
        }
    }
    ordered::sort_by(&mut scan.entries, |first, second| {
        first.present.path.cmp(&second.present.path)
    });
    ordered::sort(&mut scan.directories);
    Ok(scan)
}

/// Whether one of `patterns` owns `path`.
pub(super) fn owns(patterns: &[OutputPattern], path: &OutputPath) -> bool {
    patterns.iter().any(|pattern| pattern.owns(path))
}

/// The last answer of [`is_open`]: outputs often lie side by side.
#[derive(Debug, Default)]
struct Way<'a>(Option<(Base, &'a str, bool)>);

impl<'a> Way<'a> {
    fn is_open(&mut self, path: &'a OutputPath, roots: &Roots) -> Result<bool> {
        if path.path.is_root() {
            return Ok(true);
        }
        let dir = path.path.as_str().rsplit_once('/').map_or("", |(dir, _)| dir);
        match self.0 {
            Some((base, last, is_open)) if (base, last) == (path.base, dir) => Ok(is_open),
            _ => {
                let is_open = is_open(path, roots)?;
                self.0 = Some((path.base, dir, is_open));
                Ok(is_open)
            }
        }
    }
}

/// Whether all directories between the root and a path are there. A link among them is the user's, and an error that names
/// it; but under `{out}` it is ours, and nothing is looked for behind it.
fn is_open(path: &OutputPath, roots: &Roots) -> Result<bool> {
    let mut dir = roots.path(&OutputPath { base: path.base, path: RelPath::root() });
    // The tree's root may well be reached through a link; `{out}` is made by us.
    if path.base == Base::Out && stat_of(&dir)?.is_none_or(|stat| stat.kind != Kind::Directory) {
        return Ok(false);
    }
    let mut components = path.path.components().peekable();
    while let Some(component) = components.next() {
        if components.peek().is_none() {
            break;
        }
        dir.push(component);
        match stat_of(&dir)?.map(|stat| stat.kind) {
            Some(Kind::Directory) => {}
            Some(Kind::Link) if path.base == Base::Tree => return Err(behind_a_link(&dir)),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// What a scan looks at: paths at which the stat counts, and directories on the way of which only that they are directories does.
pub(super) fn looked_at(
    patterns: &[OutputPattern],
    roots: &Roots,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let scan = scan(patterns, roots)?;
    let (mut paths, mut ways) = (Vec::new(), Vec::new());
    for literal in outermost(patterns) {
        paths.push(roots.path(literal));
        for (base, dir) in
            above(literal).filter(|(base, dir)| *base == Base::Out || !dir.is_empty())
        {
            let path = RelPath::new(dir).unwrap_or_else(RelPath::root);
            ways.push(roots.path(&OutputPath { base, path }));
        }
    }
    paths.extend(scan.listed.iter().map(|path| roots.path(path)));
    paths.extend(scan.entries.iter().map(|entry| roots.path(&entry.present.path)));
    Ok((paths, ways))
}

/// The error for a link on the way to an output.
pub(super) fn behind_a_link(path: &Path) -> Error {
    Error::new(format!("`{}` is a symbolic link, and outputs lie below it", path.display().to_string().escape_debug()))
        .hint("Links on the way to an output are not followed: replace the link by a directory, or declare the output where the link leads.")
}

/// The places to walk from: the literal beginnings of the patterns, but for those that lie below another.
fn outermost(patterns: &[OutputPattern]) -> Vec<&OutputPath> {
    let mut literals: Vec<&OutputPath> = patterns.iter().map(OutputPattern::literal).collect();
    ordered::sort(&mut literals);
    literals.dedup();
    let all: HashSet<_> = literals.iter().map(|path| (path.base, path.path.as_str())).collect();
    literals.retain(|path| !above(path).any(|dir| all.contains(&dir)));
    literals
}

/// The directories above a path, up to its root.
fn above(path: &OutputPath) -> impl Iterator<Item = (Base, &str)> {
    let text = path.path.as_str();
    let root = (!text.is_empty()).then_some("");
    let dirs = text.rmatch_indices('/').map(|(end, _)| text.get(..end).unwrap_or_default());
    dirs.chain(root).map(|dir| (path.base, dir))
}

/// Something that a walk came to.
pub(super) struct Found {
    pub(super) path: OutputPath,
    /// Its name as the file system has it.
    pub(super) name: OsString,
    pub(super) stat: Stat,
    /// Whether a directory above it is owned, and it with it.
    pub(super) owned: bool,
}

impl Scan {
    fn walk(&mut self, start: Found, patterns: &[OutputPattern], roots: &Roots) -> Result<()> {
        // A list and no recursion: how deep the directories go is decided by whoever made them.
        let mut found = vec![start];
        while let Some(mut next) = found.pop() {
            next.owned = next.owned || owns(patterns, &next.path);
            if next.stat.kind != Kind::Directory {
                self.add(next);
                continue;
            }
            let before = found.len();
            list(&next, roots, &mut found)?;
            self.listed.push(next.path.clone());
            if next.owned {
                self.directories.push(next.path.clone());
            }
            if found.len() == before {
                self.add(next);
            }
        }
        Ok(())
    }

    fn add(&mut self, found: Found) {
        if found.owned {
            self.entries.push(Entry {
                present: Present { path: found.path, stat: found.stat },
                name: found.name,
            });
        }
    }
}

/// Adds what is in a directory to what is found.
pub(super) fn list(dir: &Found, roots: &Roots, found: &mut Vec<Found>) -> Result<()> {
    let path = roots.path(&dir.path);
    let trouble = |source| Error::io("cannot list the directory", &path, source);
    let listed = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(trouble)?,
    };
    for entry in listed {
        let entry = entry.map_err(trouble)?;
        let name = entry.file_name();
        if let Some(stat) = stat_of(&entry.path())? {
            let (path, stat) = named(&dir.path, &name, stat);
            found.push(Found { path, name, stat, owned: dir.owned });
        }
    }
    Ok(())
}

/// The path of a name in a directory. A name that no path can say is a special thing and is not walked into.
fn named(dir: &OutputPath, name: &OsStr, stat: Stat) -> (OutputPath, Stat) {
    let exact = name.to_str().and_then(|name| dir.path.child(name));
    let stat = if exact.is_some() { stat } else { Stat { kind: NOT_UTF8, ..stat } };
    let path = exact
        .or_else(|| dir.path.child(&name.to_string_lossy()))
        .unwrap_or_else(|| dir.path.clone());
    (OutputPath { base: dir.base, path }, stat)
}

/// What stands at a path; nothing where something above it is not a directory.
pub(super) fn stat_of(path: &Path) -> Result<Option<Stat>> {
    match Stat::of(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        stat => stat.map_err(|source| Error::io("cannot look at", path, source)),
    }
}
