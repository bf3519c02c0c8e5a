//! The proof that nothing was touched: what a build looked at that found actions fresh, so that the next one need only look at that again.
//! Where it is *whole*, being of all that was asked for, and nothing of it has changed, there is nothing to read, to parse or to compute: each action is as fresh as it was. Decides
//! nothing else; where anything differs, or the proof is not there, the build goes its usual way.
//!
//! **What is looked at** is everything that the verdict of that build came from: the manifests, the records, every input, each directory that was listed
//! for a pattern, each name that was not there, each output and the directories that an action owns, the executables of tools and what their versions depend
//! on, and the directories that paths in a table name. It also holds what is no file: the environment, what was asked for, which program asks ([`Question`]), where tools
//! are found, and where the target directory lies.
//!
//! **Why it may be believed.** It is taken at the end of a build, by looking at all of it once more (but for inputs, which were looked at before they were judged), and kept only if all of it was last changed clearly before that build began
//! (the guard of [`crate::index`]): so it is what the build itself saw, and any later change shows in a stat. That a directory has the same stat says that it lists the same names, on
//! file systems that are known to keep to that (`filesystem`); on others nothing is kept.
//!
//! **A few edited files** void what was proved of the steps that read them and of what needs those. Of all others it still holds: they are neither looked for, nor digested, nor checked (`crate::build`'s
//! `witness` says which they are). A name that came to a listed directory, or went from it, voids what was proved of the steps whose patterns lead there, begin below it or go on from above it. Anything else
//! that is not as it was, be it a file that is gone, an output or a manifest, voids all of it.
//!
//! **What still held goes on to hold** when such a build has run something: the next proof takes it over as it stands, with what it was seen by *then*, so that whatever was done to that meanwhile, by a step as
//! well, shows in the next look. Left out is what nothing proved rests on: the files and directories that were edited, and the outputs of what is not proved. What was found fresh by a check joins it, seen at the end as
//! above. The rest is *open*: what ran or was restored, which is too young for anything to be seen by, and what had anything else to tell. It is checked in the usual way, as if its files had been
//! edited, and so is what needs it. So it is from the start where a build that looked at everything ran the smaller part. As long as anything is open the records are read, and of no action is more believed than the key that was proved. They need not have come to rest, then.
//!
//! Nothing is kept of steps whose state cannot be told by looking: those that Cargo
//! builds something for, those that cannot run here and come from elsewhere, those of tools that are asked in each build, inputs behind links to directories.
//!
//! # The file
//!
//! `<target>/granular/untouched/QUESTION`, one for each of the last few questions, in the form that `file` describes. A file that cannot be read is no proof.

mod file;
mod filesystem;
mod look;

use crate::action::{ActionId, ActionName};
use crate::digest::{Hash, Key};
use crate::environment;
use crate::event::{Event, Finished, Status, Summary};
use crate::index::{Index, is_settled};
use crate::ordered::{Map, Set};
use crate::own_file;
use crate::path::RelPath;
use crate::stat::Stat;
use crate::state::State;
use crate::state::records::Records;
use crate::tools::{self, Lookup};
use crate::workspace::Workspace;
pub(crate) use file::Filed;
pub(crate) use look::{Edit, Group, Sight, What, are_as_they_were};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How many questions are remembered in a checkout.
const MOST_QUESTIONS: usize = 8;

/// What the names of variables begin with that decide where things lie, or how Cargo and this program work. With the base that every step is given, and with what steps and tools are
/// given by name, these are all that a verdict can depend on.
const OURS: [&str; 4] = ["GRANULAR_", "CARGO", "RUSTUP", "XDG_"];

/// What is asked, by whom, with which environment, and when.
#[derive(Clone, Debug)]
pub struct Question {
    hash: Hash,
    /// The clock before anything was looked at.
    began: SystemTime,
}

impl Question {
    /// The question whether what `words` name is up to date, asked with `env` at `began`, when nothing had been looked at yet.
    pub fn new(words: &[&str], env: &Map<OsString, OsString>, began: SystemTime) -> Self {
        let mut bytes = Vec::new();
        let mut add = |part: &[u8]| {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        };
        add(program().as_bytes());
        add(&(words.len() as u64).to_le_bytes());
        words.iter().for_each(|word| add(word.as_bytes()));
        for (name, value) in env.iter().filter(|(name, _)| counts_always(name)) {
            add(name.as_encoded_bytes());
            add(value.as_encoded_bytes());
        }
        Self { hash: Hash::of(&bytes), began }
    }

    fn file(&self, state: &State) -> PathBuf {
        let hash = self.hash.to_string();
        state.untouched().join(hash.get(..32).unwrap_or(&hash))
    }
}

fn counts_always(name: &OsStr) -> bool {
    let is_ours = |name: &str| OURS.iter().any(|ours| name.starts_with(ours));
    environment::is_given_to_all(name) || name.to_str().is_none_or(is_ours)
}

/// This program, so that another one, also of the same version, asks for itself.
fn program() -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    if let Ok(path) = std::env::current_exe()
        && let Ok(Some(stat)) = Stat::of_pointee(&path)
    {
        let _ = write!(text, " {} {} {} {}", stat.device, stat.inode, stat.size, stat.mtime_ns);
    }
    text
}

/// What was proved: what each action came out as, and what that was seen by.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Proof {
    /// The question that it answers.
    pub(crate) question: Hash,
    /// Whether it answers all of it: it is of every planned action, and the records have come to rest.
    pub(crate) is_whole: bool,
    /// In the order of the plan.
    pub(crate) actions: Vec<Fresh>,
    /// What the paths below the root are that lead to the target directory.
    pub(crate) hidden: Vec<RelPath>,
    /// The variables that count besides those that always do, with the hash of their values.
    pub(crate) variables: Vec<(String, Option<Hash>)>,
    /// Where tools were looked for.
    pub(crate) lookups: Vec<Lookup>,
}

/// An action that was fresh.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Fresh {
    pub(crate) action: ActionName,
    /// None for a named set of files.
    pub(crate) key: Option<Key>,
    pub(crate) saved: Duration,
    pub(crate) is_check: bool,
}

/// What a look at everything that was proved has come to.
#[derive(Debug)]
pub enum Answer {
    /// All is as it was: what a build would tell has been told.
    Fresh(Summary),
    /// Only a few files have been edited or have come, or not all was proved, and nothing has been told. A build that is given this need not look at what has nothing to do with them.
    Partly(Proved),
}

/// What is still proved. It is found out by another thread while the caller reads what is declared, and so is what a build reads of earlier ones.
#[derive(Debug)]
pub struct Proved(Receiver<Edited>);

impl Proved {
    /// `edits` are what was edited, if that is known.
    fn find_out(
        state: State,
        records: Option<Stat>,
        filed: Filed,
        edits: Option<Vec<(PathBuf, Edit)>>,
    ) -> Option<Self> {
        let (told, hear) = mpsc::channel();
        let find_out = move || {
            let edits = edits.or_else(|| edited(&filed, &state))?;
            let opened = (Index::open(&state.index()), Records::open(&state.records()));
            told.send(Edited { edits, records, filed, opened: Some(opened) }).ok()
        };
        thread::Builder::new().spawn(find_out).ok()?;
        Some(Self(hear))
    }

    /// It, once. `None` where more has changed than a few files.
    pub(crate) fn wait(&self) -> Option<Edited> {
        self.0.recv().ok()
    }
}

/// The few files and listed directories that are not as they were when what is proved was fresh.
#[derive(Debug)]
pub(crate) struct Edited {
    pub(crate) edits: Vec<(PathBuf, Edit)>,
    /// What the records looked like before that was seen: whoever changes something meanwhile says so there.
    pub(crate) records: Option<Stat>,
    /// What was proved.
    pub(crate) filed: Filed,
    /// The index, and the records: read behind the look at them.
    pub(crate) opened: Option<(Index, Records)>,
}

/// Tells what a build would tell that finds everything fresh, if it is proved that one would. `None` where there is no proof, or where more has changed than a few files. Needs no
/// lock: a build that is going to change something has said so in the records first.
pub fn tell(
    workspace: &Workspace,
    question: &Question,
    env: &Map<OsString, OsString>,
    report: &mut dyn FnMut(Event),
) -> Option<Answer> {
    let began = Instant::now();
    let state = State::new(workspace.state_dir());
    let filed = file::parse(own_file::read(&question.file(&state)).ok()??)?;
    let proof = &filed.proof;
    let holds = proof.question == question.hash
        && proof.hidden == hidden(workspace, &state)
        && proof.variables.iter().all(|(name, value)| hash_of(env, name) == *value)
        && proof.lookups.iter().all(tools::is_still_there);
    if !holds {
        return None;
    }
    let records = Stat::of(&state.records()).ok()?;
    if !proof.is_whole {
        return Proved::find_out(state, records, filed, None).map(Answer::Partly);
    }
    let edits = edited(&filed, &state)?;
    if !edits.is_empty() {
        return Proved::find_out(state, records, filed, Some(edits)).map(Answer::Partly);
    }
    report(Event::Planned { actions: proof.actions.iter().map(|it| it.action.clone()).collect() });
    let mut summary = Summary::default();
    for Fresh { action, key, saved, is_check } in filed.proof.actions {
        summary.fresh += 1;
        summary.saved += saved;
        report(Event::Finished(Finished {
            action,
            status: Status::Fresh,
            key,
            duration: Duration::ZERO,
            saved,
            reasons: Vec::new(),
            log: None,
            is_check,
        }));
    }
    summary.duration = began.elapsed();
    Some(Answer::Fresh(summary))
}

/// The files and directories that are not as they were. `None` where there is more to it.
fn edited(filed: &Filed, state: &State) -> Option<Vec<(PathBuf, Edit)>> {
    // Whoever has run or restored something since has said so here: then there is no need to look at all the rest.
    let is_ours = |group: &Group<'_>| Path::new(group.directory).starts_with(state.dir());
    let (ours, groups): (Vec<_>, Vec<_>) = filed.groups()?.into_iter().partition(is_ours);
    if !look::edited(&ours)?.is_empty() {
        return None;
    }
    look::edited(&groups)
}

fn hidden(workspace: &Workspace, state: &State) -> Vec<RelPath> {
    crate::build::files::directories(workspace, state.dir())
}

fn hash_of(env: &Map<OsString, OsString>, name: &str) -> Option<Hash> {
    env.get(OsStr::new(name)).map(|value| Hash::of(value.as_encoded_bytes()))
}

/// What a build has looked at that found actions fresh, as paths.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Absolute paths, and what of them counts.
    pub(crate) paths: Vec<(PathBuf, What)>,
    /// What was seen before it was judged, and need not be looked at again.
    pub(crate) seen: Vec<Sight>,
    pub(crate) actions: Map<ActionId, Fresh>,
    /// The names of variables that steps track, and that say to tools who they are.
    pub(crate) variables: Set<String>,
    pub(crate) lookups: Vec<Lookup>,
}

/// What of an earlier proof still holds.
#[derive(Debug, Default)]
pub(crate) struct Carried<'p> {
    pub(crate) actions: Map<ActionId, Fresh>,
    pub(crate) variables: Vec<(String, Option<Hash>)>,
    pub(crate) lookups: Vec<Lookup>,
    /// What it was seen by, as it stands in the file.
    pub(crate) groups: Vec<Group<'p>>,
    /// The same of directories in which something does not count any more.
    pub(crate) sights: Vec<Sight>,
    /// The file that it is from.
    pub(crate) filed: Option<&'p Filed>,
}

/// Keeps as the proof for `question` about so many `planned` actions what is `carried` over, and what `witness` names, if that is now what it was when the build began. Trouble with
/// writing costs the next build its usual time.
pub(crate) fn keep(
    state: &State,
    question: &Question,
    planned: usize,
    hidden: Vec<RelPath>,
    carried: Carried<'_>,
    witness: Option<Witness>,
    env: &Map<OsString, OsString>,
) {
    let filed = carried.filed;
    let joined = witness.and_then(|witness| joined(&carried, witness, question, env));
    // Without what was found fresh in this build; that is open, then.
    let Carried { actions, variables, lookups, groups, mut sights, .. } = joined.unwrap_or(carried);
    let Ok(records) = Stat::of(&state.records()) else { return forget(state, question) };
    let has_come_to_rest = records.is_none_or(|stat| is_settled(&stat, question.began));
    let records = Sight { path: state.records(), what: What::Entry, stat: records };
    let keeps_its_times = filesystem::all_keep_their_times(std::slice::from_ref(&records));
    sights.push(records);
    let proof = Proof {
        question: question.hash,
        is_whole: actions.len() == planned && has_come_to_rest,
        actions: actions.into_values().collect(),
        hidden,
        variables,
        lookups,
    };
    let is_something = keeps_its_times && !proof.actions.is_empty();
    let bytes = is_something.then(|| file::write(&proof, &sights, &groups)).flatten();
    let Some(bytes) = bytes else { return forget(state, question) };
    if filed.is_some_and(|filed| filed.is(&bytes)) {
        return;
    }
    let path = question.file(state);
    let _ = fs::create_dir_all(state.untouched());
    if own_file::replace(&path, &bytes).is_ok() {
        forget_the_oldest(&state.untouched());
    }
}

/// `carried`, and with it what `witness` names. `None` where that has not come to rest, or was seen differently before.
fn joined<'p>(
    carried: &Carried<'p>,
    witness: Witness,
    question: &Question,
    env: &Map<OsString, OsString>,
) -> Option<Carried<'p>> {
    let seen = look::look(witness.paths).and_then(|seen| look::joined(seen, witness.seen))?;
    let settled = |sight: &Sight| match &sight.stat {
        _ if !sight.what.is_exact() => true,
        Some(stat) => is_settled(stat, question.began),
        None => look::is_long_gone(&sight.path, question.began),
    };
    if !seen.iter().all(settled) || !filesystem::all_keep_their_times(&seen) {
        return None;
    }
    let directories: HashSet<&Path> = seen.iter().filter_map(|sight| sight.path.parent()).collect();
    let is_apart = |group: &Group<'_>| !directories.contains(Path::new(group.directory));
    let groups = carried.groups.iter().copied();
    let (groups, shared): (Vec<Group<'p>>, Vec<_>) = groups.partition(is_apart);
    let mut sights = carried.sights.clone();
    for group in shared {
        sights.extend(group.sights()?);
    }
    let values = witness.variables.into_iter().map(|name| {
        let value = hash_of(env, &name);
        (name, value)
    });
    let variables: Map<_, _> = carried.variables.iter().cloned().chain(values).collect();
    let lookups: Set<_> = carried.lookups.iter().cloned().chain(witness.lookups).collect();
    let lookups: Vec<_> = lookups.into_iter().collect();
    let asked = |lookup: &Lookup| (lookup.name.clone(), lookup.dir.clone(), lookup.path.clone());
    let mut pairs = lookups.iter().zip(lookups.iter().skip(1));
    if pairs.any(|(a, b)| asked(a) == asked(b)) {
        return None;
    }
    let actions = carried.actions.iter().map(|(id, fresh)| (*id, fresh.clone()));
    Some(Carried {
        actions: actions.chain(witness.actions).collect(),
        variables: variables.into_iter().collect(),
        lookups,
        groups,
        sights: look::joined(sights, seen)?,
        filed: carried.filed,
    })
}

/// Takes away what was proved.
pub(crate) fn forget(state: &State, question: &Question) {
    let _ = fs::remove_file(question.file(state));
}

fn forget_the_oldest(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(MOST_QUESTIONS);
    for (_, path) in files.into_iter().take(surplus) {
        let _ = fs::remove_file(path);
    }
}
