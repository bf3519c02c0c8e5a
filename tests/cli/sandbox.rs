//! What the system is asked for so that a test can make a rare machine: namespaces, mounts, system calls that fail. Where it refuses, the
//! test says so, and the test command lists it as one that could not run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs a program with process numbers of its own, so that this process's group and session have none there.
pub(crate) fn new_process_numbers() -> Option<Vec<String>> {
    unshare("--pid --fork --mount-proc")
}

/// Runs a program with mounts of its own, made by `commands` of a shell.
pub(crate) fn mounts(commands: &str) -> Option<Vec<String>> {
    let mut wrapper = unshare("--mount")?;
    let script = format!("{commands} && exec \"$@\"");
    wrapper.extend(["sh", "-ec", &script, "sh"].map(str::to_owned));
    allowed(wrapper)
}

/// Runs a program for which `mountpoint` is a file system that does not tell upper from lower case, kept in the directory `backing`.
pub(crate) fn folding(backing: &Path, mountpoint: &Path) -> Option<Vec<String>> {
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cli/folding.py");
    let (backing, mountpoint) = (backing.display(), mountpoint.display());
    let script = format!(
        "/usr/bin/python3 '{server}' '{backing}' '{mountpoint}' & server=$!; \
         until mountpoint -q '{mountpoint}'; do kill -0 $server; sleep 0.02; done; \
         code=0; (cd '{mountpoint}' && exec \"$@\") || code=$?; umount -l '{mountpoint}'; wait $server || :; exit $code"
    );
    let mut wrapper = unshare("--mount")?;
    wrapper.extend(["sh", "-ec", &script, "sh"].map(str::to_owned));
    allowed(wrapper)
}

/// Runs a program in whose first thread each call of `call` fails with `error`.
pub(crate) fn failing(call: &str, error: &str) -> Option<Vec<String>> {
    allowed(words(&format!(
        "strace -qq -o /dev/null -e trace={call} -e inject={call}:error={error}"
    )))
}

/// Runs a program for which the permissions of files hold, as they do not for root.
pub(crate) fn bound_by_permissions() -> Option<Vec<String>> {
    let options =
        if is_root() { "--bounding-set=-dac_override,-dac_read_search" } else { "--keep-groups" };
    allowed(words(&format!("setpriv {options}")))
}

/// Runs a program as root who may write into files of other users, and may not hold these.
pub(crate) fn without_leases_on_files_of_others() -> Option<Vec<String>> {
    if !is_root() {
        could_not_run("only root can make a file of another user's");
        return None;
    }
    allowed(words("setpriv --bounding-set=-lease"))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// A place in which file systems can be mounted that nobody else sees, for as long as this value lives.
pub(crate) struct Mounts {
    keeper: Child,
    enter: Vec<String>,
}

impl Mounts {
    /// With a file system of its own of `size` (as `mount` writes it) at `at`, which is there.
    pub(crate) fn with_tmpfs(at: &Path, size: &str) -> Option<Self> {
        let unshare = unshare("--mount")?;
        let mut keeper = Command::new(&unshare[0])
            .args(&unshare[1..])
            .args([
                "sh",
                "-c",
                "mount -t tmpfs -o size=\"$1\",mode=755 none \"$2\" && echo mounted && read _",
                "sh",
                size,
            ])
            .arg(at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut told).unwrap();
        let process = keeper.id().to_string();
        let user = match unshare.iter().any(|word| word == "--user") {
            true => "--user --preserve-credentials",
            false => "",
        };
        let enter = words(&format!("nsenter --target {process} --mount {user}"));
        let mounts = Self { keeper, enter };
        if told.is_empty()
            || !mounts.command(&["true"]).status().is_ok_and(|status| status.success())
        {
            could_not_run("a file system cannot be mounted here");
            return None;
        }
        Some(mounts)
    }

    /// What starts a program there, in the directory `dir`.
    pub(crate) fn wrapper<'a>(&'a self, dir: &'a Path) -> Vec<&'a str> {
        let go = ["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", dir.to_str().unwrap()];
        self.enter.iter().map(String::as_str).chain(go).collect()
    }

    /// A command that is run there.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.enter[0]);
        command.args(&self.enter[1..]).args(words);
        command
    }

    /// Makes the file system at `at` as large as `size`.
    pub(crate) fn resize(&self, at: &Path, size: &str) {
        let options = format!("remount,size={size}");
        let resized = self.command(&["mount", "-o", &options]).arg(at).status().unwrap();
        assert!(resized.success());
    }

    /// A path as it is seen there.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        Path::new(&root).join(path.strip_prefix("/").unwrap())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// `unshare` with `options`, as this user or as the root of a user namespace, whichever the system lets us do.
fn unshare(options: &str) -> Option<Vec<String>> {
    let as_root = words(&format!("unshare {options}"));
    if trouble(&as_root).is_none() {
        return Some(as_root);
    }
    allowed(words(&format!("unshare --user --map-root-user {options}")))
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// `wrapper`, if a program can be run in it here.
fn allowed(wrapper: Vec<String>) -> Option<Vec<String>> {
    match trouble(&wrapper) {
        None => Some(wrapper),
        Some(trouble) => {
            could_not_run(&format!("`{}` does not work here: {trouble}", wrapper.join(" ")));
            None
        }
    }
}

/// What is said where nothing can be run in `wrapper`.
fn trouble(wrapper: &[String]) -> Option<String> {
    match Command::new(&wrapper[0]).args(&wrapper[1..]).arg("true").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")),
        Err(error) => Some(error.to_string()),
    }
}

/// Tells that the calling test has to be left out on this machine, and why.
pub(crate) fn could_not_run(reason: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}\n", thread.name().unwrap_or("a test"));
    eprint!("could not run {line}");
    if let Some(list) = std::env::var_os("GRANULAR_TESTS_NOT_RUN") {
        let file = std::fs::File::options().append(true).create(true).open(list);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
    }
}
