//! What actions are found to read beside what they declare: asks before a run, reads dependency files behind one, and holds what is found against
//! the outputs of other steps. [`crate::discover`] knows the finders, this knows the build.

use super::check;
use super::command::{self, Setting};
use super::{Ground, files};
use crate::action::{Action, ActionId, GoPackages};
use crate::config::needs;
use crate::content::Input;
use crate::digest::Hash;
use crate::discover::depfile;
use crate::discover::go::{self, Question, Said, Trouble};
use crate::discover::memory::{GoMemory, Memory};
use crate::discover::sight::{Seen, Sight};
use crate::error::{Error, Result};
use crate::event::Failure;
use crate::found::{Finder, FoundSet, Outside};
use crate::index::is_settled;
use crate::inputs::{self, Found, FoundInputs};
use crate::ordered::{self, Map, Set};
use crate::outputs::Roots;
use crate::own_file;
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::InputPatterns;
use crate::project::Project;
use crate::stat::{Kind, Stat, is_absence};
use crate::step::Run;
use crate::tools;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// What the workers of one build share about what is found.
#[derive(Debug)]
pub(crate) struct Findings {
    began: Instant,
    /// What was seen while nothing had been written yet.
    seen: Seen,
    /// The actions that find Go packages: those that ask the same are answered by one call.
    askers: Vec<ActionId>,
    /// What was said to each question.
    said: Mutex<Map<Hash, Arc<Mutex<Answered>>>>,
    owners: OnceLock<Owners>,
}

#[derive(Debug, Default)]
struct Answered {
    said: Option<Said>,
    /// The packages that were asked for.
    patterns: Set<String>,
    /// Whether all that will ask the same have been asked for.
    together: bool,
}

/// Who owns outputs in the tree, by where the patterns begin.
#[derive(Debug)]
struct Owners(Map<String, Vec<(ActionId, usize)>>);

/// What was found for one action.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discovered {
    /// What is found now, for the checkout to remember.
    pub(crate) now: Memory,
    /// What it remembered before.
    pub(crate) then: Memory,
}

/// What an action reads with a set of found files.
pub(crate) struct Reads {
    pub(crate) found: FoundInputs,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outside: Vec<Outside>,
}

impl Discovered {
    /// Who finds `path`, or did the last time.
    pub(crate) fn finder(&self, path: &str) -> Option<Finder> {
        self.now.finder(path).or_else(|| self.then.finder(path))
    }
}

/// How often Go is asked while the files that it looks at keep changing.
const TRIES: usize = 5;

/// What was written this long ago shows any later change in its times, where times have parts of a second.
const SETTLED: Duration = Duration::from_millis(25);

/// The largest dependency file that is read, in bytes.
const DEPFILE_MOST: u64 = 64 << 20;

impl Findings {
    /// For the actions that are planned.
    pub(crate) fn new(project: &Project, planned: &[ActionId]) -> Self {
        let askers = planned.iter().copied().filter(|id| project.graph[*id].discover.is_some());
        Self {
            began: Instant::now(),
            seen: Seen::default(),
            askers: askers.collect(),
            said: Mutex::default(),
            owners: OnceLock::new(),
        }
    }

    /// Waits for the moment in which what was written before this build shows that it was: what `go list` and dependency files tell of are files that nobody has
    /// looked at before.
    pub(crate) fn settle(&self) {
        thread::sleep(SETTLED.saturating_sub(self.began.elapsed()));
    }

    fn said_to(&self, question: &Question) -> Arc<Mutex<Answered>> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(said.get_or_insert_with(question.hash(), Arc::default))
    }
}

/// Whether anything is found for an action at all.
pub(crate) fn finds(action: &Action) -> bool {
    action.discover.is_some() || !action.depfiles.is_empty()
}

/// Looks at the tree. Where `is_current`, also what was seen before in this build counts.
pub(crate) fn sight<'a>(ground: &Ground<'a>, is_current: bool) -> Sight<'a> {
    let seen = is_current.then_some(&ground.findings.seen);
    Sight::new(&ground.project.workspace.root, ground.index, seen)
}

/// What is found for an action before it runs.
pub(crate) fn discover(
    ground: &Ground<'_>,
    id: ActionId,
    setting: &Setting,
    sight: &Sight<'_>,
) -> std::result::Result<Discovered, Failure> {
    let action = &ground.project.graph[id];
    if !finds(action) {
        return Ok(Discovered::default());
    }
    let then = remembered(ground, action);
    let go = match &action.discover {
        Some(packages) => Some(go_files(ground, id, packages, setting, sight, then.go.as_ref())?),
        None => None,
    };
    let set = then.set.clone().filter(|_| !action.depfiles.is_empty());
    Ok(Discovered { now: Memory { go, set }, then })
}

/// What was found for an action the last time.
pub(crate) fn remembered(ground: &Ground<'_>, action: &Action) -> Memory {
    let text = own_file::read(&ground.state.found(&action.name)).ok().flatten();
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| Memory::from_text(&text)).unwrap_or_default()
}

/// Remembers what is found, where that is new.
pub(crate) fn remember(ground: &Ground<'_>, id: ActionId, discovered: &Discovered) -> Result<()> {
    if discovered.now == discovered.then {
        return Ok(());
    }
    let path = ground.state.found(&ground.project.graph[id].name);
    let write = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        own_file::replace(&path, discovered.now.to_text().as_bytes())
    };
    write().map_err(|error| Error::io("cannot write", &path, error))
}

/// What `go list` says, by what is remembered if that still holds.
fn go_files(
    ground: &Ground<'_>,
    id: ActionId,
    packages: &GoPackages,
    setting: &Setting,
    sight: &Sight<'_>,
    then: Option<&GoMemory>,
) -> std::result::Result<GoMemory, Failure> {
    let question = question(ground, id, packages, setting)?;
    let asked = question.hash_with(&packages.patterns);
    if let Some(then) = then.filter(|then| then.question == asked) {
        let state = then.answer.state(sight).map_err(check::environment)?;
        if state.hash == then.state {
            return Ok(then.clone());
        }
    }
    let shared = ground.findings.said_to(&question);
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let told = |trouble: &Trouble| Failure::Finding {
        message: format!(
            "go list cannot tell what `{}` reads ({}): {}",
            ground.project.graph[id].name,
            place(ground.project, id),
            trouble.words
        ),
        hint: trouble.hint.clone().or_else(|| {
            let test = if packages.test { " -test" } else { "" };
            let packages = packages.patterns.join(" ");
            Some(format!("`go list -deps{test} {packages}`, run in its `dir`, says the same"))
        }),
    };
    // What others have seen may be from before something was written: now it is looked at anew.
    let sight = self::sight(ground, false);
    let mut before: Option<GoMemory> = None;
    for _ in 0..TRIES {
        let covers = packages.patterns.iter().all(|pattern| shared.patterns.contains(pattern));
        let is_reused = covers && shared.said.is_some();
        if !is_reused {
            shared.ask(ground, &question, &packages.patterns).map_err(|trouble| told(&trouble))?;
        }
        let Some(said) = &shared.said else { break };
        let hidden = &ground.hidden.directories;
        let answer = go::answer(&question, &packages.patterns, said, &sight, hidden);
        let answer = match answer.map_err(check::environment)? {
            Ok(answer) => answer,
            // What was wrong when another asked need not be so any more.
            Err(_) if is_reused => {
                shared.said = None;
                continue;
            }
            Err(trouble) => return Err(told(&trouble)),
        };
        let state = answer.state(&sight).map_err(check::environment)?;
        let is_settled = state.is_settled(said.before);
        let found = GoMemory { question: asked, state: state.hash, answer };
        // Files that were written a moment ago show no later change in their times: then a second answer about the same bytes has to be the same.
        if is_settled || before.as_ref() == Some(&found) {
            return Ok(found);
        }
        shared.said = None;
        before = (!is_reused).then_some(found);
    }
    Err(told(&Trouble { words: "the files keep changing".to_owned(), hint: None }))
}

impl Answered {
    /// Asks for `patterns`; the first time for those of all actions that will ask the same as well.
    fn ask(
        &mut self,
        ground: &Ground<'_>,
        question: &Question,
        patterns: &[String],
    ) -> std::result::Result<(), Trouble> {
        // Cheaper than to ask twice.
        ground.findings.settle();
        let own: Set<String> = patterns.iter().cloned().collect();
        if !std::mem::replace(&mut self.together, true) {
            let all: Set<String> = own.iter().cloned().chain(others(ground, question)).collect();
            let list: Vec<String> = all.iter().cloned().collect();
            if all.len() > own.len()
                && let Ok(said) = question.ask(&list)
            {
                (self.said, self.patterns) = (Some(said), all);
                return Ok(());
            }
        }
        self.said = None;
        let said = question.ask(patterns)?;
        (self.said, self.patterns) = (Some(said), own);
        Ok(())
    }
}

/// The packages of all actions that ask the same question.
fn others(ground: &Ground<'_>, asked: &Question) -> Vec<String> {
    let hash = asked.hash();
    let mut patterns = Vec::new();
    for id in &ground.findings.askers {
        let Some(packages) = &ground.project.graph[*id].discover else { continue };
        let Ok(setting) = command::setting(ground, *id) else { continue };
        if question(ground, *id, packages, &setting).is_ok_and(|question| question.hash() == hash) {
            patterns.extend(packages.patterns.iter().cloned());
        }
    }
    patterns
}

fn question(
    ground: &Ground<'_>,
    id: ActionId,
    packages: &GoPackages,
    setting: &Setting,
) -> std::result::Result<Question, Failure> {
    let action = &ground.project.graph[id];
    let go = setting.tools.iter().find(|tool| is_go(&tool.name)).cloned();
    let Some(go) = go else {
        let message = format!("`{}` finds its inputs with Go, and there is no Go", action.name);
        return Err(Failure::Environment { message, hint: None });
    };
    let arguments = match &action.run {
        Some(Run::Program(words))
            if words.first().and_then(|word| word.as_text()).is_some_and(is_go) =>
        {
            words
                .iter()
                .skip(1)
                .map(|word| command::render(ground.project, id, &[], word))
                .collect()
        }
        _ => Vec::new(),
    };
    let mut env = setting.env.clone();
    // These are different for each step, and say nothing to Go.
    env.retain(|name, _| !name.to_string_lossy().starts_with("GRANULAR_"));
    Ok(Question {
        go,
        dir: action.dir.under(&ground.project.workspace.root),
        env,
        flags: go::flags(&arguments, packages.tags.as_deref()),
        test: packages.test,
    })
}

/// Whether a tool of that name is Go.
pub(crate) fn is_go(name: &str) -> bool {
    tools::known(command::base_name(name)).is_some_and(|row| row.names.contains(&"go"))
}

/// Where an action's `discover` stands, as in "Cargo.toml:12".
fn place(project: &Project, id: ActionId) -> String {
    let Some(step) = project.step_of(id) else { return "`discover`".to_owned() };
    let start = step.discover.as_ref().map_or(step.span.start, |discover| discover.span.start);
    let text = fs::read(&step.manifest).unwrap_or_default();
    let line = 1 + text.iter().take(start).filter(|byte| **byte == b'\n').count();
    let file = step.manifest.strip_prefix(&project.workspace.root).unwrap_or(&step.manifest);
    format!("`discover` in {}:{line}", file.display())
}

/// The files in the workspace that were found, as they are now. What a need exports is not among them, since that counts already.
pub(crate) fn found_files(
    ground: &Ground<'_>,
    id: ActionId,
    memory: &Memory,
    sight: &Sight<'_>,
) -> std::result::Result<Vec<Found>, Failure> {
    let mut paths = Vec::new();
    for path in listed(memory) {
        if is_input(ground, id, path)? {
            paths.push(path.clone());
        }
    }
    look(ground, memory, &paths, sight).map_err(check::environment)
}

/// The single files that `go list` told of.
fn listed(memory: &Memory) -> impl Iterator<Item = &RelPath> {
    memory.go.iter().flat_map(|go| go.answer.sources.iter().chain(&go.answer.data))
}

/// These files, and those in the directories that `go list` told of.
fn look(
    ground: &Ground<'_>,
    memory: &Memory,
    paths: &[RelPath],
    sight: &Sight<'_>,
) -> Result<Vec<Found>> {
    let mut found = sight.files(paths)?;
    let trees = memory.go.iter().flat_map(|go| &go.answer.trees);
    let trees: Vec<_> = trees.map(InputPatterns::everything).collect();
    if !trees.is_empty() {
        let trees: Vec<_> = trees.iter().collect();
        let walked = inputs::find(sight.root(), &trees, ground.hidden)?;
        found.extend(walked.into_iter().flat_map(|found| found.files));
    }
    Ok(found)
}

/// What `declared` and `more` are together, each path once.
pub(crate) fn merge(mut declared: FoundInputs, more: Vec<Found>) -> FoundInputs {
    if !more.is_empty() {
        declared.files.extend(more);
        ordered::sort_by(&mut declared.files, |a, b| a.path.cmp(&b.path));
        declared.files.dedup_by(|a, b| a.path == b.path);
    }
    declared
}

/// What an action reads that reads `plain` and `set`. `None` if the set cannot be meant: a file of it is an output of some step now.
pub(crate) fn with_set(
    ground: &Ground<'_>,
    plain: &FoundInputs,
    set: &FoundSet,
    sight: &Sight<'_>,
) -> Result<Option<Reads>> {
    let owners = owners(ground);
    if set.files.iter().any(|path| owners.of(ground.project, path).is_some()) {
        return Ok(None);
    }
    let found = merge(plain.clone(), sight.files(&set.files)?);
    let inputs = sight.digest(&found.files)?;
    let outside = set.outside.iter().filter_map(|path| sight.outside(path).transpose());
    Ok(Some(Reads { outside: outside.collect::<Result<_>>()?, found, inputs }))
}

/// `declared`, and with it everything else that an action reads, found again: other actions have run since.
pub(crate) fn find_again(
    ground: &Ground<'_>,
    id: ActionId,
    declared: FoundInputs,
    memory: &Memory,
) -> Result<FoundInputs> {
    let sight = sight(ground, false);
    let is_input = |path: &&RelPath| matches!(is_input(ground, id, path), Ok(true));
    let paths: Vec<RelPath> = listed(memory).filter(is_input).cloned().collect();
    let mut more = look(ground, memory, &paths, &sight)?;
    if let Some(set) = &memory.set {
        more.extend(sight.files(&set.files)?);
    }
    Ok(merge(declared, more))
}

/// What of that which decides what is found has changed since.
pub(crate) fn changed(
    ground: &Ground<'_>,
    found: &Memory,
    outside: &[Outside],
) -> Result<Vec<String>> {
    let sight = sight(ground, false);
    let mut changed = Vec::new();
    if let Some(go) = &found.go
        && go.answer.state(&sight)?.hash != go.state
    {
        changed.push("what go list says".to_owned());
    }
    for before in outside {
        if sight.outside(&before.path)?.as_ref() != Some(before) {
            changed.push(format!("`{}`", before.path.escape_debug()));
        }
    }
    Ok(changed)
}

/// Whether a found path is an input. Not so if a need of the action exports it; refused if it is an output of any other step.
fn is_input(
    ground: &Ground<'_>,
    id: ActionId,
    path: &RelPath,
) -> std::result::Result<bool, Failure> {
    match owners(ground).of(ground.project, path) {
        None => Ok(true),
        Some(owner) if is_needed(ground.project, id, owner) => Ok(false),
        Some(owner) => Err(unneeded(ground.project, id, owner, path.as_str())),
    }
}

fn owners<'a>(ground: &'a Ground<'_>) -> &'a Owners {
    ground.findings.owners.get_or_init(|| Owners::new(ground.project))
}

impl Owners {
    fn new(project: &Project) -> Self {
        let mut roots = Vec::new();
        for id in project.graph.ids() {
            for (at, pattern) in project.graph[id].outputs.iter().enumerate() {
                let OutputPath { base, path } = pattern.literal();
                if *base == Base::Tree {
                    roots.push((path.as_str().to_owned(), (id, at)));
                }
            }
        }
        Self(Map::grouped(roots))
    }

    /// The action that `path` is an output of.
    fn of(&self, project: &Project, path: &RelPath) -> Option<ActionId> {
        if self.0.is_empty() {
            return None;
        }
        let output = OutputPath { base: Base::Tree, path: path.clone() };
        fn up(path: &str) -> Option<&str> {
            path.rfind('/').and_then(|end| path.get(..end))
        }
        let mut roots = std::iter::successors(Some(path.as_str()), |path| up(path));
        roots.find_map(|root| {
            let patterns = self.0.get(root)?.iter();
            let owns = |(id, at): &&(ActionId, usize)| {
                project.graph[*id].outputs.get(*at).is_some_and(|pattern| pattern.owns(&output))
            };
            patterns.clone().find(owns).map(|(id, _)| *id)
        })
    }
}

/// Whether `owner` exports to `id`: it is a need, or one of a need without outputs.
fn is_needed(project: &Project, id: ActionId, owner: ActionId) -> bool {
    let graph = &project.graph;
    let (mut open, mut seen) = (vec![id], Set::new());
    while let Some(next) = open.pop() {
        for need in graph.needs(next) {
            if graph.twin(need.action) == graph.twin(owner) {
                return true;
            }
            if graph[need.action].outputs.is_empty() && seen.insert(need.action) {
                open.push(need.action);
            }
        }
    }
    false
}

fn unneeded(project: &Project, id: ActionId, owner: ActionId, path: &str) -> Failure {
    let (reader, writer) = (&project.graph[id].name, &project.graph[owner].name);
    if project.graph.twin(id) == project.graph.twin(owner) {
        return Failure::Finding {
            message: format!("`{reader}` reads its own output `{path}`"),
            hint: Some(
                "what a step leaves would change what it is made of: let another step make it"
                    .to_owned(),
            ),
        };
    }
    let need = match writer.step.package == reader.step.package {
        true => writer.step.step.clone(),
        false => writer.step.to_string(),
    };
    Failure::Finding {
        message: format!("`{reader}` reads `{path}`, an output of `{writer}`, without needing it"),
        hint: Some(needs::advice(&need, project.graph.needs(id).is_empty())),
    }
}

/// What the dependency files of a run name; one sentence each on what is wrong with them. They are taken away, unless they are declared as outputs.
pub(crate) fn prerequisites(
    ground: &Ground<'_>,
    id: ActionId,
    roots: &Roots,
) -> Result<std::result::Result<Vec<String>, Vec<String>>> {
    let action = &ground.project.graph[id];
    let (mut names, mut faults) = (Vec::new(), Vec::new());
    for path in depfile_paths(action) {
        let at = roots.path(&path);
        match read_depfile(&at) {
            Ok(Ok(text)) => match depfile::prerequisites(&text) {
                Ok(found) => names.extend(found),
                Err(wrong) => faults
                    .push(format!("line {} of the depfile `{path}`: {}", wrong.line, wrong.what)),
            },
            Ok(Err(how)) => faults.push(format!("the depfile `{path}` {how}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                faults.push(format!("the declared depfile `{path}` is not there"));
            }
            Err(error) => return Err(Error::io("cannot read", &at, error)),
        }
    }
    remove_depfiles(ground, id, roots)?;
    Ok(if faults.is_empty() { Ok(names) } else { Err(faults) })
}

/// Takes dependency files away that are not declared as outputs: they hold absolute paths, and would be read as if they were of the next run.
pub(crate) fn remove_depfiles(ground: &Ground<'_>, id: ActionId, roots: &Roots) -> Result<()> {
    let action = &ground.project.graph[id];
    for path in depfile_paths(action) {
        let is_output =
            action.outputs.iter().any(|output| output.is_literal() && *output.literal() == path);
        if is_output {
            continue;
        }
        let at = roots.path(&path);
        let removed = match Stat::of(&at).map(|stat| stat.map(|stat| stat.kind)) {
            Ok(Some(Kind::Directory)) => fs::remove_dir_all(&at),
            Ok(_) => fs::remove_file(&at),
            Err(error) => Err(error),
        };
        if let Err(error) = removed
            && !is_absence(&error)
        {
            return Err(Error::io("cannot remove", &at, error));
        }
    }
    Ok(())
}

fn depfile_paths(action: &Action) -> impl Iterator<Item = OutputPath> {
    action.depfiles.iter().map(|path| OutputPath { base: Base::Out, path: path.clone() })
}

fn read_depfile(at: &Path) -> io::Result<std::result::Result<String, &'static str>> {
    let metadata = fs::symlink_metadata(at)?;
    if !metadata.is_file() {
        return Ok(Err("is not a file"));
    }
    if metadata.len() > DEPFILE_MOST {
        return Ok(Err("is larger than any depfile"));
    }
    Ok(String::from_utf8(fs::read(at)?).map_err(|_| "is not UTF-8"))
}

/// Why it is not known what a run read.
pub(crate) enum Incomplete {
    /// Not all of it can be known: one sentence on why.
    Unknown(String),
    /// It read what it must not.
    Refused(Failure),
}

/// What an action read that reads `plain` and whose dependency files name `names`. It was started at `started`, and `before` is what was looked at
/// before that.
pub(crate) fn end(
    ground: &Ground<'_>,
    id: ActionId,
    plain: &FoundInputs,
    before: &FoundInputs,
    names: &[String],
    started: SystemTime,
) -> Result<std::result::Result<(FoundSet, Reads), Incomplete>> {
    let name = &ground.project.graph[id].name;
    let (mut files, mut outside) = (Vec::new(), Vec::new());
    let places = Places::new(ground, id);
    for text in names {
        match places.of(text) {
            Place::Own => {}
            Place::Tree(path) => match is_input(ground, id, &path) {
                Ok(true) => files.push(path),
                Ok(false) => {}
                Err(failure) => match owners(ground).of(ground.project, &path) {
                    // What it made itself was not there before: it is made of the rest.
                    Some(owner)
                        if ground.project.graph.twin(owner) == ground.project.graph.twin(id) => {}
                    _ => return Ok(Err(Incomplete::Refused(failure))),
                },
            },
            Place::Out(owner, _) if is_needed(ground.project, id, owner) => {}
            Place::Out(owner, path) => {
                let path = format!("{{{}.out}}/{path}", ground.project.graph[owner].name);
                return Ok(Err(Incomplete::Refused(unneeded(ground.project, id, owner, &path))));
            }
            Place::Outside(path) => outside.push(path),
            Place::Nowhere => {
                let text = text.escape_debug();
                return Ok(Err(Incomplete::Unknown(format!(
                    "the depfile of `{name}` names `{text}`, which no path can be told for"
                ))));
            }
        }
    }
    let set = FoundSet::new(files, outside);
    let sight = sight(ground, false);
    let Some(reads) = with_set(ground, plain, &set, &sight)? else {
        return Ok(Err(Incomplete::Unknown(format!("what `{name}` read cannot be told"))));
    };
    let absent = |path: &str| {
        format!("`{}`, which the depfile of `{name}` names, is not there", path.escape_debug())
    };
    let written = |path: &str| format!("`{}` changed while `{name}` ran", path.escape_debug());
    for path in &set.files {
        let Ok(at) = reads.found.files.binary_search_by(|found| found.path.cmp(path)) else {
            return Ok(Err(Incomplete::Unknown(absent(path.as_str()))));
        };
        let now = &reads.found.files[at];
        let as_before = before
            .files
            .binary_search_by(|found| found.path.cmp(path))
            .is_ok_and(|at| before.files[at] == *now);
        let pointee = now.link.as_ref().and_then(|link| link.1);
        let is_old =
            [Some(now.stat), pointee].into_iter().flatten().all(|stat| is_settled(&stat, started));
        if !as_before && !is_old {
            return Ok(Err(Incomplete::Unknown(written(path.as_str()))));
        }
    }
    for path in &set.outside {
        let stat = Stat::of_pointee(Path::new(path)).ok().flatten();
        let is_there = reads.outside.iter().any(|outside| outside.path == *path);
        match stat.filter(|_| is_there) {
            None => return Ok(Err(Incomplete::Unknown(absent(path)))),
            Some(stat) if !is_settled(&stat, started) => {
                return Ok(Err(Incomplete::Unknown(written(path))));
            }
            Some(_) => {}
        }
    }
    Ok(Ok((set, reads)))
}

/// Where a prerequisite lies.
enum Place {
    /// In the action's own output directory.
    Own,
    /// In the workspace.
    Tree(RelPath),
    /// In the output directory of another action.
    Out(ActionId, RelPath),
    /// Elsewhere: an absolute path.
    Outside(String),
    /// It has no path that could be written down.
    Nowhere,
}

/// What is needed to tell where paths lie.
struct Places<'a> {
    project: &'a Project,
    id: ActionId,
    dir: PathBuf,
    /// The root and the state of the checkout, as given and without links.
    roots: [PathBuf; 2],
    states: [PathBuf; 2],
    targets: [PathBuf; 2],
    by_out: Map<RelPath, ActionId>,
}

impl<'a> Places<'a> {
    fn new(ground: &Ground<'a>, id: ActionId) -> Self {
        let both = |path: PathBuf| [files::real(&path), path];
        let project = ground.project;
        let dir = project.graph[id].dir.under(&project.workspace.root);
        let by_out = project.graph.ids().map(|id| (project.graph[id].name.out_dir(), id)).collect();
        Self {
            project,
            id,
            dir,
            roots: both(project.workspace.root.clone()),
            states: both(project.workspace.state_dir()),
            targets: both(project.workspace.target.clone()),
            by_out,
        }
    }

    /// Where the file lies that a command run in the action's directory calls `text`.
    fn of(&self, text: &str) -> Place {
        let given = self.dir.join(text);
        // Behind a link `..` is not what it looks like.
        let plain = lexical(&given);
        let is_same = match (Stat::of_pointee(&given), Stat::of_pointee(&plain)) {
            (Ok(Some(given)), Ok(Some(plain))) => {
                (given.device, given.inode) == (plain.device, plain.inode)
            }
            (given, _) => !matches!(given, Ok(Some(_))),
        };
        let path = if is_same { plain } else { given.canonicalize().unwrap_or(plain) };
        if below(&path, &self.states).is_some() {
            return self.in_state(&path);
        }
        match below(&path, &self.roots) {
            Some(path)
                if below(&path.under(&self.project.workspace.root), &self.targets).is_none() =>
            {
                Place::Tree(path)
            }
            _ => path.to_str().map_or(Place::Nowhere, |path| Place::Outside(path.to_owned())),
        }
    }

    fn in_state(&self, path: &Path) -> Place {
        // The directories of needs with a matrix are links.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        for path in [path, &real] {
            let outs = self.states.each_ref().map(|state| state.join("out"));
            let Some(below) = below(path, &outs) else { continue };
            let above = std::iter::successors(Some(below.clone()), RelPath::parent);
            let owner = above.into_iter().find_map(|dir| Some((*self.by_out.get(&dir)?, dir)));
            if let Some((owner, dir)) = owner {
                if owner == self.id {
                    return Place::Own;
                }
                let path = below.below(&dir).and_then(RelPath::new).unwrap_or_default();
                return Place::Out(owner, path);
            }
        }
        Place::Nowhere
    }
}

/// The path without `.` and `..`, by its text alone.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

fn below(path: &Path, roots: &[PathBuf]) -> Option<RelPath> {
    let rest = roots.iter().find_map(|root| path.strip_prefix(root).ok())?;
    RelPath::root().resolve(&rest.to_str()?.replace(std::path::MAIN_SEPARATOR, "/"))
}
