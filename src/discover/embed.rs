//! The directories in which a `//go:embed` pattern could match something: what has to be looked at to know that it matches what it did. Reads
//! directories, and knows nothing else of Go.

use super::sight::Sight;
use crate::error::Result;
use crate::path::RelPath;

/// Adds the directories below `package` that `pattern` depends on, itself among them if it does.
pub(crate) fn watch(
    sight: &Sight<'_>,
    package: &RelPath,
    pattern: &str,
    directories: &mut Vec<RelPath>,
) -> Result<()> {
    let pattern = pattern.strip_prefix("all:").unwrap_or(pattern);
    let parts: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    descend(sight, package, &parts, directories)
}

fn descend(
    sight: &Sight<'_>,
    directory: &RelPath,
    parts: &[&str],
    directories: &mut Vec<RelPath>,
) -> Result<()> {
    let Some(entries) = sight.entries(directory)? else { return Ok(()) };
    directories.push(directory.clone());
    let (first, rest) = match parts.split_first() {
        // Behind the pattern everything below is meant.
        None => ("*", parts),
        Some((first, rest)) => (*first, rest),
    };
    for entry in entries.iter().filter(|entry| entry.is_directory() && entry.name != ".git") {
        if let Some(below) = directory.child(&entry.name).filter(|_| matches(first, &entry.name)) {
            descend(sight, &below, rest, directories)?;
        }
    }
    Ok(())
}

/// Whether `name` matches one component of a pattern, as Go's `path.Match` does. A malformed one matches everything: too much is looked at rather than too little.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    is_match(&pattern, &name).unwrap_or(true)
}

fn is_match(pattern: &[char], name: &[char]) -> Option<bool> {
    let (mut pattern, mut name) = (pattern, name);
    // Where the last star stands and what it was held against: only that one ever takes more.
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        let taken = match pattern.split_first() {
            None if name.is_empty() => return Some(true),
            None => None,
            Some(('*', rest)) => {
                star = Some((rest, name));
                pattern = rest;
                continue;
            }
            Some(('?', rest)) => name.split_first().map(|(_, behind)| (rest, behind)),
            Some(('[', rest)) => {
                let (class, rest) = class(rest)?;
                let taken = name.split_first().filter(|(char, _)| class.holds(**char));
                taken.map(|(_, behind)| (rest, behind))
            }
            Some(('\\', rest)) => {
                let (char, rest) = rest.split_first()?;
                name.split_first()
                    .filter(|(other, _)| *other == char)
                    .map(|(_, behind)| (rest, behind))
            }
            Some((char, rest)) => name
                .split_first()
                .filter(|(other, _)| *other == char)
                .map(|(_, behind)| (rest, behind)),
        };
        match (taken, star) {
            (Some((rest, behind)), _) => (pattern, name) = (rest, behind),
            (None, Some((rest, [_, behind @ ..]))) => {
                star = Some((rest, behind));
                (pattern, name) = (rest, behind);
            }
            (None, _) => return Some(false),
        }
    }
}

struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn holds(&self, char: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&char)) != self.negated
    }
}

/// The class that begins behind a `[`, and what stands behind its `]`.
fn class(pattern: &[char]) -> Option<(Class, &[char])> {
    let (negated, mut rest) = match pattern {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        if let [']', behind @ ..] = rest
            && !ranges.is_empty()
        {
            return Some((Class { negated, ranges }, behind));
        }
        let (low, behind) = letter(rest)?;
        let (high, behind) = match behind {
            ['-', behind @ ..] => letter(behind)?,
            _ => (low, behind),
        };
        ranges.push((low, high));
        rest = behind;
    }
}

fn letter(pattern: &[char]) -> Option<(char, &[char])> {
    match pattern {
        ['\\', char, rest @ ..] | [char, rest @ ..] => Some((*char, rest)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use crate::walk::testing::TempDir;
    use proptest::prelude::*;

    #[test]
    fn names_match_as_go_matches_them() {
        for (pattern, name, expected) in [
            ("*", "anything", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("?", "é", true),
            ("[", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_directories_in_which_something_could_match_are_watched() {
        let dir = TempDir::new();
        for file in [
            "web/static/css/a.css",
            "web/static/b.js",
            "web/other/deep/c",
            "web/main.go",
            "web/tmpl.d/x/y",
        ] {
            dir.write(file, "");
        }
        let index = Index::default();
        let sight = Sight::new(dir.root(), &index, None);
        let watched = |pattern: &str| {
            let mut directories = Vec::new();
            watch(&sight, &RelPath::new("web").unwrap(), pattern, &mut directories).unwrap();
            directories.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(watched("*.sql"), "web");
        assert_eq!(watched("static"), "web web/static web/static/css");
        assert_eq!(watched("all:static/*.js"), "web web/static");
        assert_eq!(watched("*.d"), "web web/tmpl.d web/tmpl.d/x");
        assert_eq!(watched("main.go"), "web");
        assert_eq!(
            watched("*"),
            "web web/other web/other/deep web/static web/static/css web/tmpl.d web/tmpl.d/x"
        );
    }

    proptest! {
        #[test]
        fn no_pattern_makes_the_matcher_panic_or_hang(pattern in "[*?a^\\[\\]\\\\-]{0,12}", name in "[a-c]{0,12}") {
            matches(&pattern, &name);
        }
    }
}
