//! What `go list` says of packages: their files, those of every package of the workspace that they import, and everything that its answer depends
//! on. Asks the Go tool, in the environment that the step itself would see.
//!
//! Standard packages are part of the tool, and packages of modules with a version are pinned by `go.sum`: neither are inputs. A package that lies
//! outside of the workspace and has no version cannot be told by any key, and is refused.

use super::sight::Sight;
use super::{embed, modules};
use crate::canon;
use crate::digest::Hash;
use crate::error::Result;
use crate::execute::Ending;
use crate::execute::child::ask;
use crate::index::is_settled;
use crate::ordered::{self, Map, Set};
use crate::path::RelPath;
use crate::stat::Stat;
use crate::tools::Identity;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Who is asked, and with what: all that an answer depends on besides the packages and the tree.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) go: Identity,
    /// Where, absolute.
    pub(crate) dir: PathBuf,
    pub(crate) env: Map<OsString, OsString>,
    /// Flags of `go build` that choose files.
    pub(crate) flags: Vec<String>,
    /// Whether tests count.
    pub(crate) test: bool,
}

/// What `go list` said of the packages of one step: paths only, each list sorted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Answer {
    /// Inputs whose bytes decide what else there is: sources, `go.mod` and the like.
    pub(crate) sources: Vec<RelPath>,
    /// Inputs whose bytes decide nothing here: embedded files.
    pub(crate) data: Vec<RelPath>,
    /// Files that were looked at, or would have been, and are no inputs: what build tags leave out, a `go.mod` that is not there.
    pub(crate) consulted: Vec<RelPath>,
    /// Directories whose names decide what there is.
    pub(crate) directories: Vec<RelPath>,
    /// Directories of which everything that is not ignored is an input.
    pub(crate) trees: Vec<RelPath>,
    /// Files outside of the workspace that were looked at, or would have been.
    pub(crate) elsewhere: Vec<String>,
}

/// A package as `go list` tells of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Package {
    path: String,
    dir: String,
    /// The patterns that it was asked for by.
    matches: Vec<String>,
    /// The package whose test it is a variant for.
    for_test: String,
    files: Vec<String>,
    test_files: Vec<String>,
    ignored: Vec<String>,
    embedded: Vec<String>,
    embed_patterns: Vec<String>,
    test_embedded: Vec<String>,
    test_embed_patterns: Vec<String>,
    imports: Vec<String>,
    errors: Vec<String>,
    go_mod: String,
    standard: bool,
    /// Whether its module is a main one.
    is_main: bool,
    /// Whether its module has a version, so that `go.sum` tells its bytes.
    pinned: bool,
}

/// What was said to one call.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    packages: Vec<Package>,
    /// The `go.work` that counts, if one does.
    work: Option<PathBuf>,
    /// The file of `go env -w`.
    settings: Option<String>,
    /// Just before it was asked.
    pub(crate) before: SystemTime,
}

/// Why there is no answer: in the Go tool's words where it has some.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trouble {
    pub(crate) words: String,
    pub(crate) hint: Option<String>,
}

/// The state of everything that an answer depends on.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) hash: Hash,
    stats: Vec<Stat>,
}

/// It may have to bring modules from far away.
const PATIENCE: Duration = Duration::from_secs(600);

/// How much it may say, in bytes.
const MOST: usize = 256 << 20;

/// What is asked of each package: a letter, a value, NUL. Nothing for a standard package.
const TEMPLATE: &str = concat!(
    r#"{{if or .Error (not .Standard)}}"#,
    r#"p{{.ImportPath}}{{"\x00"}}d{{.Dir}}{{"\x00"}}{{if .Standard}}s{{"\x00"}}{{end}}"#,
    r#"{{with .ForTest}}t{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .Match}}m{{.}}{{"\x00"}}{{end}}{{range .Imports}}i{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .GoFiles}}f{{.}}{{"\x00"}}{{end}}{{range .CgoFiles}}f{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .CFiles}}f{{.}}{{"\x00"}}{{end}}{{range .CXXFiles}}f{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .MFiles}}f{{.}}{{"\x00"}}{{end}}{{range .HFiles}}f{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .FFiles}}f{{.}}{{"\x00"}}{{end}}{{range .SFiles}}f{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .SwigFiles}}f{{.}}{{"\x00"}}{{end}}{{range .SwigCXXFiles}}f{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .SysoFiles}}f{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .IgnoredGoFiles}}g{{.}}{{"\x00"}}{{end}}{{range .IgnoredOtherFiles}}g{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .TestGoFiles}}F{{.}}{{"\x00"}}{{end}}{{range .XTestGoFiles}}F{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .EmbedFiles}}b{{.}}{{"\x00"}}{{end}}{{range .EmbedPatterns}}w{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .TestEmbedFiles}}B{{.}}{{"\x00"}}{{end}}{{range .XTestEmbedFiles}}B{{.}}{{"\x00"}}{{end}}"#,
    r#"{{range .TestEmbedPatterns}}W{{.}}{{"\x00"}}{{end}}{{range .XTestEmbedPatterns}}W{{.}}{{"\x00"}}{{end}}"#,
    r#"{{with .Module}}{{with .GoMod}}G{{.}}{{"\x00"}}{{end}}{{if .Main}}M{{"\x00"}}{{end}}"#,
    r#"{{if .Replace}}{{if .Replace.Version}}v{{"\x00"}}{{end}}{{else}}{{if .Version}}v{{"\x00"}}{{end}}{{end}}{{end}}"#,
    r#"{{with .Error}}e{{with .Pos}}{{.}}: {{end}}{{.Err}}{{"\x00"}}{{end}}{{end}}"#,
);

/// Flags of `go build` that choose files and take a value.
const CHOOSING: [&str; 6] = ["tags", "mod", "modfile", "overlay", "compiler", "installsuffix"];

/// Flags that choose files by a build tag that they set.
const CHOOSING_ALONE: [&str; 4] = ["race", "msan", "asan", "cover"];

/// Other flags without a value: what follows them is no value of theirs.
const ALONE: [&str; 21] = [
    "a",
    "n",
    "v",
    "x",
    "i",
    "c",
    "work",
    "linkshared",
    "modcacherw",
    "trimpath",
    "buildvcs",
    "json",
    "short",
    "failfast",
    "benchmem",
    "fullpath",
    "artifacts",
    "help",
    "h",
    "fix",
    "diff",
];

/// The flags among the arguments of `go` that choose files, in one form; with `tags` in the place of its own.
pub(crate) fn flags(arguments: &[String], tags: Option<&[String]>) -> Vec<String> {
    let mut flags = Vec::new();
    // Behind the subcommand, up to the first package.
    let mut words = arguments.iter().skip(1);
    while let Some(flag) = words.next().and_then(|word| word.strip_prefix('-')) {
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None if ALONE.contains(&flag) || CHOOSING_ALONE.contains(&flag) => (flag, None),
            None => (flag, words.next().cloned()),
        };
        if name.is_empty() {
            break;
        }
        if CHOOSING.contains(&name) || CHOOSING_ALONE.contains(&name) {
            flags.push(match value {
                Some(value) => format!("-{name}={value}"),
                None => format!("-{name}"),
            });
        }
    }
    if let Some(tags) = tags {
        flags.retain(|flag| !flag.starts_with("-tags="));
        flags.push(format!("-tags={}", tags.join(",")));
    }
    flags
}

impl Question {
    /// Of everything in it.
    pub(crate) fn hash(&self) -> Hash {
        self.hash_with(&[])
    }

    /// Of everything in it and of the packages that are asked for.
    pub(crate) fn hash_with(&self, patterns: &[String]) -> Hash {
        let mut text = format!("test {}\n", self.test);
        let mut line = |tag: &str, value: &str| {
            text.push_str(tag);
            canon::quote(&mut text, value);
            text.push('\n');
        };
        line("template", TEMPLATE);
        line("go", &format!("{} {}", self.go.path.to_string_lossy(), self.go.digest.hash));
        line("version", self.go.version.as_deref().unwrap_or_default());
        line("dir", &self.dir.to_string_lossy());
        for (name, value) in &self.env {
            line("env", &name.as_encoded_bytes().escape_ascii().to_string());
            line("value", &value.as_encoded_bytes().escape_ascii().to_string());
        }
        self.flags.iter().for_each(|flag| line("flag", flag));
        patterns.iter().for_each(|pattern| line("package", pattern));
        Hash::of(text.as_bytes())
    }

    /// Asks for packages.
    pub(crate) fn ask(&self, patterns: &[String]) -> std::result::Result<Said, Trouble> {
        let before = SystemTime::now();
        let (work, settings) = self.ask_places()?;
        let mut arguments = vec!["list", "-e", "-deps"];
        arguments.extend(self.test.then_some("-test"));
        arguments.extend(self.flags.iter().map(String::as_str));
        arguments.extend(["-f", TEMPLATE, "--"]);
        arguments.extend(patterns.iter().map(String::as_str));
        let said = self.call(&arguments)?;
        let text = String::from_utf8(said).map_err(|_| trouble("what it says is not UTF-8"))?;
        let packages =
            read(&text).ok_or_else(|| trouble("what it says is not what was asked for"))?;
        Ok(Said { packages, work, settings, before })
    }

    /// The `go.work` that counts, and the file of `go env -w`.
    fn ask_places(&self) -> std::result::Result<(Option<PathBuf>, Option<String>), Trouble> {
        let said = self.call(&["env", "GOWORK", "GOENV"])?;
        let text = String::from_utf8_lossy(&said);
        let mut lines = text.lines();
        let work = lines.next().filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
        let settings = lines.next().filter(|path| Path::new(path).is_absolute()).map(str::to_owned);
        Ok((work, settings))
    }

    fn call(&self, arguments: &[&str]) -> std::result::Result<Vec<u8>, Trouble> {
        let answer = ask(&self.go.path, arguments, &self.dir, &self.env, PATIENCE, MOST);
        let answer = answer.map_err(|error| trouble(&format!("it cannot be started: {error}")))?;
        match answer.ending {
            Ending::Exited(0) => Ok(answer.stdout),
            Ending::TimedOut => Err(trouble("it did not come to an end in ten minutes")),
            _ => {
                let words = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                let words =
                    if words.is_empty() { "it failed without a word".to_owned() } else { words };
                Err(trouble(&words))
            }
        }
    }
}

fn trouble(words: &str) -> Trouble {
    Trouble { words: words.to_owned(), hint: None }
}

/// Reads what the template makes.
fn read(text: &str) -> Option<Vec<Package>> {
    let mut packages: Vec<Package> = Vec::new();
    for field in text.split_terminator('\0') {
        // Go ends each package with a newline of its own.
        let field = field.trim_start_matches('\n');
        let mut chars = field.chars();
        let Some(tag) = chars.next() else { continue };
        let value = chars.as_str().to_owned();
        if tag == 'p' {
            packages.push(Package { path: value, ..Package::default() });
            continue;
        }
        let package = packages.last_mut()?;
        match tag {
            'd' => package.dir = value,
            's' => package.standard = true,
            't' => package.for_test = value,
            'm' => package.matches.push(value),
            'i' => package.imports.push(value),
            'f' => package.files.push(value),
            'F' => package.test_files.push(value),
            'g' => package.ignored.push(value),
            'b' => package.embedded.push(value),
            'w' => package.embed_patterns.push(value),
            'B' => package.test_embedded.push(value),
            'W' => package.test_embed_patterns.push(value),
            'G' => package.go_mod = value,
            'v' => package.pinned = true,
            'M' => package.is_main = true,
            'e' => package.errors.push(value),
            _ => return None,
        }
    }
    Some(packages)
}

/// An answer while it is made: lists of many files, which are put in order at the end.
struct Draft<'a> {
    sight: &'a Sight<'a>,
    /// The root without links: what Go calls it.
    real_root: PathBuf,
    /// The `go.mod` of main modules.
    mains: Set<RelPath>,
    sources: Vec<RelPath>,
    data: Vec<RelPath>,
    consulted: Vec<RelPath>,
    directories: Vec<RelPath>,
    trees: Vec<RelPath>,
    elsewhere: Vec<String>,
}

/// What of `said` is about `patterns`. `hidden` are directories that do not count, such as the target directory.
pub(crate) fn answer(
    question: &Question,
    patterns: &[String],
    said: &Said,
    sight: &Sight<'_>,
    hidden: &[RelPath],
) -> Result<std::result::Result<Answer, Trouble>> {
    let closure = match closure(patterns, question.test, &said.packages) {
        Ok(closure) => closure,
        Err(trouble) => return Ok(Err(trouble)),
    };
    let real_root = sight.root().canonicalize().unwrap_or_else(|_| sight.root().to_path_buf());
    let mut draft = Draft {
        sight,
        real_root,
        mains: Set::new(),
        sources: Vec::new(),
        data: Vec::new(),
        consulted: Vec::new(),
        directories: Vec::new(),
        trees: Vec::new(),
        elsewhere: Vec::new(),
    };
    for (package, is_wanted) in closure {
        if let Err(trouble) = draft.package(package, is_wanted, question.test)? {
            return Ok(Err(trouble));
        }
    }
    if let Err(trouble) = draft.work(question, said)? {
        return Ok(Err(trouble));
    }
    draft.elsewhere.extend(said.settings.clone());
    if let Err(trouble) = draft.local_modules()? {
        return Ok(Err(trouble));
    }
    for pattern in patterns {
        draft.wildcard(&question.dir, pattern, hidden)?;
    }
    Ok(Ok(draft.finish()))
}

/// The packages that `patterns` name, those of their tests, and all that they import; and whether each is one that was named.
fn closure<'a>(
    patterns: &[String],
    test: bool,
    packages: &'a [Package],
) -> std::result::Result<Vec<(&'a Package, bool)>, Trouble> {
    let by_path: Map<&str, &Package> =
        packages.iter().map(|package| (package.path.as_str(), package)).collect();
    let is_wanted = |package: &Package| package.matches.iter().any(|by| patterns.contains(by));
    if let Some(pattern) = patterns
        .iter()
        .find(|pattern| !packages.iter().any(|package| package.matches.contains(pattern)))
    {
        return Err(trouble(&format!("`{pattern}` matches no packages")));
    }
    let named: Set<&str> = packages
        .iter()
        .filter(|package| is_wanted(package))
        .map(|package| package.path.as_str())
        .collect();
    let is_test_of = |package: &Package| {
        let tested = package.path.strip_suffix(".test").unwrap_or(&package.for_test);
        test && named.contains(tested)
    };
    let mut seen: Set<&str> = Set::new();
    let mut open: Vec<&Package> =
        packages.iter().filter(|package| is_wanted(package) || is_test_of(package)).collect();
    let mut closure = Vec::new();
    let mut errors: Vec<&str> = Vec::new();
    while let Some(package) = open.pop() {
        if !seen.insert(&package.path) {
            continue;
        }
        errors.extend(package.errors.iter().map(String::as_str));
        open.extend(package.imports.iter().filter_map(|path| by_path.get(path.as_str())));
        closure.push((package, is_wanted(package)));
    }
    ordered::sort(&mut errors);
    errors.dedup();
    match errors.is_empty() {
        true => Ok(closure),
        false => Err(trouble(&errors.join("\n"))),
    }
}

impl Draft<'_> {
    /// The path below the root of what Go calls `path`.
    fn below(&self, path: &Path) -> Option<RelPath> {
        let below = [self.sight.root(), &self.real_root]
            .into_iter()
            .find_map(|root| path.strip_prefix(root).ok())?;
        RelPath::root().resolve(&below.to_str()?.replace(std::path::MAIN_SEPARATOR, "/"))
    }

    fn package(
        &mut self,
        package: &Package,
        is_wanted: bool,
        test: bool,
    ) -> Result<std::result::Result<(), Trouble>> {
        if package.standard || package.dir.is_empty() {
            return Ok(Ok(()));
        }
        let dir = Path::new(&package.dir);
        let is_vendored = dir.components().any(|part| part.as_os_str() == "vendor");
        let inside = self.below(dir).filter(|_| !package.pinned || is_vendored);
        let Some(dir) = inside else {
            return Ok(match package.pinned {
                true => Ok(()),
                false => Err(Trouble {
                    words: format!(
                        "the package {} lies in {}, outside of the workspace, and has no version",
                        package.path, package.dir
                    ),
                    hint: Some(
                        "bring it into the workspace, or require a version of its module"
                            .to_owned(),
                    ),
                }),
            });
        };
        for name in &package.files {
            // The main file of a test is made in Go's cache.
            if !Path::new(name).is_absolute() {
                self.sources.extend(dir.resolve(name));
            }
        }
        self.data.extend(package.embedded.iter().filter_map(|name| dir.resolve(name)));
        self.consulted.extend(package.ignored.iter().filter_map(|name| dir.resolve(name)));
        for pattern in &package.embed_patterns {
            embed::watch(self.sight, &dir, pattern, &mut self.directories)?;
        }
        if test && is_wanted {
            self.sources.extend(package.test_files.iter().filter_map(|name| dir.resolve(name)));
            self.data.extend(package.test_embedded.iter().filter_map(|name| dir.resolve(name)));
            for pattern in &package.test_embed_patterns {
                embed::watch(self.sight, &dir, pattern, &mut self.directories)?;
            }
            self.trees.extend(dir.child("testdata"));
        }
        // Taken by `go build` for a profile where it is there.
        let profile = dir.child("default.pgo").filter(|_| is_wanted);
        if let Some(profile) = profile
            && self.sight.file(&profile)?.is_some()
        {
            self.data.push(profile);
        }
        self.directories.push(dir.clone());
        // A `go.mod` on the way up would make it a package of another module.
        let mut above = dir.parent();
        while let Some(directory) = above {
            self.consulted.extend(directory.child("go.mod"));
            above = directory.parent();
        }
        if let Some(go_mod) = self.below(Path::new(&package.go_mod)).filter(|path| !path.is_root())
        {
            if package.is_main {
                self.mains.insert(go_mod.clone());
            }
            self.module(go_mod)?;
        }
        Ok(Ok(()))
    }

    /// A `go.mod` and what belongs to it.
    fn module(&mut self, path: RelPath) -> Result<()> {
        let directory = path.parent().unwrap_or_default();
        let sum = path
            .name()
            .and_then(|name| name.strip_suffix(".mod"))
            .map(|name| format!("{name}.sum"));
        self.source_or_consulted(path)?;
        if let Some(sum) = sum.and_then(|sum| directory.child(&sum)) {
            self.source_or_consulted(sum)?;
        }
        if let Some(vendored) = directory.resolve("vendor/modules.txt") {
            self.source_or_consulted(vendored)?;
        }
        Ok(())
    }

    fn source_or_consulted(&mut self, path: RelPath) -> Result<()> {
        match self.sight.file(&path)? {
            Some(_) => self.sources.push(path),
            None => self.consulted.push(path),
        };
        Ok(())
    }

    /// The `go.work` that counts, and the places where another one would count instead.
    fn work(
        &mut self,
        question: &Question,
        said: &Said,
    ) -> Result<std::result::Result<(), Trouble>> {
        for above in question.dir.ancestors() {
            let candidate = above.join("go.work");
            if said.work.as_ref() == Some(&candidate) {
                break;
            }
            match self.below(&candidate) {
                Some(path) => self.consulted.push(path),
                None => self.elsewhere.extend(candidate.to_str().map(str::to_owned)),
            }
        }
        let Some(work) = &said.work else { return Ok(Ok(())) };
        let Some(path) = self.below(work) else {
            return Ok(Err(Trouble {
                words: format!(
                    "it works with {}, which lies outside of the workspace",
                    work.display()
                ),
                hint: Some(
                    "set `env = { GOWORK = \"off\" }`, or give the workspace a go.work of its own"
                        .to_owned(),
                ),
            }));
        };
        let directory = path.parent().unwrap_or_default();
        self.source_or_consulted(path)?;
        for beside in ["go.work.sum", "vendor/modules.txt"] {
            if let Some(path) = directory.resolve(beside) {
                self.source_or_consulted(path)?;
            }
        }
        Ok(Ok(()))
    }

    /// The modules that a `go.mod` or `go.work` names by their directories decide versions, even if none of their packages is used.
    fn local_modules(&mut self) -> Result<std::result::Result<(), Trouble>> {
        let is_work = |path: &RelPath| path.name() == Some("go.work");
        let is_module = |path: &&RelPath| {
            is_work(path) || path.name().is_some_and(|name| name.ends_with(".mod"))
        };
        let mut seen: Set<RelPath> = self.sources.iter().filter(is_module).cloned().collect();
        let mut open: Vec<RelPath> = seen.iter().cloned().collect();
        // That of the workspace first: what it uses are main modules as well.
        ordered::sort_by_key(&mut open, is_work);
        while let Some(path) = open.pop() {
            let Ok(text) = std::fs::read_to_string(path.under(self.sight.root())) else { continue };
            let directory = path.parent().unwrap_or_default();
            // What a module replaces that is none of the main ones is nothing to Go.
            let counts = is_work(&path) || self.mains.contains(&path);
            for named in modules::directories(&text) {
                let module = directory.resolve(&named).and_then(|module| module.child("go.mod"));
                let Some(module) = module else {
                    if counts {
                        let words =
                            format!("{path} names {named}, which lies outside of the workspace");
                        return Ok(Err(trouble(&words)));
                    }
                    continue;
                };
                if is_work(&path) {
                    self.mains.insert(module.clone());
                }
                if seen.insert(module.clone()) {
                    self.module(module.clone())?;
                    open.push(module);
                }
            }
        }
        Ok(Ok(()))
    }

    /// For a pattern with `...` every directory below its first part can bring a package.
    fn wildcard(&mut self, dir: &Path, pattern: &str, hidden: &[RelPath]) -> Result<()> {
        let Some(dots) = pattern.find("...") else { return Ok(()) };
        let named = pattern.get(..dots).unwrap_or_default();
        let named = &named[..named.rfind('/').map_or(0, |slash| slash + 1)];
        let root = self.below(dir).and_then(|dir| dir.resolve(named));
        let mut open: Vec<RelPath> = root.into_iter().collect();
        while let Some(directory) = open.pop() {
            let Some(entries) = self.sight.entries(&directory)? else { continue };
            self.directories.push(directory.clone());
            let directories = entries.iter().filter(|entry| entry.is_directory());
            let seen = directories
                .filter(|entry| !entry.name.starts_with(['.', '_']) && entry.name != "testdata");
            let below = seen.filter_map(|entry| directory.child(&entry.name));
            open.extend(below.filter(|below| !hidden.contains(below)));
        }
        Ok(())
    }

    fn finish(self) -> Answer {
        let [sources, data, consulted, directories, trees] =
            [self.sources, self.data, self.consulted, self.directories, self.trees]
                .map(|list| list.into_iter().collect::<Set<_>>());
        let others = |list: &Set<RelPath>| list.difference(&sources).cloned().collect();
        Answer {
            data: others(&data),
            consulted: others(&consulted),
            sources: sources.into_iter().collect(),
            directories: directories.into_iter().collect(),
            trees: trees.into_iter().collect(),
            elsewhere: self.elsewhere.into_iter().collect::<Set<_>>().into_iter().collect(),
        }
    }
}

impl Answer {
    /// Whether `path` is among what was found.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let is_in =
            |list: &[RelPath]| list.binary_search_by(|file| file.as_str().cmp(path)).is_ok();
        let in_tree = || {
            RelPath::new(path)
                .is_some_and(|path| self.trees.iter().any(|tree| path.is_within(tree)))
        };
        is_in(&self.sources) || is_in(&self.data) || in_tree()
    }

    /// How everything that this answer depends on is now.
    pub(crate) fn state(&self, sight: &Sight<'_>) -> Result<State> {
        let (mut text, mut stats) = (String::new(), Vec::new());
        for (tag, paths) in [("source", &self.sources), ("consulted", &self.consulted)] {
            let found = sight.files(paths)?;
            for input in sight.digest(&found)? {
                text.push_str(tag);
                canon::quote(&mut text, input.path.as_str());
                input.content.write(&mut text);
                text.push('\n');
            }
            for found in found {
                stats.push(found.stat);
                stats.extend(found.link.and_then(|link| link.1));
            }
        }
        for path in &self.directories {
            text.push_str("directory");
            canon::quote(&mut text, path.as_str());
            if let Some(listing) = sight.listing(path)? {
                let _ = write!(text, " {}", listing.hash);
                stats.push(listing.stat);
            }
            text.push('\n');
        }
        for path in &self.elsewhere {
            if let Some(outside) = sight.outside(path)? {
                text.push_str("elsewhere");
                canon::quote(&mut text, path);
                outside.content.write(&mut text);
                text.push('\n');
            }
        }
        Ok(State { hash: Hash::of(text.as_bytes()), stats })
    }
}

impl State {
    /// Whether all of it was left alone for so long before `time` that it cannot have changed since without showing it.
    pub(crate) fn is_settled(&self, time: SystemTime) -> bool {
        self.stats.iter().all(|stat| is_settled(stat, time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(line: &str, tags: Option<&[&str]>) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let tags: Option<Vec<String>> =
            tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect());
        flags(&words, tags.as_deref()).join(" ")
    }

    #[test]
    fn flags_that_choose_files_are_handed_on() {
        assert_eq!(chosen("build -trimpath -o x ./api", None), "");
        assert_eq!(chosen("build -tags a,b -race ./api", None), "-tags=a,b -race");
        assert_eq!(chosen("test -count=1 --tags=a -run X ./api -tags y", None), "-tags=a");
        assert_eq!(chosen("build -ldflags -s -mod=vendor .", None), "-mod=vendor");
        assert_eq!(chosen("run -tags a ./tool -tags b", None), "-tags=a");
        assert_eq!(chosen("build -tags=a ./api", Some(&["c", "d"])), "-tags=c,d");
        assert_eq!(chosen("build", Some(&[])), "-tags=");
    }

    #[test]
    fn what_go_list_prints_is_read() {
        let text =
            "pa/b\0d/w/b\0m./b\0fx.go\0if mt\0v\0\npa/c [a/c.test]\0d/w/c\0ta/c\0ex.go:1: no\0\n";
        let packages = read(text).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!((packages[0].path.as_str(), packages[0].pinned), ("a/b", true));
        assert_eq!(packages[0].files, ["x.go"]);
        assert_eq!(
            (packages[1].for_test.as_str(), &packages[1].errors[..]),
            ("a/c", &["x.go:1: no".to_owned()][..])
        );
        assert_eq!(read("fx.go\0"), None);
        assert_eq!(read("pa\0?\0"), None);
    }
}
