//! What is to be built: steps with their files, commands and needs, the same for everybody. Knows nobody who builds.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The kind and size of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// So many steps with so many files of 2 KB each; some steps need two others.
    Grid { steps: usize, files: usize },
    /// Two Go libraries and three services: the sources of `examples/monorepo-build`.
    Go,
}

/// A command with what it reads and leaves. All paths but those of `files` are relative to `dir`.
pub(crate) struct Step {
    pub(crate) name: String,
    /// Relative to the root, as `files` are.
    pub(crate) dir: String,
    /// Without the note that it ran; see [`Step::command`].
    script: String,
    pub(crate) patterns: Vec<&'static str>,
    /// One, or none for a check.
    pub(crate) output: Option<String>,
    /// Indices of earlier steps.
    pub(crate) needs: Vec<usize>,
    /// Every file that the patterns match.
    pub(crate) files: Vec<String>,
    /// What it reads at the root.
    pub(crate) root_files: &'static [&'static str],
}

pub(crate) struct Work {
    pub(crate) shape: Shape,
    pub(crate) steps: Vec<Step>,
    /// Where the Go sources are copied from.
    example: PathBuf,
}

/// What differs from the sources as they were written: text that is appended, by file.
pub(crate) type Edits = BTreeMap<String, String>;

const FILE_SIZE: usize = 2048;

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "go" {
            return Ok(Self::Go);
        }
        let sizes = text.split_once('x').and_then(|(steps, files)| {
            Some((steps.parse::<usize>().ok()?, files.parse::<usize>().ok()?))
        });
        match sizes {
            Some((steps @ 2..=99_999, files @ 1..=9_999)) => Ok(Self::Grid { steps, files }),
            _ => bail!("`{text}` is no tree; say STEPSxFILES, such as 100x100, or go"),
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Grid { steps, files } => write!(f, "{steps}x{files}"),
            Self::Go => f.write_str("go"),
        }
    }
}

impl Step {
    /// The command as a line for a shell in `dir`; the last thing it does is to note in `log` that it ran.
    pub(crate) fn command(&self, log: &Path) -> String {
        format!("{} && echo {} >> {}", self.script, self.name, log.display())
    }

    /// The same from the root.
    pub(crate) fn command_from_root(&self, log: &Path) -> String {
        format!("cd {} && {}", self.dir, self.command(log))
    }

    /// `../..`, as deep as the step's directory lies.
    pub(crate) fn to_root(&self) -> String {
        vec![".."; self.dir.split('/').count()].join("/")
    }

    /// The output, from the root.
    pub(crate) fn output_path(&self) -> Option<String> {
        self.output.as_ref().map(|output| format!("{}/{output}", self.dir))
    }
}

impl Work {
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/monorepo-build");
        let steps = match shape {
            Shape::Grid { steps, files } => grid(steps, files),
            Shape::Go => go(&example)?,
        };
        Ok(Self { shape, steps, example })
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        self.steps.iter().flat_map(|step| &step.files)
    }

    /// Writes the sources to `root`, and nothing that tells anybody how to build them.
    pub(crate) fn write_sources(&self, root: &Path) -> Result<()> {
        if self.shape == Shape::Go {
            // All that `go.work` names has to be there.
            for dir in ["services", "shared", "tools/pack"] {
                super::measuring::copy_sources(&self.example.join(dir), &root.join(dir))?;
            }
            fs::copy(self.example.join("go.work"), root.join("go.work"))?;
            return Ok(());
        }
        for step in &self.steps {
            fs::create_dir_all(root.join(&step.dir).join("src"))?;
            for file in &step.files {
                fs::write(root.join(file), self.original(file)?)
                    .with_context(|| format!("write {file}"))?;
            }
        }
        Ok(())
    }

    /// What `file` holds without edits.
    pub(crate) fn original(&self, file: &str) -> Result<Vec<u8>> {
        match self.shape {
            Shape::Go => fs::read(self.example.join(file)).with_context(|| format!("read {file}")),
            Shape::Grid { .. } => Ok(filler(file)),
        }
    }
}

/// Two layers where there are few steps, else five; a step above the lowest layer needs two of the layer below it.
fn grid(count: usize, files: usize) -> Vec<Step> {
    let layers = if count < 25 { 2 } else { 5 };
    let size = if count < 25 { (count * 2 / 5).max(1) } else { count.div_ceil(5) };
    let needs_of = |at: usize| {
        let layer = (at / size).min(layers - 1);
        let mut needs: Vec<usize> = match layer.checked_sub(1) {
            None => Vec::new(),
            Some(below) => [at * 7 + 3, at * 13 + 5].map(|n| below * size + n % size).into(),
        };
        needs.sort_unstable();
        needs.dedup();
        needs
    };
    let step = |at: usize| {
        let (name, needs) = (format!("p{at:05}"), needs_of(at));
        let dir = format!("packages/{name}");
        let read: String = needs.iter().map(|need| format!(" ../p{need:05}/out.txt")).collect();
        Step {
            script: format!("cat src/*.txt{read} | cksum > out.txt"),
            patterns: vec!["src/*.txt"],
            output: Some("out.txt".into()),
            files: (0..files).map(|file| format!("{dir}/src/f{file:04}.txt")).collect(),
            root_files: &[],
            name,
            dir,
            needs,
        }
    };
    (0..count).map(step).collect()
}

/// Text without a pattern, another one for each name.
fn filler(name: &str) -> Vec<u8> {
    let mut state = name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(7)
    });
    let mut bytes = Vec::with_capacity(FILE_SIZE);
    while bytes.len() < FILE_SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes().map(|byte| b'a' + byte % 26));
        if bytes.len() % 64 == 56 {
            bytes.extend(b"-------\n");
        }
    }
    bytes
}

/// So that what comes out is the same in every checkout.
const GO_BUILD: &str = "CGO_ENABLED=0 go build -trimpath -buildvcs=false";

fn go(example: &Path) -> Result<Vec<Step>> {
    let step = |name: &str, dir: String, needs: Vec<usize>| -> Result<Step> {
        let service = !needs.is_empty();
        let mut files = Vec::new();
        go_files(example, &dir, &mut files)?;
        files.sort();
        Ok(Step {
            script: if service {
                format!("{GO_BUILD} -o bin/{name} .")
            } else {
                format!("{GO_BUILD} .")
            },
            patterns: vec!["**/*.go", "go.mod"],
            output: service.then(|| format!("bin/{name}")),
            root_files: &["go.work"],
            name: name.to_owned(),
            dir,
            needs,
            files,
        })
    };
    let mut steps = Vec::new();
    for library in ["models", "utils"] {
        steps.push(step(library, format!("shared/{library}"), Vec::new())?);
    }
    for service in ["api", "worker", "admin"] {
        steps.push(step(service, format!("services/{service}"), vec![0, 1])?);
    }
    Ok(steps)
}

fn go_files(example: &Path, dir: &str, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(example.join(dir)).with_context(|| format!("read {dir}"))? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let path = format!("{dir}/{name}");
        if entry.file_type()?.is_dir() {
            go_files(example, &path, files)?;
        } else if name.ends_with(".go") || name == "go.mod" {
            files.push(path);
        }
    }
    Ok(())
}
