//! Reads directories of the tree for the patterns of all actions, each directory once, in parallel where it pays.
//! Knows neither digests nor what an action is.
//!
//! A walk goes down from the root with the states of all patterns ([`active`]). Where every pattern waits for a certain name,
//! the directory is not even listed. What is ignored, hidden or owned by a step is never entered, unless it was named.

mod active;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

use crate::error::{Error, Result};
use crate::ignore::Ignore;
use crate::inputs::{Found, FoundInputs, Hidden};
use crate::ordered::Set;
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::InputPatterns;
use crate::stat::{Kind, Stat};
use active::{Active, Program, Shade, State, Taken};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::mem;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use tree::{Directory, Listing, Tree};

/// How many files are looked at before threads are started for the rest: about as long as the start of a few threads takes.
const WORTH_A_THREAD: usize = 500;

/// More threads than this wait for the file system only.
const MOST_THREADS: usize = 8;

/// How many links to directories may lie behind one another. The kernel's own limit.
const MOST_LINKS: u32 = 40;

/// What a walk has looked at besides the files that it found, as paths from the root.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Directories that were listed, or would have been if they were there.
    pub(crate) directories: Vec<String>,
    /// Names that were looked at one by one, and files of rules, whether they are there or not.
    pub(crate) names: Vec<String>,
    /// Links that were followed.
    pub(crate) links: Vec<String>,
    /// Whether a link led to a directory: what lies behind it has another path as well.
    pub(crate) led_away: bool,
}

/// Finds what each of `patterns` matches below `root`.
pub(crate) fn walk(
    root: &Path,
    patterns: &[&InputPatterns],
    hidden: &Hidden,
) -> Result<(Vec<FoundInputs>, Trail)> {
    let outputs = hidden.near(patterns);
    let program = Program::new(patterns, &outputs);
    let tree =
        Tree::open(root).map_err(|error| Error::io("cannot open the directory", root, error))?;
    let (mut results, trail) = match &tree {
        Some(tree) => Walk::new(tree, &program, hidden).run(patterns.len())?,
        None => (vec![FoundInputs::default(); patterns.len()], Trail::default()),
    };
    for (action, (result, patterns)) in results.iter_mut().zip(patterns).enumerate() {
        result.idle_patterns = idle(patterns, hidden, |index| program.is_used(action, index));
    }
    Ok((results, trail))
}

/// The positive patterns that took in nothing. One that reaches into what a step writes is not idle: what it matches there
/// depends on what was built, and comes to the action as an export.
fn idle(patterns: &InputPatterns, hidden: &Hidden, is_used: impl Fn(usize) -> bool) -> Vec<usize> {
    let declared = patterns.patterns().iter().enumerate();
    let unused = declared
        .filter(|(index, pattern)| !pattern.negative && !is_used(*index))
        .map(|(index, _)| index);
    unused
        .filter(|index| !hidden.outputs.iter().any(|output| patterns.can_reach(*index, output)))
        .collect()
}

/// Everything that does not change while walking.
struct Walk<'w> {
    tree: &'w Tree,
    program: &'w Program<'w>,
    hidden: &'w Hidden,
    directories: HashSet<&'w str>,
    real_root: OnceLock<PathBuf>,
}

/// A directory that is to be read.
struct Job {
    path: String,
    states: Box<[State]>,
    shade: Shade,
    ignore: Option<Arc<Ignore>>,
    /// How many links were followed to get there.
    links: u32,
    /// Where it lies below the root, if that is not `path` because of those links.
    real: Option<RelPath>,
}

/// What a link leads to.
struct Target {
    stat: Stat,
    /// Below the root.
    real: Option<RelPath>,
}

/// A directory that is being read.
struct Scene<'s> {
    directory: Directory<'s>,
    active: Active<'s>,
    job: &'s Job,
    ignore: Option<Arc<Ignore>>,
}

/// What one thread has found, and room that it uses again and again.
struct Worker {
    jobs: Vec<Job>,
    chunks: Vec<Chunk>,
    refused: Vec<(usize, String)>,
    errors: Vec<Error>,
    trail: Trail,
    looked_at: usize,
    listing: Listing,
    states: Vec<State>,
    taken: Vec<Taken>,
    /// The path of the entry that is being looked at.
    path: Vec<u8>,
    /// For each action the place in `chunks` that takes what it found in the directory that is being read.
    open: Vec<usize>,
}

/// What one action found in one directory, sorted.
struct Chunk {
    action: usize,
    /// The directory, with a slash at its end; empty for the root.
    directory: String,
    files: Vec<Found>,
}

/// Directories that wait for a thread.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    change: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// How many threads are reading a directory, which may bring further ones.
    busy: usize,
    /// How many threads wait for one. Where none does, none need be woken, which is a call of the system.
    idle: usize,
}

/// A thread's turn with one directory; it ends when this is dropped.
struct Turn<'q> {
    queue: &'q Queue,
    job: Job,
}

impl<'w> Walk<'w> {
    fn new(tree: &'w Tree, program: &'w Program<'w>, hidden: &'w Hidden) -> Self {
        let directories = hidden.directories.iter().map(RelPath::as_str).collect();
        Self { tree, program, hidden, directories, real_root: OnceLock::new() }
    }

    fn run(&self, actions: usize) -> Result<(Vec<FoundInputs>, Trail)> {
        let mut worker = Worker::new(actions);
        worker.jobs.extend(self.first_job());
        let mut helpers = Vec::new();
        while let Some(job) = worker.jobs.pop() {
            self.visit(&job, &mut worker);
            if worker.looked_at > WORTH_A_THREAD && worker.jobs.len() > 1 {
                helpers = self.share(&mut worker, actions);
            }
        }
        helpers.push(worker);
        gather(helpers, actions)
    }

    fn first_job(&self) -> Option<Job> {
        let states = self.program.start();
        let shade = Shade { ignored: false, hidden: u32::from(self.directories.contains("")) };
        let job = Job {
            path: String::new(),
            states: states.into(),
            shade,
            ignore: None,
            links: 0,
            real: None,
        };
        (!job.states.is_empty()).then_some(job)
    }

    /// Reads all that is waiting, with the help of other threads; gives what those have found.
    fn share(&self, worker: &mut Worker, actions: usize) -> Vec<Worker> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let queue = Queue::default();
        queue.add(&mut worker.jobs);
        thread::scope(|scope| {
            let help = || {
                let mut helper = Worker::new(actions);
                self.work(&queue, &mut helper);
                helper
            };
            // A thread that cannot be started is one that does not help.
            let start = |_| thread::Builder::new().spawn_scoped(scope, help).ok();
            let started: Vec<_> = (1..threads).filter_map(start).collect();
            self.work(&queue, worker);
            started
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    }

    fn work(&self, queue: &Queue, worker: &mut Worker) {
        while let Some(turn) = queue.next() {
            self.visit(&turn.job, worker);
            queue.add(&mut worker.jobs);
        }
    }

    /// Reads one directory. An error is kept, so that which one is reported does not depend on the threads.
    fn visit(&self, job: &Job, worker: &mut Worker) {
        if let Err(error) = self.read(job, worker) {
            worker.errors.push(error);
        }
        worker.close(&job.path);
    }

    fn read(&self, job: &Job, worker: &mut Worker) -> Result<()> {
        let active = Active::new(self.program, &job.states);
        let mut scene = Scene {
            directory: self.tree.directory(&job.path),
            active,
            job,
            ignore: job.ignore.clone(),
        };
        match scene.active.only_names() {
            Some(names) => self.read_names(&mut scene, &names, worker),
            None => {
                let mut listing = mem::take(&mut worker.listing);
                let result = self.read_listing(&mut scene, &mut listing, worker);
                worker.listing = listing;
                result
            }
        }
    }

    fn read_listing(
        &self,
        scene: &mut Scene<'_>,
        listing: &mut Listing,
        worker: &mut Worker,
    ) -> Result<()> {
        worker.trail.directories.push(scene.job.path.clone());
        let there = scene
            .directory
            .list(listing)
            .map_err(|error| self.error("cannot read the directory", &scene.job.path, error))?;
        if !there {
            return Ok(());
        }
        if listing.contains(b".gitignore") {
            self.read_rules(scene, worker)?;
        }
        for (name, kind) in listing.entries() {
            self.entry(scene, name, kind, worker)?;
        }
        Ok(())
    }

    fn read_names(
        &self,
        scene: &mut Scene<'_>,
        names: &[&[u8]],
        worker: &mut Worker,
    ) -> Result<()> {
        self.read_rules(scene, worker)?;
        for name in names {
            // What is only a way is not looked at: to open what lies below it tells enough.
            let kind = scene.active.is_only_a_way(name).then_some(Kind::Directory);
            self.entry(scene, name, kind, worker)?;
        }
        Ok(())
    }

    fn read_rules(&self, scene: &mut Scene<'_>, worker: &mut Worker) -> Result<()> {
        if scene.job.shade.ignored {
            return Ok(()); // nothing below can be taken back in
        }
        worker.trail.names.push(scene.directory.join(".gitignore"));
        let text = scene.directory.read_rules();
        let text = text.map_err(|error| {
            self.error("cannot read", &scene.directory.join(".gitignore"), error)
        })?;
        if let Some(text) = text {
            scene.ignore = Ignore::below(scene.ignore.as_ref(), &scene.job.path, &text);
        }
        Ok(())
    }

    fn entry(
        &self,
        scene: &Scene<'_>,
        name: &[u8],
        kind: Option<Kind>,
        worker: &mut Worker,
    ) -> Result<()> {
        worker.looked_at += 1;
        worker.set_path(&scene.job.path, name);
        if scene.real(name).is_some_and(|path| self.is_owned(path)) {
            return Ok(());
        }
        let (kind, stat) = match (kind, std::str::from_utf8(name)) {
            (Some(kind), _) => (kind, None),
            (None, Ok(name)) => {
                worker.trail.names.push(scene.directory.join(name));
                match self.stat(scene, name)? {
                    Some(stat) => (stat.kind, Some(stat)),
                    None => return Ok(()),
                }
            }
            // Where the directory does not tell and no path of ours can ask, it is refused as a file would be.
            (None, Err(_)) => (Kind::File, None),
        };
        match kind {
            Kind::Directory => self.enter(scene, name, worker),
            Kind::Link => return self.link(scene, name, worker),
            Kind::File => return self.file(scene, name, stat, worker),
            Kind::Special(what) => {
                self.take(scene, name, worker);
                let sentence = format!("`{}` is a {what}", shown(&worker.path));
                worker.refuse_taken(&sentence);
            }
        }
        Ok(())
    }

    fn file(
        &self,
        scene: &Scene<'_>,
        name: &[u8],
        stat: Option<Stat>,
        worker: &mut Worker,
    ) -> Result<()> {
        self.take(scene, name, worker);
        if worker.taken.is_empty() {
            return Ok(());
        }
        let Ok(name) = std::str::from_utf8(name) else {
            worker.refuse_taken(&not_utf8(&worker.path));
            return Ok(());
        };
        let stat = match stat {
            Some(stat) => Some(stat),
            None => self.stat(scene, name)?,
        };
        // What was swapped for something else since the listing counts as gone: the look after the run will see it.
        if let Some(stat) = stat.filter(|stat| stat.kind == Kind::File) {
            worker.found(scene.directory.join(name), stat, None);
        }
        Ok(())
    }

    fn enter(&self, scene: &Scene<'_>, name: &[u8], worker: &mut Worker) {
        let shade = self.shade(scene, &worker.path, name, true);
        scene.active.step(name, shade, &mut worker.states);
        if worker.states.is_empty() {
            return;
        }
        match std::str::from_utf8(name) {
            Ok(name) => worker.jobs.push(scene.job_below(name, &worker.states, shade)),
            Err(_) => {
                let sentence = not_utf8(&worker.path);
                worker.refuse(scene.active.actions(&worker.states), &sentence);
            }
        }
    }

    /// A link is an entry of its own, whatever it leads to; to a directory it is also a way.
    fn link(&self, scene: &Scene<'_>, name: &[u8], worker: &mut Worker) -> Result<()> {
        self.take(scene, name, worker);
        let shade = self.shade(scene, &worker.path, name, true);
        scene.active.step(name, shade, &mut worker.states);
        if worker.taken.is_empty() && worker.states.is_empty() {
            return Ok(());
        }
        let Ok(name) = std::str::from_utf8(name) else {
            let sentence = not_utf8(&worker.path);
            worker.refuse_taken(&sentence);
            worker.refuse(scene.active.actions(&worker.states), &sentence);
            return Ok(());
        };
        let Some((stat, text)) = self.read_link(scene, name)? else { return Ok(()) };
        let Some(text) = text.to_str() else {
            let sentence = format!("`{}` is a link whose target is not UTF-8", shown(&worker.path));
            worker.refuse_taken(&sentence);
            return Ok(());
        };
        worker.trail.links.push(scene.directory.join(name));
        let target = self.follow(scene, name, text, worker)?;
        worker.trail.led_away |=
            target.as_ref().is_some_and(|target| target.stat.kind == Kind::Directory);
        let shade = self.shade_behind(shade, target.as_ref());
        scene.active.settle(&mut worker.states, shade);
        self.link_entry(scene, name, (stat, text), target.as_ref(), worker);
        if let Some(target) = target.filter(|target| target.stat.kind == Kind::Directory)
            && !worker.states.is_empty()
            && scene.job.links < MOST_LINKS
            && !self.is_above(scene, &target.stat)?
        {
            let job = scene.job_below(name, &worker.states, shade);
            worker.jobs.push(Job { links: job.links + 1, real: target.real, ..job });
        }
        Ok(())
    }

    fn link_entry(
        &self,
        scene: &Scene<'_>,
        name: &str,
        (stat, text): (Stat, &str),
        target: Option<&Target>,
        worker: &mut Worker,
    ) {
        if worker.taken.is_empty() {
            return;
        }
        if let Some(Kind::Special(what)) = target.map(|target| target.stat.kind) {
            let sentence = format!("`{}` leads to a {what}", shown(&worker.path));
            return worker.refuse_taken(&sentence);
        }
        let file = target.map(|target| target.stat).filter(|stat| stat.kind == Kind::File);
        worker.found(scene.directory.join(name), stat, Some(Box::new((text.to_owned(), file))));
    }

    fn read_link(&self, scene: &Scene<'_>, name: &str) -> Result<Option<(Stat, PathBuf)>> {
        let Some(stat) = self.stat(scene, name)?.filter(|stat| stat.kind == Kind::Link) else {
            return Ok(None);
        };
        let text = scene.directory.read_link(name);
        let text = text.map_err(|error| {
            self.error("cannot read the link", &scene.directory.join(name), error)
        })?;
        Ok(text.map(|text| (stat, text)))
    }

    /// What the link leads to, as far as it may be followed: to nothing that a step owns, and out of the workspace only where
    /// the link was named. What may not go on is taken off `worker.taken` and `worker.states`.
    fn follow(
        &self,
        scene: &Scene<'_>,
        name: &str,
        text: &str,
        worker: &mut Worker,
    ) -> Result<Option<Target>> {
        let trouble =
            |error| self.error("cannot follow the link", &scene.directory.join(name), error);
        let Some(stat) = scene.directory.stat(name, true).map_err(trouble)? else {
            return Ok(None);
        };
        let Ok(real) = scene.directory.full_path(name).canonicalize() else { return Ok(None) };
        if let Ok(inside) = real.strip_prefix(self.real_root()) {
            let real = rel_path(inside);
            let owned = real.as_ref().is_some_and(|path| self.is_owned(path.clone()));
            return Ok((!owned).then_some(Target { stat, real }));
        }
        if !self.is_outside_too(&scene.job.path, &real) {
            self.refuse_way_out(scene, text, stat.kind, worker);
        }
        Ok(Some(Target { stat, real: None }))
    }

    /// Leaves only those that named the link, and refuses it to all others.
    fn refuse_way_out(&self, scene: &Scene<'_>, text: &str, kind: Kind, worker: &mut Worker) {
        if kind != Kind::Directory {
            worker.states.clear();
        }
        let mut actions: Set<usize> =
            scene.active.keep_named(&mut worker.states).into_iter().collect();
        actions.extend(worker.taken.iter().map(|taken| taken.action));
        let mut named = scene.active.actions(&worker.states);
        named.extend(worker.taken.iter().filter(|taken| taken.by_name).map(|taken| taken.action));
        worker.taken.retain(|taken| named.contains(&taken.action));
        let sentence = format!(
            "`{}` is a link to `{}`, outside of the workspace; only a pattern that names the link follows it",
            shown(&worker.path),
            text.escape_debug()
        );
        worker.refuse(actions.difference(&named).copied(), &sentence);
    }

    /// Whether `path`, which is outside of the workspace, lies in a directory that the way to `directory` was led to by name.
    fn is_outside_too(&self, directory: &str, path: &Path) -> bool {
        let ways =
            directory.match_indices('/').map(|(slash, _)| &directory[..slash]).chain([directory]);
        let mut real = ways.filter_map(|way| self.tree.root().join(way).canonicalize().ok());
        real.find(|real| !real.starts_with(self.real_root()))
            .is_some_and(|outside| path.starts_with(outside))
    }

    fn is_owned(&self, path: RelPath) -> bool {
        let path = OutputPath { base: Base::Tree, path };
        self.hidden.outputs.iter().any(|output| output.owns(&path))
    }

    /// Whether `target` is the directory of `scene` or one on the way to it: to follow a link there would never end.
    fn is_above(&self, scene: &Scene<'_>, target: &Stat) -> Result<bool> {
        let path = scene.job.path.as_str();
        for way in path.match_indices('/').map(|(slash, _)| &path[..slash]).chain(["", path]) {
            let stat = self
                .tree
                .stat_pointee(way)
                .map_err(|error| self.error("cannot look at", way, error))?;
            if stat.is_some_and(|stat| (stat.device, stat.inode) == (target.device, target.inode)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn real_root(&self) -> &Path {
        self.real_root.get_or_init(|| {
            self.tree.root().canonicalize().unwrap_or_else(|_| self.tree.root().to_path_buf())
        })
    }

    /// Asks which actions take in the file or link whose path is `worker.path`.
    fn take(&self, scene: &Scene<'_>, name: &[u8], worker: &mut Worker) {
        let mut shade = None;
        let path = &worker.path;
        scene.active.take(
            name,
            || *shade.get_or_insert_with(|| self.shade(scene, path, name, false)),
            &mut worker.taken,
        );
    }

    fn shade(&self, scene: &Scene<'_>, path: &[u8], name: &[u8], is_directory: bool) -> Shade {
        let above = scene.job.shade;
        let ignore = scene.ignore.as_ref();
        let ignored =
            above.ignored || ignore.is_some_and(|ignore| ignore.is_ignored(path, is_directory));
        // A `.git` that is a file leads to one, and names an absolute path.
        let is_hidden = |path: &str| self.directories.contains(path);
        let by_path = || {
            std::str::from_utf8(path).is_ok_and(is_hidden)
                || scene.real(name).is_some_and(|path| is_hidden(path.as_str()))
        };
        let here = name == b".git" || by_path();
        Shade { ignored, hidden: above.hidden + u32::from(here) }
    }

    /// The light behind a link: one that leads into a hidden directory is no way around its being hidden.
    fn shade_behind(&self, shade: Shade, target: Option<&Target>) -> Shade {
        let real = target.and_then(|target| target.real.clone());
        let mut ways = std::iter::successors(real, RelPath::parent);
        let is_hidden = ways.any(|way| self.directories.contains(way.as_str()));
        Shade { hidden: shade.hidden.max(u32::from(is_hidden)), ..shade }
    }

    fn stat(&self, scene: &Scene<'_>, name: &str) -> Result<Option<Stat>> {
        scene
            .directory
            .stat(name, false)
            .map_err(|error| self.error("cannot look at", &scene.directory.join(name), error))
    }

    fn error(&self, doing: &str, path: &str, error: std::io::Error) -> Error {
        Error::io(doing, &self.tree.root().join(path), error)
    }
}

impl Scene<'_> {
    fn job_below(&self, name: &str, states: &[State], shade: Shade) -> Job {
        let (path, ignore, real) =
            (self.directory.join(name), self.ignore.clone(), self.real(name.as_bytes()));
        Job { path, states: states.into(), shade, ignore, links: self.job.links, real }
    }

    /// Where `name` lies, if the directory was reached through links.
    fn real(&self, name: &[u8]) -> Option<RelPath> {
        self.job.real.as_ref()?.child(std::str::from_utf8(name).ok()?)
    }
}

impl Trail {
    fn add(&mut self, other: Self) {
        self.directories.extend(other.directories);
        self.names.extend(other.names);
        self.links.extend(other.links);
        self.led_away |= other.led_away;
    }
}

impl Worker {
    fn new(actions: usize) -> Self {
        Self {
            jobs: Vec::new(),
            chunks: Vec::new(),
            refused: Vec::new(),
            errors: Vec::new(),
            trail: Trail::default(),
            looked_at: 0,
            listing: Listing::default(),
            states: Vec::new(),
            taken: Vec::new(),
            path: Vec::new(),
            open: vec![usize::MAX; actions],
        }
    }

    fn set_path(&mut self, directory: &str, name: &[u8]) {
        self.path.clear();
        if !directory.is_empty() {
            self.path.extend_from_slice(directory.as_bytes());
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
    }

    /// Notes a file or link for all actions that have taken it.
    fn found(&mut self, path: String, stat: Stat, link: Option<Box<(String, Option<Stat>)>>) {
        let Some(path) = RelPath::new(path) else {
            let sentence = format!("`{}` cannot be told as a path", shown(&self.path));
            return self.refuse_taken(&sentence);
        };
        let found = Found { path, stat, link };
        let taken = mem::take(&mut self.taken);
        if let Some((last, others)) = taken.split_last() {
            for other in others {
                self.add(other.action, found.clone());
            }
            self.add(last.action, found);
        }
        self.taken = taken;
    }

    fn add(&mut self, action: usize, found: Found) {
        let Some(open) = self.open.get_mut(action) else { return };
        if *open == usize::MAX {
            *open = self.chunks.len();
            self.chunks.push(Chunk { action, directory: String::new(), files: Vec::new() });
        }
        if let Some(chunk) = self.chunks.get_mut(*open) {
            chunk.files.push(found);
        }
    }

    /// Ends the chunks of the directory that was read.
    fn close(&mut self, directory: &str) {
        let slash = if directory.is_empty() { "" } else { "/" };
        for chunk in self.chunks.iter_mut().rev() {
            let Some(open) = self.open.get_mut(chunk.action).filter(|open| **open != usize::MAX)
            else {
                break;
            };
            *open = usize::MAX;
            chunk.directory = format!("{directory}{slash}");
        }
    }

    fn refuse_taken(&mut self, sentence: &str) {
        let actions: Vec<usize> = self.taken.iter().map(|taken| taken.action).collect();
        self.refuse(actions, sentence);
    }

    fn refuse(&mut self, actions: impl IntoIterator<Item = usize>, sentence: &str) {
        self.refused.extend(actions.into_iter().map(|action| (action, sentence.to_owned())));
    }
}

impl Queue {
    /// The next directory; waits as long as one may still come.
    fn next(&self) -> Option<Turn<'_>> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.jobs.pop() {
                waiting.busy += 1;
                return Some(Turn { queue: self, job });
            }
            if waiting.busy == 0 {
                return None;
            }
            waiting.idle += 1;
            waiting = self.change.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }

    fn add(&self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        waiting.jobs.append(jobs);
        let is_awaited = waiting.idle > 0;
        drop(waiting);
        if is_awaited {
            self.change.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.busy -= 1;
        if waiting.busy == 0 {
            self.queue.change.notify_all();
        }
    }
}

/// Puts together what all threads have found.
fn gather(workers: Vec<Worker>, actions: usize) -> Result<(Vec<FoundInputs>, Trail)> {
    let mut chunks: Vec<Vec<Chunk>> = (0..actions).map(|_| Vec::new()).collect();
    let mut results = vec![FoundInputs::default(); actions];
    let mut errors = Vec::new();
    let mut trail = Trail::default();
    for worker in workers {
        trail.add(worker.trail);
        errors.extend(worker.errors);
        for chunk in worker.chunks {
            if let Some(chunks) = chunks.get_mut(chunk.action) {
                chunks.push(chunk);
            }
        }
        for (action, sentence) in worker.refused {
            if let Some(result) = results.get_mut(action) {
                result.refused.push(sentence);
            }
        }
    }
    if let Some(error) = errors.into_iter().min_by_key(ToString::to_string) {
        return Err(error);
    }
    for (result, chunks) in results.iter_mut().zip(chunks) {
        result.files = merge(chunks);
        result.refused.sort_unstable();
        result.refused.dedup();
    }
    Ok((results, trail))
}

/// Puts sorted chunks into one sorted list. All paths below a directory stand together in it, so that each file is moved once
/// and few paths are compared: files of a directory that come before a directory in it go first, the others after it.
fn merge(mut chunks: Vec<Chunk>) -> Vec<Found> {
    if chunks.len() < 2 {
        return chunks.pop().map(|chunk| chunk.files).unwrap_or_default();
    }
    chunks.sort_unstable_by(|one, other| one.directory.cmp(&other.directory));
    let mut merged = Vec::with_capacity(chunks.iter().map(|chunk| chunk.files.len()).sum());
    let mut open: Vec<(String, std::iter::Peekable<std::vec::IntoIter<Found>>)> = Vec::new();
    for chunk in chunks {
        while let Some((_, files)) =
            open.pop_if(|(directory, _)| !chunk.directory.starts_with(directory.as_str()))
        {
            merged.extend(files);
        }
        if let Some((_, files)) = open.last_mut() {
            while let Some(file) =
                files.next_if(|file| file.path.as_str() < chunk.directory.as_str())
            {
                merged.push(file);
            }
        }
        open.push((chunk.directory, chunk.files.into_iter().peekable()));
    }
    while let Some((_, files)) = open.pop() {
        merged.extend(files);
    }
    merged
}

fn rel_path(path: &Path) -> Option<RelPath> {
    let path = path.to_str()?;
    RelPath::new(if cfg!(windows) { path.replace('\\', "/") } else { path.to_owned() })
}

fn not_utf8(path: &[u8]) -> String {
    format!("`{}` is not UTF-8", shown(path))
}

/// A path as a person can read it, whatever bytes are in it.
fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        let _ = write!(text, "{}", chunk.valid().escape_debug());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::testing::TempDir;
    use super::*;
    use crate::pattern::OutputPattern;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// A tree as the model knows it.
    struct Model {
        files: BTreeSet<String>,
        rules: BTreeMap<String, String>,
        hidden: Hidden,
    }

    impl Model {
        /// The light at a path, from the root down, as the documentation says it.
        fn shade(&self, path: &str, is_directory: bool) -> Shade {
            let mut shade = Shade::default();
            let mut ignore =
                self.rules.get("").and_then(|text| Ignore::below(None, "", text.as_bytes()));
            let ends = path
                .match_indices('/')
                .map(|(slash, _)| (slash, true))
                .chain([(path.len(), is_directory)]);
            for (end, is_directory) in ends.filter(|_| !path.is_empty()) {
                let part = &path[..end];
                shade.ignored |= ignore
                    .as_ref()
                    .is_some_and(|ignore| ignore.is_ignored(part.as_bytes(), is_directory));
                let hidden = self.hidden.directories.iter().any(|hidden| hidden.as_str() == part);
                shade.hidden += u32::from(part.ends_with(".git") || hidden);
                if let Some(text) = self.rules.get(part).filter(|_| !shade.ignored) {
                    ignore = Ignore::below(ignore.as_ref(), part, text.as_bytes());
                }
            }
            shade
        }

        /// Whether a positive pattern of one text takes in `file`, were it alone.
        fn takes(&self, text: &str, file: &str) -> bool {
            let patterns = InputPatterns::new(&RelPath::root(), &[text.to_owned()]).unwrap();
            let path = RelPath::new(file).unwrap();
            if !patterns.matches(&path) {
                return false;
            }
            let shade = self.shade(file, false);
            let granted = patterns
                .positive_roots()
                .filter(|(_, root, literal)| *literal && path.is_within(root));
            let mut granted = granted
                .map(|(_, root, _)| (root.as_str() == file, self.shade(root.as_str(), true)));
            let sees = |granted: Shade| {
                (!shade.ignored || granted.ignored) && shade.hidden <= granted.hidden
            };
            sees(Shade::default()) || granted.any(|(itself, granted)| itself || sees(granted))
        }

        fn is_owned(&self, file: &str) -> bool {
            let path = OutputPath { base: Base::Tree, path: RelPath::new(file).unwrap() };
            self.hidden.outputs.iter().any(|output| output.owns(&path))
        }

        /// What a list of patterns finds, and which of them bring nothing.
        fn find(&self, texts: &[String]) -> (Vec<String>, Vec<usize>) {
            let mut found = Vec::new();
            let mut idle: BTreeSet<usize> =
                (0..texts.len()).filter(|index| !texts[*index].starts_with('!')).collect();
            for file in self.files.iter().filter(|file| !self.is_owned(file)) {
                let mut taken = false;
                for (index, text) in texts.iter().enumerate().rev() {
                    match text.strip_prefix('!') {
                        Some(text) => {
                            let patterns =
                                InputPatterns::new(&RelPath::root(), &[text.to_owned()]).unwrap();
                            if patterns.matches(&RelPath::new(file.as_str()).unwrap()) {
                                break;
                            }
                        }
                        None if self.takes(text, file) => {
                            taken = true;
                            idle.remove(&index);
                        }
                        None => {}
                    }
                }
                found.extend(taken.then(|| file.clone()));
            }
            let patterns = InputPatterns::new(&RelPath::root(), texts).unwrap();
            idle.retain(|index| {
                !self.hidden.outputs.iter().any(|output| patterns.can_reach(*index, output))
            });
            (found, idle.into_iter().collect())
        }
    }

    fn component() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "a", "b", "ab", "*", "?", "**", "a*", "*b", "[ab]", "{a,b}", ".git", "x.log", "*.log",
        ])
    }

    fn pattern() -> impl Strategy<Value = String> {
        let text = prop::collection::vec(component(), 1..4).prop_map(|parts| parts.join("/"));
        (text, prop::bool::weighted(0.15))
            .prop_map(|(text, slash)| if slash { format!("{text}/") } else { text })
    }

    fn patterns() -> impl Strategy<Value = Vec<String>> {
        let others = prop::collection::vec((pattern(), prop::bool::weighted(0.4)), 0..4);
        (pattern(), others).prop_map(|(first, others)| {
            let others = others
                .into_iter()
                .map(|(text, negative)| if negative { format!("!{text}") } else { text });
            [first].into_iter().chain(others).collect()
        })
    }

    fn tree() -> impl Strategy<Value = BTreeSet<String>> {
        let name = prop::sample::select(vec!["a", "b", "ab", "bb", ".git", "x.log"]);
        let file = prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"));
        prop::collection::btree_set(file, 1..25).prop_map(|files| {
            let is_directory =
                |file: &String| files.iter().any(|other| other.starts_with(&format!("{file}/")));
            files.iter().filter(|file| !is_directory(file)).cloned().collect()
        })
    }

    fn rules() -> impl Strategy<Value = BTreeMap<String, String>> {
        let line = prop::sample::select(vec![
            "a", "/a", "b/", "*.log", "!x.log", "a/b", "**/ab", "/*", "!a/", "!ab",
        ]);
        let text = prop::collection::vec(line, 0..3).prop_map(|lines| lines.join("\n"));
        prop::collection::btree_map(
            prop::sample::select(vec!["", "a", "b", "a/b"]).prop_map(str::to_owned),
            text,
            0..3,
        )
    }

    fn hidden() -> impl Strategy<Value = Hidden> {
        let directories =
            prop::collection::vec(prop::sample::select(vec!["b", "a/a", "ab/b"]), 0..2);
        let outputs = prop::collection::vec(
            prop::sample::select(vec!["a/b", "b/*", "ab/**/a", "a/{a,b}b", "bb/**", "a/x.log"]),
            0..3,
        );
        (directories, outputs).prop_map(|(directories, outputs)| {
            let output = |text| OutputPattern::new(&RelPath::root(), text).ok();
            Hidden::new(
                directories.into_iter().filter_map(RelPath::new).collect(),
                outputs.into_iter().filter_map(output).collect(),
            )
        })
    }

    fn found_paths(found: &FoundInputs) -> Vec<String> {
        found.files.iter().map(|found| found.path.to_string()).collect()
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_the_rules_say(
            mut files in tree(),
            rules in rules(),
            hidden in hidden(),
            lists in prop::collection::vec(patterns(), 1..5),
            many in any::<bool>(),
        ) {
            let dir = TempDir::new();
            files.iter().for_each(|file| dir.write(file, ""));
            let mut model = Model { files: BTreeSet::new(), rules: BTreeMap::new(), hidden };
            for (at, text) in rules.into_iter().filter(|(at, _)| dir.path(at).is_dir()) {
                let file = if at.is_empty() { ".gitignore".to_owned() } else { format!("{at}/.gitignore") };
                dir.write(&file, &text);
                files.insert(file);
                model.rules.insert(at, text);
            }
            model.files = files;
            let lists: Vec<Vec<String>> = if many { lists.iter().cycle().take(12).cloned().collect() } else { lists };
            let compiled: Vec<_> = lists.iter().map(|texts| InputPatterns::new(&RelPath::root(), texts).unwrap()).collect();
            let (found, _) = walk(dir.root(), &compiled.iter().collect::<Vec<_>>(), &model.hidden).unwrap();
            for (texts, found) in lists.iter().zip(&found) {
                let (files, idle) = model.find(texts);
                prop_assert_eq!((found_paths(found), &found.idle_patterns), (files, &idle), "{:?}", texts);
            }
        }
    }

    #[test]
    fn several_threads_find_what_one_finds() {
        let dir = TempDir::new();
        let mut files = BTreeSet::new();
        for at in 0..3 * WORTH_A_THREAD {
            files.insert(format!("d{}/e{}/f{at}", at % 31, at % 3));
        }
        files.iter().for_each(|file| dir.write(file, ""));
        let everything = InputPatterns::everything(&RelPath::root());
        let some =
            InputPatterns::new(&RelPath::root(), &["d1?/**".to_owned(), "!**/e0/*".to_owned()])
                .unwrap();
        let (found, _) = walk(dir.root(), &[&everything, &some], &Hidden::default()).unwrap();
        assert_eq!(found_paths(&found[0]), files.iter().cloned().collect::<Vec<_>>());
        let expected: Vec<String> = files
            .into_iter()
            .filter(|file| {
                file.starts_with("d1")
                    && file.len() > 3
                    && &file[2..3] != "/"
                    && !file.contains("/e0/")
            })
            .collect();
        assert_eq!(found_paths(&found[1]), expected);
    }

    #[test]
    fn a_directory_is_not_listed_where_only_names_are_waited_for() {
        let program_of = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
            InputPatterns::new(&RelPath::root(), &texts).unwrap()
        };
        let names = |texts: &[&str]| {
            let patterns = program_of(texts);
            let program = Program::new(&[&patterns], &[]);
            let states = program.start();
            let active = Active::new(&program, &states);
            active.only_names().map(|names| {
                names
                    .iter()
                    .map(|name| String::from_utf8_lossy(name).into_owned())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            names(&["web/src/**", "go.mod", "!**/x"]),
            Some(vec!["go.mod".to_owned(), "web".to_owned()])
        );
        assert_eq!(names(&["web/src/**", "*.mod"]), None);
    }
}
