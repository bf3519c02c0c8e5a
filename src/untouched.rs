//! The proof that nothing was touched: what a build looked at in which everything was fresh, so that the next one need only look at that again.
//! Where nothing of it has changed there is nothing to read, to parse or to compute: each action is as fresh as it was. Decides nothing else; where anything
//! differs, or the proof is not there, the build goes its usual way.
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
//! `witness` says which they are). Anything else that is not as it was, be it a name that came, a directory, an output or a manifest, voids all of it.
//!
//! Nothing is kept of a build that had anything else to tell than that all is fresh, nor of steps whose state cannot be told by looking: those that Cargo
//! builds something for, those that cannot run here and come from elsewhere, those of tools that are asked in each build, inputs behind links to directories.
//!
//! # The file
//!
//! `<target>/granular/untouched/QUESTION`, one for each of the last few questions, in the form that `file` describes. A file that cannot be read is no proof.

mod file;
mod filesystem;
mod look;

use crate::action::ActionName;
use crate::digest::{Hash, Key};
use crate::environment;
use crate::event::{Event, Finished, Status, Summary};
use crate::index::is_settled;
use crate::ordered::{Map, Set};
use crate::own_file;
use crate::path::RelPath;
use crate::stat::Stat;
use crate::state::State;
use crate::tools::{self, Lookup};
use crate::workspace::Workspace;
pub(crate) use look::{Sight, What};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
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
    /// Every planned action, in the order of the plan.
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
    /// Only these files have been edited, and nothing has been told. A build that is given this need not look at what has nothing to do with them.
    Edited(Edited),
}

/// The few files that are not as they were when everything was fresh.
#[derive(Clone, Debug)]
pub struct Edited {
    pub(crate) files: Vec<PathBuf>,
    /// What the records looked like before that was seen: whoever changes something meanwhile says so there.
    pub(crate) records: Option<Stat>,
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
    let bytes = own_file::read(&question.file(&state)).ok()??;
    let (proof, groups) = file::parse(&bytes)?;
    let holds = proof.question == question.hash
        && proof.hidden == hidden(workspace, &state)
        && proof.variables.iter().all(|(name, value)| hash_of(env, name) == *value)
        && proof.lookups.iter().all(tools::is_still_there);
    if !holds {
        return None;
    }
    let records = Stat::of(&state.records()).ok()?;
    // Whoever has run or restored something since has said so here: then there is no need to look at all the rest.
    let is_ours = |group: &look::Group<'_>| Path::new(group.directory).starts_with(state.dir());
    let (ours, groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_ours);
    if !look::edited(&ours)?.is_empty() {
        return None;
    }
    let files = look::edited(&groups)?;
    if !files.is_empty() {
        return Some(Answer::Edited(Edited { files, records }));
    }
    report(Event::Planned { actions: proof.actions.iter().map(|it| it.action.clone()).collect() });
    let mut summary = Summary::default();
    for Fresh { action, key, saved, is_check } in proof.actions {
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

fn hidden(workspace: &Workspace, state: &State) -> Vec<RelPath> {
    crate::build::files::directories(workspace, state.dir())
}

fn hash_of(env: &Map<OsString, OsString>, name: &str) -> Option<Hash> {
    env.get(OsStr::new(name)).map(|value| Hash::of(value.as_encoded_bytes()))
}

/// What a build has looked at, as paths, collected while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Absolute paths, and what of them counts.
    pub(crate) paths: Vec<(PathBuf, What)>,
    /// What was seen before it was judged, and need not be looked at again.
    pub(crate) seen: Vec<Sight>,
    pub(crate) actions: Vec<Fresh>,
    pub(crate) hidden: Vec<RelPath>,
    /// The names of variables that steps track, and that say to tools who they are.
    pub(crate) variables: Set<String>,
    pub(crate) lookups: Vec<Lookup>,
}

/// Keeps the proof for `question`, if what `witness` names is now what it was when the build began. Trouble with writing costs the next build its usual time.
pub(crate) fn keep(
    state: &State,
    question: &Question,
    witness: Witness,
    env: &Map<OsString, OsString>,
) {
    let Some(sights) = look::look(witness.paths).and_then(|seen| look::joined(seen, witness.seen))
    else {
        return;
    };
    let settled = |sight: &Sight| match &sight.stat {
        _ if !sight.what.is_exact() => true,
        Some(stat) => is_settled(stat, question.began),
        None => look::is_long_gone(&sight.path, question.began),
    };
    if !sights.iter().all(settled) || !filesystem::all_keep_their_times(&sights) {
        return;
    }
    let variables = witness.variables.into_iter().map(|name| {
        let value = hash_of(env, &name);
        (name, value)
    });
    let proof = Proof {
        question: question.hash,
        actions: witness.actions,
        hidden: witness.hidden,
        variables: variables.collect(),
        lookups: witness.lookups,
    };
    let Some(bytes) = file::write(&proof, &sights) else { return };
    let path = question.file(state);
    let _ = fs::create_dir_all(state.untouched());
    if own_file::replace(&path, &bytes).is_ok() {
        forget_the_oldest(&state.untouched());
    }
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
