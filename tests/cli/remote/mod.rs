//! Results that machines share through a remote cache. Each machine has a home, a cache and a checkout of its own.

mod bazel_remote;
mod by_hand;
mod contract;
mod faults;
mod grpc;
mod grpc_server;
mod moto;
mod nginx;
mod real;
mod s3;
mod server;
mod serving;
mod sharing;
mod signed;
mod trust;
mod zstd_http;

use crate::faults::{Tree, tree};
use crate::project::{Invocation, Project, Run, project, step};
use faults::signal;
use server::{Server, Twist};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Two machines with the same sources, and a server: the first has built and shared everything.
struct Team {
    server: Server,
    first: Project,
    second: Project,
}

impl Team {
    fn new(first: Project) -> Self {
        let server = Server::start();
        let second = first.elsewhere();
        writing(&first, &server.url()).run().success();
        assert!(!server.kept("ac").is_empty() && server.broken().is_empty());
        first.ran();
        server.forget();
        Self { server, first, second }
    }

    /// The second machine builds.
    fn build(&self) -> Run {
        reading(&self.second, &self.server.url()).run()
    }

    /// The same once more, from nothing.
    fn rebuild(&self) -> Run {
        self.start_anew();
        self.build()
    }

    fn start_anew(&self) {
        for left in [self.second.path("target"), self.second.cache()] {
            let _ = std::fs::remove_dir_all(left);
        }
        self.second.ran();
    }

    /// What both have left is the same.
    #[track_caller]
    fn is_same(&self) {
        assert_eq!(left_by(&self.second), left_by(&self.first));
    }
}

fn reading(p: &Project, url: &str) -> Invocation {
    p.command("build").env("GRANULAR_REMOTE", url).env("GRANULAR_TRUST", "anyone")
}

fn writing(p: &Project, url: &str) -> Invocation {
    reading(p, url).env("GRANULAR_REMOTE_WRITE", "on")
}

/// Runs it, and kills it as soon as something has arrived.
fn killed_when(invocation: Invocation, arrived: &AtomicBool) {
    let _ = invocation.run_while(|process| {
        while !arrived.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        signal(process, "KILL");
    });
}

/// What all steps of a workspace have left in their output directories.
fn left_by(p: &Project) -> Tree {
    tree(&p.path("target/granular/out"), |_: &Path| false)
}

/// A workspace with so many steps, which need nobody and leave a file each.
fn steps(number: usize) -> Project {
    let one = |number: usize| {
        let script = format!("echo {number} > {{out}}/file");
        step(&format!("s{number:02}"), &script, "inputs = []\noutputs = [\"{out}/file\"]")
    };
    project(&(0..number).map(one).collect::<String>())
}

/// One step that leaves three files and prints a line.
fn three_files() -> Project {
    let script = "echo log; for name in a b c; do echo $name > {out}/$name; done";
    project(&step("gen", script, "inputs = []\noutputs = [\"{out}\"]"))
}

/// Steps of all sorts: a program, links, empty things, a large file, a check, one that needs another, and one with a depfile.
fn workspace() -> Project {
    let script = "mkdir {out}/empty; : > {out}/nothing; echo x > {out}/file; cp {out}/file {out}/program; chmod +x {out}/program; \
                  ln -s file {out}/link; head -c 3000000 /dev/zero > {out}/large; echo told";
    let p = project(
        &[
            step("gen", script, "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]"),
            step(
                "use",
                "cat {needs.gen.out}/file in.txt > {out}/copy",
                "inputs = [\"in.txt\"]\noutputs = [\"{out}/copy\"]\nneeds = [\"gen\"]",
            ),
            step("check", "echo all is well", "inputs = [\"in.txt\"]\noutputs = []"),
            step(
                "c",
                "cat a.h > {out}/o; echo '{out}/o: a.h' > {out}/o.d",
                "inputs = []\ndepfile = \"{out}/o.d\"\noutputs = [\"{out}/o\"]",
            ),
        ]
        .concat(),
    );
    p.write("in.txt", "1\n").write("a.h", "1\n");
    p
}

/// So many bytes that cannot be packed, the same ones every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(byte).take(length).collect()
}

/// Runs it, and says how much memory that took at most, in megabytes.
fn with_memory(invocation: Invocation) -> (Run, u64) {
    let mut most = 0;
    let run = invocation.run_while(|process| {
        while let Some(line) =
            std::fs::read_to_string(format!("/proc/{process}/status")).ok().and_then(|status| {
                status.lines().find(|line| line.starts_with("VmHWM")).map(str::to_owned)
            })
        {
            most = line.split_whitespace().nth(1).unwrap().parse().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    (run, most / 1024)
}

fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = what();
    (done, began.elapsed())
}

/// The lines of standard error that begin with `warning`.
fn warnings(run: &Run) -> Vec<String> {
    let text = run.stderr();
    text.lines().filter(|line| line.starts_with("warning")).map(str::to_owned).collect()
}
