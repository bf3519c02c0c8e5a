//! Programs that serve on loopback while a test lasts, at ports that nothing else takes meanwhile.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A program that serves, and the port at which it answers.
pub(super) struct Serving {
    pub(super) child: Child,
    pub(super) port: u16,
}

/// Starts what `command` makes of two free ports, and waits until it answers at the first. Where it ends before that,
/// something of another's may have taken a port: it is tried again with others, a few times. What it writes to
/// standard error is kept in `log` and shown where it never answers; an error is that there is no such program.
pub(super) fn started(
    log: &Path,
    mut command: impl FnMut([u16; 2]) -> Command,
) -> std::io::Result<Serving> {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let ports = [free(), free()];
        let mut command = command(ports);
        let mut child = command.stdout(Stdio::null()).stderr(File::create(log)?).spawn()?;
        if answers(&mut child, ports[0]) {
            return Ok(Serving { child, port: ports[0] });
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    let told = fs::read_to_string(log).unwrap_or_default();
    panic!("{:?} does not start:\n{told}", command([0; 2]).get_program());
}

/// Whether it listens at that port before it ends, and before long.
fn answers(child: &mut Child, port: u16) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let is_there = TcpStream::connect(("127.0.0.1", port)).is_ok();
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if is_there {
            return true;
        }
        sleep(Duration::from_millis(20));
    }
    false
}

/// An address at which nobody listens as long as the tests run.
pub(super) fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], free()).into()
}

/// A port that is given out once. It lies below those from which systems take the ports of connections and of
/// listeners that ask for any: one of those, closed again to be told to a program, may be another's by then.
fn free() -> u16 {
    const FIRST: u16 = 12_000;
    const ALL: u16 = 18_000;
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Test runs at once begin at different places.
    let begin = (std::process::id() % u32::from(ALL)) as u16;
    loop {
        let next = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (u32::from(begin) + u32::from(next)).rem_euclid(u32::from(ALL)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
