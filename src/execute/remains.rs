//! Processes that a build left behind because it was killed itself: found by a variable that it gave them. Knows no build.

use std::ffi::OsStr;
use std::time::Duration;

/// How long the killed are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills every process that was given `variable` with `value`, and waits until they are gone. Gives their names. Only to be called while
/// nobody can rightly have such a process. Where the system does not tell the environment of processes, nothing is found.
pub(crate) fn kill(variable: &str, value: &OsStr) -> Vec<String> {
    let mut names = Vec::new();
    let mut waited = Duration::ZERO;
    loop {
        let found = marked(variable, value);
        if found.is_empty() || waited >= PATIENCE {
            return names;
        }
        for (process, name) in found {
            if waited.is_zero() {
                names.push(name);
            }
            end(process);
        }
        let pause = Duration::from_millis(5);
        std::thread::sleep(pause);
        waited += pause;
    }
}

#[cfg(unix)]
fn end(process: i32) {
    if let Some(process) = rustix::process::Pid::from_raw(process) {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn end(_: i32) {}

/// The processes but our own that were given it, with their names. One that has ended and is not yet reaped has no environment.
#[cfg(target_os = "linux")]
fn marked(variable: &str, value: &OsStr) -> Vec<(i32, String)> {
    use std::os::unix::ffi::OsStrExt as _;
    if !super::tree::can_list() {
        return Vec::new();
    }
    let mark = [variable.as_bytes(), b"=", value.as_bytes()].concat();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let marked = processes.filter_map(|entry| {
        let process: i32 = entry.file_name().to_str()?.parse().ok()?;
        let environ = std::fs::read(entry.path().join("environ")).ok()?;
        let is_marked = environ.split(|byte| *byte == 0).any(|given| given == mark);
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        (is_marked && u32::try_from(process) != Ok(std::process::id()))
            .then(|| (process, name.trim_end().to_owned()))
    });
    marked.collect()
}

#[cfg(not(target_os = "linux"))]
fn marked(_: &str, _: &OsStr) -> Vec<(i32, String)> {
    Vec::new()
}
