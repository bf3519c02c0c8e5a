//! The embedded service: put into a file, started, asked, and taken away.

use crate::Result;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The program that step `service` has left.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("GRANULAR_OUT_SERVICE"), "/quotes"));

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running service, which ends when this is dropped, or this process, however it ends.
pub struct Service {
    child: Child,
    address: SocketAddr,
    _directory: Directory,
}

impl Service {
    /// Starts it, on a port that is free.
    pub fn start() -> Result<Self> {
        let directory = Directory::new()?;
        let program = directory.0.join("quotes");
        write_program(&program)?;
        let mut child =
            Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take();
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut service = Self { child, address: unset, _directory: directory }; // an error ends the child
        let mut line = String::new();
        stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line)).transpose()?;
        let address = line.trim_end().strip_prefix("listening on ");
        service.address =
            address.ok_or_else(|| format!("the service said {line:?} first"))?.parse()?;
        Ok(service)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The body of what it answers to a GET of `path`.
    pub fn get(&self, path: &str) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        body(&answer)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_program(path: &Path) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(path)?;
    file.write_all(PROGRAM)?;
    Ok(())
}

/// The body of an answer that says 200.
fn body(answer: &[u8]) -> Result<Vec<u8>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or("the answer has no end of its head")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let first = head.lines().next().unwrap_or_default();
    match first.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(format!("{first}: {}", String::from_utf8_lossy(body).trim()).into()),
    }
}

/// A directory that only this user can enter, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        for attempt in 0..100 {
            let name = format!("rust-and-go-{}-{attempt}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{}: {error}", path.display()).into()),
            }
        }
        Err("there is no free name for a temporary directory".into())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_follows_the_head() {
        assert_eq!(
            body(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nx\r\n\r\ny").ok(),
            Some(b"x\r\n\r\ny".to_vec())
        );
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let told = |answer: &[u8]| body(answer).err().map(|error| error.to_string());
        let refused = told(b"HTTP/1.0 400 Bad Request\r\n\r\nno such item\n");
        assert_eq!(refused.as_deref(), Some("HTTP/1.0 400 Bad Request: no such item"));
        assert_eq!(told(b"HTTP/1.0 200").as_deref(), Some("the answer has no end of its head"));
    }

    #[test]
    fn the_service_refuses_what_it_does_not_sell() -> Result<()> {
        let service = Service::start()?;
        let error = service.get("/quote?order=gold:1").err().map(|error| error.to_string());
        let expected = "HTTP/1.0 400 Bad Request: there is no item \"gold\"";
        assert_eq!(error.as_deref(), Some(expected));
        Ok(())
    }
}
