//! One timed run of a program. A small process in between starts it and waits for it, so that what the benchmark itself has in memory does not
//! count as the program's: Linux remembers the peak of the process that started it.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use wait4::Wait4 as _;

/// How one run came out.
pub(crate) struct Timed {
    pub(crate) took: Duration,
    /// The largest resident size of any single process of it, in bytes.
    pub(crate) peak: u64,
    pub(crate) status: ExitStatus,
}

/// How the process in between is called.
pub(crate) const BETWEEN: &str = "--time-one";

/// Longer than anybody takes who is still at it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs `command`, and writes what it says to `said`.
pub(crate) fn timed(command: &Command, said: &std::path::Path) -> Result<Timed> {
    let mut between = Command::new(std::env::current_exe()?);
    between.arg(BETWEEN).arg(said).arg(command.get_program()).args(command.get_args());
    between.env_clear().stdin(Stdio::null());
    between.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    between.current_dir(command.get_current_dir().unwrap_or(".".as_ref()));
    let output = between.output().context("start the process in between")?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<_> = text.split_whitespace().map(str::parse::<u64>).collect();
    let [Ok(nanoseconds), Ok(peak), Ok(status)] = numbers[..] else {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    };
    let status = ExitStatus::from_raw(i32::try_from(status)?);
    Ok(Timed { took: Duration::from_nanos(nanoseconds), peak, status })
}

/// The process in between: nanoseconds, peak and wait status on standard output.
pub(crate) fn between(mut words: impl Iterator<Item = std::ffi::OsString>) -> Result<String> {
    let said = File::create(words.next().context("where to")?)?;
    let mut command = Command::new(words.next().context("what to run")?);
    command.args(words).stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    command.process_group(0);
    let (done, is_done) = mpsc::channel::<()>();
    let began = Instant::now();
    let child = command.spawn().context("start it")?;
    let group = child.id();
    std::thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status();
        }
    });
    let used = child.wait4()?;
    let took = began.elapsed();
    drop(done);
    Ok(format!("{} {} {}", took.as_nanos(), used.rusage.maxrss, used.status.into_raw()))
}
