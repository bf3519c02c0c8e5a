//! Everything that is read from disk and that another version, a crash or a stranger could have written, damaged in every way there is:
//! each file of a checkout's state and of the cache. The build after it exits 0, leaves what it should, needs neither much time nor much
//! memory, and runs no more than was lost.
//!
//! Each file meets a third of the ways; with `GRANULAR_DAMAGE_ALL=1` every way.

use super::{Entry, Tree, outcome};
use crate::project::{Invocation, Project, Run, project, step};
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to damage a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Damage {
    Delete,
    Empty,
    CutOff,
    Flip,
    Zeros,
    Extend,
    Garbage,
    /// Longer than any memory, and nothing but zeros behind what was there.
    Huge,
    Directory,
    FullDirectory,
    Pipe,
    LinkToNothing,
    LinkToItself,
}

const ALL: [Damage; 13] = [
    Damage::Delete,
    Damage::Empty,
    Damage::CutOff,
    Damage::Flip,
    Damage::Zeros,
    Damage::Extend,
    Damage::Garbage,
    Damage::Huge,
    Damage::Directory,
    Damage::FullDirectory,
    Damage::Pipe,
    Damage::LinkToNothing,
    Damage::LinkToItself,
];

impl Damage {
    fn does(self, file: &Path) {
        let bytes = fs::read(file).unwrap();
        let overwrite = |bytes: &[u8]| fs::write(file, bytes).unwrap();
        match self {
            Self::Delete => fs::remove_file(file).unwrap(),
            Self::Empty => overwrite(b""),
            Self::CutOff => overwrite(&bytes[..bytes.len() / 2]),
            Self::Flip => {
                let mut bytes = bytes;
                let at = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1;
                }
                overwrite(&bytes);
            }
            Self::Zeros => overwrite(&vec![0; bytes.len()]),
            Self::Extend => overwrite(&[&bytes[..], b"more\n"].concat()),
            Self::Garbage => {
                // The same bytes each time, and nothing that is UTF-8.
                let garbage = (0..777_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
                overwrite(&garbage.collect::<Vec<_>>());
            }
            Self::Huge => {
                let mut file = File::options().write(true).open(file).unwrap();
                file.seek(SeekFrom::Start(1 << 42)).unwrap();
                file.write_all(b"\n").unwrap();
            }
            Self::Directory | Self::FullDirectory => {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
                if self == Self::FullDirectory {
                    fs::write(file.join("x"), b"x").unwrap();
                }
            }
            Self::Pipe => {
                fs::remove_file(file).unwrap();
                assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
            }
            Self::LinkToNothing | Self::LinkToItself => {
                fs::remove_file(file).unwrap();
                let to =
                    if self == Self::LinkToItself { file } else { Path::new("/nowhere/at/all") };
                std::os::unix::fs::symlink(to, file).unwrap();
            }
        }
    }
}

/// A step with outputs under `{out}`, one with outputs in the tree that needs it, and a check that prints.
fn three() -> Project {
    let p = project(
        &[
            step(
                "gen",
                "cat in > {out}/x; echo y > {out}/y",
                "inputs = [\"in\"]\noutputs = [\"{out}\"]",
            ),
            step(
                "tree",
                "mkdir -p made; cat {needs.gen.out}/x > made/x; echo told",
                "inputs = [\"in\"]\noutputs = [\"/made\"]\nneeds = [\"gen\"]",
            ),
            step("lint", "echo fine", "inputs = [\"in\"]\noutputs = []\nneeds = [\"tree\"]"),
        ]
        .concat(),
    );
    p.write("in", "in\n");
    p
}

/// All files below `top`, but for what lies in a directory called `out`.
fn files(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![top.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("out") => {}
                true => dirs.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// The program with little memory and little time.
fn bounded(p: &Project, arguments: &str) -> Invocation {
    let limits = "ulimit -v 3000000; exec timeout -s KILL 60 \"$0\" \"$@\"";
    p.command(arguments).inside(&["sh", "-c", limits])
}

/// What stands in a workspace but for directories: that of a step which leaves nothing is there after a run only.
fn files_of(p: &Project) -> Tree {
    outcome(p).into_iter().filter(|(_, entry)| *entry != Entry::Directory).collect()
}

/// What was built once, to be damaged again and again.
struct Sound {
    p: Project,
    /// What is damaged.
    dir: PathBuf,
    /// A copy of it.
    kept: PathBuf,
    right: Tree,
}

impl Sound {
    fn new(dir: impl Fn(&Project) -> PathBuf) -> Self {
        let p = three();
        p.granular("build").success();
        p.granular("gc").success();
        let (dir, kept, right) = (dir(&p), p.root().with_file_name("kept"), files_of(&p));
        copy(&dir, &kept);
        Self { p, dir, kept, right }
    }

    /// Damages each file in each way and has `judge` look at what comes of it. All faults are told together.
    fn sweep(&self, judge: impl Fn(&Self, &Path) -> Result<(), String>) {
        let mut faults = Vec::new();
        for (place, file) in files(&self.dir).into_iter().enumerate() {
            let name = file.strip_prefix(&self.dir).unwrap();
            for (kind, damage) in ALL.into_iter().enumerate() {
                // Each file and each way comes several times all the same.
                if (place + kind) % 3 != 0 && std::env::var_os("GRANULAR_DAMAGE_ALL").is_none() {
                    continue;
                }
                damage.does(&file);
                self.p.ran();
                if let Err(fault) = judge(self, name) {
                    faults.push(format!("{damage:?} of {}: {fault}", name.display()));
                }
                copy(&self.kept, &self.dir);
            }
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }

    /// A build that leaves what it should; gives what ran.
    fn builds(&self) -> Result<Vec<String>, String> {
        let run = succeeds(&self.p, "build")?;
        let stands = files_of(&self.p);
        match stands == self.right {
            true => Ok(self.p.ran()),
            false => Err(format!("it left {:?}: {run}", stands.keys())),
        }
    }
}

fn succeeds(p: &Project, arguments: &str) -> Result<Run, String> {
    let run = bounded(p, arguments).run();
    if run.ended_with(0) { Ok(run) } else { Err(format!("{arguments}: {run}")) }
}

fn copy(from: &Path, to: &Path) {
    let removed = match fs::symlink_metadata(to) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(to),
        Ok(_) => fs::remove_file(to),
        Err(_) => Ok(()),
    };
    removed.unwrap();
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn nothing(ran: &[String]) -> Result<(), String> {
    if ran.is_empty() { Ok(()) } else { Err(format!("{ran:?} ran")) }
}

#[test]
fn damage_of_any_file_of_the_state_costs_no_run() {
    let sound = Sound::new(|p| p.path("target/granular"));
    sound.sweep(|sound, file| {
        // What only tells something stumbles over nothing either.
        match file.to_str() {
            Some("history-v1") => drop(succeeds(&sound.p, "stats")?),
            Some("lock" | "CACHEDIR.TAG") => {}
            _ => drop(succeeds(&sound.p, "explain tree")?),
        }
        nothing(&sound.builds()?)
    });
}

#[test]
fn damage_of_any_file_of_the_state_does_not_keep_steps_from_running() {
    let sound = Sound::new(|p| p.path("target/granular"));
    sound.sweep(|sound, _| match &*succeeds(&sound.p, "build --force").map(|_| sound.p.ran())? {
        [a, b, c] if (&**a, &**b, &**c) == ("gen", "lint", "tree") => nothing(&sound.builds()?),
        ran => Err(format!("{ran:?} ran")),
    });
}

#[test]
fn damage_of_any_file_of_the_cache_costs_what_it_held_and_heals() {
    let sound = Sound::new(Project::cache);
    sound.sweep(|sound, _| {
        let p = &sound.p;
        p.remove("target");
        let ran = sound.builds()?;
        if ran.len() > 2 || ran.first() == ran.get(1) && ran.len() == 2 {
            return Err(format!("{ran:?} ran"));
        }
        p.remove("target");
        nothing(&sound.builds()?).map_err(|fault| format!("it has not healed: {fault}"))?;
        succeeds(p, "verify")?;
        succeeds(p, "gc").map(drop)
    });
}

#[test]
fn damage_of_any_file_of_the_cache_is_found_and_repaired() {
    let sound = Sound::new(Project::cache);
    sound.sweep(|sound, file| {
        let is_result = file.starts_with("v1/results");
        let run = bounded(&sound.p, "verify --repair").run();
        // A result that is not there at all is nowhere named.
        let is_found = is_result || file.starts_with("v1/blobs");
        let is_right = run.ended_with(i32::from(is_found)) || is_result && run.ended_with(0);
        if !is_right {
            return Err(format!("verify --repair: {run}"));
        }
        succeeds(&sound.p, "verify")?;
        sound.p.remove("target");
        sound.builds().map(drop)
    });
}
