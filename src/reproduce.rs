//! Runs an action twice from the same inputs and compares what it leaves, byte for byte: for one that is asked for, or for everything that
//! a build has not had to run.

use crate::action::ActionId;
use crate::build::run::ours;
use crate::build::{self, BuildError, Edges, Options};
use crate::content::{Content, Output};
use crate::error::{Error, Result};
use crate::event::{Difference, Event, Failure, Reproduction, Skip, Status, Summary};
use crate::index::Index;
use crate::ordered::{Map, Set};
use crate::outputs::{self, RestoreError, Roots};
use crate::path::OutputPath;
use crate::project::Project;
use crate::state::State;
use crate::state::records::{Forgotten, Record, Records, Why};
use crate::store::Store as _;
use crate::store::local::LocalStore;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the first run's files are kept meanwhile, in the state of the checkout.
const ASIDE: &str = "reproduce";

/// Brings the needs of `action` up to date, runs it twice without looking into the store, and compares. Afterwards the outputs of the
/// second run are in place. The first run's files are kept aside meanwhile, in the checkout's state.
pub fn reproduce(
    project: &Project,
    action: ActionId,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Reproduction, BuildError> {
    let state = State::new(project.state_dir.clone());
    let Some(_lock) = build::hold(project, &state, edges, report)? else {
        return Ok(Reproduction::Unfinished);
    };
    let aside = state.dir().join(ASIDE);
    remove_dir(&aside)?;
    let first = match run_forced(project, &state, action, edges, report)? {
        Ok(outputs) => outputs,
        Err(failure) => return Ok(failure.map_or(Reproduction::Unfinished, Reproduction::Failed)),
    };
    let roots = project.roots(action);
    let kept = Roots { tree: aside.join("tree"), out: aside.join("out"), ..roots.clone() };
    keep_aside(&first, &roots, &kept)?;
    let second = match run_forced(project, &state, action, edges, report)? {
        Ok(outputs) => outputs,
        Err(failure) => return Ok(failure.map_or(Reproduction::Unfinished, Reproduction::Failed)),
    };
    let differences = compare(&first, &kept, &second, &roots)?;
    remove_dir(&aside)?;
    Ok(came_out(&second, differences))
}

/// Brings `wanted` and all that it needs up to date, and then runs once more, one after the other, what was found fresh or restored: what
/// is kept of it is compared with what it leaves now, and stays, in the workspace and in the store. What differs is counted in the summary.
pub fn build_and_verify(
    project: &Project,
    wanted: &[ActionId],
    options: &Options,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Summary, BuildError> {
    let state = State::new(project.state_dir.clone());
    let Some(_lock) = build::hold(project, &state, edges, report)? else {
        return Ok(Summary { stopped: true, ..Summary::default() });
    };
    let mut hits = Set::new();
    let mut watch = |event: Event| {
        if let Event::Finished(finished) = &event
            && matches!(finished.status, Status::Fresh | Status::Restored { .. })
        {
            hits.insert(finished.action.to_string());
        }
        report(event);
    };
    let mut summary = build::build_held(project, &state, wanted, options, edges, &mut watch)?;
    let is_hit = |id: &ActionId| hits.contains(&project.graph[*id].name.to_string());
    for id in project.graph.ids().filter(is_hit) {
        if edges.stop.is_asked() {
            break;
        }
        // A set of files has none, and of actions that leave the same files one has it.
        let name = project.graph[id].name.clone();
        let Some(Ok(record)) = Records::open(&state.records()).get(&name.to_string()) else {
            continue;
        };
        report(Event::Verifying { action: name.clone() });
        let came = run_again(project, &state, id, &record, edges, report)?;
        let differs = matches!(came, Reproduction::Different(_) | Reproduction::Failed(_));
        summary.differing += usize::from(differs);
        report(Event::Verified { action: name, came });
    }
    summary.stopped = edges.stop.is_asked();
    Ok(summary)
}

/// Runs an action that is up to date, compares, and puts back what was there.
fn run_again(
    project: &Project,
    state: &State,
    action: ActionId,
    record: &Arc<Record>,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Reproduction, BuildError> {
    let aside = aside(state)?;
    let roots = project.roots(action);
    let first = &record.result.outputs;
    let kept = LocalStore::open(&aside.join("store"));
    let files = first.iter().filter_map(|output| match output.content {
        Content::File { digest, .. } => Some((digest, roots.path(&output.path))),
        _ => None,
    });
    let (digests, paths): (Vec<_>, Vec<PathBuf>) = files.unzip();
    let saved = kept.save_files(&paths).map_err(|error| Error::new(error.to_string()))?;
    if saved != digests {
        // Somebody has changed them since the build: there is nothing to compare with.
        return Ok(Reproduction::Unfinished);
    }
    let log = Log::keep(state.log(&project.graph[action].name), &aside)?;
    let mut tell = |event: Event| {
        if let Event::Warning { .. } = event {
            report(event);
        }
    };
    let no_store = Edges { store: None, ..*edges };
    let second = run_forced(project, state, action, &no_store, &mut tell)?;
    let came = match second {
        Err(failure) => failure.map_or(Reproduction::Unfinished, Reproduction::Failed),
        Ok(second) => {
            let first_roots =
                Roots { tree: aside.join("tree"), out: aside.join("out"), ..roots.clone() };
            fetch_changed(first, &second, &kept, &first_roots)?;
            let differences = compare(first, &first_roots, &second, &roots)?;
            came_out(&second, differences)
        }
    };
    put_back(project, state, action, record, &kept)?;
    log.put_back()?;
    remove_dir(&aside)?;
    Ok(came)
}

/// Brings the files of the first run that the second has left otherwise to where they can be compared.
fn fetch_changed(first: &[Output], second: &[Output], kept: &LocalStore, to: &Roots) -> Result<()> {
    let left: Map<_, _> = second.iter().map(|output| (&output.path, &output.content)).collect();
    for Output { path, content } in first {
        let Content::File { digest, .. } = content else { continue };
        if left.get(path).is_none_or(|left| *left == content) {
            continue;
        }
        let to = to.path(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)
                .map_err(|error| Error::io("cannot create the directory", parent, error))?;
        }
        kept.fetch(&[(*digest, to)]).map_err(|error| Error::new(error.to_string()))?;
    }
    Ok(())
}

/// Puts what `record` says in place again, and remembers it.
fn put_back(
    project: &Project,
    state: &State,
    action: ActionId,
    record: &Arc<Record>,
    kept: &LocalStore,
) -> Result<()> {
    let name = project.graph[action].name.to_string();
    let (patterns, roots) = (&project.graph[action].outputs, project.roots(action));
    let (index, records) = (Index::open(&state.index()), Records::open(&state.records()));
    let known = ours(records.get(&name));
    let outputs = &record.result.outputs;
    let mut commit = || {
        let left = known.iter().chain(outputs).cloned().collect();
        records.forget(
            &name,
            Forgotten { why: Why::Begun, key: record.key, left, changed: Vec::new() },
        )
    };
    let restored = outputs::restore(patterns, outputs, &known, &roots, &index, kept, &mut commit);
    let _ = fs::remove_dir_all(&roots.staging);
    restored.map_err(|error| match error {
        RestoreError::Io(error) => error,
        RestoreError::Store(error) => Error::new(error.to_string()),
        RestoreError::Refused(message) => Error::new(message),
        RestoreError::OneName(first, second) => {
            Error::new(format!("`{first}` and `{second}` are one name on this file system"))
        }
    })?;
    outputs::prune_out(patterns, &roots)?;
    records.remember(&name, Record::clone(record))?;
    index.save(&state.index()).map(drop)
}

/// What an action has printed, kept while it prints something else.
struct Log {
    path: PathBuf,
    /// Nothing if it has printed nothing.
    kept: Option<PathBuf>,
}

impl Log {
    fn keep(path: PathBuf, aside: &Path) -> Result<Self> {
        let kept = aside.join("log");
        match fs::rename(&path, &kept) {
            Ok(()) => Ok(Self { path, kept: Some(kept) }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path, kept: None })
            }
            Err(error) => Err(Error::io("cannot keep a copy of", &path, error)),
        }
    }

    fn put_back(self) -> Result<()> {
        match self.kept {
            Some(kept) => fs::rename(kept, &self.path)
                .map_err(|error| Error::io("cannot write", &self.path, error)),
            None => {
                let _ = fs::remove_file(self.path);
                Ok(())
            }
        }
    }
}

/// An empty directory in which the first run's files are kept meanwhile.
fn aside(state: &State) -> Result<PathBuf> {
    let aside = state.dir().join(ASIDE);
    remove_dir(&aside)?;
    fs::create_dir(&aside)
        .map_err(|error| Error::io("cannot create the directory", &aside, error))?;
    Ok(aside)
}

fn came_out(outputs: &[Output], differences: Vec<Difference>) -> Reproduction {
    if !differences.is_empty() {
        return Reproduction::Different(differences);
    }
    let bytes = outputs.iter().map(|output| size(&output.content)).sum();
    Reproduction::Same { outputs: outputs.len(), bytes }
}

/// One run, whatever is recorded; gives what it left.
fn run_forced(
    project: &Project,
    state: &State,
    action: ActionId,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Result<Vec<Output>, Option<Failure>>, BuildError> {
    let name = &project.graph[action].name;
    let (mut failure, mut has_run) = (None, false);
    let mut watch = |event: Event| {
        if let Event::Finished(finished) = &event {
            match &finished.status {
                Status::Failed(why) => failure = Some(why.clone()),
                Status::Ran if finished.action == *name => has_run = true,
                Status::Skipped(Skip::Unavailable(why)) if finished.action == *name => {
                    failure = Some(Failure::Environment { message: why.clone(), hint: None });
                }
                _ => {}
            }
        }
        report(event);
    };
    let options = Options { force: true, ..Options::default() };
    let summary = build::build_held(project, state, &[action], &options, edges, &mut watch)?;
    let records = Records::open(&state.records());
    match records.get(&name.to_string()) {
        Some(Ok(record)) if summary.success() && has_run => Ok(Ok(record.result.outputs.clone())),
        _ => Ok(Err(failure)),
    }
}

fn keep_aside(outputs: &[Output], from: &Roots, to: &Roots) -> Result<()> {
    for output in outputs {
        if let Content::File { .. } = output.content {
            let (from, to) = (from.path(&output.path), to.path(&output.path));
            let copy = || {
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::copy(&from, &to)
            };
            copy().map_err(|error| Error::io("cannot keep a copy of", &from, error))?;
        }
    }
    Ok(())
}

fn compare(
    first: &[Output],
    first_roots: &Roots,
    second: &[Output],
    second_roots: &Roots,
) -> Result<Vec<Difference>> {
    let by_path = |outputs: &[Output]| -> Map<OutputPath, Content> {
        outputs.iter().map(|output| (output.path.clone(), output.content.clone())).collect()
    };
    let (first, second) = (by_path(first), by_path(second));
    let mut differences = Vec::new();
    for (path, content) in &first {
        let how = match second.get(path) {
            None => Some("is there only after the first run".to_owned()),
            Some(other) if other == content => None,
            Some(other) => {
                Some(describe(content, &first_roots.path(path), other, &second_roots.path(path))?)
            }
        };
        differences.extend(how.map(|how| Difference { path: path.clone(), how }));
    }
    let only_second = second.keys().filter(|path| !first.contains_key(*path));
    differences.extend(only_second.map(|path| Difference {
        path: path.clone(),
        how: "is there only after the second run".to_owned(),
    }));
    Ok(differences)
}

fn describe(
    first: &Content,
    first_path: &Path,
    second: &Content,
    second_path: &Path,
) -> Result<String> {
    match (first, second) {
        (Content::File { digest, .. }, Content::File { digest: other, .. }) if digest == other => {
            Ok("differs in its executable bit".to_owned())
        }
        (Content::File { digest, .. }, Content::File { digest: other, .. }) => {
            let sizes = match digest.size == other.size {
                true => format!("of {}", digest.size),
                false => format!("({} bytes, then {})", digest.size, other.size),
            };
            Ok(match divergence(first_path, second_path)? {
                Some(Divergence { at, first: Some(first), second: Some(second) }) => {
                    format!(
                        "differs first at byte {at} {sizes}: 0x{first:02x}, then 0x{second:02x}"
                    )
                }
                Some(Divergence { at, .. }) => format!("differs in length, from byte {at} {sizes}"),
                None => "differs".to_owned(),
            })
        }
        (Content::Link { target, .. }, Content::Link { target: other, .. }) => Ok(format!(
            "is a link to `{}`, then to `{}`",
            target.escape_debug(),
            other.escape_debug()
        )),
        _ => Ok("is of another kind the second time".to_owned()),
    }
}

/// Where two files differ first, and the byte of each there, if it has one.
struct Divergence {
    at: u64,
    first: Option<u8>,
    second: Option<u8>,
}

fn divergence(first: &Path, second: &Path) -> Result<Option<Divergence>> {
    let open = |path: &Path| {
        let file = File::open(path).map_err(|error| Error::io("cannot read", path, error))?;
        Ok::<_, Error>(BufReader::new(file).bytes())
    };
    let (mut first_bytes, mut second_bytes) = (open(first)?, open(second)?);
    for at in 0.. {
        let a = first_bytes.next().transpose();
        let b = second_bytes.next().transpose();
        let a = a.map_err(|error| Error::io("cannot read", first, error))?;
        let b = b.map_err(|error| Error::io("cannot read", second, error))?;
        if a != b {
            return Ok(Some(Divergence { at, first: a, second: b }));
        }
        if a.is_none() {
            break;
        }
    }
    Ok(None)
}

fn size(content: &Content) -> u64 {
    match content {
        Content::File { digest, .. } => digest.size,
        Content::Link { .. } | Content::EmptyDirectory => 0,
    }
}

fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", dir, error))
        }
        _ => Ok(()),
    }
}
