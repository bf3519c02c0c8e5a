//! The servers: those that the tests run, with nothing in them.

use crate::between::Between;
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The kinds of remote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Http,
    Grpc,
    S3,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::Grpc, Self::S3];

    pub(crate) fn parse(word: &str) -> Result<Self> {
        let kind = Self::ALL.into_iter().find(|kind| kind.word() == word);
        kind.with_context(|| format!("there is no kind `{word}`"))
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::S3 => "s3",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Http => "bazel-remote, HTTP",
            Self::Grpc => "bazel-remote, gRPC",
            Self::S3 => "moto, S3",
        }
    }

    /// What is said where its server is not there.
    pub(crate) fn is_missing(self) -> &'static str {
        "its server is not below target/servers, where `./test` puts it"
    }
}

/// A server on this machine, which ends with this value.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// None where the program is not there.
    pub(crate) fn start(kind: Kind, repository: &Path, dir: &Path) -> Result<Option<Self>> {
        let servers = repository.join("target/servers");
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let program = match kind {
            Kind::Http | Kind::Grpc => servers.join("bazel-remote"),
            Kind::S3 => servers.join("moto/bin/moto_server"),
        };
        if !program.exists() {
            return Ok(None);
        }
        let mut command = Command::new(program);
        match kind {
            Kind::Http | Kind::Grpc => {
                let other = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
                let (http, grpc) =
                    if kind == Kind::Http { (address, other) } else { (other, address) };
                command.args(["--max_size", "1", "--access_log_level", "none", "--dir"]).arg(dir);
                command.args(["--http_address", &http.to_string()]);
                command.args(["--grpc_address", &grpc.to_string()]);
            }
            Kind::S3 => drop(command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()])),
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Self { kind, child, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(began.elapsed() < Duration::from_secs(60), "{} does not start", kind.title());
            thread::sleep(Duration::from_millis(50));
        }
        if kind == Kind::S3 {
            server.make_bucket()?;
        }
        Ok(Some(server))
    }

    fn make_bucket(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "PUT /bucket HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            self.address
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(()),
            false => bail!("moto makes no bucket: {answer}"),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells a build where the remote is: behind `between`, or right here.
    pub(crate) fn name_to(&self, command: &mut Command, between: Option<&Between>) {
        let address = between.map_or(self.address, |between| between.address);
        match self.kind {
            Kind::Http => drop(command.env("GRANULAR_REMOTE", format!("http://{address}"))),
            Kind::Grpc => drop(command.env("GRANULAR_REMOTE", format!("grpc://{address}"))),
            Kind::S3 => {
                command.env("GRANULAR_REMOTE", "s3://bucket/team");
                command.env("AWS_ENDPOINT_URL", format!("http://{address}"));
                command
                    .env("AWS_ACCESS_KEY_ID", "somebody")
                    .env("AWS_SECRET_ACCESS_KEY", "something");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
