//! `--since`: asks git what changed since a revision. What that can affect is the library's business.
//!
//! Compared is the merge base of the revision and `HEAD` (what a branch changed, whatever has come to the revision since) with the files as they are: commits, staged and unstaged edits,
//! and files that git does not track yet. Which files are as they were is asked as well: what git does not keep, or was told not to look at, is not known.

use crate::session::Session;
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::affected::{Changes, Difference, How};
use granular::config::compare;
use granular::ordered::Map;
use granular::workspace::Workspace;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What changed.
pub(crate) struct Since {
    /// The commit that was compared with.
    pub(crate) base: String,
    /// What is different now.
    pub(crate) changes: Changes,
}

/// What git sees of our environment: where it finds itself and its user's settings, and nothing that names another repository, index or pager.
const PASSED: [&str; 14] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USERPROFILE",
    "SYSTEMROOT",
    "TMPDIR",
    "TEMP",
    "TMP",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "SSH_AUTH_SOCK",
    "GIT_EXEC_PATH",
];

/// Asks what changed since `revision`; `None` where the revision says that there is nothing before: it is empty, or nothing but zeros, as CI systems say it of what
/// is new.
pub(crate) fn ask(
    session: &Session,
    workspace: &Workspace,
    revision: &str,
) -> Result<Option<Since>> {
    if revision.bytes().all(|byte| byte == b'0') {
        return Ok(None);
    }
    let git = Git { env: environment(&session.env), dir: workspace.root.clone() };
    let (top, is_shallow) = top(&git)?;
    let git = Git { dir: top.clone(), ..git };
    let commit = commit(&git, revision, is_shallow)?;
    let base = merge_base(&git, revision, &commit, is_shallow)?;
    let target = workspace.target.canonicalize().unwrap_or_else(|_| workspace.target.clone());
    let is_ours = |path: &Path| top.join(path).starts_with(&target);
    let mut changes = Changes { root: top.clone(), ..Changes::default() };
    let diff = git.must(&[
        "-c",
        "diff.relative=false",
        // Whether a file can be executed counts, also where git was told not to look at that.
        "-c",
        if cfg!(unix) { "core.fileMode=true" } else { "core.fileMode=false" },
        "diff",
        "--raw",
        "-z",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--ignore-submodules=none",
        &base,
        "--",
    ])?;
    changes.paths.extend(differences(&diff).into_iter().filter(|(path, _)| !is_ours(path)));
    let manifests = changes.paths.iter().filter(|(path, difference)| {
        difference.how == How::Changed && path.file_name().is_some_and(|name| name == "Cargo.toml")
    });
    let declared = manifests.filter_map(|(path, _)| {
        let before = git.run(&["cat-file", "blob", &format!("{base}:{}", path.to_str()?)]).ok()?;
        let before = String::from_utf8(before.stdout).ok().filter(|_| before.status.success())?;
        let now = std::fs::read_to_string(top.join(path)).ok()?;
        Some((path.clone(), compare::declared_otherwise(&before, &now)?))
    });
    changes.declared = declared.collect();
    let others = git.must(&["ls-files", "-z", "--others", "--exclude-per-directory=.gitignore"])?;
    for name in others.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // A repository in the repository is named with a slash at its end.
        let difference = Difference { how: How::Added, is_more: name.ends_with(b"/") };
        let path = path_of(name.strip_suffix(b"/").unwrap_or(name));
        let is_link = top.join(&path).is_symlink();
        if !is_ours(&path) {
            let is_more = difference.is_more || is_link;
            changes.paths.entry(path).or_insert(Difference { is_more, ..difference });
        }
    }
    let listed = git.run(&["ls-files", "-z", "-v", "--recurse-submodules"])?;
    let listed = match listed.status.success() {
        true => listed.stdout,
        false => git.must(&["ls-files", "-z", "-v"])?,
    };
    // Other letters stand for files that git was told not to look at.
    let known = listed.split(|byte| *byte == 0).filter_map(|line| line.strip_prefix(b"H "));
    changes.known = known.map(path_of).collect();
    Ok(Some(Since { base, changes }))
}

/// Git, in a directory.
struct Git {
    env: Map<OsString, OsString>,
    dir: PathBuf,
}

impl Git {
    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new("git");
        command.args(["--no-pager", "-c", "core.fsmonitor=false"]).args(arguments);
        command.current_dir(&self.dir).env_clear().envs(&self.env).stdin(Stdio::null());
        command.output().map_err(|error| Trouble::Environment {
            message: format!("cannot start `git`, which --since asks what changed: {error}"),
            help: Some("install git, or leave --since out".to_owned()),
        })
    }

    /// What it says; an error in its own words where it fails.
    fn must(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.run(arguments)?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(Trouble::Environment {
                message: format!("git cannot say what changed: {}", words(&output)),
                help: Some(format!(
                    "`git {}` in `{}` says the same",
                    arguments.join(" "),
                    shown(&self.dir)
                )),
            }),
        }
    }
}

/// What git sees of our environment.
pub(crate) fn environment(env: &Map<OsString, OsString>) -> Map<OsString, OsString> {
    let is_passed = |name: &OsStr| {
        let name = name.to_string_lossy();
        PASSED.contains(&&*name)
            || ["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"].iter().any(|start| name.starts_with(start))
    };
    let passed = env.iter().filter(|(name, _)| is_passed(name));
    let mut passed: Map<_, _> = passed.map(|(name, value)| (name.clone(), value.clone())).collect();
    let own = [("LC_ALL", "C"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0")];
    passed.extend(own.map(|(name, value)| (name.into(), value.into())));
    passed
}

/// The root of the working tree, and whether the history is cut off.
fn top(git: &Git) -> Result<(PathBuf, bool)> {
    let output = git.run(&["rev-parse", "--show-toplevel", "--is-shallow-repository"])?;
    let place = shown(&git.dir);
    if !output.status.success() {
        let words = words(&output);
        let (message, help) = match words.contains("not a git repository") {
            true => (
                format!("--since asks git what changed, and `{place}` is in no git repository"),
                "leave --since out, or build in a clone".to_owned(),
            ),
            false => (
                format!("git does not say what changed in `{place}`: {words}"),
                "`git status` there says more".to_owned(),
            ),
        };
        return Err(Trouble::Usage { message, help: Some(help) });
    }
    let mut lines = output.stdout.split(|byte| *byte == b'\n');
    let top = path_of(lines.next().unwrap_or_default());
    let is_shallow = lines.next() == Some(b"true");
    let top = top.canonicalize().map_err(|error| Trouble::Environment {
        message: format!(
            "cannot look at `{}`, where git says that its tree is: {error}",
            shown(&top)
        ),
        help: None,
    })?;
    Ok((top, is_shallow))
}

/// Where the history is cut off, what is not in it may be before that.
const DEEPER: &str = "this clone is shallow: fetch the whole history (`fetch-depth: 0` for actions/checkout, `GIT_DEPTH: 0` for GitLab, `git fetch --unshallow` by hand)";

fn commit(git: &Git, revision: &str, is_shallow: bool) -> Result<String> {
    let name = format!("{revision}^{{commit}}");
    // Git would take it for an option.
    let is_option = revision.starts_with('-');
    let said = if is_option {
        None
    } else {
        Some(git.run(&["rev-parse", "--verify", "--quiet", &name])?)
    };
    if let Some(commit) =
        said.filter(|said| said.status.success()).and_then(|said| line(&said.stdout))
    {
        return Ok(commit);
    }
    let revision = wording::one_line(revision);
    let help = match is_shallow {
        true => DEEPER.to_owned(),
        false => format!(
            "`git fetch` brings what is new elsewhere, `git rev-parse {revision}` tries the name"
        ),
    };
    Err(Trouble::Usage {
        message: format!(
            "`--since {revision}` names no commit of the repository in `{}`",
            shown(&git.dir)
        ),
        help: Some(help),
    })
}

fn merge_base(git: &Git, revision: &str, commit: &str, is_shallow: bool) -> Result<String> {
    let output = git.run(&["merge-base", commit, "HEAD"])?;
    if let Some(base) = Some(&output)
        .filter(|output| output.status.success())
        .and_then(|output| line(&output.stdout))
    {
        return Ok(base);
    }
    let why = words(&output);
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    Err(Trouble::Usage {
        message: format!(
            "`--since {}` and HEAD have no commit in common{why}",
            wording::one_line(revision)
        ),
        help: Some(match is_shallow {
            true => DEEPER.to_owned(),
            false => "name a commit that HEAD comes from".to_owned(),
        }),
    })
}

/// Reads `git diff --raw -z`: `:MODE MODE HASH HASH LETTER`, NUL, path, NUL.
fn differences(raw: &[u8]) -> Vec<(PathBuf, Difference)> {
    let mut fields = raw.split(|byte| *byte == 0);
    let mut differences = Vec::new();
    while let (Some(heading), Some(path)) = (fields.next(), fields.next()) {
        let heading = String::from_utf8_lossy(heading).into_owned();
        let words: Vec<&str> = heading.trim_start_matches(':').split(' ').collect();
        // Links and repositories in the repository.
        let is_more = words.iter().take(2).any(|mode| matches!(*mode, "120000" | "160000"));
        let how = match words.last().and_then(|letter| letter.chars().next()) {
            Some('A') => How::Added,
            Some('D') => How::Removed,
            _ => How::Changed,
        };
        differences.push((path_of(path), Difference { how, is_more }));
    }
    differences
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// What git said of a failure, without the word in front that will stand there again.
fn words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim();
    let text =
        ["fatal: ", "error: "].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
    wording::some_lines(text)
}

fn shown(path: &Path) -> String {
    wording::one_line(&path.display().to_string())
}
