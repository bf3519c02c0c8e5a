//! Reads manifests as TOML, and finds the tables in them that are ours.

use super::Extra;
use crate::error::{Error, Result};
use crate::mistake::{Mistake, Place};
use crate::path::RelPath;
use crate::workspace::Workspace;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml_edit::{Document, Item, TableLike};

/// More than any manifest has; what is larger is not read into memory.
const SIZE_LIMIT: u64 = 16 << 20;

/// Fewer manifests than these are read faster than threads are started.
const WORTH_THREADS: usize = 32;

/// A `Cargo.toml` and what it says.
#[derive(Debug)]
pub(super) struct Manifest {
    /// The file, absolute.
    pub(super) file: PathBuf,
    /// The package it declares.
    pub(super) package: Option<String>,
    /// Whether it is the root manifest of the workspace.
    pub(super) is_root: bool,
    /// Its directory, below the root; `None` if it lies elsewhere.
    pub(super) base: Option<RelPath>,
    /// Its text; empty where there is none of ours in it.
    pub(super) text: String,
    root: Item,
}

/// One of our tables.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    /// Where it stands.
    pub(super) manifest: &'a Manifest,
    /// The package whose table it is; `None` for the workspace's.
    pub(super) package: Option<&'a str>,
    /// The directory that its paths are relative to.
    pub(super) base: RelPath,
    /// The table as a value of its key `granular`.
    pub(super) entry: Entry<'a>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    /// The key.
    pub(super) name: &'a str,
    /// Where it stands.
    pub(super) key: Range<usize>,
    /// The value.
    pub(super) item: &'a Item,
    /// Where that stands; where the key does, for a table that is only known by keys below it.
    pub(super) value: Range<usize>,
}

/// Reads the manifests of `workspace`, the root's first, each once. Mistakes beside what could be read.
pub(super) fn read_all(workspace: &Workspace) -> Result<(Vec<Manifest>, Vec<Mistake>)> {
    let empty = manifests(workspace);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let chunk = match empty.len() {
        count if count < WORTH_THREADS || threads < 2 => count.max(1),
        count => count.div_ceil(threads),
    };
    let mut chunks: Vec<Vec<Manifest>> = Vec::new();
    for manifest in empty {
        match chunks.last_mut() {
            Some(last) if last.len() < chunk => last.push(manifest),
            _ => chunks.push(vec![manifest]),
        }
    }
    let (mut manifests, mut mistakes) = (Vec::new(), Vec::new());
    for read in read_chunks(chunks)? {
        match read? {
            Ok(manifest) => manifests.push(manifest),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    Ok((manifests, mistakes))
}

/// Tables that stand in no manifest, as if they stood in one.
pub(super) fn of_extra(workspace: &Workspace, extra: &Extra) -> Result<Manifest, Box<Mistake>> {
    let manifest = Manifest {
        file: extra.file.clone(),
        package: Some(extra.package.clone()),
        is_root: false,
        base: below(&workspace.root, &extra.dir),
        text: String::new(),
        root: Item::None,
    };
    parsed(manifest, extra.text.clone())
}

/// The tables of ours in `manifest`: the workspace's, then the package's.
pub(super) fn sections<'a>(
    manifest: &'a Manifest,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Section<'a>> {
    let mut sections = Vec::new();
    if let Some(entry) = granular(&manifest.root, "workspace") {
        match manifest.is_root {
            true => {
                sections.push(Section { manifest, package: None, base: RelPath::root(), entry })
            }
            false => mistakes.push(misplaced(manifest, &entry)),
        }
    }
    if let (Some(entry), Some(package)) = (granular(&manifest.root, "package"), &manifest.package) {
        match manifest.base.clone() {
            Some(base) => sections.push(Section { manifest, package: Some(package), base, entry }),
            None => mistakes.push(outside(manifest, package, &entry)),
        }
    }
    sections
}

impl Section<'_> {
    /// Whose table it is, as its header says it.
    pub(super) fn owner(&self) -> &'static str {
        self.package.map_or("workspace", |_| "package")
    }
}

/// The entries of a table, in their order.
pub(super) fn entries(table: &dyn TableLike) -> Vec<Entry<'_>> {
    table.iter().filter_map(|(name, _)| entry(table, name)).collect()
}

/// The entry of that name.
pub(super) fn entry<'a>(table: &'a dyn TableLike, name: &str) -> Option<Entry<'a>> {
    let (key, item) = table.get_key_value(name)?;
    let span = key.span().unwrap_or_default();
    let value = item.span().unwrap_or_else(|| span.clone());
    Some(Entry { name: key.get(), key: span, item, value })
}

/// All manifests, not yet read.
fn manifests(workspace: &Workspace) -> Vec<Manifest> {
    let root = workspace.root.join("Cargo.toml");
    let mut manifests = vec![unread(workspace, root.clone(), true)];
    for package in &workspace.packages {
        match package.manifest == root {
            true => manifests[0].package = Some(package.name.clone()),
            false => {
                let mut manifest = unread(workspace, package.manifest.clone(), false);
                manifest.package = Some(package.name.clone());
                manifests.push(manifest);
            }
        }
    }
    manifests
}

fn unread(workspace: &Workspace, file: PathBuf, is_root: bool) -> Manifest {
    let base = file.parent().and_then(|directory| below(&workspace.root, directory));
    Manifest { file, package: None, is_root, base, text: String::new(), root: Item::None }
}

fn below(root: &Path, directory: &Path) -> Option<RelPath> {
    let parts: Option<Vec<&str>> = directory
        .strip_prefix(root)
        .ok()?
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect();
    RelPath::new(parts?.join("/"))
}

type Read = Result<Result<Manifest, Mistake>>;

fn read_chunks(mut chunks: Vec<Vec<Manifest>>) -> Result<Vec<Read>> {
    let read_chunk = |chunk: Vec<Manifest>| chunk.into_iter().map(read).collect::<Vec<Read>>();
    let first = if chunks.is_empty() { Vec::new() } else { chunks.remove(0) };
    std::thread::scope(|scope| {
        let others: Vec<_> =
            chunks.into_iter().map(|chunk| scope.spawn(move || read_chunk(chunk))).collect();
        let mut all = read_chunk(first);
        for other in others {
            all.extend(
                other.join().map_err(|_| Error::new("a thread that reads manifests has died"))?,
            );
        }
        Ok(all)
    })
}

fn read(manifest: Manifest) -> Read {
    let bytes = read_bytes(&manifest.file)
        .map_err(|error| Error::io("cannot read", &manifest.file, error))?;
    if bytes.len() as u64 > SIZE_LIMIT {
        let place = Place::new(&manifest.file, 0..0);
        return Ok(Err(Mistake::new("the manifest is larger than 16 MiB", place)));
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Ok(Err(not_utf8(&manifest.file, error.utf8_error()))),
    };
    // Most manifests say nothing to us, and to parse them is what takes the time. A key may be written with escapes.
    if !text.contains("granular") && !text.contains('\\') {
        return Ok(Ok(manifest));
    }
    Ok(parsed(manifest, text).map_err(|mistake| *mistake))
}

fn parsed(mut manifest: Manifest, text: String) -> Result<Manifest, Box<Mistake>> {
    match Document::parse(text.as_str()).map(Document::into_item) {
        Ok(root) => {
            (manifest.root, manifest.text) = (root, text);
            Ok(manifest)
        }
        Err(error) => {
            let place = Place::new(&manifest.file, error.span().unwrap_or(0..0));
            Err(Box::new(Mistake::new("this is not TOML", place.label(error.message()))))
        }
    }
}

fn read_bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_utf8(file: &Path, error: std::str::Utf8Error) -> Mistake {
    let start = error.valid_up_to();
    let place = Place::new(file, start..start + error.error_len().unwrap_or(1));
    let label = format!("not UTF-8, {start} bytes from the start");
    Mistake::new("the manifest is not UTF-8", place.label(label))
}

fn granular<'a>(root: &'a Item, owner: &str) -> Option<Entry<'a>> {
    let metadata = root.as_table_like()?.get(owner)?.as_table_like()?.get("metadata")?;
    entry(metadata.as_table_like()?, "granular")
}

fn misplaced(manifest: &Manifest, entry: &Entry<'_>) -> Mistake {
    let place = Place::new(&manifest.file, entry.key.clone())
        .label("not the root manifest of the workspace");
    Mistake::new("`workspace.metadata.granular` is only read from the root manifest", place)
        .help("a package's steps stand in `[package.metadata.granular.steps]`")
}

fn outside(manifest: &Manifest, package: &str, entry: &Entry<'_>) -> Mistake {
    let place = Place::new(&manifest.file, entry.key.clone())
        .label("its paths would lead out of the workspace");
    Mistake::new(format!("package `{package}` has steps but does not lie below the workspace root"), place)
        .help("move the package below the root, or declare the steps in `[workspace.metadata.granular.steps]`")
}
