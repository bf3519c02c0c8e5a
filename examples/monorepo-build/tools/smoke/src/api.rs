//! The server under test.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::programs::command;

/// How long the api may take to say where it listens.
const START: Duration = Duration::from_secs(10);

/// A running api, killed when dropped.
pub struct Api {
    child: Child,
    url: String,
}

impl Api {
    /// Starts the program on a free port, with the data in a file, and waits until it listens.
    pub fn start(program: &Path, data: &Path) -> Result<Self> {
        let mut child = command(program)
            .args(["-addr", "127.0.0.1:0", "-data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take();
        let mut api = Self { child, url: String::new() }; // from here on, an error stops the child
        let (sender, receiver) = mpsc::channel();
        if let Some(stdout) = stdout {
            thread::spawn(move || {
                let mut line = String::new();
                let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
                let _ = sender.send(read); // nobody listens any more if it took too long
            });
        }
        let line = receiver.recv_timeout(START)??;
        api.url = url_in(&line)
            .ok_or_else(|| format!("the first line of the api is {line:?}"))?
            .to_owned();
        Ok(api)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that the api prints first.
fn url_in(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("listening on ").filter(|url| url.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_first_line() {
        assert_eq!(url_in("listening on http://127.0.0.1:80\n"), Some("http://127.0.0.1:80"));
        assert_eq!(url_in("listening on http://[::1]:80\r\n"), Some("http://[::1]:80"));
    }

    #[test]
    fn other_lines_have_no_address() {
        for line in ["", "listening on", "listening on 127.0.0.1:80", "panic: http://127.0.0.1:80"]
        {
            assert_eq!(url_in(line), None, "{line}");
        }
    }
}
