//! Starts the service, asks for its version and holds that against version.txt.
//!
//! ```text
//! probe DIRECTORY-OF-THE-SERVICE
//! ```

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let Some(dir) = std::env::args().nth(1) else {
        eprintln!("usage: probe DIRECTORY-OF-THE-SERVICE");
        return ExitCode::from(2);
    };
    match probe(Path::new(&dir)) {
        Ok(version) => {
            println!("probe: the service answers, version {version}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("probe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn probe(dir: &Path) -> Result<String, Box<dyn Error>> {
    let expected = std::fs::read_to_string(dir.join("version.txt"))?.trim().to_owned();
    let database = std::env::temp_dir().join(format!("probe-{}.db", std::process::id()));
    let mut server = Command::new("python3")
        .arg(dir.join("server.py"))
        .arg(&database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let answer = address(&mut server).and_then(|address| ask(&address));
    drop(server.stdin.take()); // which ends it
    server.wait()?;
    std::fs::remove_file(&database)?;
    let answer = answer?;
    if answer.contains(&format!("{{\"version\": \"{expected}\"}}")) {
        Ok(expected)
    } else {
        Err(format!("version {expected} should answer, and this did: {answer}").into())
    }
}

/// Where the service says that it listens.
fn address(server: &mut Child) -> Result<String, Box<dyn Error>> {
    let mut line = String::new();
    let output = server.stdout.as_mut().ok_or("it has no output")?;
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on http://");
    Ok(address.ok_or_else(|| format!("it said `{}`", line.trim()))?.to_owned())
}

fn ask(address: &str) -> Result<String, Box<dyn Error>> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET /version HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
