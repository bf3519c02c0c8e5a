//! The settings of a workspace, and the keys that stand beside the steps.

use super::Settings;
use super::document::Section;
use super::quantity;
use super::step;
use super::suggest::suggest;
use super::table::{Entry, Table};
use super::value::Notes;
use super::version::Version;
use crate::mistake::{Mistake, Place};
use std::path::{Path, PathBuf};

/// The last one is that of packages as well.
const KEYS: [&str; 5] = ["granular-version", "cache-dir", "cache-size", "remote", "steps"];

/// The mistake that the workspace asks for a newer program than this is.
pub(super) fn too_new(section: &Section<'_>) -> Option<Mistake> {
    if section.package.is_some() {
        return None;
    }
    let wanted = section.entry.item.as_table()?.get("granular-version")?;
    let version = Version::parse(wanted.item.as_str()?)?;
    (version > Version::own()).then(|| {
        let message = format!(
            "this workspace needs cargo granular {version} or newer, and this is {}",
            Version::own()
        );
        let place =
            Place::new(&section.manifest.file, wanted.value.clone()).label("asked for here");
        Mistake::new(message, place).help("update it with `cargo install --locked cargo-granular`")
    })
}

/// Reads the settings of the workspace.
pub(super) fn read<'a>(notes: &mut Notes<'a>, table: &'a Table, root: &Path) -> Settings {
    if let Some(entry) = table.get("granular-version") {
        check_version(notes, entry);
    }
    Settings {
        cache_dir: table.get("cache-dir").and_then(|entry| cache_dir(notes, entry, root)),
        cache_size: table.get("cache-size").and_then(|entry| cache_size(notes, entry)),
        remote: table.get("remote").and_then(|entry| remote(notes, entry)),
    }
}

/// Notes what does not belong into one of our tables.
pub(super) fn check_keys<'a>(notes: &mut Notes<'a>, section: &Section<'_>, table: &'a Table) {
    for entry in &table.entries {
        let owner = section.owner();
        if !KEYS.contains(&&*entry.name) {
            unknown_key(notes, owner, entry);
        } else if section.package.is_some() && entry.name != "steps" {
            let message =
                format!("`{}` is a setting of the workspace, not of a package", entry.name);
            let help = "it belongs in `[workspace.metadata.granular]` in the root's `Cargo.toml`";
            notes.add_with_help(message, &entry.key, "not read from here", help);
        }
    }
}

fn unknown_key(notes: &mut Notes<'_>, owner: &str, entry: &Entry) {
    let name = entry.name.as_str();
    let message = format!("unknown key `{name}` in `{owner}.metadata.granular`");
    let is_step = entry.item.as_table().is_some_and(step::looks_like_one);
    let keys = if owner == "workspace" { &KEYS[..] } else { &KEYS[4..] };
    match suggest(name, keys.iter().copied()) {
        Some(meant) if !is_step => {
            notes.add(message, &entry.key, format!("did you mean `{meant}`?"))
        }
        _ if is_step => {
            let help = format!("did you mean `[{owner}.metadata.granular.steps.{name}]`?");
            notes.add_with_help(message, &entry.key, "this looks like a step", help);
        }
        _ if step::KEYS.contains(&name) => {
            let help = format!("did you mean `[{owner}.metadata.granular.steps.NAME]`?");
            notes.add_with_help(message, &entry.key, "this is a key of a step", help);
        }
        _ if owner == "workspace" => {
            notes.add_with_help(
                message,
                &entry.key,
                "",
                "there are `granular-version`, `cache-dir`, `cache-size`, `remote` and `steps`",
            );
        }
        _ => notes.add_with_help(message, &entry.key, "", "there is only `steps`"),
    }
}

fn check_version<'a>(notes: &mut Notes<'a>, entry: &'a Entry) {
    let Some(text) = notes.string("`granular-version`", entry) else { return };
    if Version::parse(text).is_none() {
        let help = "write the oldest version that will do, such as `\"0.3\"` or `\">=0.3.1\"`";
        notes.add_with_help(
            "malformed `granular-version`",
            &entry.value,
            "this is no version",
            help,
        );
    }
}

fn cache_dir<'a>(notes: &mut Notes<'a>, entry: &'a Entry, root: &Path) -> Option<PathBuf> {
    let text = notes.string("`cache-dir`", entry)?;
    if text.trim().is_empty() {
        notes.add_with_help(
            "`cache-dir` is empty",
            &entry.value,
            "",
            "leave it out for the cache directory of the platform",
        );
        return None;
    }
    let Some(below) = text.strip_prefix('~') else { return Some(root.join(text)) };
    let below = below.trim_start_matches('/');
    match std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) {
        _ if text != "~" && !text.starts_with("~/") => {
            notes.add(
                "`cache-dir` names the home directory of somebody else",
                &entry.value,
                "only `~/` is understood",
            );
            None
        }
        Some(home) => Some(if below.is_empty() { home } else { home.join(below) }),
        None => {
            notes.add(
                "`cache-dir` asks for the home directory, and none is known",
                &entry.value,
                "`~` stands for `HOME`",
            );
            None
        }
    }
}

/// What kinds there are, and what else a program wants of it, is the program's business.
fn remote<'a>(notes: &mut Notes<'a>, entry: &'a Entry) -> Option<String> {
    let text = notes.string("`remote`", entry)?;
    if text.trim().is_empty() {
        let help = "leave it out where no cache is shared";
        notes.add_with_help("`remote` is empty", &entry.value, "", help);
        return None;
    }
    Some(text.to_owned())
}

fn cache_size<'a>(notes: &mut Notes<'a>, entry: &'a Entry) -> Option<u64> {
    let help = "write `\"10 GiB\"`, `\"500 MB\"` or a number of bytes";
    let bytes = match (entry.item.as_integer(), entry.item.as_str()) {
        (Some(number), _) => u64::try_from(number).ok(),
        (None, Some(text)) => quantity::size(text),
        (None, None) => {
            notes.wrong_type("`cache-size`", "a size", entry, Some(help.to_owned()));
            return None;
        }
    };
    match bytes {
        None => {
            notes.add_with_help("malformed `cache-size`", &entry.value, "this is no size", help)
        }
        Some(0) => {
            notes.add_with_help("`cache-size` is zero", &entry.value, "nothing could be kept", help)
        }
        Some(_) => {}
    }
    bytes.filter(|bytes| *bytes > 0)
}
