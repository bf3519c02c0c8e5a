//! Names that are one name where a file system does not tell upper from lower case. Whether it does, it is asked itself: that can differ
//! from directory to directory.

use crate::error::Result;
use crate::path::{Base, OutputPath, RelPath};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Two paths that differ in upper and lower case only, in their last component.
pub(super) type Alike = (OutputPath, OutputPath);

/// The outputs, and the directories on the way to them, that differ from an earlier one in case only. Of what lies below such a pair
/// nothing more is said. The paths are sorted, so that what lies below a directory comes together: each directory is looked at once,
/// however deep it lies and however many outputs are in it.
pub(super) fn alike<'a>(paths: impl Iterator<Item = &'a OutputPath>) -> Vec<Alike> {
    let mut seen: HashMap<u64, &OutputPath> = HashMap::new();
    let mut found = Vec::new();
    let mut last: Option<&OutputPath> = None;
    // Of the last path: for each component a hash of the way down to it, in lower case. Shorter than the path below a pair.
    let mut ways: Vec<u64> = Vec::new();
    for path in paths {
        let shared = last.replace(path).map_or(0, |last| shared_components(last, path));
        if shared > ways.len() {
            continue;
        }
        ways.truncate(shared);
        for name in path.path.components().skip(shared) {
            let way = way_down(path.base, ways.last(), name);
            let depth = ways.len() + 1;
            if let Some(other) = seen.get(&way).and_then(|other| cut(other, depth))
                && let Some(this) = cut(path, depth)
                && other != this
                && lower(&other) == lower(&this)
            {
                found.push((other, this));
                break;
            }
            seen.insert(way, path);
            ways.push(way);
        }
    }
    found
}

fn shared_components(first: &OutputPath, second: &OutputPath) -> usize {
    let names = first.path.components().zip(second.path.components());
    match first.base == second.base {
        true => names.take_while(|(first, second)| first == second).count(),
        false => 0,
    }
}

fn way_down(base: Base, above: Option<&u64>, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (base, above, name.to_lowercase()).hash(&mut hasher);
    hasher.finish()
}

fn lower(path: &OutputPath) -> String {
    path.path.as_str().to_lowercase()
}

/// The first components of a path.
fn cut(path: &OutputPath, depth: usize) -> Option<OutputPath> {
    let text = path.path.as_str();
    let end = text.match_indices('/').nth(depth - 1).map_or(text.len(), |(end, _)| end);
    Some(OutputPath { base: path.base, path: RelPath::new(text.get(..end)?)? })
}

/// The first of `pairs` that is one name, by what `folds` says of the directory that a path has its name in.
pub(super) fn same(
    pairs: Vec<Alike>,
    mut folds: impl FnMut(&OutputPath) -> Result<bool>,
) -> Result<Option<Alike>> {
    let mut asked = HashMap::new();
    for pair in pairs {
        let dir = (pair.0.base, pair.0.path.parent());
        let answer = match asked.get(&dir) {
            Some(answer) => *answer,
            None => folds(&pair.0)?,
        };
        if answer {
            return Ok(Some(pair));
        }
        asked.insert(dir, answer);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: Base, path: &str) -> OutputPath {
        OutputPath { base, path: RelPath::new(path).unwrap() }
    }

    fn pairs(paths: &[&str]) -> Vec<(String, String)> {
        let mut paths: Vec<_> = paths.iter().map(|path| at(Base::Tree, path)).collect();
        paths.sort();
        let found = alike(paths.iter()).into_iter();
        found.map(|(first, second)| (first.to_string(), second.to_string())).collect()
    }

    fn pair(first: &str, second: &str) -> (String, String) {
        (first.to_owned(), second.to_owned())
    }

    #[test]
    fn files_and_directories_that_differ_in_case_only_are_alike() {
        assert_eq!(pairs(&["dist/Foo", "dist/bar", "dist/foo"]), [pair("dist/Foo", "dist/foo")]);
        assert_eq!(pairs(&["Dist/a", "dist/b"]), [pair("Dist", "dist")]);
        assert_eq!(pairs(&["Dist/a", "Dist/b", "dist/A"]), [pair("Dist", "dist")]);
        assert_eq!(
            pairs(&["\u{c9}t\u{e9}", "\u{e9}t\u{e9}"]),
            [pair("\u{c9}t\u{e9}", "\u{e9}t\u{e9}")]
        );
        assert_eq!(pairs(&["a/Foo", "b/foo", "a/food", "a/Foo-"]), []);
        assert_eq!(pairs(&["D/d/x", "d/D/y", "d/D/z", "e", "E"]), [pair("D", "d"), pair("E", "e")]);
    }

    #[test]
    fn deep_paths_are_looked_at_in_time() {
        let deep = "a/".repeat(1000);
        let paths: Vec<_> = (0..100).map(|n| format!("{n:04}/{deep}x")).collect();
        let paths: Vec<_> = paths.iter().map(|path| at(Base::Tree, path)).collect();
        assert_eq!(alike(paths.iter()), []);
    }

    #[test]
    fn the_same_name_below_both_roots_is_not_alike() {
        let paths = [at(Base::Tree, "a"), at(Base::Out, "A")];
        assert_eq!(alike(paths.iter()), []);
    }

    #[test]
    fn each_directory_is_asked_once_and_decides_for_itself() {
        let paths = ["a/X", "a/Y", "a/x", "a/y", "b/X", "b/x"].map(|path| at(Base::Tree, path));
        let mut asked = Vec::new();
        let found = same(alike(paths.iter()), |path| {
            asked.push(path.to_string());
            Ok(path.to_string().starts_with('b'))
        });
        assert_eq!(found.unwrap(), Some((paths[4].clone(), paths[5].clone())));
        assert_eq!(asked, ["a/X", "b/X"]);
        assert_eq!(same(alike(paths.iter()), |_| Ok(false)).unwrap(), None);
    }
}
