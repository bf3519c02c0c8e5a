//! Plays a sequence for real and holds what comes out against the model.

use super::kept::{Expected, Fact, Kept};
use super::script::{Script, quoted};
use super::world::{Kind, Made, Source, Step, World, text_of};
use super::{Asked, Damage, Op, TableEdit, Tampering};
use crate::faults::{Entry, Tree, nothing_is_left_running, tree};
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use std::{fs, thread};

/// The names of files that come and go.
const NAMES: [&str; 4] = ["g/a.txt", "g/b.txt", "g/z.txt", "g/other.md"];

/// What went wrong, and the script that shows it.
type Played<T = ()> = Result<T, String>;

/// A build that has been started.
struct Started {
    child: Child,
    log: PathBuf,
    /// The outputs of each step before.
    before: Vec<Tree>,
}

/// What a build said and did.
struct Ended {
    output: Output,
    /// How often each step ran.
    runs: BTreeMap<usize, usize>,
    /// What the program said of each step.
    said: BTreeMap<usize, String>,
    before: Vec<Tree>,
}

struct Play {
    project: Project,
    world: World,
    /// The worlds before this one.
    past: Vec<World>,
    kept: Kept,
    /// The checkout that is worked in.
    here: usize,
    /// The directory of each checkout.
    checkouts: [String; 2],
    /// What the sources of each checkout are now.
    written: [BTreeMap<String, Source>; 2],
    script: Script,
    builds: usize,
    /// Whether the cache has been damaged, so that `verify` may say so.
    damaged: bool,
}

/// Plays `ops` with `steps`; gives the script of what was done.
pub(super) fn play(steps: Vec<Step>, ops: &[Op], with_clean_build: bool) -> Result<Script, String> {
    let mut play = Play {
        project: Project::new("first"),
        world: World::new(steps),
        past: Vec::new(),
        kept: Kept::default(),
        here: 0,
        checkouts: ["first".to_owned(), "second".to_owned()],
        written: Default::default(),
        script: Script::default(),
        builds: 0,
        damaged: false,
    };
    play.write(false);
    let played =
        ops.iter().try_for_each(|op| play.does(op)).and_then(|()| play.ends(with_clean_build));
    match played {
        Ok(()) => Ok(play.script),
        Err(failure) => {
            play.script.note(&failure);
            Err(play.script.text())
        }
    }
}

impl Play {
    fn top(&self) -> &Path {
        self.project.root().parent().unwrap()
    }

    fn root(&self, checkout: usize) -> PathBuf {
        self.top().join(&self.checkouts[checkout])
    }

    /// Does a line of the script.
    fn sh(&mut self, line: String) {
        let done =
            Command::new("sh").arg("-c").arg(&line).current_dir(self.top()).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        self.script.line(line);
    }

    /// Makes the sources of this checkout those of the model.
    fn write(&mut self, keep_time: bool) {
        let (here, dir) = (self.here, self.checkouts[self.here].clone());
        let files = self.world.files();
        let written = std::mem::replace(&mut self.written[here], files.clone());
        for (path, _) in written.iter().filter(|(path, _)| !files.contains_key(*path)) {
            self.sh(format!("rm {dir}/{path}"));
        }
        for (path, source) in
            files.iter().filter(|(path, source)| written.get(*path) != Some(source))
        {
            let place = format!("{dir}/{path}");
            let parent = Path::new(&place).parent().unwrap().display();
            let mode = if source.executable { "+x" } else { "-x" };
            let text = quoted(&source.text);
            let write =
                format!("mkdir -p {parent}; printf %s {text} > {place}; chmod {mode} {place}");
            self.sh(match keep_time && written.contains_key(path) {
                true => format!("touch -r {place} time; {write}; touch -r time {place}"),
                false => write,
            });
        }
    }

    /// Changes sources or steps.
    fn edit(&mut self, change: impl FnOnce(&mut World), keep_time: bool) {
        self.past.push(self.world.clone());
        change(&mut self.world);
        self.write(keep_time);
    }

    fn source(&self, index: usize) -> String {
        self.world.sources.keys().nth(index % self.world.sources.len()).unwrap().clone()
    }

    fn does(&mut self, op: &Op) -> Played {
        self.script.note(&format!("{op:?}"));
        match op {
            Op::Edit { file, value, comment, keep_time } => {
                let path = self.source(*file);
                let text = text_of(*value, *comment);
                self.edit(|world| world.sources.get_mut(&path).unwrap().text = text, *keep_time);
            }
            Op::Executable(file) => {
                let path = self.source(*file);
                self.edit(|world| world.sources.get_mut(&path).unwrap().executable ^= true, false);
            }
            Op::AddFile(name, value) => {
                let source = Source { text: text_of(*value, 0), executable: false };
                self.edit(
                    |world| drop(world.sources.insert(NAMES[*name].to_owned(), source)),
                    false,
                );
            }
            Op::DeleteFile(name) => {
                self.edit(|world| drop(world.sources.remove(NAMES[*name])), false)
            }
            Op::RenameFile(from, to) => self.rename(NAMES[*from], NAMES[*to]),
            Op::Table(step, edit) => self.edit(|world| edit_table(world, *step, *edit), false),
            Op::Revert(past) => {
                if let Some(world) = self.past.get(past % self.past.len().max(1)).cloned() {
                    self.edit(|now| *now = world, false);
                }
            }
            Op::Build(asked) => self.build(asked)?,
            Op::Killed(asked, after) => self.stopped(asked, *after, "KILL")?,
            Op::Interrupted(asked, after) => self.stopped(asked, *after, "INT")?,
            Op::EditDuring { asked, after, file, value } => {
                self.edit_during(asked, *after, *file, *value)?;
            }
            Op::Parallel { asked, both: false } => self.twice_here(asked)?,
            Op::Parallel { asked, both: true } => self.in_both(asked)?,
            Op::Tamper { step, entry, how } => self.tamper(*step, *entry, *how),
            Op::DamageCache { file, how } => {
                self.damage("cache/v1", *file, *how);
                self.damaged = true;
                self.kept.doubt(Fact::is_cached);
            }
            Op::DamageState { file, how } => {
                let state = format!("{}/target/granular", self.checkouts[self.here]);
                self.damage(&state, *file, *how);
                let here = self.here;
                self.kept.doubt(|fact| fact.is_of_checkout(here));
            }
            Op::Gc(size) => {
                self.succeeds(&format!("gc --max-size {size}"))?;
                self.kept.doubt(Fact::is_cached);
            }
            Op::Clean => {
                self.succeeds("clean --workspace")?;
                let here = self.here;
                self.kept.doubt(|fact| fact.is_of_checkout(here));
            }
            Op::WipeState => self.wipe("target/granular"),
            Op::WipeTarget => self.wipe("target"),
            Op::WipeCache => {
                self.sh("rm -rf cache".to_owned());
                self.kept.lose(Fact::is_cached);
            }
            Op::Switch => {
                self.here = 1 - self.here;
                self.write(false);
            }
            Op::Move => {
                // What a killed build left running lives where the checkout was.
                self.builds += 1;
                let (from, to) = (&self.checkouts[self.here], format!("moved-{}", self.builds));
                let line = format!("mv {from} {to}");
                nothing_is_left_running(&self.project);
                self.sh(line);
                self.checkouts[self.here] = to;
            }
        }
        Ok(())
    }

    /// Really moves the file: its bytes, its time and its inode stay.
    fn rename(&mut self, from: &str, to: &str) {
        if from == to || !self.world.sources.contains_key(from) {
            return;
        }
        let dir = &self.checkouts[self.here];
        self.sh(format!("mv {dir}/{from} {dir}/{to}"));
        let rename = |sources: &mut BTreeMap<String, Source>| {
            let source = sources.remove(from).unwrap();
            sources.insert(to.to_owned(), source);
        };
        rename(&mut self.written[self.here]);
        self.edit(|world| rename(&mut world.sources), false);
    }

    fn wipe(&mut self, path: &str) {
        let line = format!("rm -rf {}/{path}", self.checkouts[self.here]);
        // A step that a killed build has left running may write while it is removed.
        self.sh(format!(
            "{line} 2>/dev/null || {{ sleep 0.2; {line} 2>/dev/null; }} || {{ sleep 1; {line}; }}"
        ));
        let here = self.here;
        self.kept.lose(|fact| fact.is_of_checkout(here));
    }

    /// The command line of a build.
    fn line(&self, asked: &Asked) -> String {
        let steps = self.asked_steps(asked);
        let names = steps.iter().map(|step| format!(" {}", self.world.name(*step)));
        format!(
            "build --workspace --message-format json -j{}{}{}{}",
            asked.jobs,
            if asked.keep_going { " --keep-going" } else { "" },
            if asked.no_cache { " --no-cache" } else { "" },
            names.collect::<String>(),
        )
    }

    /// The steps that are named.
    fn asked_steps(&self, asked: &Asked) -> BTreeSet<usize> {
        let count = self.world.steps.len();
        let named = asked.steps.iter().map(|step| step % count);
        named.filter(|step| self.world.steps[*step].kind != Kind::Set).collect()
    }

    /// All steps that a build is about, but for sets of files.
    fn planned(&self, asked: &Asked) -> BTreeSet<usize> {
        let named = self.asked_steps(asked);
        let all = || (0..self.world.steps.len()).collect();
        let mut planned = self.world.closure(&if named.is_empty() { all() } else { named });
        planned.retain(|step| self.world.steps[*step].kind != Kind::Set);
        planned
    }

    fn shown(line: &str) -> String {
        line.replace('#', "\\#")
    }

    fn starts(&mut self, checkout: usize, line: &str) -> Started {
        self.builds += 1;
        let log = self.top().join(format!("runs-{}", self.builds));
        let before = (0..self.world.steps.len()).map(|step| self.made(checkout, step)).collect();
        let mut invocation = self.project.command(line).dir(&self.root(checkout));
        let command = &mut invocation.command;
        command.env("LOG", &log).stdout(Stdio::piped()).stderr(Stdio::piped());
        Started { child: command.spawn().unwrap(), log, before }
    }

    fn ends_build(&self, started: Started) -> Ended {
        let output = started.child.wait_with_output().unwrap();
        let ran = fs::read_to_string(&started.log).unwrap_or_default();
        let mut runs = BTreeMap::new();
        for line in ran.lines() {
            *runs.entry(line[1..].parse().unwrap()).or_default() += 1;
        }
        let mut said = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            if object["reason"] == "granular-step-finished" {
                let name = object["step"].as_str().unwrap();
                let step = name.split_once("#s").unwrap().1.parse().unwrap();
                said.insert(step, object["status"].as_str().unwrap().to_owned());
            }
        }
        Ended { output, runs, said, before: started.before }
    }

    /// A build from beginning to end, held against the model.
    fn build(&mut self, asked: &Asked) -> Played {
        let line = self.line(asked);
        self.script.line(format!(
            "(cd {} && \"$GRANULAR\" {}) || echo \"exit $?\"",
            self.checkouts[self.here],
            Self::shown(&line)
        ));
        let started = self.starts(self.here, &line);
        let ended = self.ends_build(started);
        self.judge(self.here, asked, &ended, &BTreeMap::new())
    }

    /// Holds a build against the model. `elsewhere` are runs at the same time that may have spared this build some.
    fn judge(
        &mut self,
        checkout: usize,
        asked: &Asked,
        ended: &Ended,
        elsewhere: &BTreeMap<usize, usize>,
    ) -> Played {
        let planned = self.planned(asked);
        let broken = planned.iter().any(|step| self.world.is_broken(*step));
        check(ended.output.status.code() == Some(i32::from(broken)), || {
            format!("it should exit with {}:\n{}", i32::from(broken), told(ended))
        })?;
        let stray = ended.runs.keys().find(|step| !planned.contains(step));
        check(stray.is_none(), || {
            format!("s{stray:?} ran and was not asked for:\n{}", told(ended))
        })?;
        for step in planned {
            let runs = ended.runs.get(&step).copied().unwrap_or(0);
            let said = ended.said.get(&step).map_or("nothing", String::as_str);
            let key = self.world.key(step);
            let expected = self.kept.expected(checkout, step, &key, !asked.no_cache);
            let complain = |what: &str| {
                Err(format!(
                    "s{step} {what} (it ran {runs} times, and was said to be {said}):\n{}",
                    told(ended)
                ))
            };
            if runs > 1 {
                return complain("ran twice in one build");
            }
            if said == "fresh" && !self.is_right(step, &ended.before[step]) {
                return complain("was called fresh, and its outputs were not right before");
            }
            if self.world.is_broken(step) {
                if asked.keep_going
                    && self.world.fails(step)
                    && !self.needs_broken(step)
                    && runs == 0
                {
                    return complain("fails and has to be run for that");
                }
                if said != "failed" && said != "skipped" {
                    return complain("cannot have come to its end");
                }
                self.kept.doubt(
                    |fact| matches!(fact, Fact::Fresh(of, s, _) if (*of, *s) == (checkout, step)),
                );
                continue;
            }
            if runs == 1 && expected == Expected::DoesNotRun {
                return complain("need not have run");
            }
            let spared = elsewhere.contains_key(&step);
            if broken && !asked.keep_going && said == "skipped" {
                continue;
            }
            if runs == 0 && expected == Expected::Runs && !spared {
                return complain("had to run");
            }
            if (said == "ran") != (runs == 1) || !["ran", "restored", "fresh"].contains(&said) {
                return complain("did something else than was said");
            }
            let now = self.made(checkout, step);
            if !self.is_right(step, &now) {
                let right = self.right(step);
                return complain(&format!(
                    "has not left what it should:\n{now:?}\nnot\n{right:?}\n"
                ));
            }
            self.kept.is_fresh(checkout, step, &key);
            if said == "restored" || said == "ran" && !asked.no_cache {
                self.kept.is_cached(step, &key);
            }
        }
        self.nothing_else_changed(checkout)
    }

    fn needs_broken(&self, step: usize) -> bool {
        self.world.steps[step].needs.iter().any(|need| self.world.is_broken(*need))
    }

    /// What lies in the place of a step's outputs.
    fn made(&self, checkout: usize, step: usize) -> Tree {
        if !self.world.steps[step].has_outputs() {
            return Tree::new();
        }
        let place = self.root(checkout).join(self.world.place(step));
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_symlink() => Tree::from([(PathBuf::new(), Entry::Other)]),
            _ => tree(&place, |_| false),
        }
    }

    /// What should lie there.
    fn right(&self, step: usize) -> Tree {
        let mut right = Tree::new();
        for (path, made) in self.world.makes(step) {
            let path = PathBuf::from(&path[2..]);
            for parent in path.ancestors().skip(1).filter(|parent| *parent != Path::new("")) {
                right.insert(parent.to_owned(), Entry::Directory);
            }
            let entry = match made {
                Made::File { text, executable } => Entry::File { executable, bytes: text.into() },
                Made::Link { target, .. } => Entry::Link(target.into()),
                Made::EmptyDirectory => Entry::Directory,
            };
            right.insert(path, entry);
        }
        right
    }

    fn is_right(&self, step: usize, found: &Tree) -> bool {
        if self.world.steps[step].kind == Kind::Stamp {
            let bytes = |name: &str| match found.get(Path::new(name)) {
                Some(Entry::File { bytes, executable: false }) => Some(bytes.clone()),
                _ => None,
            };
            return found.len() == 2
                && bytes("a").is_some_and(|a| a.len() == 37 && Some(a) == bytes("b"));
        }
        *found == self.right(step)
    }

    /// Outside of the target directory and of what steps own there are the sources and nothing else; and what links lead to is untouched.
    fn nothing_else_changed(&self, checkout: usize) -> Played {
        let sources = tree(&self.root(checkout), |path| {
            path.starts_with("target") || path.starts_with("gen") || path == Path::new("Cargo.lock")
        });
        let files = sources.iter().filter(|(_, entry)| **entry != Entry::Directory);
        let files: BTreeMap<_, _> = files.collect();
        let written = self.written[checkout].iter().map(|(path, source)| {
            let bytes = source.text.clone().into_bytes();
            (PathBuf::from(path), Entry::File { executable: source.executable, bytes })
        });
        let written: BTreeMap<_, _> = written.collect();
        check(files.into_iter().eq(&written), || format!("sources have changed: {sources:?}"))?;
        let outside = tree(&self.top().join("outside"), |_| false);
        let untouched = |entry: &Entry| {
            *entry == Entry::File { executable: false, bytes: b"precious\n".into() }
        };
        check(outside.values().all(untouched), || format!("written through a link: {outside:?}"))
    }

    /// A build that ends before its time.
    fn stopped(&mut self, asked: &Asked, after: u64, signal: &str) -> Played {
        let line = self.line(asked);
        self.script.line(format!(
            "(cd {} && exec \"$GRANULAR\" {}) & sleep {:.3}; kill -{signal} $!; wait $!",
            self.checkouts[self.here],
            Self::shown(&line),
            after as f64 / 1000.0
        ));
        let started = self.starts(self.here, &line);
        let process = started.child.id().to_string();
        thread::sleep(Duration::from_millis(after));
        let _ = Command::new("kill")
            .args([&format!("-{signal}"), &process])
            .stderr(Stdio::null())
            .status();
        if signal == "KILL" {
            // Not `wait_with_output`: what it has left running holds the pipes.
            let mut child = started.child;
            child.wait().unwrap();
        } else {
            let ended = self.ends_build(started);
            let code = ended.output.status.code();
            // A signal that comes before the program has set itself up ends it at once.
            check(matches!(code, Some(0 | 1 | 130) | None), || {
                format!("{code:?}\n{}", told(&ended))
            })?;
            nothing_is_left_running(&self.project);
        }
        let world = self.world.clone();
        self.unsure(&[&world]);
        Ok(())
    }

    /// Nothing that is built in this checkout is sure any more; what these worlds would make is possible.
    fn unsure(&mut self, worlds: &[&World]) {
        let here = self.here;
        self.kept.doubt(|fact| fact.is_of_checkout(here));
        for world in worlds {
            for step in 0..world.steps.len() {
                let key = world.key(step);
                // One that was seen to fail has to show that it passes, whatever is cached.
                self.kept.doubt(|fact| *fact == Fact::Cached(step, key.clone()));
                self.kept.may_hold(Fact::Fresh(here, step, key.clone()));
                self.kept.may_hold(Fact::Cached(step, key));
            }
        }
    }

    fn edit_during(&mut self, asked: &Asked, after: u64, file: usize, value: u8) -> Played {
        let line = self.line(asked);
        self.script.line(format!(
            "(cd {} && exec \"$GRANULAR\" {}) & sleep {:.3}",
            self.checkouts[self.here],
            Self::shown(&line),
            after as f64 / 1000.0
        ));
        let before = self.world.clone();
        let started = self.starts(self.here, &line);
        thread::sleep(Duration::from_millis(after));
        let path = self.source(file);
        self.edit(|world| world.sources.get_mut(&path).unwrap().text = text_of(value, 0), false);
        let ended = self.ends_build(started);
        self.script.line("wait $!");
        let code = ended.output.status.code();
        let flaky = before.steps.iter().any(|step| step.kind == Kind::Flaky);
        check(code == Some(0) || flaky && code == Some(1), || {
            format!("{code:?}\n{}", told(&ended))
        })?;
        let after = self.world.clone();
        self.unsure(&[&before, &after]);
        Ok(())
    }

    /// Two builds of this checkout at once: each step runs at most once, since the second waits for the first.
    fn twice_here(&mut self, asked: &Asked) -> Played {
        let line = self.line(asked);
        let shown =
            format!("(cd {} && \"$GRANULAR\" {}) &", self.checkouts[self.here], Self::shown(&line));
        self.script.line(format!("{shown} {shown} wait"));
        let started = [self.starts(self.here, &line), self.starts(self.here, &line)];
        let [mut first, second] = started.map(|started| self.ends_build(started));
        let broken = self.planned(asked).iter().any(|step| self.world.is_broken(*step));
        for (step, runs) in &second.runs {
            if !self.world.is_broken(*step) {
                *first.runs.entry(*step).or_default() += runs;
            }
        }
        if broken && !asked.keep_going {
            // Which steps were skipped differs.
            let world = self.world.clone();
            self.unsure(&[&world]);
            return Ok(());
        }
        for (step, said) in &second.said {
            // Where the other build has done it, what was there before it was not what is called fresh.
            if said != "fresh" {
                first.said.insert(*step, said.clone());
            }
        }
        let here = self.here;
        check(second.output.status.code() == Some(i32::from(broken)), || told(&second))?;
        self.judge(here, asked, &first, &BTreeMap::new())
    }

    /// A build in each of the checkouts at once.
    fn in_both(&mut self, asked: &Asked) -> Played {
        self.here = 1 - self.here;
        self.write(false);
        self.here = 1 - self.here;
        let line = self.line(asked);
        let shown = [0, 1].map(|checkout| {
            format!("(cd {} && \"$GRANULAR\" {}) &", self.checkouts[checkout], Self::shown(&line))
        });
        self.script.line(format!("{} {} wait", shown[0], shown[1]));
        let started = [self.starts(0, &line), self.starts(1, &line)];
        let [first, second] = started.map(|started| self.ends_build(started));
        self.judge(0, asked, &first, &second.runs)?;
        // The first may have had from the cache what the second put there.
        self.judge_after(1, asked, &second, &first)
    }

    /// As [`Play::judge`], where another build was at work and what it left in the cache may have come too late.
    fn judge_after(
        &mut self,
        checkout: usize,
        asked: &Asked,
        ended: &Ended,
        other: &Ended,
    ) -> Played {
        for step in other.runs.keys().chain(other.said.keys()) {
            let key = self.world.key(*step);
            self.kept.doubt(|fact| *fact == Fact::Cached(*step, key.clone()));
        }
        self.judge(checkout, asked, ended, &other.runs)?;
        if !asked.no_cache {
            for step in self.planned(asked) {
                let ran = [ended, other]
                    .iter()
                    .any(|build| build.said.get(&step).is_some_and(|said| said == "ran"));
                if ran {
                    let key = self.world.key(step);
                    self.kept.is_cached(step, &key);
                }
            }
        }
        Ok(())
    }

    fn tamper(&mut self, step: usize, entry: usize, how: Tampering) {
        let step = step % self.world.steps.len();
        let place = format!("{}/{}", self.checkouts[self.here], self.world.place(step));
        let found = self.made(self.here, step);
        let files: Vec<_> =
            found.iter().filter(|(_, entry)| matches!(entry, Entry::File { .. })).collect();
        if files.is_empty() {
            return;
        }
        let file = format!("{place}/{}", files[entry % files.len()].0.display());
        let owns_all = self.world.steps[step].kind != Kind::Whole;
        let is_whole_directory = self.world.steps[step].in_tree;
        self.sh("mkdir -p outside; echo precious > outside/x".to_owned());
        if matches!(how, Tampering::Link | Tampering::DirectoryLink) {
            // A step that a killed build has left running would itself write through it.
            nothing_is_left_running(&self.project);
        }
        match how {
            Tampering::Delete => self.sh(format!("rm {file}")),
            Tampering::Append => self.sh(format!("echo more >> {file}")),
            Tampering::Executable => {
                self.sh(format!(
                    "if [ -x {file} ]; then chmod -x {file}; else chmod +x {file}; fi"
                ));
            }
            Tampering::Directory => self.sh(format!("rm {file}; mkdir {file}; echo x > {file}/y")),
            Tampering::Link => self.sh(format!("rm {file}; ln -s \"$PWD/outside/x\" {file}")),
            Tampering::Plant if owns_all || is_whole_directory => {
                self.sh(format!("echo planted > {place}/m99"));
            }
            Tampering::DirectoryLink if is_whole_directory => {
                self.sh(format!("rm -r {place}; ln -s \"$PWD/outside\" {place}"));
            }
            Tampering::Plant | Tampering::DirectoryLink => return,
        }
        let here = self.here;
        self.kept.doubt(|fact| matches!(fact, Fact::Fresh(of, s, _) if (*of, *s) == (here, step)));
    }

    /// Damages a file of the cache or of the state.
    fn damage(&mut self, dir: &str, file: usize, how: Damage) {
        let all = tree(&self.top().join(dir), |path| {
            path.starts_with("out") || path.starts_with("displaced")
        });
        let files = all.iter().filter(|(_, entry)| matches!(entry, Entry::File { .. }));
        let files: Vec<_> = files.map(|(path, _)| path.display().to_string()).collect();
        if files.is_empty() {
            return;
        }
        let at = |index: usize| quoted(&format!("{dir}/{}", files[index % files.len()]));
        let (path, other) = (at(file), at(file / 2 + 1));
        self.sh(match how {
            Damage::Delete => format!("rm {path}"),
            Damage::Truncate => format!("truncate -s $(($(stat -c %s {path}) / 2)) {path}"),
            Damage::Flip => format!("printf '\\377' | dd of={path} bs=1 seek=$(($(stat -c %s {path}) / 2)) conv=notrunc status=none"),
            Damage::Zeros => format!("s=$(stat -c %s {path}); truncate -s 0 {path}; truncate -s $s {path}"),
            Damage::Extend => format!("echo more >> {path}"),
            Damage::Directory => format!("rm {path}; mkdir {path}; echo x > {path}/y"),
            Damage::Swap => format!("cat {other} > swap; cat {path} > swap2; cat swap2 > {other}; cat swap > {path}"),
        });
    }

    /// A command that is no build.
    fn succeeds(&mut self, line: &str) -> Played {
        self.script.line(format!(
            "(cd {} && \"$GRANULAR\" {line}) || echo \"exit $?\"",
            self.checkouts[self.here]
        ));
        let output =
            self.project.command(line).dir(&self.root(self.here)).command.output().unwrap();
        check(output.status.success(), || format!("{line}: {output:?}"))
    }

    /// How every sequence ends: a build, one in which nothing happens at all, and a cache that verifies.
    fn ends(&mut self, with_clean_build: bool) -> Played {
        let all = Asked { steps: BTreeSet::new(), jobs: 2, keep_going: true, no_cache: false };
        self.script.note("the end");
        self.build(&all)?;
        nothing_is_left_running(&self.project);
        if self.damaged {
            // What nobody has asked for is still damaged.
            self.script.line(format!(
                "(cd {} && \"$GRANULAR\" verify --repair)",
                self.checkouts[self.here]
            ));
            let repair = self.project.command("verify --repair").dir(&self.root(self.here));
            let output = { repair }.command.output().unwrap();
            check(matches!(output.status.code(), Some(0 | 1)), || format!("{output:?}"))?;
            self.kept.doubt(Fact::is_cached);
        }
        self.succeeds("verify")?;
        // Past the guard against edits in the same tick, a build may note what it could not note before.
        thread::sleep(Duration::from_millis(30));
        self.build(&all)?;
        let broken = (0..self.world.steps.len()).any(|step| self.world.is_broken(step));
        if !broken {
            let dirs = [self.root(self.here), self.top().join("cache")];
            let before = dirs.each_ref().map(|dir| stamps(dir));
            self.build(&all)?;
            let after = dirs.each_ref().map(|dir| stamps(dir));
            check(before == after, || {
                format!(
                    "a build in which nothing changed wrote: {:?}",
                    differences(&before, &after)
                )
            })?;
        }
        if with_clean_build {
            self.clean_build(&all)?;
        }
        Ok(())
    }

    /// The model is right about what a clean build makes.
    fn clean_build(&mut self, all: &Asked) -> Played {
        self.script.note("the same from nothing");
        self.sh("rm -rf cache".to_owned());
        self.checkouts[self.here] = "clean".to_owned();
        self.written[self.here].clear();
        self.write(false);
        let here = self.here;
        self.kept.lose(|fact| fact.is_cached() || fact.is_of_checkout(here));
        self.build(all)
    }
}

fn edit_table(world: &mut World, step: usize, edit: TableEdit) {
    let count = world.steps.len();
    let step = step % count;
    match edit {
        TableEdit::Word(word) => world.steps[step].word = word,
        TableEdit::Place => {
            let step = &mut world.steps[step];
            step.in_tree = step.has_outputs() && !step.in_tree;
        }
        TableEdit::Need(need) => {
            let need = need % step.max(1);
            let possible = need < step
                && world.steps[need].kind != Kind::Stamp
                && world.steps[step].kind != Kind::Set;
            let needs = &mut world.steps[step].needs;
            if !needs.remove(&need) && possible {
                needs.insert(need);
            }
        }
        TableEdit::Glob(glob) => world.steps[step].glob = glob,
    }
}

/// When everything below `dir` was last written or changed.
fn stamps(dir: &Path) -> BTreeMap<PathBuf, [i64; 5]> {
    let mut stamps = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        // Where no step has run there is no cache.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let inode = metadata.ino().cast_signed();
        let times = [
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
            inode,
        ];
        stamps.insert(path, times);
    }
    stamps
}

type Stamps = BTreeMap<PathBuf, [i64; 5]>;

fn differences(before: &[Stamps; 2], after: &[Stamps; 2]) -> Vec<PathBuf> {
    let all = |stamps: &[Stamps; 2]| -> BTreeSet<(PathBuf, [i64; 5])> {
        stamps.iter().flatten().map(|(path, times)| (path.clone(), *times)).collect()
    };
    all(before).symmetric_difference(&all(after)).map(|(path, _)| path.clone()).collect()
}

fn check(holds: bool, complaint: impl FnOnce() -> String) -> Played {
    if holds { Ok(()) } else { Err(complaint()) }
}

fn told(ended: &Ended) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", ended.output.status, text(&ended.output.stdout), text(&ended.output.stderr))
}
