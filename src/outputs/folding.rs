//! Names that are one name where a file system does not tell upper from lower case. Whether it does, it is asked itself: that can differ
//! from directory to directory.

use crate::error::Result;
use crate::path::{Base, OutputPath, RelPath};
use std::collections::HashMap;

/// Two paths that differ in upper and lower case only, in their last component.
pub(super) type Alike = (OutputPath, OutputPath);

/// The outputs, and the directories on the way to them, that differ from an earlier one in case only. Of what lies below such a pair
/// nothing more is said.
pub(super) fn alike<'a>(paths: impl Iterator<Item = &'a OutputPath>) -> Vec<Alike> {
    let mut exact: HashMap<(Base, String), &str> = HashMap::new();
    let mut found = Vec::new();
    for OutputPath { base, path } in paths {
        let text = path.as_str();
        let ends = text.match_indices('/').map(|(end, _)| end).chain([text.len()]);
        for way in ends.filter_map(|end| text.get(..end)) {
            let other = *exact.entry((*base, way.to_lowercase())).or_insert(way);
            if other != way {
                found.extend(at(*base, other).zip(at(*base, way)));
                break;
            }
        }
    }
    found
}

fn at(base: Base, path: &str) -> Option<OutputPath> {
    RelPath::new(path).map(|path| OutputPath { base, path })
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

    fn pairs(paths: &[&str]) -> Vec<(String, String)> {
        let paths: Vec<_> = paths.iter().map(|path| at(Base::Tree, path).unwrap()).collect();
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
    }

    #[test]
    fn the_same_name_below_both_roots_is_not_alike() {
        let paths = [at(Base::Tree, "a").unwrap(), at(Base::Out, "A").unwrap()];
        assert_eq!(alike(paths.iter()), []);
    }

    #[test]
    fn each_directory_is_asked_once_and_decides_for_itself() {
        let paths =
            ["a/X", "a/Y", "a/x", "a/y", "b/X", "b/x"].map(|path| at(Base::Tree, path).unwrap());
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
