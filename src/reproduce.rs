//! Runs an action twice from the same inputs and compares what it leaves, byte for byte.

use crate::action::ActionId;
use crate::build::{self, BuildError, Edges, Options};
use crate::content::{Content, Output};
use crate::error::{Error, Result};
use crate::event::{Event, Failure, Status};
use crate::outputs::Roots;
use crate::path::OutputPath;
use crate::project::Project;
use crate::state::State;
use crate::state::records::Records;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

/// What came of it.
#[derive(Clone, Debug)]
pub enum Reproduction {
    /// Both runs left the same: so many outputs with so many bytes.
    Same {
        /// How many outputs.
        outputs: usize,
        /// The bytes of all of them.
        bytes: u64,
    },
    /// They differ.
    Different(Vec<Difference>),
    /// One of the runs, or one of a need, failed.
    Failed(Failure),
    /// There is nothing to compare: it was stopped, or inputs changed during a run, which an event has told.
    Unfinished,
}

/// One output that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Where.
    pub path: OutputPath,
    /// In what way, one phrase: "is there only after the first run", "differs first at byte 4711 of 9001: 0x3a, then 0x3b".
    pub how: String,
}

/// Brings the needs of `action` up to date, runs it twice without looking into the store, and compares. Afterwards the outputs of the
/// second run are in place. The first run's files are kept aside meanwhile, in the checkout's state.
pub fn reproduce(
    project: &Project,
    action: ActionId,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Reproduction, BuildError> {
    let state = State::new(project.state_dir.clone());
    let Some(_lock) = build::hold(&state, edges, report)? else {
        return Ok(Reproduction::Unfinished);
    };
    let aside = state.dir().join("reproduce");
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
    if differences.is_empty() {
        let bytes = second.iter().map(|output| size(&output.content)).sum();
        return Ok(Reproduction::Same { outputs: second.len(), bytes });
    }
    Ok(Reproduction::Different(differences))
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
    let mut failure = None;
    let mut watch = |event: Event| {
        if let Event::Finished(finished) = &event
            && let Status::Failed(why) = &finished.status
        {
            failure = Some(why.clone());
        }
        report(event);
    };
    let options = Options { force: true, ..Options::default() };
    let summary = build::build_held(project, state, &[action], &options, edges, &mut watch)?;
    let records = Records::open(&state.records());
    match records.get(&name.to_string()) {
        Some(Ok(record)) if summary.success() => Ok(Ok(record.result.outputs.clone())),
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
    let by_path = |outputs: &[Output]| -> BTreeMap<OutputPath, Content> {
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
