//! Servers that people run, each with an empty directory, on loopback. Where one is not, `./test` brings it, and says how.

use super::serving::{self, Serving};
use super::*;
use crate::sandbox::could_not_run;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A server, and how it is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// bazel-remote over HTTP. It takes only entries that are action results.
    BazelRemoteHttp,
    /// bazel-remote over gRPC. It gives only entries whose blobs are there.
    BazelRemoteGrpc,
    /// buildbox-casd, which speaks gRPC. It gives only entries whose blobs are there.
    Casd,
}

/// One that runs.
pub(super) struct Real {
    pub(super) child: Child,
    dir: PathBuf,
    /// Without user and password.
    pub(super) url: String,
}

impl Kind {
    /// Starts one; none where there is no such program.
    pub(super) fn start(self, p: &Project, more: &[&str]) -> Option<Real> {
        let (program, how) = match self {
            Self::BazelRemoteHttp | Self::BazelRemoteGrpc => ("bazel-remote", "where there is Go"),
            Self::Casd => ("buildbox-casd", "where there is Python with pip"),
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers").join(program);
        if !path.exists() {
            could_not_run(&format!(
                "there is no {program} below target/servers; `./test` brings it {how}"
            ));
            return None;
        }
        let dir = p.root().with_file_name(program);
        let log = dir.with_extension("log");
        let Serving { child, port } = serving::started(&log, |[port, other]| {
            let mut command = Command::new(&path);
            match self {
                Self::BazelRemoteHttp | Self::BazelRemoteGrpc => {
                    let is_http = self == Self::BazelRemoteHttp;
                    let (http, grpc) = if is_http { (port, other) } else { (other, port) };
                    command
                        .args(["--max_size", "1", "--access_log_level", "none", "--dir"])
                        .arg(&dir)
                        .args(["--http_address", &format!("127.0.0.1:{http}")])
                        .args(["--grpc_address", &format!("127.0.0.1:{grpc}")])
                        .args(more);
                }
                Self::Casd => {
                    command.arg(format!("--bind=127.0.0.1:{port}")).args(more).arg(&dir);
                }
            }
            command
        })
        .unwrap();
        let scheme = if self == Self::BazelRemoteHttp { "http" } else { "grpc" };
        Some(Real { child, dir, url: format!("{scheme}://127.0.0.1:{port}") })
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A certificate of `localhost` that nobody has signed but itself, and its key.
pub(super) fn certificate(p: &Project) -> [String; 2] {
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
    [certificate, key].map(|path| path.to_str().unwrap().to_owned())
}
