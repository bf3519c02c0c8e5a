//! A32 to A38 of the fault matrix: a remote that is not there, refuses, hangs, lies or loses things. It costs time, and not much of it; never a build
//! and never a byte.

use super::grpc_server::{self, Capabilities, GrpcServer};
use super::server::ActionResult;
use super::*;
use granular::digest::{Digest, Hash};
use prost::Message as _;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// By how much a remote that is dead may make a build longer, as the README says; and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(6 + 2);

/// A remote at an address at which nobody listens.
fn nobody() -> String {
    format!("http://{}", serving::nobody())
}

/// The steps of `steps(30)` with such a remote: they run, one warning names it, and that took about as long as without.
#[track_caller]
fn is_done_without(p: &Project, url: &str, usual: Duration) {
    let (run, time) = timed(|| writing(p, url).run().success());
    assert_eq!(p.ran().len(), 30, "{run}");
    let warnings = warnings(&run);
    assert!(warnings.len() == 1 && warnings[0].contains("remote cache at 127.0.0.1:"), "{run}");
    assert!(time < usual + BOUND, "{time:?}, and {usual:?} without");
}

#[test]
fn a32_a_remote_that_is_not_there_costs_little_and_no_build() {
    let p = steps(30);
    let usual = timed(|| p.elsewhere().granular("build").success()).1;
    is_done_without(&p, &nobody(), usual);

    let server = Server::start();
    for twist in [
        Twist::Status(500, ""),
        Twist::Status(502, ""),
        Twist::Status(503, ""),
        Twist::Status(429, "retry-after: 3600\r\n"),
        Twist::Close,
        Twist::Garbage,
        Twist::Hang,
    ] {
        let p = p.elsewhere();
        server.trick({
            let twist = twist.clone();
            move |_, _| Some(twist.clone())
        });
        is_done_without(&p, &server.url(), usual);
        // Three failures in a row of reading and, at the same time, of writing, each tried twice at most; or what was under way when the first
        // was given up.
        assert!(server.requests().len() <= 3 * 16, "{twist:?}: {:?}", server.counts());
    }
    server.behave();
    let p = p.elsewhere();
    writing(&p, &server.url()).run().success();
    assert_eq!(server.count("PUT ac"), 60, "once it behaves it is used again");
}

#[test]
fn a32_a_remote_that_drips_is_given_up() {
    let script = "head -c 3000 /dev/zero > {out}/file";
    let team = Team::new(project(&step("gen", script, "inputs = []\noutputs = [\"{out}\"]")));
    for kind in ["GET ac", "GET cas"] {
        team.server.twist(kind, Twist::Drip);
        let (run, time) = timed(|| team.rebuild().success());
        assert_eq!(team.second.ran(), ["gen"], "{kind}: {run}");
        assert!(warnings(&run)[0].contains("what it sends comes too slowly"), "{kind}: {run}");
        assert!(time < BOUND, "{kind}: {time:?}");
        team.is_same();
    }
}

#[test]
fn a32_a_remote_that_dies_in_the_middle_of_a_build_is_left_alone() {
    let p = steps(30);
    let usual = timed(|| p.elsewhere().granular("build").success()).1;
    let server = Server::start();
    for twist in [Twist::Close, Twist::Hang, Twist::Status(503, "")] {
        let p = p.elsewhere();
        server.trick({
            let twist = twist.clone();
            move |request, before| (before >= 5 || !request.is("GET ac")).then(|| twist.clone())
        });
        is_done_without(&p, &server.url(), usual);
    }
}

#[test]
fn a32_who_requires_a_remote_is_told_that_there_is_none() {
    let p = steps(3);
    let run = reading(&p, &nobody()).arg("--remote=require").run().code(3);
    assert!(run.stderr().contains("is required and cannot be used: it cannot be reached"), "{run}");
    assert!(run.stderr().contains("`--remote off` builds without it"), "{run}");
    let server = Server::start();
    reading(&p, &server.url()).arg("--remote=require").run().success();
}

#[test]
fn a33_one_that_may_only_be_read_is_read_and_told_once() {
    let p = steps(6);
    let team = Team::new(p);
    team.second.write(
        "Cargo.toml",
        team.second.read("Cargo.toml") + &step("more", "", "inputs = []\noutputs = []"),
    );
    team.server.trick(|request, _| {
        (request.method == "PUT" || request.method == "HEAD").then_some(Twist::Status(403, ""))
    });
    let run = writing(&team.second, &team.server.url())
        .env("GRANULAR_REMOTE_TOKEN", "s3cret")
        .arg("-vv")
        .run()
        .success();
    assert_eq!(team.second.ran(), ["more"], "what is there is used");
    let warnings = warnings(&run);
    assert!(
        warnings.len() == 1
            && warnings[0]
                .contains("is only read for the rest of this build: it refuses writing (403"),
        "{run}"
    );
    assert!(team.server.count("PUT cas") + team.server.count("PUT ac") <= 3);
    assert!(!run.raw_stderr().contains("s3cret"), "{run}");
}

#[test]
fn a33_one_that_refuses_all_is_asked_once_and_told_once() {
    let p = steps(6);
    let server = Server::start();
    for format in ["human", "json"] {
        let p = p.elsewhere();
        server.trick(|_, _| Some(Twist::Status(401, "")));
        let run = writing(&p, &server.url())
            .env("GRANULAR_REMOTE_TOKEN", "s3cret")
            .arg("-vv")
            .arg(&format!("--message-format={format}"))
            .run()
            .success();
        assert_eq!(p.ran().len(), 6);
        // One, unless this machine is so busy that its answer takes longer than the others wait for it.
        assert!((1..=6).contains(&server.requests().len()));
        let warnings = warnings(&run);
        let told = "it refuses reading (401 Unauthorized); the token in GRANULAR_REMOTE_TOKEN does not suffice";
        assert!(warnings.len() == 1 && warnings[0].contains(told), "{run}");
        assert!(!format!("{}{}", run.raw_stdout(), run.raw_stderr()).contains("s3cret"), "{run}");
    }
    server.trick(|_, _| Some(Twist::Status(401, "")));
    reading(&p, &server.url()).arg("--remote=require").run().code(3);
}

#[test]
fn a34_bodies_that_are_cut_or_longer_or_changed_are_not_used() {
    let team = Team::new(three_files());
    for kind in ["GET ac", "GET cas"] {
        for twist in [Twist::Cut, Twist::CutChunks, Twist::Longer, Twist::Shorter, Twist::Flip] {
            team.server.twist(kind, twist.clone());
            let run = team.rebuild().success();
            assert_eq!(team.second.ran(), ["gen"], "{kind} {twist:?}: {run}");
            // An entry in which the name of a blob has changed is one whose blob is not there, as happens.
            let may_be_silent = kind == "GET ac" && twist == Twist::Flip;
            assert!(warnings(&run).len() == 1 || may_be_silent, "{kind} {twist:?}: {run}");
            team.is_same();
            team.second.granular("verify").success();
            assert!(team.server.requests().iter().all(|request| request.method == "GET"));
        }
    }
    // What stands behind a body that is right belongs to nobody.
    team.server.trick(|_, _| Some(Twist::LongerThanSaid));
    team.rebuild().success();
    assert!(team.second.ran().is_empty());
    team.is_same();
}

#[test]
fn a34_a_blob_that_went_bad_on_the_server_is_written_anew_by_who_may_write() {
    // Large enough for the question whether it is there.
    let p = project(&step("gen", "seq 9000 > {out}/a", "inputs = []\noutputs = [\"{out}\"]"));
    let team = Team::new(p);
    let kept = team.server.kept("cas");
    let (path, bytes) = kept.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let mut bad = bytes.clone();
    bad[100] ^= 1;
    for bad in [bad, bytes[..bytes.len() / 2].to_vec()] {
        team.server.put(path, bad);
        team.start_anew();
        let run = writing(&team.second, &team.server.url()).arg("-v").run().success();
        assert_eq!(team.second.ran(), ["gen"]);
        let name = path.rsplit('/').next().unwrap();
        assert!(
            run.raw_stderr().contains(&format!("the blob {name}: ")),
            "as it is called there: {run}"
        );
        assert_eq!(&team.server.kept("cas")[path], bytes, "{run}");
        let run = team.rebuild().success();
        assert!(team.second.ran().is_empty() && warnings(&run).is_empty(), "{run}");
    }
}

#[test]
fn a34_a_connection_that_breaks_off_once_is_no_trouble() {
    let team = Team::new(three_files());
    for twist in [Twist::Cut, Twist::Close] {
        team.server.trick(move |_, before| (before == 0).then(|| twist.clone()));
        let run = team.rebuild().success();
        assert!(team.second.ran().is_empty() && warnings(&run).is_empty(), "{run}");
        team.is_same();
    }
}

#[test]
fn a35_a_blob_that_is_gone_makes_a_miss_and_is_written_again() {
    let script =
        "for name in a b c; do cat in.txt in.txt > {out}/$name; echo $name >> {out}/$name; done";
    let p = project(&step("gen", script, "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]"));
    p.write("in.txt", "new\n");
    let team = Team::new(p);
    for place in 0..3 {
        team.start_anew();
        team.second.write("in.txt", "old\n");
        team.second.granular("build").success();
        team.second.write("in.txt", "new\n");
        team.second.ran();
        let kept = team.server.kept("cas").into_keys().nth(place).unwrap();
        // The outputs of before are there until a full set is at hand, and what runs clears them.
        team.server.trick({
            let kept = kept.clone();
            move |request, _| {
                (request.method == "GET" && request.path == kept).then_some(Twist::Status(404, ""))
            }
        });
        let run = writing(&team.second, &team.server.url()).run().success();
        assert_eq!(team.second.ran(), ["gen"], "{run}");
        team.is_same();
        let written = team.server.requests();
        assert!(written.iter().any(|request| request.method == "PUT" && request.path == kept));
    }
    assert!(team.server.broken().is_empty());
}

#[test]
fn a36_what_could_not_be_written_is_never_seen_in_part_and_comes_later() {
    let p = three_files();
    for place in 0..4 {
        let (p, third, server) = (p.elsewhere(), p.elsewhere(), Server::start());
        server.trick(move |request, before| {
            (request.is("PUT cas") && before == place).then_some(Twist::Status(500, ""))
        });
        let run = writing(&p, &server.url()).run().success();
        assert!(warnings(&run)[0].contains("could not do all that was asked of it"), "{run}");
        assert!(server.broken().is_empty(), "an entry was there before its blobs");
        reading(&third, &server.url()).run().success();
        assert_eq!(third.ran(), ["gen"], "a whole miss");

        server.behave();
        p.write("Cargo.toml", p.read("Cargo.toml") + "\n");
        let run = writing(&p, &server.url()).run().success();
        assert!(warnings(&run).is_empty(), "{run}");
        let fourth = p.elsewhere();
        reading(&fourth, &server.url()).run().success();
        assert!(fourth.ran().is_empty(), "it was written by the next build");
    }
}

#[test]
fn a36_who_is_killed_while_he_writes_leaves_a_whole_result_or_none() {
    let p = three_files();
    for place in 0..6 {
        let (p, second, server) = (p.elsewhere(), p.elsewhere(), Server::start());
        let arrived = Arc::new(AtomicBool::new(false));
        let mut puts = 0;
        server.trick({
            let arrived = Arc::clone(&arrived);
            move |request, _| {
                puts += usize::from(request.method == "PUT");
                let is_it = request.method == "PUT" && puts == place + 1;
                arrived.fetch_or(is_it, Ordering::SeqCst);
                is_it.then_some(Twist::Hang)
            }
        });
        killed_when(writing(&p, &server.url()), &arrived);
        assert!(server.broken().is_empty());
        server.behave();
        reading(&second, &server.url()).run().success();
        let is_whole = server.count("GET cas") > 0;
        assert_eq!(second.ran().is_empty(), is_whole);
    }
}

pub(super) fn signal(process: u32, name: &str) {
    let kill = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(kill.unwrap().success());
}

#[test]
fn a37_slow_writing_holds_no_build_for_longer_than_it_may_and_comes_later() {
    let (p, server) = (three_files(), Server::start());
    server.trick(|request, _| {
        (request.method == "PUT").then_some(Twist::Late(Duration::from_secs(60)))
    });
    let slow = |p: &Project| writing(p, &server.url()).env("GRANULAR_REMOTE_WAIT", "1");
    let (run, time) = timed(|| slow(&p).arg("-v").run().success());
    assert!(time < Duration::from_secs(10), "{time:?}, and writing takes 60 s");
    assert!(run.stderr().contains("wrote 0 results (0 B); 2 left for a later build"), "{run}");
    let told = warnings(&run)[0].contains(
        "after 1 s (GRANULAR_REMOTE_WAIT says how long the end of a build waits for that): 2 left",
    );
    assert!(told, "{run}");
    assert!(!run.stderr().contains("Sharing"), "no wait of a second is worth a line: {run}");

    server.behave();
    p.write("Cargo.toml", p.read("Cargo.toml") + "\n");
    let run = slow(&p).env("GRANULAR_REMOTE_WAIT", "10").arg("-v").run().success();
    assert!(run.stderr().contains("wrote 1 result ("), "{run}");
    let second = p.elsewhere();
    reading(&second, &server.url()).run().success();
    assert!(second.ran().is_empty());
}

#[test]
fn a_build_that_waits_for_what_it_shares_says_so() {
    let server = Server::start();
    server.trick(|request, _| {
        (request.method == "PUT").then_some(Twist::Late(Duration::from_millis(1200)))
    });
    // Line by line it is said once.
    let run = writing(&three_files(), &server.url()).run().success();
    let host = server.url().replace("http://", "");
    assert_eq!(run.stderr().matches("Sharing").count(), 1, "{run}");
    assert!(run.stderr().contains(&format!("     Sharing 2 results with {host}\n")), "{run}");
    // At a terminal it is shown as long as it lasts.
    let p = three_files();
    p.write("Cargo.toml", p.read("Cargo.toml").replace("echo log", "echo other"));
    let build = writing(&p, &server.url()).at_a_terminal("\"$@\"");
    build.hear(&format!("0/2 with {host}"));
    build.code(0);
}

#[test]
fn what_is_brought_from_far_is_shown_while_it_comes() {
    let team = Team::new(three_files());
    let is_first = AtomicBool::new(true);
    team.server.trick(move |request, _| {
        let is_late = request.path.contains("cas/") && is_first.swap(false, Ordering::SeqCst);
        is_late.then_some(Twist::Late(Duration::from_millis(1500)))
    });
    let build = reading(&team.second, &team.server.url()).at_a_terminal("\"$@\"");
    let host = team.server.url().replace("http://", "");
    build.hear(&format!(" B from {host}"));
    build.code(0);
    assert!(team.second.ran().is_empty());
}

#[test]
fn what_could_not_be_written_for_a_week_is_forgotten() {
    let (p, server) = (three_files(), Server::start());
    server.trick(|request, _| (request.method == "PUT").then_some(Twist::Status(403, "")));
    writing(&p, &server.url()).run().success();
    let notes = |p: &Project| -> Vec<_> {
        let remote = fs::read_dir(p.cache().join("uploads")).unwrap().next().unwrap().unwrap();
        fs::read_dir(remote.path()).unwrap().map(|note| note.unwrap().path()).collect()
    };
    assert_eq!(notes(&p).len(), 2);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(8 * 24 * 60 * 60);
    for note in notes(&p) {
        fs::File::options().append(true).open(note).unwrap().set_modified(long_ago).unwrap();
    }
    server.behave();
    p.write("Cargo.toml", p.read("Cargo.toml") + "\n");
    writing(&p, &server.url()).run().success();
    assert!(server.requests().is_empty() && notes(&p).is_empty());
}

/// Interrupts what writes as soon as that has begun.
#[track_caller]
fn is_interrupted(run: Invocation, has_begun: &AtomicBool) {
    let mut asked = Instant::now();
    let _ = run.run_while(|process| {
        while !has_begun.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(300));
        signal(process, "INT");
        asked = Instant::now();
    });
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[test]
fn a37_an_interrupt_does_not_wait_for_what_is_written() {
    let p = three_files();
    let has_begun = || Arc::new(AtomicBool::new(false));
    let server = Server::start();
    for is_bucket in [false, true] {
        let begun = has_begun();
        let noted = Arc::clone(&begun);
        server.trick(move |request, _| {
            (request.method == "PUT").then(|| {
                noted.store(true, Ordering::SeqCst);
                Twist::Late(Duration::from_secs(60))
            })
        });
        let (p, url) = (p.elsewhere(), server.url());
        let run = match is_bucket {
            true => moto::writing(&p, &url, &moto::Keys::any()),
            false => writing(&p, &url),
        };
        is_interrupted(run, &begun);
    }
    let (server, begun) = (GrpcServer::start(Capabilities::plain()), has_begun());
    let noted = Arc::clone(&begun);
    server.trick(move |method, _| {
        (method == "BatchUpdateBlobs").then(|| {
            noted.store(true, Ordering::SeqCst);
            grpc_server::Twist::Hang
        })
    });
    is_interrupted(writing(&p, &server.url()), &begun);
}

/// Builds on the second machine from nothing, and says how much memory that took at most, in megabytes.
fn memory_of_a_rebuild(team: &Team) -> (Run, u64) {
    team.start_anew();
    with_memory(reading(&team.second, &team.server.url()))
}

#[test]
fn a38_odd_entries_are_misses_that_take_neither_memory_nor_time() {
    let team = Team::new(three_files());
    let honest = team.server.kept("ac");
    let empty_files = [0x12, 0x00].repeat(4_000_000);
    let text = |text: &[u8]| {
        ActionResult { stdout_raw: text.to_vec(), ..ActionResult::default() }.encode_to_vec()
    };
    let odd: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"<html>Log in, please</html>".to_vec(),
        vec![0xff; 1000],
        vec![0; 20 << 20],
        empty_files,
        text(b""),
        text(b"granular-result 1\n"),
        text(&vec![b'x'; 8_000_000]),
        text(&b"output out \"a\" empty-directory\n".repeat(200_000)),
    ];
    for body in odd {
        let told = format!("{:?}", &body[..body.len().min(40)]);
        team.server.twist("GET ac", Twist::Body(body));
        let ((run, memory), time) = timed(|| memory_of_a_rebuild(&team));
        let run = run.success();
        assert_eq!(team.second.ran(), ["gen"], "{told}: {run}");
        assert_eq!(warnings(&run).len(), 1, "{told}: {run}");
        assert!(memory < 300 && time < Duration::from_secs(5), "{told}: {memory} MB, {time:?}");
        assert_eq!(team.server.count("GET cas"), 0, "{told}");
        team.is_same();
    }
    assert_eq!(team.server.kept("ac"), honest, "nothing was written");
}

#[test]
fn a38_announced_sizes_are_not_believed_and_no_byte_more_is_written() {
    let team = Team::new(three_files());
    for (kind, megabytes) in [("GET ac", 400), ("GET cas", 400)] {
        team.server.twist(kind, Twist::Flood(megabytes));
        let (run, memory) = memory_of_a_rebuild(&team);
        let run = run.success();
        assert_eq!(team.second.ran(), ["gen"], "{kind}: {run}");
        assert!(memory < 300, "{kind}: {memory} MB");
        let kept = tree(&team.second.cache(), |_| false);
        let bytes = |entry: &crate::faults::Entry| match entry {
            crate::faults::Entry::File { bytes, .. } => bytes.len(),
            _ => 0,
        };
        assert!(kept.values().map(bytes).sum::<usize>() < 10_000, "{kind}");
    }
    // A result of more bytes than may be kept is not even begun.
    team.server.behave();
    let huge = 1_i64 << 50;
    team.server.forge(|entry| {
        let file = &mut entry.output_files[0];
        let hash = file.path.clone();
        file.digest.as_mut().unwrap().size_bytes = huge;
        let text = String::from_utf8(entry.stdout_raw.clone()).unwrap();
        let of_it = regex::Regex::new(&format!("{hash} \\d+")).unwrap();
        let text = of_it.replace(&text, format!("{hash} {huge}")).into_owned();
        entry.stdout_raw = sealed(&text);
    });
    let run = team.rebuild().success();
    assert!(warnings(&run)[0].contains("more than the cache may hold"), "{run}");
    assert_eq!((team.second.ran().len(), team.server.count("GET cas")), (1, 0));
}

/// The text of a result that somebody has changed, with the right hash at its end.
pub(super) fn sealed(text: &str) -> Vec<u8> {
    let body = &text[..text.rfind("end ").unwrap()];
    format!("{body}end {}\n", Hash::of(body.as_bytes())).into_bytes()
}

#[test]
fn a26_what_belongs_to_another_key_is_refused() {
    let team = Team::new(steps(2));
    let results: Vec<_> = team
        .server
        .kept("ac")
        .into_iter()
        .filter(|(_, message)| {
            ActionResult::decode(&message[..]).unwrap().stdout_raw.starts_with(b"granular-result")
        })
        .collect();
    team.server.put(&results[0].0, results[1].1.clone());
    let run = team.build().success();
    assert_eq!(team.second.ran().len(), 1, "{run}");
    assert!(warnings(&run)[0].contains("it was filed for the key"), "{run}");
    team.is_same();
}

#[test]
fn a_blob_under_another_name_is_refused_although_its_server_vouches_for_it() {
    let team = Team::new(three_files());
    let other = b"other".to_vec();
    team.server.forge(|entry| {
        let theirs = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
        let size = entry.output_files[0].digest.as_ref().unwrap().size_bytes;
        entry.output_files[0].digest.as_mut().unwrap().hash = theirs.to_owned();
        assert_ne!(Digest::of(&other).size as i64, size);
    });
    team.server.put(
        "/cas/d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa",
        b"x\n".to_vec(),
    );
    let run = team.build().success();
    assert_eq!(team.second.ran(), ["gen"], "{run}");
    team.is_same();
}
