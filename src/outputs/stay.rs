//! Outputs that stay while their step runs again, for a tool that looks at what it has left and does less. Only files that are declared by their very names: of a
//! directory, nobody could tell afterwards what the tool has left in it and what it has forgotten.

use super::place::{Ground, Missing, name_of, temporary_name};
use super::scan::scan;
use super::{Roots, is_as_recorded};
use crate::content::{Content, Output};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::ordered::Map;
use crate::path::OutputPath;
use crate::pattern::OutputPattern;
use std::fs;
use std::path::PathBuf;

/// Files that were moved aside, each until it is put back.
#[derive(Debug, Default)]
pub struct Aside(Vec<(OutputPath, PathBuf, Digest)>);

/// Moves those files of `known` to `roots.staging` that one of `patterns` names and that stand as they were left.
pub fn set_aside(
    patterns: &[OutputPattern],
    known: &[Output],
    roots: &Roots,
    index: &Index,
) -> Result<Aside> {
    let mut aside = Aside::default();
    if known.is_empty() {
        return Ok(aside);
    }
    let known: Map<&OutputPath, &Output> =
        known.iter().map(|output| (&output.path, output)).collect();
    let mut ground = Ground::new(patterns, roots);
    for entry in &scan(patterns, roots)?.entries {
        let path = &entry.present.path;
        let is_named =
            patterns.iter().any(|pattern| pattern.is_literal() && pattern.literal() == path);
        let Some(output) = known.get(&path).filter(|_| is_named) else { continue };
        let Content::File { digest, .. } = &output.content else { continue };
        if !is_as_recorded(output, &entry.present, roots, index)? {
            continue;
        }
        let Some(dir) = ground.parent(path, Missing::Leave)? else { continue };
        let to = roots.staging.join(temporary_name());
        let moved =
            fs::create_dir_all(&roots.staging).and_then(|()| dir.move_out(&entry.name, &to));
        moved.map_err(|source| Error::io("cannot set aside", &roots.path(path), source))?;
        aside.0.push((path.clone(), to, *digest));
    }
    Ok(aside)
}

/// Puts back what was set aside, after everything else has been cleared.
pub fn put_back(aside: Aside, patterns: &[OutputPattern], roots: &Roots) -> Result<()> {
    let mut ground = Ground::new(patterns, roots);
    for (path, from, digest) in aside.0 {
        let Some(dir) = ground.parent(&path, Missing::Make)? else { continue };
        let moved = dir.take_in(&from, &name_of(&path, roots), Some(&digest));
        moved.map_err(|source| Error::io("cannot put back", &roots.path(&path), source))?;
        let _ = fs::remove_file(&from);
    }
    Ok(())
}
