//! What has to stand where after a build: computed here for the generated trees, built by a plain `go build` for Go.

use super::work::{Edits, Shape, Step, Work};
use anyhow::{Context, Result, ensure};
use granular::digest::Digest;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The digest of each step's output, by the edits that were made to the sources.
pub(crate) struct Expected {
    known: HashMap<Edits, Vec<Option<Digest>>>,
    /// The text that each step of an unedited grid leaves.
    plain: Vec<String>,
    /// Where Go is asked, and with which edits the sources stand there.
    reference: PathBuf,
    there: Edits,
}

impl Expected {
    pub(crate) fn new(work: &Work, scratch: &Path) -> Result<Self> {
        let reference = scratch.join("reference");
        let mut plain = Vec::new();
        match work.shape {
            Shape::Go => work.write_sources(&reference.join("tree"))?,
            Shape::Grid { .. } => {
                for step in &work.steps {
                    let text = leaves(work, step, &plain, &Edits::new())?;
                    plain.push(text);
                }
            }
        }
        Ok(Self { known: HashMap::new(), plain, reference, there: Edits::new() })
    }

    /// The home of who was asked for Go's outputs, with Go's cache in it: the standard library need not be compiled for everybody.
    pub(crate) fn warm_home(&mut self, work: &Work) -> Result<&Path> {
        self.of(work, &Edits::new())?;
        Ok(&self.reference)
    }

    /// Says what is wrong with the outputs in `root`, if anything is. `at` says where the output of a step is to be.
    pub(crate) fn wrong(
        &mut self,
        work: &Work,
        edits: &Edits,
        root: &Path,
        at: impl Fn(&Step) -> Option<String>,
    ) -> Result<Option<String>> {
        let expected = self.of(work, edits)?;
        let is_wrong = |(step, digest): (&Step, &Option<Digest>)| {
            let path = at(step)?;
            let found = fs::read(root.join(&path)).ok().map(|bytes| Digest::of(&bytes));
            (found != *digest).then_some((path, found.is_some()))
        };
        let wrong: Vec<_> = work.steps.iter().zip(expected).filter_map(is_wrong).collect();
        Ok(wrong.first().map(|(path, is_there)| {
            let how = if *is_there { "holds something else" } else { "is not there" };
            format!("{} of the outputs are wrong: {path} {how}", wrong.len())
        }))
    }

    fn of(&mut self, work: &Work, edits: &Edits) -> Result<&[Option<Digest>]> {
        if !self.known.contains_key(edits) {
            let outputs = match work.shape {
                Shape::Grid { .. } => self.compute(work, edits)?,
                Shape::Go => self.ask_go(work, edits)?,
            };
            self.known.insert(edits.clone(), outputs);
        }
        Ok(self.known.get(edits).map(Vec::as_slice).unwrap_or_default())
    }

    fn compute(&self, work: &Work, edits: &Edits) -> Result<Vec<Option<Digest>>> {
        let mut texts: Vec<String> = Vec::new();
        for (step, plain) in work.steps.iter().zip(&self.plain) {
            let as_ever = !step.files.iter().any(|file| edits.contains_key(file))
                && step.needs.iter().all(|need| texts.get(*need) == self.plain.get(*need));
            texts.push(if as_ever { plain.clone() } else { leaves(work, step, &texts, edits)? });
        }
        Ok(texts.iter().map(|text| Some(Digest::of(text.as_bytes()))).collect())
    }

    fn ask_go(&mut self, work: &Work, edits: &Edits) -> Result<Vec<Option<Digest>>> {
        let root = self.reference.join("tree");
        apply(work, &root, &self.there, edits)?;
        self.there = edits.clone();
        let digest = |step: &Step| -> Result<Option<Digest>> {
            let Some(output) = step.output_path() else { return Ok(None) };
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(step.command_from_root(Path::new("/dev/null"))).current_dir(&root);
            let built = shell.env("HOME", &self.reference).output().context("start sh")?;
            let said = String::from_utf8_lossy(&built.stderr);
            ensure!(built.status.success(), "go build of {}: {said}", step.name);
            Ok(Some(Digest::of(&fs::read(root.join(output))?)))
        };
        work.steps.iter().map(digest).collect()
    }
}

/// Brings the sources in `root` from the edits `before` to the edits `after`.
pub(crate) fn apply(work: &Work, root: &Path, before: &Edits, after: &Edits) -> Result<()> {
    let differ = |file: &&String| before.get(*file) != after.get(*file);
    let mut files: Vec<_> = before.keys().chain(after.keys()).filter(differ).collect();
    files.dedup();
    for file in files {
        let mut bytes = work.original(file)?;
        bytes.extend(after.get(file).map(String::as_bytes).unwrap_or_default());
        fs::write(root.join(file), bytes).with_context(|| format!("write {file}"))?;
    }
    Ok(())
}

/// What a step of a grid leaves: what `cksum` says of its files and of what its needs left.
fn leaves(work: &Work, step: &Step, before: &[String], edits: &Edits) -> Result<String> {
    let mut sum = Sum::default();
    for file in &step.files {
        sum.update(&work.original(file)?);
        sum.update(edits.get(file).map(String::as_bytes).unwrap_or_default());
    }
    for need in &step.needs {
        sum.update(before.get(*need).map(String::as_bytes).unwrap_or_default());
    }
    Ok(sum.finish())
}

/// The checksum of POSIX's `cksum`.
#[derive(Default)]
struct Sum {
    crc: u32,
    length: u64,
}

impl Sum {
    fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        bytes.iter().for_each(|byte| self.step(*byte));
    }

    fn step(&mut self, byte: u8) {
        const TABLE: [u32; 256] = table();
        self.crc = self.crc << 8 ^ TABLE[usize::from((self.crc >> 24) as u8 ^ byte)];
    }

    fn finish(mut self) -> String {
        let mut rest = self.length;
        while rest > 0 {
            self.step(rest as u8);
            rest >>= 8;
        }
        format!("{} {}\n", !self.crc, self.length)
    }
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}
