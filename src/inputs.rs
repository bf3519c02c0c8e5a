//! Finds and digests what input patterns match in the tree.

use crate::content::{Content, Input};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::ordered::Set;
use crate::path::RelPath;
use crate::pattern::{InputPatterns, OutputPattern};
use crate::stat::{Stat, is_absence};
use crate::walk::{self, Trail};
use std::error::Error as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

/// What wildcards do not see, besides what `.gitignore` files name: `.git` directories, these directories, and the outputs of steps.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    /// Directories below the root, such as the target directory. What stands at such a path is hidden whatever it is: a link
    /// too.
    pub directories: Vec<RelPath>,
    /// The outputs in the tree of all steps of the graph.
    pub outputs: Vec<OutputPattern>,
    /// The paths below the root that lead to where this checkout keeps what it knows: nobody reads there.
    pub state: Vec<RelPath>,
    /// The places of the outputs, sorted by the paths that they begin with; made when it is first needed.
    by_path: OnceLock<Vec<usize>>,
}

impl Hidden {
    /// These directories and outputs.
    pub fn new(directories: Vec<RelPath>, outputs: Vec<OutputPattern>) -> Self {
        Self { directories, outputs, state: Vec::new(), by_path: OnceLock::new() }
    }

    /// The outputs that something may own which `patterns` could match. To ask for the patterns of one action, as is done again and again in a build, does not take the longer
    /// the more outputs there are.
    pub(crate) fn near(&self, patterns: &[&InputPatterns]) -> Vec<&OutputPattern> {
        if patterns.len() > FEW_PATTERNS {
            return self.outputs.iter().collect();
        }
        let path =
            |place: &usize| self.outputs.get(*place).map_or("", |it| it.literal().path.as_str());
        let sorted = self.by_path.get_or_init(|| {
            let mut places: Vec<usize> = (0..self.outputs.len()).collect();
            places.sort_by(|a, b| path(a).cmp(path(b)));
            places
        });
        let from = |text: &str| sorted.partition_point(|place| path(place) < text);
        let mut near: Set<&usize> = Set::new();
        for (_, root, _) in patterns.iter().flat_map(|patterns| patterns.positive_roots()) {
            for way in std::iter::successors(Some(root.clone()), RelPath::parent) {
                let same = sorted.iter().skip(from(way.as_str()));
                near.extend(same.take_while(|place| path(place) == way.as_str()));
            }
            // What lies below begins with the path and a slash, behind which `0` comes next.
            let (below, end) = match root.is_root() {
                true => (0, sorted.len()),
                false => (from(&format!("{root}/")), from(&format!("{root}0"))),
            };
            near.extend(sorted.iter().take(end).skip(below));
        }
        near.into_iter().filter_map(|place| self.outputs.get(*place)).collect()
    }
}

/// A file or link that a pattern matched, before its bytes are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where.
    pub path: RelPath,
    /// Of the path itself.
    pub stat: Stat,
    /// For a link: its text, and the stat of the file it leads to if it does. Boxed, since there are many files and few links.
    pub link: Option<Box<(String, Option<Stat>)>>,
}

/// What the patterns of one action matched.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundInputs {
    /// Sorted by path.
    pub files: Vec<Found>,
    /// The indices of the positive patterns that brought nothing, in order: what they matched, if anything, is taken out again.
    /// Patterns that could match an output of a step are never among them.
    pub idle_patterns: Vec<usize>,
    /// What a pattern matched but no step can read: "`data/pipe` is a pipe", "`caf\xe9` is not UTF-8". Sorted.
    pub refused: Vec<String>,
}

/// For more lists of patterns than this nearly every output is near.
const FEW_PATTERNS: usize = 16;

/// How many bytes or files have to be read before threads are started for it.
const WORTH_A_THREAD: (u64, usize) = (2 << 20, 100);

/// More threads than this wait for the disk only.
const MOST_THREADS: usize = 16;

/// How many files a thread takes at once.
const BATCH: usize = 16;

/// Finds what each of `patterns` matches below `root`, reading each directory once for all of them.
///
/// A file that vanishes meanwhile counts as absent. An error names a directory or link that cannot be read.
pub fn find(root: &Path, patterns: &[&InputPatterns], hidden: &Hidden) -> Result<Vec<FoundInputs>> {
    Ok(find_and_tell(root, patterns, hidden)?.0)
}

/// The same, and what else was looked at on the way.
pub(crate) fn find_and_tell(
    root: &Path,
    patterns: &[&InputPatterns],
    hidden: &Hidden,
) -> Result<(Vec<FoundInputs>, Trail)> {
    walk::walk(root, patterns, hidden)
}

/// Digests what was found, through the index. A file that vanished meanwhile is left out.
pub fn digest(root: &Path, found: &[Found], index: &Index) -> Result<Vec<Input>> {
    let mut digests: Vec<Option<Digest>> =
        found.iter().map(|found| file_of(found).and_then(|stat| index.lookup(stat))).collect();
    let unknown =
        (0..found.len()).filter(|at| digests[*at].is_none() && file_of(&found[*at]).is_some());
    let unknown: Vec<usize> = unknown.collect();
    for (at, digest) in read_all(root, found, &unknown, index)? {
        digests[at] = digest;
    }
    Ok(found.iter().zip(digests).filter_map(|(found, digest)| input(found, digest)).collect())
}

/// What is not as it was: the paths that came, went, or have another stat or link text. Both lists are sorted by path.
/// A stat also changes where the bytes do not; who wants to know has to digest again.
pub fn changed(before: &[Found], now: &[Found]) -> Vec<RelPath> {
    let mut changed = Vec::new();
    let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
    loop {
        let next = match (before.peek(), now.peek()) {
            (None, None) => return changed,
            (Some(old), Some(new)) if old.path == new.path => {
                let differ = old != new;
                before.next();
                now.next().filter(|_| differ)
            }
            (Some(old), Some(new)) if old.path > new.path => now.next(),
            (None, Some(_)) => now.next(),
            (Some(_), _) => before.next(),
        };
        changed.extend(next.map(|found| found.path.clone()));
    }
}

/// The stat of the file whose bytes count, if there is one.
fn file_of(found: &Found) -> Option<&Stat> {
    match found.link.as_deref() {
        None => Some(&found.stat),
        Some((_, pointee)) => pointee.as_ref(),
    }
}

fn input(found: &Found, digest: Option<Digest>) -> Option<Input> {
    let content = match found.link.as_deref() {
        None => Content::File { digest: digest?, executable: found.stat.is_executable() },
        Some((target, pointee)) => {
            let pointee =
                pointee.as_ref().zip(digest).map(|(stat, digest)| (digest, stat.is_executable()));
            Content::Link { target: target.clone(), pointee }
        }
    };
    Some(Input { path: found.path.clone(), content })
}

/// Digests the files at these places; `None` for one that vanished.
fn read_all(
    root: &Path,
    found: &[Found],
    places: &[usize],
    index: &Index,
) -> Result<Vec<(usize, Option<Digest>)>> {
    let bytes = places
        .iter()
        .filter_map(|at| file_of(found.get(*at)?))
        .fold(0_u64, |sum, stat| sum.saturating_add(stat.size));
    let threads = match bytes >= WORTH_A_THREAD.0 || places.len() >= WORTH_A_THREAD.1 {
        true => thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_THREADS)
            .min(places.len()),
        false => 1,
    };
    let next = AtomicUsize::new(0);
    let work = || read_some(root, found, places, index, &next);
    let parts = thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let started: Vec<_> = (1..threads).filter_map(start).collect();
        let own = work();
        let others = started
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        others.chain([own]).collect::<Vec<_>>()
    });
    let mut digests: Vec<_> = parts.into_iter().flatten().collect();
    digests.sort_unstable_by_key(|(at, _)| *at);
    // The first in the order of the files, whatever the threads did.
    digests.into_iter().map(|(at, result)| result.map(|digest| (at, digest))).collect()
}

/// Takes files as long as there are any.
fn read_some(
    root: &Path,
    found: &[Found],
    places: &[usize],
    index: &Index,
    next: &AtomicUsize,
) -> Vec<(usize, Result<Option<Digest>>)> {
    let mut digests = Vec::new();
    loop {
        let start = next.fetch_add(BATCH, Ordering::Relaxed);
        let Some(batch) = places.get(start..) else { return digests };
        if batch.is_empty() {
            return digests;
        }
        for at in batch.iter().take(BATCH) {
            if let Some((found, stat)) =
                found.get(*at).and_then(|found| Some((found, file_of(found)?)))
            {
                digests.push((*at, read_one(found.path.under(root), stat, index)));
            }
        }
    }
}

fn read_one(path: PathBuf, stat: &Stat, index: &Index) -> Result<Option<Digest>> {
    match index.read(&path, stat) {
        Ok(digest) => Ok(Some(digest)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_gone(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(is_absence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::testing::TempDir;
    use std::fs;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn patterns(base: &str, texts: &[&str]) -> InputPatterns {
        let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
        InputPatterns::new(&path(base), &texts).unwrap()
    }

    fn hidden(directories: &[&str], outputs: &[&str]) -> Hidden {
        let output = |text: &&str| OutputPattern::new(&RelPath::root(), text).unwrap();
        Hidden::new(
            directories.iter().map(|text| path(text)).collect(),
            outputs.iter().map(output).collect(),
        )
    }

    fn find_one(dir: &TempDir, texts: &[&str], hidden: &Hidden) -> FoundInputs {
        find(dir.root(), &[&patterns("", texts)], hidden).unwrap().remove(0)
    }

    fn paths(found: &FoundInputs) -> Vec<&str> {
        found.files.iter().map(|found| found.path.as_str()).collect()
    }

    fn tree(files: &[&str]) -> TempDir {
        let dir = TempDir::new();
        for file in files {
            dir.write(file, file);
        }
        dir
    }

    #[track_caller]
    fn finds(dir: &TempDir, texts: &[&str], expected: &[&str]) {
        let found = find_one(dir, texts, &Hidden::default());
        assert_eq!(paths(&found), expected);
        assert_eq!(found.refused, Vec::<String>::new());
    }

    #[test]
    fn only_outputs_that_could_be_met_are_looked_at() {
        let outputs: Vec<String> = (0..99).map(|n| format!("p/{n}/out")).collect();
        let mut texts: Vec<&str> = outputs.iter().map(String::as_str).collect();
        texts.extend(["p/7/src/gen/*.go", "p", "p/7", "p-7/x", "q/**", "p/7/src-x"]);
        let hidden = hidden(&[], &texts);
        let near = |text: &str| -> Vec<String> {
            let near = hidden.near(&[&patterns("", &[text])]);
            near.iter().map(|output| output.literal().path.to_string()).collect()
        };
        assert_eq!(near("p/7/src/*.txt"), ["p/7/src/gen", "p", "p/7"]);
        assert_eq!(near("p/7/src/gen/deep"), ["p/7/src/gen", "p", "p/7"]);
        assert_eq!(near("p-7/*"), ["p-7/x"]);
        assert_eq!(near("r/*"), [""; 0]);
        assert_eq!(near("p/*/x").len(), 103);
        assert_eq!(near("**").len(), texts.len());
    }

    #[test]
    fn files_are_found_sorted_by_the_bytes_of_their_paths() {
        let dir = tree(&["b", "a/z", "a-b", "a.b", "a/y/x", "a0", "a/y.x", "a/y-x", ".dot"]);
        finds(&dir, &["**"], &[".dot", "a-b", "a.b", "a/y-x", "a/y.x", "a/y/x", "a/z", "a0", "b"]);
        finds(&dir, &["**", "!a", "a/z"], &[".dot", "a-b", "a.b", "a/z", "a0", "b"]);
        finds(&dir, &["a/y?x", "b"], &["a/y-x", "a/y.x", "b"]);
        finds(&dir, &["/a/y"], &["a/y/x"]);
        finds(&dir, &[], &[]);
    }

    #[test]
    fn every_action_gets_its_own_files_from_one_walk() {
        let dir =
            tree(&["web/src/a.ts", "web/src/b.css", "api/main.go", "go.mod", "shared/lib.go"]);
        let lists = [
            patterns("web", &["src/**/*.ts", "/go.mod"]),
            InputPatterns::everything(&path("api")),
            patterns("api", &["../shared", "/go.mod"]),
            patterns("", &["**/*.go"]),
        ];
        let found = find(dir.root(), &lists.each_ref(), &Hidden::default()).unwrap();
        let found: Vec<_> = found.iter().map(paths).collect();
        assert_eq!(found[0], ["go.mod", "web/src/a.ts"]);
        assert_eq!(found[1], ["api/main.go"]);
        assert_eq!(found[2], ["go.mod", "shared/lib.go"]);
        assert_eq!(found[3], ["api/main.go", "shared/lib.go"]);
    }

    #[test]
    fn a_wildcard_skips_what_is_ignored_and_a_name_does_not() {
        let dir = tree(&[
            "src/a.go",
            "src/a.log",
            "src/gen/x.go",
            "src/deep/b.log",
            "src/deep/keep.log",
            "node_modules/m/i.js",
        ]);
        dir.write(".gitignore", "*.log\nnode_modules/\n");
        dir.write("src/.gitignore", "/gen\n");
        dir.write("src/deep/.gitignore", "!keep.log\n");
        finds(
            &dir,
            &["src/**"],
            &["src/.gitignore", "src/a.go", "src/deep/.gitignore", "src/deep/keep.log"],
        );
        finds(&dir, &["src/a.log", "src/*.go"], &["src/a.go", "src/a.log"]);
        finds(&dir, &["src/gen"], &["src/gen/x.go"]);
        finds(&dir, &["node_modules/m"], &["node_modules/m/i.js"]);
        assert_eq!(find_one(&dir, &["src/gen/**"], &Hidden::default()).idle_patterns, [0]);
    }

    #[test]
    fn rules_hold_below_a_named_directory_unless_it_is_ignored_itself() {
        let dir = tree(&["out/a.log", "out/a.js", "src/a.log", "src/a.js", "src/tmp/x"]);
        dir.write(".gitignore", "*.log\n/out\ntmp\n");
        finds(&dir, &["out"], &["out/a.js", "out/a.log"]);
        finds(&dir, &["src"], &["src/a.js"]);
        finds(&dir, &["src/tmp/"], &["src/tmp/x"]);
    }

    #[test]
    fn rules_of_directories_above_the_root_do_not_count() {
        let dir = tree(&["ws/a", "ws/b"]);
        dir.write(".gitignore", "a\n");
        dir.write("ws/.git/info/exclude", "b\n");
        let found = find(&dir.path("ws"), &[&patterns("", &["*"])], &Hidden::default()).unwrap();
        assert_eq!(paths(&found[0]), ["a", "b"]);
    }

    #[test]
    fn hidden_directories_are_found_only_where_they_are_named() {
        let dir = tree(&["target/debug/x", "target/.git/y", ".git/HEAD", "sub/.git", "src/a"]);
        let hide = hidden(&["target"], &[]);
        assert_eq!(paths(&find_one(&dir, &["**"], &hide)), ["src/a"]);
        assert_eq!(paths(&find_one(&dir, &["target"], &hide)), ["target/debug/x"]);
        assert_eq!(paths(&find_one(&dir, &["target/debug"], &hide)), ["target/debug/x"]);
        assert_eq!(
            paths(&find_one(&dir, &["target/debug/x", ".git/HEAD", "sub/.git"], &hide)),
            [".git/HEAD", "sub/.git", "target/debug/x"]
        );
        assert_eq!(find_one(&dir, &["target/**"], &hide).idle_patterns, [0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_at_a_hidden_path_or_into_a_hidden_directory_shows_nothing() {
        let dir = tree(&["ws/src/a", "ws/build/tgt/x", "ws/build/tgt/deep/y", "outside/z"]);
        dir.link("ws/target", "../outside");
        dir.link("ws/way", "build/tgt");
        dir.link("ws/deep", "build/tgt/deep");
        let hide = hidden(&["target", "build/tgt"], &[]);
        let find =
            |text: &str| find(&dir.path("ws"), &[&patterns("", &[text])], &hide).unwrap().remove(0);
        let found = find("**");
        assert_eq!(paths(&found), ["deep", "src/a", "way"]);
        assert_eq!(found.refused, Vec::<String>::new());
        assert_eq!(paths(&find("target")), ["target", "target/z"]);
        assert_eq!(paths(&find("way/x")), ["way/x"]);
        assert_eq!(paths(&find("build/tgt")), ["build/tgt/deep/y", "build/tgt/x"]);
    }

    #[test]
    fn what_a_step_writes_is_nobodys_input_and_makes_no_pattern_idle() {
        let dir = tree(&["gen/api/x.go", "gen/own.go", "src/a.go", "src/a.pb.go"]);
        let hide = hidden(&[], &["gen/api", "src/*.pb.go", "absent"]);
        let found = find_one(
            &dir,
            &["**/*.go", "gen/api/x.go", "gen/api", "absent/x", "src/a.pb.go", "gen/api/none/*"],
            &hide,
        );
        assert_eq!(paths(&found), ["gen/own.go", "src/a.go"]);
        assert_eq!(found.idle_patterns, Vec::<usize>::new());
    }

    #[test]
    fn a_positive_pattern_that_brings_nothing_is_idle() {
        let dir = tree(&["src/a.go", "src/b.go", "doc/x"]);
        let texts = [
            "src/*.go",
            "src/*.py",
            "absent",
            "src/a.go/x",
            "!nothing",
            "doc/*",
            "!doc",
            "src/b.{go,rs}",
            "src/a.go/",
        ];
        let found = find_one(&dir, &texts, &Hidden::default());
        assert_eq!(paths(&found), ["src/a.go", "src/b.go"]);
        assert_eq!(found.idle_patterns, [1, 2, 3, 5, 8]);
        let nowhere =
            find(&dir.path("absent"), &[&patterns("", &["*", "!a"])], &Hidden::default()).unwrap();
        assert_eq!(nowhere[0].idle_patterns, [0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_found_with_its_text_and_the_file_it_leads_to() {
        let dir = tree(&["src/file", "lib/x"]);
        dir.link("src/link", "file");
        dir.link("src/dangling", "absent");
        dir.link("src/dir", "../lib");
        let found = find_one(&dir, &["src/**"], &Hidden::default());
        assert_eq!(paths(&found), ["src/dangling", "src/dir", "src/dir/x", "src/file", "src/link"]);
        assert_eq!(found.files[0].link.as_deref(), Some(&("absent".to_owned(), None)));
        assert_eq!(found.files[1].link.as_deref(), Some(&("../lib".to_owned(), None)));
        assert_eq!(
            found.files[4].link.as_deref(),
            Some(&("file".to_owned(), Some(found.files[3].stat)))
        );
        finds(&dir, &["src/*"], &["src/dangling", "src/dir", "src/file", "src/link"]);
        finds(&dir, &["src/dir/x", "src/link"], &["src/dir/x", "src/link"]);
        finds(&dir, &["src/dir"], &["src/dir", "src/dir/x"]);
        finds(&dir, &["src/d*/x"], &["src/dir/x"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let dir = tree(&["a/file", "b/file"]);
        dir.link("a/self", ".");
        dir.link("a/up", "..");
        dir.link("a/b", "../b");
        dir.link("b/a", "../a");
        dir.link("loop", "loop");
        let found = find_one(&dir, &["**"], &Hidden::default());
        let expected = [
            "a/b", "a/b/a", "a/b/file", "a/file", "a/self", "a/up", "b/a", "b/a/b", "b/a/file",
            "b/a/self", "b/a/up", "b/file", "loop",
        ];
        assert_eq!(paths(&found), expected);
        assert_eq!(found.refused, Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_workspace_is_refused_to_a_wildcard_and_followed_by_name() {
        let dir = tree(&["outside/file", "outside/deep/file", "ws/src/a"]);
        let absolute = dir.path("outside/file");
        dir.link("ws/src/out", absolute.to_str().unwrap());
        dir.link("ws/src/dir", "../../outside");
        dir.link("outside/inner", "deep");
        dir.link("outside/further", "../elsewhere");
        dir.write("elsewhere/x", "");
        let find = |texts: &[&str]| {
            find(&dir.path("ws"), &[&patterns("", texts)], &Hidden::default()).unwrap().remove(0)
        };

        let found = find(&["src/**"]);
        assert_eq!(paths(&found), ["src/a"]);
        let told = |link: &str, target: &str| {
            let way_out = "only a pattern that names the link follows it";
            format!("`{link}` is a link to `{target}`, outside of the workspace; {way_out}")
        };
        assert_eq!(
            found.refused,
            [told("src/dir", "../../outside"), told("src/out", absolute.to_str().unwrap())]
        );
        assert_eq!(paths(&find(&["src/d*/file"])), [""; 0]);
        assert_eq!(find(&["src/d*/file"]).refused.len(), 1);
        assert_eq!(find(&["*/dir/file"]).refused.len(), 1, "a name behind a wildcard is not named");
        assert_eq!(find(&["src/**", "!src/{dir,out}"]).refused, Vec::<String>::new());

        let found = find(&["src/out", "src/dir/file"]);
        assert_eq!((paths(&found), found.refused.len()), (vec!["src/dir/file", "src/out"], 0));
        let found = find(&["src/dir/**"]);
        assert_eq!(
            paths(&found),
            ["src/dir/deep/file", "src/dir/file", "src/dir/inner", "src/dir/inner/file"]
        );
        assert_eq!(found.refused, [told("src/dir/further", "../elsewhere")]);
        let found = find(&["src/*", "src/dir", "src/out"]);
        assert_eq!(paths(&found)[..4], ["src/a", "src/dir", "src/dir/deep/file", "src/dir/file"]);
        assert_eq!(found.refused.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_an_output_or_a_hidden_directory_shows_nothing_of_it() {
        let dir = tree(&["pkg/gen/x", "pkg/target/y", "pkg/src/z", "a"]);
        dir.link("out", "pkg/gen/x");
        dir.link("gen", "pkg/gen");
        dir.link("other", "pkg");
        let found = find_one(&dir, &["**", "!pkg"], &hidden(&["pkg/target"], &["pkg/gen"]));
        assert_eq!(paths(&found), ["a", "gen", "other", "other/src/z", "out"]);
        assert!(
            found.files.iter().filter_map(|found| found.link.as_ref()).all(|link| link.1.is_none())
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_no_step_can_read_is_refused_where_a_pattern_matches_it() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tree(&["data/a", "src/b"]);
        dir.pipe("data/pipe");
        let _socket = std::os::unix::net::UnixListener::bind(dir.path("data/socket")).unwrap();
        dir.link("data/to-pipe", "pipe");
        fs::write(dir.path("data").join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        fs::create_dir(dir.path("data").join(std::ffi::OsStr::from_bytes(b"dir\xff"))).unwrap();
        std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(b"\xff"), dir.path("data/odd"))
            .unwrap();
        let found = find_one(&dir, &["**"], &Hidden::default());
        assert_eq!(paths(&found), ["data/a", "src/b"]);
        insta::assert_snapshot!(found.refused.join("\n"), @"
        `data/caf\\xe9` is not UTF-8
        `data/dir\\xff` is not UTF-8
        `data/odd` is a link whose target is not UTF-8
        `data/pipe` is a pipe
        `data/socket` is a socket
        `data/to-pipe` leads to a pipe
        ");
        assert_eq!(
            find_one(&dir, &["data/pipe"], &Hidden::default()).refused,
            ["`data/pipe` is a pipe"]
        );
        finds(&dir, &["src/**", "data/a"], &["data/a", "src/b"]);
        finds(&dir, &["**", "!data/{caf?,dir?/**,odd,*pipe,socket}"], &["data/a", "src/b"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_cannot_be_read_is_an_error_that_names_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tree(&["src/locked/a", "src/b"]);
        let locked = dir.path("src/locked");
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
        let found = find(dir.root(), &[&patterns("", &["src/**"])], &Hidden::default());
        let elsewhere = find(dir.root(), &[&patterns("", &["src/*"])], &Hidden::default());
        let readable = fs::read_dir(&locked).is_ok(); // by root, whom no permission stops
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(paths(&elsewhere.unwrap()[0]), ["src/b"]);
        match found {
            Ok(found) => assert!(readable && paths(&found[0]) == ["src/b", "src/locked/a"]),
            Err(error) => assert!(
                error.to_string().contains("cannot read the directory")
                    && error.to_string().contains("src/locked")
            ),
        }
    }

    #[test]
    fn digests_are_those_of_the_bytes() {
        let dir = tree(&["a", "b/c"]);
        let found = find_one(&dir, &["**"], &Hidden::default());
        let inputs = digest(dir.root(), &found.files, &Index::default()).unwrap();
        let expected = ["a", "b/c"].map(|file| Input {
            path: path(file),
            content: Content::File { digest: Digest::of(file.as_bytes()), executable: false },
        });
        assert_eq!(inputs, expected);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_counts_by_its_text_and_by_the_bytes_it_leads_to() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tree(&["tool"]);
        fs::set_permissions(dir.path("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        dir.link("link", "tool");
        dir.link("nowhere", "absent");
        let found = find_one(&dir, &["*"], &Hidden::default());
        let inputs = digest(dir.root(), &found.files, &Index::default()).unwrap();
        let tool = (Digest::of(b"tool"), true);
        assert_eq!(
            inputs[0].content,
            Content::Link { target: "tool".to_owned(), pointee: Some(tool) }
        );
        assert_eq!(inputs[1].content, Content::Link { target: "absent".to_owned(), pointee: None });
        assert_eq!(inputs[2].content, Content::File { digest: tool.0, executable: true });
    }

    #[test]
    fn many_files_are_digested_by_several_threads_to_the_same_end() {
        let dir = TempDir::new();
        for at in 0..400 {
            dir.write(&format!("d{}/f{at}", at % 7), &format!("content {at}"));
        }
        let found = find_one(&dir, &["**"], &Hidden::default());
        assert_eq!(found.files.len(), 400);
        let index = Index::default();
        let together = digest(dir.root(), &found.files, &index).unwrap();
        let alone: Vec<Input> = found
            .files
            .iter()
            .flat_map(|found| digest(dir.root(), std::slice::from_ref(found), &index).unwrap())
            .collect();
        assert_eq!(together, alone);
    }

    #[test]
    fn a_file_that_vanished_is_no_input() {
        let dir = tree(&["a", "b"]);
        let found = find_one(&dir, &["*"], &Hidden::default());
        fs::remove_file(dir.path("a")).unwrap();
        let inputs = digest(dir.root(), &found.files, &Index::default()).unwrap();
        assert_eq!(inputs.iter().map(|input| input.path.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_change_is_what_came_went_or_has_another_stat() {
        let dir = tree(&["a", "b", "c", "same"]);
        let before = find_one(&dir, &["*"], &Hidden::default()).files;
        assert_eq!(changed(&before, &before), []);
        fs::remove_file(dir.path("a")).unwrap();
        dir.write("b", "longer");
        dir.write("bb", "new");
        fs::rename(dir.path("c"), dir.path("z")).unwrap();
        let now = find_one(&dir, &["*"], &Hidden::default()).files;
        assert_eq!(changed(&before, &now), ["a", "b", "bb", "c", "z"].map(path));
        assert_eq!(changed(&[], &before).len(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_with_another_text_or_pointee_is_a_change() {
        let dir = tree(&["a"]);
        dir.link("text", "a");
        dir.link("pointee", "a");
        let before = find_one(&dir, &["*"], &Hidden::default()).files;
        fs::remove_file(dir.path("text")).unwrap();
        dir.link("text", "./a");
        dir.write("a", "longer");
        let now = find_one(&dir, &["*"], &Hidden::default()).files;
        assert_eq!(changed(&before, &now), ["a", "pointee", "text"].map(path));
    }
}
