//! The same promises against a server that people run: bazel-remote, over HTTP. It takes only entries that are action results whose blobs are there.
//! Where it is not, `./test` makes it, and says how.

use super::*;
use crate::sandbox::could_not_run;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// One with an empty directory, on loopback.
struct BazelRemote {
    child: Child,
    dir: PathBuf,
    port: u16,
}

impl BazelRemote {
    /// None where there is no such program.
    fn start(p: &Project, more: &[&str]) -> Option<Self> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/servers/bazel-remote");
        if !std::path::Path::new(program).exists() {
            could_not_run(
                "there is no bazel-remote below target/servers; `./test` makes it where there is Go",
            );
            return None;
        }
        let dir = p.root().with_file_name("bazel-remote");
        let [port, other] = [free_port(), free_port()];
        let child = Command::new(program)
            .args(["--max_size", "1", "--access_log_level", "none"])
            .arg("--dir")
            .arg(&dir)
            .arg("--http_address")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--grpc_address")
            .arg(format!("127.0.0.1:{other}"))
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, dir, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "bazel-remote does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for BazelRemote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn bazel_remote_shares_all_sorts_of_results() {
    let p = workspace();
    let Some(server) = BazelRemote::start(&p, &[]) else { return };
    let run = writing(&p, &server.url()).arg("-v").run().success();
    assert_eq!(p.ran(), ["c", "check", "gen", "use"]);
    assert!(warnings(&run).is_empty() && !run.stderr().contains("left for a later build"), "{run}");

    let second = p.elsewhere();
    let run = reading(&second, &server.url()).arg("-v").run().success();
    assert!(second.ran().is_empty(), "{run}");
    assert_eq!(left_by(&second), left_by(&p));
    second.granular("verify").success();

    // What the second changes and writes, the first has.
    for p in [&p, &second] {
        p.write("in.txt", "2\n").write("a.h", "2\n");
    }
    writing(&second, &server.url()).run().success();
    second.ran();
    let run = reading(&p, &server.url()).run().success();
    assert!(p.ran().is_empty(), "{run}");
    assert_eq!(left_by(&second), left_by(&p));
}

#[test]
fn a42_nobody_takes_what_a_pull_request_has_forged_from_bazel_remote() {
    let p = steps(1);
    let Some(server) = BazelRemote::start(&p, &[]) else { return };
    signed::a42_nobody_takes_what_a_pull_request_has_forged(&server.url(), &server.url());
}

#[test]
fn bazel_remote_that_has_lost_its_blobs_gives_misses_and_gets_them_again() {
    let p = workspace();
    let Some(server) = BazelRemote::start(&p, &[]) else { return };
    writing(&p, &server.url()).run().success();
    drop(server);
    let Some(server) = BazelRemote::start(&p, &[]) else { return };
    let second = p.elsewhere();
    writing(&second, &server.url()).run().success();
    assert_eq!(second.ran().len(), 4);
    let third = p.elsewhere();
    reading(&third, &server.url()).run().success();
    assert!(third.ran().is_empty());
    assert_eq!(left_by(&third), left_by(&second));
}

#[test]
fn bazel_remote_that_is_killed_in_the_middle_costs_no_build() {
    let p = steps(30);
    let Some(mut server) = BazelRemote::start(&p, &[]) else { return };
    let (run, time) = timed(|| {
        writing(&p, &server.url()).run_while(|_| {
            while p.ran().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            server.child.kill().unwrap();
        })
    });
    let run = run.success();
    assert!(warnings(&run).len() <= 1 && time < Duration::from_secs(10), "{time:?}: {run}");
    assert_eq!(
        left_by(&p)
            .values()
            .filter(|entry| matches!(entry, crate::faults::Entry::File { .. }))
            .count(),
        30
    );
}

#[test]
fn bazel_remote_that_wants_a_password_gets_it_and_is_read_by_those_who_have_none() {
    let p = workspace();
    // me:secret, as htpasswd writes it.
    let users = p.root().with_file_name("users");
    fs::write(&users, "me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let users = users.to_str().unwrap().to_owned();
    let more = ["--htpasswd_file", &users, "--allow_unauthenticated_reads"];
    let Some(server) = BazelRemote::start(&p, &more) else { return };
    let with_password = server.url().replace("http://", "http://me:secret@");
    let run = writing(&p, &with_password).run().success();
    assert!(warnings(&run).is_empty(), "{run}");
    let second = p.elsewhere();
    second.write(
        "Cargo.toml",
        second.read("Cargo.toml") + &step("more", "", "inputs = []\noutputs = []"),
    );
    let run = writing(&second, &server.url()).run().success();
    assert_eq!(second.ran(), ["more"], "{run}");
    assert!(warnings(&run)[0].contains("it refuses writing (401"), "{run}");
}

#[test]
fn bazel_remote_is_spoken_to_with_encryption_if_its_certificate_is_one_that_is_trusted() {
    let p = workspace();
    let [certificate, key] = ["certificate", "key"].map(|name| p.root().with_file_name(name));
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(' '))
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap().to_owned());
    let more = ["--tls_cert_file", &certificate, "--tls_key_file", &key];
    let Some(server) = BazelRemote::start(&p, &more) else { return };
    let url = format!("https://localhost:{}", server.port);
    let run = writing(&p, &url).env("SSL_CERT_FILE", &certificate).run().success();
    assert!(warnings(&run).is_empty(), "{run}");
    let second = p.elsewhere();
    reading(&second, &url).env("SSL_CERT_FILE", &certificate).run().success();
    assert!(second.ran().is_empty());
    assert_eq!(left_by(&second), left_by(&p));

    let stranger = p.elsewhere();
    let run = reading(&stranger, &url).run().success();
    assert_eq!(stranger.ran().len(), 4);
    assert!(
        warnings(&run).len() == 1
            && warnings(&run)[0].contains("no encrypted connection comes about"),
        "{run}"
    );
}
