//! What becomes of an action that cannot run here, since a tool or something that it is made of is not there: a result that was made with the
//! missing tool comes first, then checked-in files, then what the step says. Changes nothing.
//!
//! Without its tools the key of an action is not known. What is known is all of its fingerprint but the lines on the tools that are
//! missing. For that the store remembers with which tools results were made ([`crate::store::made_with`]), and this checkout has the last
//! fingerprint. A result that was made with another version of a tool than the one that would be here is only ever used
//! where there is none here, and that is told. With dependency files all this is known of what is declared, and leads, with the tools, to the sets of files that runs were
//! found to read.

use super::Ground;
use super::check::{self, Checked, Need, UpToDate, Verdict, environment};
use super::command::{MissingTool, Setting};
use super::find::{self, Discovered, Reads};
use crate::action::{Action, ActionId};
use crate::content::{Content, Input, Output};
use crate::digest::{Digest, Key};
use crate::error::Error;
use crate::event::Failure;
use crate::fingerprint::{self, Fingerprint, Ingredients};
use crate::found::FoundSet;
use crate::index::Index;
use crate::inputs::{self, FoundInputs};
use crate::ordered::Set;
use crate::outputs::{self, Roots};
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::{self, InputPatterns};
use crate::result::ActionResult;
use crate::step::Unavailable;
use crate::store::{Store, StoreError};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What it would take to run an action and is not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lack {
    pub(crate) tools: Vec<MissingTool>,
    /// Of what it is made of, a sentence each.
    pub(crate) sources: Vec<String>,
}

/// The ways out, in the order in which they are tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Way {
    /// A result that is known here or in the store.
    Result,
    /// Checked-in files.
    CheckedIn,
    /// What the step says.
    Policy,
}

/// What is lacking, if anything is.
pub(crate) fn lack(
    ground: &Ground<'_>,
    id: ActionId,
    setting: &Setting,
    found: &FoundInputs,
    needs: &[Need],
) -> Option<Lack> {
    let action = &ground.project.graph[id];
    let skipped = |need: &Need| {
        need.state.skipped.as_ref()?;
        Some(format!("it needs `{}`, which is skipped", ground.project.graph[need.id].name))
    };
    let idle = found.idle_patterns.iter().filter_map(|index| action.inputs.texts().get(*index));
    let idle = idle.map(|text| format!("its input pattern `{text}` matches nothing"));
    let absent = action.fallback.absent.iter().cloned();
    let sources: Vec<String> = absent.chain(needs.iter().filter_map(skipped)).chain(idle).collect();
    let tools = setting.missing.clone();
    (!tools.is_empty() || !sources.is_empty()).then_some(Lack { tools, sources })
}

impl Lack {
    /// All of it, in one line.
    pub(crate) fn told(&self) -> String {
        let tools = self.tools.iter().map(|tool| tool.what.clone());
        tools.chain(self.sources.iter().cloned()).collect::<Vec<_>>().join("; ")
    }

    /// What helps, if that can be told.
    fn way_out(&self) -> Option<String> {
        self.tools.iter().find_map(|tool| tool.way_out.clone())
    }

    fn is_missing(&self, tool: &str) -> bool {
        self.tools.iter().any(|missing| missing.name == tool)
    }
}

/// What is known of an action that lacks something: all but what could only be found by running it.
pub(crate) struct Known<'a> {
    /// What it reads as it is declared.
    pub(crate) declared: &'a Reads,
    /// The same, with all else that its fingerprint is made of.
    pub(crate) ingredients: Ingredients<'a>,
}

/// What an action that lacks something comes to.
pub(crate) struct WayOut {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) verdict: Verdict,
    pub(crate) read: Option<Read>,
}

/// What an action with dependency files reads, by what an earlier run of it was found to read.
pub(crate) struct Read {
    pub(crate) set: FoundSet,
    /// All that it reads with that.
    pub(crate) reads: Reads,
    /// The fingerprint without that.
    pub(crate) plain: Fingerprint,
}

impl WayOut {
    fn new((fingerprint, verdict): (Fingerprint, Verdict)) -> Self {
        Self { fingerprint, verdict, read: None }
    }
}

/// What an action that lacks something comes to, from `way` on.
pub(crate) fn way_out(
    ground: &Ground<'_>,
    id: ActionId,
    known: &Known<'_>,
    lack: &Lack,
    way: Way,
    warnings: &mut Vec<String>,
) -> Result<WayOut, Failure> {
    let ingredients = &known.ingredients;
    let action = ingredients.action;
    if way <= Way::Result
        && lack.sources.is_empty()
        && !ground.forced.contains(&id)
        && let Some(found) = made_before(ground, id, known, lack, warnings)?
    {
        return Ok(found);
    }
    if way <= Way::CheckedIn
        && let Some(dir) = &action.fallback.checked_in
        && let Some(found) = checked_in(ground, id, ingredients, dir, lack, warnings)?
    {
        return Ok(WayOut::new(found));
    }
    match action.fallback.unavailable {
        Unavailable::Skip => {
            warnings.push(skipped(action, lack));
            Ok(WayOut::new((fingerprint::of(ingredients), Verdict::Skipped)))
        }
        Unavailable::Error => Err(failure(action, lack)),
    }
}

/// What an action that is skipped is to those who need it.
pub(crate) fn left(ground: &Ground<'_>, id: ActionId, checked: &Checked) -> Arc<UpToDate> {
    let action = &ground.project.graph[id];
    let lack = checked.lack.clone().unwrap_or_default();
    // A check leaves nothing that anybody could miss, and what it reads is there: others need not wait for its tool.
    if action.run.is_some() && action.outputs.is_empty() && lack.sources.is_empty() {
        return check::up_to_date(ground, id, &[], checked);
    }
    Arc::new(UpToDate { skipped: Some(lack.told()), ..UpToDate::default() })
}

/// Makes `{out}` an empty directory. What lies in the tree stays as it is: it may be checked in there.
pub(crate) fn leave_nothing(ground: &Ground<'_>, roots: &Roots) -> Result<(), Failure> {
    outputs::clear(&[], &[], roots, ground.index).map_err(environment)?;
    fs::create_dir_all(&roots.out)
        .map_err(|error| environment(Error::io("cannot create the directory", &roots.out, error)))
}

fn skipped(action: &Action, lack: &Lack) -> String {
    let way_out = lack.way_out().map(|way_out| format!(" ({way_out})")).unwrap_or_default();
    format!("step `{}` is skipped: {}{way_out}", action.name, lack.told())
}

fn failure(action: &Action, lack: &Lack) -> Failure {
    let mut message = lack.told();
    if let Some(dir) = &action.fallback.checked_in {
        message = format!("{message}; and nothing is checked in at `{dir}` to stand in for it");
    }
    let own = "say what is to be done then, with `unavailable = \"skip\"` or `checked-in`";
    Failure::Environment { message, hint: lack.way_out().or(Some(own.to_owned())) }
}

/// A result for all that is known of the action, made with some version of the tools that are missing.
fn made_before(
    ground: &Ground<'_>,
    id: ActionId,
    known: &Known<'_>,
    lack: &Lack,
    warnings: &mut Vec<String>,
) -> Result<Option<WayOut>, Failure> {
    let action = known.ingredients.action;
    let (partial, here) = fingerprint::without_tools(&fingerprint::of(&known.ingredients));
    for made in candidates(ground, action, &partial, warnings) {
        // A tool that is here has to be the one that it was made with.
        let is_missing = |line: &&String| {
            fingerprint::tool_of(line).is_some_and(|(name, _)| lack.is_missing(&name))
        };
        let others = made.iter().filter(|line| !is_missing(line));
        if !others.eq(&here) {
            continue;
        }
        for (fingerprint, read) in completed(ground, known, &partial, &made, warnings)? {
            let verdict = check::verdict(ground, id, &fingerprint, warnings)?;
            match &verdict {
                Verdict::Fresh(_) => {}
                Verdict::Stale { hit: Some(_), .. } => {
                    let tools: Vec<_> =
                        made.iter().filter(is_missing).map(|line| version(line)).collect();
                    warnings.push(format!(
                        "`{}` is restored as it was made with {}, which is missing here",
                        action.name,
                        tools.join(" and ")
                    ));
                }
                _ => continue,
            }
            return Ok(Some(WayOut { fingerprint, verdict, read }));
        }
    }
    Ok(None)
}

/// The fingerprints that these lines on tools may make of `partial`. With dependency files that is the static key of sets of files which runs were found to
/// read, and each of them, as it is now, makes another fingerprint.
fn completed(
    ground: &Ground<'_>,
    known: &Known<'_>,
    partial: &Fingerprint,
    made: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<(Fingerprint, Option<Read>)>, Failure> {
    let action = known.ingredients.action;
    let whole = fingerprint::with_tools(partial, made);
    if action.depfiles.is_empty() {
        return Ok(vec![(whole, None)]);
    }
    let sight = find::sight(ground, false);
    let mut sets: Vec<FoundSet> = find::remembered(ground, action).set.into_iter().collect();
    for set in check::known_sets(ground, &whole.key, warnings) {
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    let mut all = Vec::new();
    for set in sets {
        let with = find::with_set(ground, &known.declared.found, &set, &sight);
        let Some(reads) = with.map_err(environment)? else { continue };
        let ingredients = Ingredients {
            inputs: &reads.inputs,
            outside: &reads.outside,
            ..known.ingredients.clone()
        };
        let (partial, _) = fingerprint::without_tools(&fingerprint::of(&ingredients));
        let read = Read { set, reads, plain: whole.clone() };
        all.push((fingerprint::with_tools(&partial, made), Some(read)));
    }
    Ok(all)
}

/// The lines on tools that may complete a fingerprint: those of the last time in this checkout, and those that the store remembers.
fn candidates(
    ground: &Ground<'_>,
    action: &Action,
    partial: &Fingerprint,
    warnings: &mut Vec<String>,
) -> Vec<Vec<String>> {
    let last = Fingerprint { text: check::last_fingerprint(ground, action), key: partial.key };
    let (last, tools) = fingerprint::without_tools(&last);
    // What is found of it stands in the last one, and not yet in this one: whether it is the same shows in its key.
    let may_be_it = last == *partial || !action.depfiles.is_empty();
    let mut all = if may_be_it { vec![tools] } else { Vec::new() };
    if let Some(store) = ground.store {
        match ground.places.wait(|| store.made_with(&partial.key)) {
            Ok(made) => all.extend(made.into_iter().map(|made| made.tools)),
            Err(error) => warnings.push(format!("{}: {error}", store.name())),
        }
    }
    // Results of several sets of files may have been made with the same tools.
    let mut seen = Set::new();
    all.retain(|tools| seen.insert(tools.clone()));
    all
}

/// The tool of a line and the first line of what it said of its version.
fn version(line: &str) -> String {
    let (name, version) = fingerprint::tool_of(line).unwrap_or_default();
    match version.as_deref().and_then(|version| version.lines().next()) {
        Some(version) => format!("`{name}` ({version})"),
        None => format!("`{name}`"),
    }
}

/// The files that stand in for the outputs of an action, if there are any.
fn checked_in(
    ground: &Ground<'_>,
    id: ActionId,
    ingredients: &Ingredients<'_>,
    dir: &RelPath,
    lack: &Lack,
    warnings: &mut Vec<String>,
) -> Result<Option<(Fingerprint, Verdict)>, Failure> {
    let action = ingredients.action;
    let root = &ground.project.workspace.root;
    let files = files_in(root, dir, ground.index).map_err(environment)?;
    if files.is_empty() {
        return Ok(None);
    }
    let outputs = stand_in(action, dir, &files)?;
    let fingerprint = fingerprint::of_checked_in(ingredients, &files);
    let reasons = match check::recorded(ground, id, &fingerprint, &Discovered::default())? {
        Ok(record) => return Ok(Some((fingerprint, Verdict::Fresh(record)))),
        Err(reasons) => reasons,
    };
    warnings.push(format!("`{}` is taken from `{dir}`: {}", action.name, lack.told()));
    let result = ActionResult {
        outputs,
        log: None,
        duration: Duration::ZERO,
        made_ms: super::now_ms(),
        made_in: root.to_string_lossy().into_owned(),
    };
    let files = CheckedInFiles { name: format!("`{dir}`"), root: root.clone(), files };
    Ok(Some((fingerprint, Verdict::CheckedIn { reasons, result, files })))
}

/// The files below a directory, sorted; ignored ones are not checked in.
fn files_in(root: &Path, dir: &RelPath, index: &Index) -> Result<Vec<Input>, Error> {
    let text = format!("/{}/**", pattern::escaped(dir.as_str()));
    let Ok(patterns) = InputPatterns::new(&RelPath::root(), &[text]) else { return Ok(Vec::new()) };
    let found = inputs::find(root, &[&patterns], &inputs::Hidden::default())?;
    found.iter().try_fold(Vec::new(), |mut all, found| {
        all.extend(inputs::digest(root, &found.files, index)?);
        Ok(all)
    })
}

/// Checked-in files as outputs. All of them have to be declared, and none that is declared by its name may be missing.
fn stand_in(action: &Action, dir: &RelPath, files: &[Input]) -> Result<Vec<Output>, Failure> {
    let outputs = outputs_of(dir, files);
    let owns = |output: &Output| action.outputs.iter().any(|pattern| pattern.owns(&output.path));
    let undeclared = outputs.iter().find(|output| !owns(output)).map(|output| {
        format!("`{dir}/{}` is checked in and not among its outputs", output.path.path)
    });
    let missing = || {
        let is_there =
            |path: &OutputPath| outputs.iter().any(|it| it.path.path.is_within(&path.path));
        let declared = action.outputs.iter().filter(|pattern| pattern.is_literal());
        let missing = declared.map(|pattern| pattern.literal()).find(|path| !is_there(path))?;
        Some(format!("its output `{missing}` is not checked in at `{dir}`"))
    };
    match undeclared.or_else(missing) {
        None => Ok(outputs),
        Some(message) => Err(Failure::Inputs {
            message,
            hint: format!("`{dir}` has to be a copy of what it leaves in `{{out}}`"),
        }),
    }
}

/// What is to be said of checked-in files that are not what the action leaves: nobody who lacks its tool could see that.
pub(crate) fn outdated(ground: &Ground<'_>, id: ActionId, left: &[Output]) -> Option<String> {
    let action = &ground.project.graph[id];
    let dir = action.fallback.checked_in.as_ref()?;
    let files = files_in(&ground.project.workspace.root, dir, ground.index).ok()?;
    let there = outputs_of(dir, &files);
    let differs = |output: &&Output| !there.contains(output);
    let differs =
        left.iter().find(differs).or_else(|| there.iter().find(|it| !left.contains(it)))?;
    let out = ground.project.out_dir(id);
    Some(format!(
        "`{dir}` is not what `{}` leaves, which shows at `{}`: replace it by a copy of {}",
        action.name,
        differs.path,
        out.display()
    ))
}

/// Files below `dir` as outputs in `{out}`, in the same order.
fn outputs_of(dir: &RelPath, files: &[Input]) -> Vec<Output> {
    let output = |file: &Input| {
        let path = RelPath::new(file.path.below(dir)?)?;
        let content = match &file.content {
            Content::Link { target, .. } => Content::Link { target: target.clone(), pointee: None },
            content => content.clone(),
        };
        Some(Output { path: OutputPath { base: Base::Out, path }, content })
    };
    files.iter().filter_map(output).collect()
}

/// A store that has the blobs of checked-in files and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct CheckedInFiles {
    name: String,
    root: PathBuf,
    files: Vec<Input>,
}

impl CheckedInFiles {
    fn copy(&self, digest: &Digest, to: &Path) -> Result<(), StoreError> {
        let has = |file: &&Input| matches!(&file.content, Content::File { digest: its, .. } if its == digest);
        let file = self.files.iter().find(has).ok_or(StoreError::Missing(*digest))?;
        let path = file.path.under(&self.root);
        let bytes = fs::read(&path)
            .map_err(|error| StoreError::Io(Error::io("cannot read", &path, error)))?;
        if Digest::of(&bytes) != *digest {
            let how = "it changed meanwhile".to_owned();
            return Err(StoreError::Damaged { what: format!("`{}`", file.path), how });
        }
        let write = || fs::File::create_new(to)?.write_all(&bytes);
        write().map_err(|error| StoreError::Destination(Error::io("cannot restore to", to, error)))
    }
}

impl Store for CheckedInFiles {
    fn name(&self) -> &str {
        &self.name
    }

    fn result(&self, _: &Key) -> Result<Option<ActionResult>, StoreError> {
        Ok(None)
    }

    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> Result<(), StoreError> {
        blobs.iter().try_for_each(|(digest, to)| self.copy(digest, to))
    }

    fn save_files(&self, _: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        Ok(Vec::new())
    }

    fn save_result(&self, _: &Key, _: &ActionResult) -> Result<(), StoreError> {
        Ok(())
    }

    fn found(&self, _: &Key) -> Result<Vec<FoundSet>, StoreError> {
        Ok(Vec::new())
    }

    fn save_found(&self, _: &Key, _: &FoundSet) -> Result<(), StoreError> {
        Ok(())
    }
}
