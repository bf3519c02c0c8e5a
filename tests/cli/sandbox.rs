//! What the system is asked for so that a test can make a rare machine: namespaces. Where it refuses, the test says so, and the test
//! command lists it as one that could not run.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs a program with process numbers of its own, so that this process's group and session have none there.
pub(crate) fn new_process_numbers() -> Option<Vec<&'static str>> {
    unshare(&["--pid", "--fork", "--mount-proc"])
}

/// `unshare` with `options`, as this user or as the root of a user namespace, whichever the system lets us do.
fn unshare(options: &[&'static str]) -> Option<Vec<&'static str>> {
    for user in [&[][..], &["--user", "--map-root-user"]] {
        let wrapper = [&["unshare"], user, options].concat();
        let tried =
            Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").stderr(Stdio::null()).status();
        if tried.is_ok_and(|status| status.success()) {
            return Some(wrapper);
        }
    }
    could_not_run(&format!("`unshare {}` is not allowed here", options.join(" ")));
    None
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
