//! What Cargo said of a workspace the last time, trusted for as long as nothing that it could depend on has changed: so that a build in
//! which there is nothing to do need not start Cargo. Knows neither steps nor tables.
//!
//! Trusted means: every member's manifest and every configuration file of Cargo's has the stat that it had, none has come or gone,
//! the variables that name the target directory are the same, the directories in which members are searched for by a wildcard list
//! the same names, and no manifest stands where a member would be. What is written of stats follows the rule of the stat index: a file that
//! was changed so shortly before Cargo was asked that a later change might not show is not trusted.
//!
//! # The file
//!
//! `<target>/granular/workspace-v2`, lines of [`crate::canon`] behind the header `granular-workspace 2`, the last one `hash` with the hash of
//! all before it. A file that cannot be read is no memory.

use super::ask::Question;
use super::{Package, Workspace};
use crate::canon::{self, Fields};
use crate::digest::Hash;
use crate::format;
use crate::index::is_settled;
use crate::ordered::Set;
use crate::own_file;
use crate::stat::{Kind, Stat};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use toml::de::DeTable;

/// Variables that decide on the target directory.
const VARIABLES: [&str; 3] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_HOME"];

/// What is remembered for `question`, if all of it still holds.
pub(super) fn recall(question: &Question) -> Option<Workspace> {
    let start = start(question)?;
    // From the nearest manifest upwards: the root of a workspace lies somewhere on the way.
    let dirs: Vec<&Path> =
        start.ancestors().filter(|dir| dir.join("Cargo.toml").is_file()).collect();
    let nearest = dirs.first()?.join("Cargo.toml");
    dirs.iter().find_map(|root| {
        let target = likely_target(question, root)?;
        let text = String::from_utf8(own_file::read(&file(&target)).ok()??).ok()?;
        let (workspace, surroundings) = parse(&text)?;
        let manifests = manifests(&workspace);
        // A manifest on the way that Cargo did not know then could be the root of another workspace now.
        let on_the_way = dirs.iter().take_while(|dir| *dir != root);
        let is_known = |manifest: &PathBuf| manifests.contains(manifest);
        let knows_the_way = on_the_way.map(|dir| dir.join("Cargo.toml")).all(|it| is_known(&it));
        let holds = workspace.root == **root
            && workspace.target == target
            && is_known(&nearest)
            && knows_the_way
            && surroundings
                == self::surroundings(question, &workspace, surroundings.members.clone())?;
        holds.then_some(workspace)
    })
}

/// Writes down what Cargo said when it was asked at `asked`, unless something it depends on is too young to be trusted. Trouble with
/// writing costs the next build the time to ask again.
pub(super) fn remember(question: &Question, workspace: &Workspace, asked: SystemTime) {
    let members = wild_members(workspace);
    let Some(surroundings) = members.and_then(|it| surroundings(question, workspace, it)) else {
        return;
    };
    if !surroundings.seen.iter().all(|(_, stat)| stat.is_none_or(|stat| is_settled(&stat, asked))) {
        return;
    }
    let Some(text) = write(workspace, &surroundings) else { return };
    let path = file(&workspace.target);
    if own_file::read(&path).is_ok_and(|there| there.is_some_and(|it| it == text.as_bytes())) {
        return;
    }
    // Build scripts may write it at the same time: at worst that makes a memory that is none.
    let _ = own_file::replace(&path, text.as_bytes());
}

/// Everything besides Cargo itself that its answer depends on.
#[derive(PartialEq, Eq, Debug, Default)]
struct Surroundings {
    /// The variables that are set, and the target directory that stands in for Cargo's.
    given: Vec<(String, String)>,
    /// The wildcards in `workspace.members`. What is remembered of them holds as long as the root manifest does.
    members: Vec<String>,
    /// Paths with their stat, or `None` where nothing may stand.
    seen: Vec<(PathBuf, Option<Stat>)>,
}

/// As they are now. `None` where they cannot be told, and so cannot be trusted.
fn surroundings(
    question: &Question,
    workspace: &Workspace,
    members: Vec<String>,
) -> Option<Surroundings> {
    let mut given = Vec::new();
    for name in VARIABLES {
        if let Some(value) = question.env.get(OsStr::new(name)) {
            given.push((name.to_owned(), value.to_str()?.to_owned()));
        }
    }
    if let Some(target) = &question.target_dir {
        given.push(("--target-dir".to_owned(), question.dir.join(target).to_str()?.to_owned()));
    }
    let mut paths: Set<PathBuf> = manifests(workspace);
    paths.extend(configurations(question).into_iter().filter(|path| path.exists()));
    paths.extend(searched(workspace, &members)?);
    let stat = |path: PathBuf| {
        let stat = Stat::of_pointee(&path).ok()?;
        Some((path, stat))
    };
    Some(Surroundings { given, members, seen: paths.into_iter().map(stat).collect::<Option<_>>()? })
}

fn manifests(workspace: &Workspace) -> Set<PathBuf> {
    let members = workspace.packages.iter().map(|package| package.manifest.clone());
    members.chain([workspace.root.join("Cargo.toml")]).collect()
}

/// The files that Cargo reads its configuration from, if they are there.
fn configurations(question: &Question) -> Vec<PathBuf> {
    let above = question.dir.ancestors().map(|dir| dir.join(".cargo"));
    let named = question.env.get(OsStr::new("CARGO_HOME")).map(PathBuf::from);
    let usual = || Some(PathBuf::from(question.env.get(OsStr::new("HOME"))?).join(".cargo"));
    let dirs = above.chain(named.or_else(usual));
    dirs.flat_map(|dir| [dir.join("config.toml"), dir.join("config")]).collect()
}

/// The wildcards in `workspace.members`. `None` where they cannot be told.
fn wild_members(workspace: &Workspace) -> Option<Vec<String>> {
    let text = fs::read_to_string(workspace.root.join("Cargo.toml")).ok()?;
    let document = DeTable::parse(&text).ok()?;
    let members = document.get_ref().get("workspace").and_then(|it| it.get_ref().get("members"));
    let members = members.and_then(|members| members.get_ref().as_array());
    let members = members.into_iter().flatten().filter_map(|member| member.get_ref().as_str());
    Some(members.filter(|member| is_wild(member)).map(str::to_owned).collect())
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

/// Where new members can turn up: the directories that a wildcard in `workspace.members` searches, and the manifests that are not there
/// in what it finds. `None` where that cannot be told.
fn searched(workspace: &Workspace, members: &[String]) -> Option<Set<PathBuf>> {
    let mut found = Set::new();
    for pattern in members {
        search(&workspace.root, pattern, &mut found)?;
    }
    Some(found)
}

fn search(root: &Path, pattern: &str, found: &mut Set<PathBuf>) -> Option<()> {
    if pattern.contains("**") {
        return None;
    }
    let mut dirs = vec![root.to_path_buf()];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !is_wild(part) {
            dirs.iter_mut().for_each(|dir| dir.push(part));
            continue;
        }
        let mut next = Vec::new();
        for dir in &dirs {
            found.insert(dir.clone());
            // Whatever stands there could match: more than the pattern finds does no harm here.
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            next.extend(entries.filter(leads_to_a_directory).map(|entry| entry.path()));
        }
        dirs = next;
    }
    found.extend(dirs.into_iter().map(|dir| dir.join("Cargo.toml")));
    Some(())
}

/// Mostly the listing tells, and nothing has to be asked for each name.
fn leads_to_a_directory(entry: &fs::DirEntry) -> bool {
    let kind = entry.file_type();
    kind.is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()))
}

/// The directory in which the search for a manifest begins. `None` for a manifest that Cargo would refuse.
fn start(question: &Question) -> Option<PathBuf> {
    let Some(path) = &question.manifest_path else { return Some(question.dir.clone()) };
    let path = question.dir.join(path);
    let is_one = path.file_name() == Some(OsStr::new("Cargo.toml")) && path.is_file();
    is_one.then(|| path.parent().map(Path::to_path_buf)).flatten()
}

/// Where the memory of a workspace at `root` lies if there is one. Only a place to look: what the memory itself says of the target
/// directory has to be the same.
fn likely_target(question: &Question, root: &Path) -> Option<PathBuf> {
    let named = |name: &str| question.env.get(OsStr::new(name)).filter(|dir| !dir.is_empty());
    let given = question.target_dir.clone();
    let given = given.or_else(|| named("CARGO_TARGET_DIR").map(PathBuf::from));
    let given = given.or_else(|| named("CARGO_BUILD_TARGET_DIR").map(PathBuf::from));
    if let Some(dir) = given {
        return Some(question.dir.join(dir));
    }
    let configured = configurations(question).into_iter().find_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        if !text.contains("target-dir") {
            return None;
        }
        let document = DeTable::parse(&text).ok()?;
        let dir = document.get_ref().get("build")?.get_ref().get("target-dir")?.get_ref();
        let dir = dir.as_str()?;
        Some(path.parent()?.parent()?.join(dir))
    });
    Some(configured.unwrap_or_else(|| root.join("target")))
}

fn file(target: &Path) -> PathBuf {
    target.join("granular").join(format!("workspace-v{}", format::WORKSPACE))
}

fn header() -> String {
    format!("granular-workspace {}\n", format::WORKSPACE)
}

/// `None` where a path is not UTF-8.
fn write(workspace: &Workspace, surroundings: &Surroundings) -> Option<String> {
    let mut text = header();
    let line = |text: &mut String, tag: &str, field: &str| {
        text.push_str(tag);
        canon::quote(text, field);
        text.push('\n');
    };
    line(&mut text, "root", workspace.root.to_str()?);
    line(&mut text, "target", workspace.target.to_str()?);
    for Package { name, manifest } in &workspace.packages {
        let is_default = workspace.default_members.contains(name);
        text.push_str(if is_default { "default" } else { "member" });
        canon::quote(&mut text, name);
        canon::quote(&mut text, manifest.to_str()?);
        text.push('\n');
    }
    for (name, value) in &surroundings.given {
        text.push_str("given");
        canon::quote(&mut text, name);
        canon::quote(&mut text, value);
        text.push('\n');
    }
    for member in &surroundings.members {
        line(&mut text, "members", member);
    }
    for (path, stat) in &surroundings.seen {
        match stat {
            None => line(&mut text, "absent", path.to_str()?),
            Some(stat) => {
                let kind = if stat.kind == Kind::Directory { "directory" } else { "file" };
                let Stat { device, inode, size, mtime_ns, ctime_ns, mode, .. } = stat;
                let _ = write!(text, "{kind} {device} {inode} {size} {mtime_ns} {ctime_ns} {mode}");
                line(&mut text, "", path.to_str()?);
            }
        }
    }
    let hash = Hash::of(text.as_bytes());
    let _ = writeln!(text, "hash {hash}");
    Some(text)
}

fn parse(text: &str) -> Option<(Workspace, Surroundings)> {
    let (body, hash) = text.rsplit_once("hash ")?;
    if hash.strip_suffix('\n') != Some(&*Hash::of(body.as_bytes()).to_string()) {
        return None;
    }
    let mut workspace = Workspace {
        root: PathBuf::new(),
        target: PathBuf::new(),
        packages: Vec::new(),
        default_members: Vec::new(),
    };
    let mut surroundings = Surroundings::default();
    for line in body.strip_prefix(&header())?.lines() {
        let mut fields = Fields::new(line);
        match fields.word()? {
            "root" => workspace.root = fields.text()?.into(),
            "target" => workspace.target = fields.text()?.into(),
            "given" => surroundings.given.push((fields.text()?, fields.text()?)),
            "members" => surroundings.members.push(fields.text()?),
            "absent" => surroundings.seen.push((fields.text()?.into(), None)),
            tag @ ("default" | "member") => {
                let name = fields.text()?;
                if tag == "default" {
                    workspace.default_members.push(name.clone());
                }
                workspace.packages.push(Package { name, manifest: fields.text()?.into() });
            }
            tag @ ("file" | "directory") => {
                let stat = Stat {
                    kind: if tag == "file" { Kind::File } else { Kind::Directory },
                    device: fields.number()?,
                    inode: fields.number()?,
                    size: fields.number()?,
                    mtime_ns: fields.number()?,
                    ctime_ns: fields.number()?,
                    mode: fields.number()?,
                };
                surroundings.seen.push((fields.text()?.into(), Some(stat)));
            }
            _ => return None,
        }
    }
    Some((workspace, surroundings))
}
