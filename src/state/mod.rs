//! The state of a checkout, in `<target>/granular/`. Deleting it costs time only. Knows nothing of how a build goes.
//!
//! What has a format of its own has its version in its name, so that programs of several versions take turns in one checkout without
//! reading or replacing what another has written. The lock is one for all of them.
//!
//! | path | holds | written |
//! | --- | --- | --- |
//! | `lock` | one build at a time, with the lock on the workspace's root directory | once |
//! | `records-v1` | what is remembered of each action | a line behind the others as it happens; anew when half of it is stale |
//! | `fingerprints/NAME` | the text that an action was last brought up to date from | when it runs or is restored |
//! | `found/NAME` | what was found that an action reads, beside what it declares | when it is another |
//! | `index-v1` | the stat index | anew, by rename, when it changed |
//! | `workspace-v2` | what Cargo said of the workspace | anew, by rename, when Cargo was asked |
//! | `tools-v1` | what tools said of their version | anew, by rename, when one was asked |
//! | `logs/NAME.log` | what an action last printed | while it runs |
//! | `history-v1` | one line for each action that was not fresh | behind the others, at the end of a build |
//! | `out/PACKAGE/STEP` | `{out}` | by the steps |
//! | `cells/NAME` | links to the output directories of needs with a matrix | before an action that needs several runs |
//! | `displaced/` | files that stood among the outputs and that no run of ours had made | when they are in the way |
//! | `reproduce/` | what an action has left, while it runs once more | by `reproduce` and `build --verify` |
//! | `turns-v1` | locks of builds that would run the same command, of which one does | never |
//! | `untouched/QUESTION` | what a build looked at in which all was fresh | anew, by rename, by a build in which all is fresh and that is not proved |
//! | `tmp/` | staging | emptied at the start of a build |

pub mod history;
pub mod lock;
pub mod records;
pub(crate) mod turns;

use crate::action::ActionName;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::format;
use crate::own_file;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the names of records begin with, whatever their version is.
const RECORDS: &str = "records-v";

/// The paths of a checkout's state.
#[derive(Clone, Debug)]
pub struct State {
    dir: PathBuf,
}

impl State {
    /// The state in `dir`, which need not exist.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that a build locks.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The records.
    pub fn records(&self) -> PathBuf {
        self.dir.join(format!("{RECORDS}{}", format::RECORDS))
    }

    /// Whether a program of another version has written its records after this one has: it was the last to run something here.
    pub(crate) fn is_behind_another_version(&self) -> bool {
        let modified =
            |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let ours = self.records();
        let last = modified(&ours);
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let others = entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            *path != ours && name.is_some_and(|name| name.starts_with(RECORDS))
        });
        others.into_iter().any(|other| modified(&other) > last)
    }

    /// The stat index.
    pub fn index(&self) -> PathBuf {
        self.dir.join(format!("index-v{}", format::STAT_INDEX))
    }

    /// The history.
    pub fn history(&self) -> PathBuf {
        self.dir.join(format!("history-v{}", format::HISTORY))
    }

    /// What tools said of their version.
    pub(crate) fn tools(&self) -> PathBuf {
        self.dir.join(format!("tools-v{}", format::TOOLS))
    }

    /// Proofs that nothing was touched.
    pub(crate) fn untouched(&self) -> PathBuf {
        self.dir.join("untouched")
    }

    /// Where builds take turns.
    pub(crate) fn turns(&self) -> PathBuf {
        self.dir.join(format!("turns-v{}", format::TURNS))
    }

    /// The room for staging.
    pub fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Where an action with a need that stands for several actions finds their output directories, by links: exactly those it needs.
    pub fn cells(&self, action: &ActionName) -> PathBuf {
        self.dir.join("cells").join(file_name(action, ""))
    }

    /// What an action last printed.
    pub fn log(&self, action: &ActionName) -> PathBuf {
        self.dir.join("logs").join(file_name(action, ".log"))
    }

    /// The text that an action was last brought up to date from.
    pub fn fingerprint(&self, action: &ActionName) -> PathBuf {
        self.dir.join("fingerprints").join(file_name(action, ""))
    }

    /// What was found that an action reads.
    pub fn found(&self, action: &ActionName) -> PathBuf {
        self.dir.join("found").join(file_name(action, ""))
    }

    /// Makes the directories that a build writes to, and marks the state as a cache that backups may leave out.
    pub fn create(&self) -> Result<()> {
        for dir in [self.dir.join("logs"), self.dir.join("fingerprints")] {
            create_private(&dir)
                .map_err(|error| Error::io("cannot create the directory", &dir, error))?;
        }
        let lock = self.lock();
        own_file::clear_the_way(&lock)
            .map_err(|error| Error::io("cannot make room for the lock", &lock, error))?;
        let tag = self.dir.join("CACHEDIR.TAG");
        if fs::symlink_metadata(&tag).is_err() {
            fs::write(&tag, CACHEDIR_TAG)
                .map_err(|error| Error::io("cannot write", &tag, error))?;
        }
        Ok(())
    }
}

/// Creates a directory that only the user can read: logs and fingerprints may hold what is nobody else's business.
fn create_private(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

/// The content of a tag by which backup programs know a cache, after <https://bford.info/cachedir/>.
pub const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # Everything below this directory was made by cargo granular and can be made again.\n";

/// A name for a file about `action` that every file system takes: readable, and with a hash where that would not be one to one.
fn file_name(action: &ActionName, ending: &str) -> String {
    let name = action.to_string();
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'-' | b'#' | b'=' | b',' | b'[' | b']')
    };
    if name.len() <= 120 && name.bytes().all(plain) {
        return format!("{name}{ending}");
    }
    let readable: String = name
        .chars()
        .take(60)
        .map(|char| if char.is_ascii_alphanumeric() { char } else { '_' })
        .collect();
    let hash = Hash::of(name.as_bytes()).to_string();
    format!("{readable}~{}{ending}", &hash[..16])
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
