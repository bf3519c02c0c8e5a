//! Blobs over HTTP, made small on the way where the server knows how to, and never kept so where it does not.

use super::nginx::Nginx;
use super::real::Kind;
use super::*;
use granular::digest::Digest;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Stands between a client and a server on this machine, and counts the bytes that go by.
struct Between {
    url: String,
    bytes: Arc<AtomicU64>,
}

impl Between {
    fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bytes = Arc::<AtomicU64>::default();
        let all = Arc::clone(&bytes);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let bytes = Arc::clone(&all);
                    thread::spawn(move || carry(from, to, &bytes));
                }
            }
        });
        Self { url, bytes }
    }

    /// How many have gone by since this was last asked.
    fn bytes(&self) -> u64 {
        self.bytes.swap(0, Ordering::SeqCst)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, bytes: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        bytes.fetch_add(count as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn bazel_remote_is_sent_large_blobs_made_small_and_sends_them_so() {
    let p = workspace();
    let Some(server) = Kind::BazelRemoteHttp.start(&p, &[]) else { return };
    let between = Between::start(&server.url);
    let run = writing(&p, &between.url).arg("-v").run().success();
    assert!(warnings(&run).is_empty() && !run.stderr().contains("left for a later build"), "{run}");
    let sent = between.bytes();
    assert!(
        (1000..100_000).contains(&sent),
        "{sent} bytes for three million zeros and little else"
    );

    let second = p.elsewhere();
    let run = reading(&second, &between.url).run().success();
    assert!(second.ran().is_empty() && warnings(&run).is_empty(), "{run}");
    let come = between.bytes();
    assert!((1000..100_000).contains(&come), "{come} bytes");
    assert_eq!(left_by(&second), left_by(&p));
}

#[test]
fn bazel_remote_that_keeps_blobs_as_they_are_is_served_as_well() {
    let p = workspace();
    let Some(server) = Kind::BazelRemoteHttp.start(&p, &["--storage_mode", "uncompressed"]) else {
        return;
    };
    writing(&p, &server.url).run().success();
    let second = p.elsewhere();
    let run = reading(&second, &server.url).run().success();
    assert!(second.ran().is_empty() && warnings(&run).is_empty(), "{run}");
    assert_eq!(left_by(&second), left_by(&p));
}

#[test]
fn a_plain_web_server_keeps_every_blob_as_its_name_says() {
    let p = workspace();
    let Some(server) = Nginx::start(&p) else { return };
    let run = writing(&p, &server.url).arg("-v").run().success();
    assert!(warnings(&run).is_empty() && !run.stderr().contains("left for a later build"), "{run}");
    let mut names = 0;
    for kept in fs::read_dir(server.kept.join("cas")).unwrap() {
        let path = kept.unwrap().path();
        let sum = std::process::Command::new("sha256sum").arg(&path).output().unwrap().stdout;
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(String::from_utf8(sum).unwrap().starts_with(name), "{name}");
        names += 1;
    }
    assert!(names > 3);
}

#[test]
fn a_server_is_asked_once_whether_it_minds_encodings_and_only_for_what_is_worth_it() {
    let large = |number: usize| {
        let script = format!("seq {number} 20000 > {{out}}/text");
        step(&format!("s{number}"), &script, "inputs = []\noutputs = [\"{out}\"]")
    };
    let p = project(&(1..6).map(large).collect::<String>());
    let server = Server::start();
    writing(&p, &server.url()).run().success();
    let asked = |server: &Server| -> Vec<_> {
        let all = server.requests().into_iter();
        all.filter_map(|request| request.header("content-encoding")).collect()
    };
    assert_eq!(asked(&server), ["x-granular-asks"]);
    let empty =
        format!("/cas/{}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(server.kept("cas")[&empty], b"", "what is kept of the question is right");
    assert_eq!(server.kept("cas").len(), 6);

    // One that refuses everything it does not know, and zstd too.
    let server = Server::start();
    server.trick(|request, _| {
        request.header("content-encoding").is_some().then_some(Twist::Status(415, ""))
    });
    let p = p.elsewhere();
    let run = writing(&p, &server.url()).run().success();
    assert!(warnings(&run).is_empty() && server.broken().is_empty(), "{run}");
    assert!(asked(&server).len() <= 1 + 4, "at most one for each result that is on its way");
    assert_eq!(server.kept("ac").len(), 10);

    // One before which somebody minds who knows only what zstd is called.
    let server = Server::start();
    server.trick(|request, _| {
        let is_asked = request.header("content-encoding").is_some_and(|name| name != "zstd");
        is_asked.then_some(Twist::Status(400, ""))
    });
    let p = p.elsewhere();
    let run = writing(&p, &server.url()).run().success();
    assert!(warnings(&run).is_empty() && server.broken().is_empty(), "{run}");
    assert!(server.kept("cas").into_keys().all(|path| server.encoding(&path).is_none()));

    let server = Server::start();
    writing(&three_files(), &server.url()).run().success();
    assert!(asked(&server).is_empty());
}

#[test]
fn a38_what_a_server_made_small_is_held_to_what_was_announced() {
    let p = project(&step("gen", "seq 1 20000 > {out}/text", "inputs = []\noutputs = [\"{out}\"]"));
    let team = Team::new(p);
    let text = fs::read(team.first.path("target/granular/out/@workspace/gen/text")).unwrap();
    let is_it = |bytes: &[u8]| Digest::of(bytes) == Digest::of(&text);
    let (path, _) = team.server.kept("cas").into_iter().find(|(_, kept)| is_it(kept)).unwrap();
    let small = zstd::bulk::compress(&text, 3).unwrap();
    let bomb = |size: usize| zstd::bulk::compress(&vec![0; size], 19).unwrap();
    for (bytes, encoding, is_right) in [
        (small.clone(), "zstd", true),
        (text.clone(), "identity", true),
        (bomb(1 << 30), "zstd", false),
        (bomb(text.len()), "zstd", false),
        (small[..small.len() - 3].to_vec(), "zstd", false),
        (text.clone(), "zstd", false),
        (text.clone(), "gzip", false),
    ] {
        team.server.put(&path, bytes);
        team.server.encode(&path, encoding);
        team.start_anew();
        let (run, memory) = with_memory(reading(&team.second, &team.server.url()));
        let run = run.success();
        assert_eq!(team.second.ran().is_empty(), is_right, "{encoding}: {run}");
        assert_eq!(warnings(&run).is_empty(), is_right, "{encoding}: {run}");
        assert!(memory < 200, "{memory} MB");
        team.is_same();
    }
}
