//! What it costs that every byte which is restored is verified: the same restore from the same blobs, once from the cache as it is, which
//! hashes what it copies, and once from one that believes its files and lets the kernel copy them.
//!
//! ```text
//! cargo bench -p cargo-granular --bench restore
//! cargo bench -p cargo-granular --bench restore -- --runs 31
//! ```
//!
//! The blobs are in the page cache in both cases: what is measured is the check and not the disk.

#![expect(clippy::print_stdout, reason = "a program of its own, whose output is its result")]

use anyhow::{Context, Result, anyhow, bail};
use granular::content::{Content, Output};
use granular::digest::{Digest, Key};
use granular::error::Error;
use granular::found::FoundSet;
use granular::index::Index;
use granular::outputs::{self, Roots};
use granular::path::{Base, OutputPath, RelPath};
use granular::pattern::OutputPattern;
use granular::result::ActionResult;
use granular::store::local::LocalStore;
use granular::store::{Store, StoreError};
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Number and size of the files of a result: many small ones, a few binaries, a large one.
const SHAPES: [(usize, usize); 3] =
    [(1000, 8 * 1024), (8, 8 * 1024 * 1024), (1, 128 * 1024 * 1024)];

fn main() -> Result<()> {
    let runs = runs()?;
    let scratch = Scratch::new()?;
    println!(
        "{:>7} {:>9}   {:>24} {:>24}   ratio",
        "files", "each", "verified, ms", "believed, ms"
    );
    for (count, size) in SHAPES {
        let dir = scratch.0.join(format!("{count}"));
        let world = World::new(&dir, count, size)?;
        let believing = Believing { blobs: dir.join("cache/v1/blobs") };
        let (mut verified, mut believed) = (Vec::new(), Vec::new());
        // In turn, so that whatever else goes on on the machine meets both.
        for _ in 0..runs {
            verified.push(world.restore(&world.store)?);
            believed.push(world.restore(&believing)?);
        }
        let ratio = median(&mut verified).as_secs_f64() / median(&mut believed).as_secs_f64();
        let size = if size < 1 << 20 {
            format!("{} KiB", size >> 10)
        } else {
            format!("{} MiB", size >> 20)
        };
        println!(
            "{count:>7} {size:>9}   {:>24} {:>24}   {ratio:.2}",
            told(&mut verified),
            told(&mut believed)
        );
    }
    Ok(())
}

fn runs() -> Result<usize> {
    let mut runs = 15;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {} // what Cargo adds
            "--runs" => runs = words.next().context("`--runs` needs a number")?.parse()?,
            _ => bail!("unknown argument `{word}`; there is --runs N"),
        }
    }
    Ok(runs.max(1))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median with the spread behind it.
fn told(times: &mut [Duration]) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let middle = ms(median(times));
    let end = |time: Option<&Duration>| ms(time.copied().unwrap_or_default());
    format!("{middle:.1} ({:.1}–{:.1})", end(times.first()), end(times.last()))
}

/// A cache that holds the files of one result, and a place to restore them to.
struct World {
    store: LocalStore,
    roots: Roots,
    patterns: Vec<OutputPattern>,
    outputs: Vec<Output>,
}

impl World {
    fn new(dir: &Path, count: usize, size: usize) -> Result<Self> {
        let made = dir.join("made");
        fs::create_dir_all(&made)?;
        let names: Vec<_> = (0..count).map(|number| format!("{number:04}")).collect();
        let files: Vec<_> = names.iter().map(|name| made.join(name)).collect();
        for (number, file) in files.iter().enumerate() {
            fs::write(file, noise(number as u64, size))?;
        }
        let store = LocalStore::open(&dir.join("cache"));
        let digests = store.save_files(&files).map_err(|error| anyhow!("{error}"))?;
        fs::remove_dir_all(&made)?;
        let output = |(name, digest): (&String, Digest)| {
            let path = RelPath::new(name.as_str()).context("a plain name")?;
            let content = Content::File { digest, executable: false };
            anyhow::Ok(Output { path: OutputPath { base: Base::Out, path }, content })
        };
        let outputs = names.iter().zip(digests).map(output).collect::<Result<_>>()?;
        let pattern = OutputPattern::new(&RelPath::root(), "{out}");
        Ok(Self {
            store,
            roots: Roots {
                tree: dir.to_path_buf(),
                out: dir.join("target/out"),
                staging: dir.join("target/tmp"),
                displaced: dir.join("target/displaced"),
            },
            patterns: vec![pattern.map_err(|mistake| anyhow!("{mistake:?}"))?],
            outputs,
        })
    }

    /// How long it takes to restore everything to where nothing is.
    fn restore(&self, store: &dyn Store) -> Result<Duration> {
        if self.roots.out.exists() {
            fs::remove_dir_all(&self.roots.out)?;
        }
        let index = Index::default();
        let began = Instant::now();
        let commit = &mut || Ok(());
        outputs::restore(&self.patterns, &self.outputs, &[], &self.roots, &index, store, commit)
            .map_err(|error| anyhow!("{error:?}"))?;
        Ok(began.elapsed())
    }
}

/// Bytes that no file system can make less of.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(size).collect()
}

/// The same blobs, given out without a look at their bytes: on as many threads, and by the shortest way that the system has.
struct Believing {
    blobs: PathBuf,
}

impl Store for Believing {
    fn name(&self) -> &str {
        "believing cache"
    }

    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> Result<(), StoreError> {
        let next = AtomicUsize::new(0);
        let copy = || {
            while let Some((digest, to)) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let name = digest.hash.to_string();
                let from = self.blobs.join(&name[..2]).join(&name);
                fs::copy(&from, to)
                    .map_err(|error| StoreError::Io(Error::io("cannot copy", &from, error)))?;
            }
            Ok(())
        };
        let threads =
            thread::available_parallelism().map_or(1, NonZero::get).min(4).min(blobs.len());
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(copy)).collect();
            let ours = copy();
            others.into_iter().map(|other| other.join().unwrap_or(Ok(()))).fold(ours, Result::and)
        })
    }

    fn result(&self, _: &Key) -> Result<Option<ActionResult>, StoreError> {
        Ok(None)
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

/// A directory for all of it, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("granular-restore-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self(dir.canonicalize()?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
