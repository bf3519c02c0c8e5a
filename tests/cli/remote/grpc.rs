//! The Remote Execution API: how many calls things take, what a server says that it can do, and what happens if it misbehaves.

use super::grpc_server::{Capabilities, GrpcServer, Twist, Updates, Version};
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// By how much a remote that is dead may make a build longer, as the README says; and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(6 + 2);

/// Two machines with the same sources, and a server: the first has built and shared everything.
struct Pair {
    server: GrpcServer,
    first: Project,
    second: Project,
}

impl Pair {
    fn new(first: Project, can: Capabilities) -> Self {
        let server = GrpcServer::start(can);
        let second = first.elsewhere();
        let run = writing(&first, &server.url()).arg("-v").run().success();
        assert!(warnings(&run).is_empty() && server.broken().is_empty(), "{run}");
        assert!(!run.stderr().contains("left for a later build"), "{run}");
        first.ran();
        server.forget();
        Self { server, first, second }
    }

    /// The second machine is to build from nothing.
    fn anew(&self) -> Invocation {
        for left in [self.second.path("target"), self.second.cache()] {
            let _ = std::fs::remove_dir_all(left);
        }
        self.second.ran();
        reading(&self.second, &self.server.url()).arg("-v")
    }

    fn rebuild(&self) -> Run {
        self.anew().run()
    }

    /// The second machine runs nothing and has the same.
    #[track_caller]
    fn shares(&self) {
        let run = self.rebuild().success();
        assert!(self.second.ran().is_empty() && warnings(&run).is_empty(), "{run}");
        assert_eq!(left_by(&self.second), left_by(&self.first));
        self.second.granular("verify").success();
    }
}

fn counted(counts: &[(&str, usize)]) -> std::collections::BTreeMap<String, usize> {
    counts.iter().map(|(method, count)| ((*method).to_owned(), *count)).collect()
}

/// A step that leaves a thousand small files and prints nothing.
fn thousand() -> Project {
    let script = "for n in $(seq 1000); do echo file $n > {out}/$n; done";
    project(&step("gen", script, "inputs = []\noutputs = [\"{out}\"]"))
}

#[test]
fn a_result_of_a_thousand_files_is_one_lookup_and_one_batch() {
    let p = thousand();
    let server = GrpcServer::start(Capabilities::plain());
    writing(&p, &server.url()).run().success();
    // The result and the tools that it was made with, which are read before they are written.
    assert_eq!(
        server.counts(),
        counted(&[
            ("GetCapabilities", 1),
            ("GetActionResult", 2),
            ("FindMissingBlobs", 1),
            ("BatchUpdateBlobs", 1),
            ("UpdateActionResult", 2),
        ]),
    );
    assert!(server.broken().is_empty());

    let second = p.elsewhere();
    server.forget();
    reading(&second, &server.url()).run().success();
    assert!(second.ran().is_empty());
    assert_eq!(left_by(&second), left_by(&p));
    let lookup_and_batch = [("GetCapabilities", 1), ("GetActionResult", 1), ("BatchReadBlobs", 1)];
    assert_eq!(server.counts(), counted(&lookup_and_batch));

    server.forget();
    writing(&second, &server.url()).run().success();
    second.write("README", "not an input\n");
    writing(&second, &server.url()).run().success();
    second.remove("target");
    writing(&second, &server.url()).run().success();
    assert!(server.counts().is_empty(), "fresh: {:?}", server.counts());
}

#[test]
fn what_is_there_is_not_sent_again() {
    let script = "cat in.txt > {out}/small; cp noise {out}/large; cp noise {out}/same";
    let p =
        project(&step("gen", script, "inputs = [\"in.txt\", \"noise\"]\noutputs = [\"{out}\"]"));
    p.write("in.txt", "1\n").write("noise", noise(2_000_000));
    let pair = Pair::new(p, Capabilities::plain());
    pair.second.write("in.txt", "2\n");
    writing(&pair.second, &pair.server.url()).run().success();
    let counts = pair.server.counts();
    assert_eq!((counts["FindMissingBlobs"], counts["BatchUpdateBlobs"]), (1, 1), "{counts:?}");
    assert!(!counts.contains_key("Write") && pair.server.bytes().0 < 10_000, "{counts:?}");
}

#[test]
fn blobs_go_together_only_within_what_the_server_takes() {
    let script = "for n in 1 2 3 4 5 6; do head -c 400 /dev/zero > {out}/$n; echo $n >> {out}/$n; done; \
                  head -c 5000 /dev/zero > {out}/large";
    let p = project(&step("gen", script, "inputs = []\noutputs = [\"{out}\"]"));
    let pair = Pair::new(p, Capabilities::with(|cache| cache.batch = 1200));
    pair.shares();
    let counts = pair.server.counts();
    // Two of them with what stands around, and the large one in a stream.
    assert_eq!((counts["BatchReadBlobs"], counts["Read"]), (3, 1), "{counts:?}");
}

#[test]
fn a_server_that_names_by_blake3_is_given_our_own_names() {
    let p = workspace();
    p.write("a.h", noise(2_000_000));
    for (functions, is_ours) in [(vec![9], true), (vec![2, 9, 1], true), (vec![1, 9], false)] {
        let pair =
            Pair::new(p.elsewhere(), Capabilities::with(|cache| cache.functions = functions));
        pair.shares();
        let blobs = pair.server.blobs();
        assert!(blobs.len() > 4);
        for (hash, bytes) in blobs {
            assert_eq!(hash == granular::digest::Hash::of(&bytes).to_string(), is_ours);
        }
    }
}

#[test]
fn what_the_server_can_unpack_is_sent_packed_and_what_it_packs_is_unpacked() {
    let script = "for n in 1 2 3; do seq 10000 > {out}/$n; echo $n >> {out}/$n; done; seq 300000 > {out}/large";
    let p = project(&step("gen", script, "inputs = []\noutputs = [\"{out}\"]"));
    let mut bytes = Vec::new();
    for (compressors, batch_compressors) in
        [(vec![], vec![]), (vec![1], vec![]), (vec![1], vec![1])]
    {
        let can = Capabilities::with(|cache| {
            cache.compressors = compressors;
            cache.batch_compressors = batch_compressors;
        });
        let pair = Pair::new(p.elsewhere(), can);
        pair.shares();
        let counts = pair.server.counts();
        assert_eq!((counts["BatchReadBlobs"], counts["Read"]), (1, 1), "{counts:?}");
        bytes.push(pair.server.bytes().1);
    }
    assert!(bytes[0] > 2_000_000 && bytes[1] < bytes[0] / 2, "{bytes:?}");
}

#[test]
fn what_a_server_cannot_do_is_told_once_and_costs_no_build() {
    let p = three_files();
    let mut newer = Capabilities::plain();
    newer.lowest = Some(Version { major: 3 });
    let mut no_cache = Capabilities::plain();
    no_cache.cache = None;
    for (can, why) in [
        (Capabilities::with(|cache| cache.functions.clear()), "neither SHA-256 nor BLAKE3"),
        (Capabilities::with(|cache| cache.functions = vec![2]), "neither SHA-256 nor BLAKE3"),
        (newer, "does not speak version 2"),
        (no_cache, "it is no cache"),
    ] {
        let (p, server) = (p.elsewhere(), GrpcServer::start(can));
        let run = writing(&p, &server.url()).run().success();
        assert_eq!(p.ran(), ["gen"]);
        assert!(warnings(&run).len() == 1 && warnings(&run)[0].contains(why), "{run}");
        assert_eq!(server.counts(), counted(&[("GetCapabilities", 1)]));
        reading(&p.elsewhere(), &server.url()).arg("--remote=require").run().code(3);
    }
}

#[test]
fn a_server_that_does_not_say_what_it_can_do_is_not_used() {
    let p = three_files();
    let server = GrpcServer::start(Capabilities::plain());
    for (twist, why) in [
        (Twist::Message(vec![0xff; 20]), "what it can do cannot be read"),
        (Twist::Message(Vec::new()), "it is no cache"),
        (Twist::Status(5), "it knows no instance `some/where`"),
        (Twist::Status(12), "is no cache of the Remote Execution API"),
    ] {
        let p = p.elsewhere();
        server.twist("GetCapabilities", twist);
        let run = writing(&p, &server.url()).run().success();
        assert_eq!(p.ran(), ["gen"]);
        assert!(warnings(&run).len() == 1 && warnings(&run)[0].contains(why), "{run}");
        assert_eq!(server.counts(), counted(&[("GetCapabilities", 1)]));
    }
}

#[test]
fn a_server_that_takes_no_results_is_only_read() {
    let p = three_files();
    let can = Capabilities::with(|cache| cache.updates = Some(Updates { enabled: false }));
    let server = GrpcServer::start(can);
    let run = writing(&p, &server.url()).run().success();
    assert!(
        warnings(&run).len() == 1
            && warnings(&run)[0]
                .contains("is only read for the rest of this build: it takes no results"),
        "{run}"
    );
    let counts = server.counts();
    assert!(counts.keys().all(|method| method.starts_with("Get")), "{counts:?}");
}

#[test]
fn a_result_with_a_blob_that_is_too_large_for_the_server_stays_here() {
    let p = three_files();
    p.write(
        "Cargo.toml",
        p.read("Cargo.toml")
            + &step(
                "large",
                "head -c 5000 /dev/zero > {out}/x",
                "inputs = []\noutputs = [\"{out}/x\"]",
            ),
    );
    let pair = Pair::new(p, Capabilities::with(|cache| cache.largest = 4000));
    pair.rebuild().success();
    assert_eq!(pair.second.ran(), ["large"]);
}

#[test]
fn what_a_server_has_moved_out_of_an_entry_is_put_in_again() {
    let pair = Pair::new(three_files(), Capabilities::plain());
    pair.server.twist("GetActionResult", Twist::Moved);
    pair.shares();
    assert!(pair.server.counts()["Read"] >= 1, "{:?}", pair.server.counts());
    // Gone, it is a miss like any other.
    pair.server.trick(|method, _| match method {
        "GetActionResult" => Some(Twist::Moved),
        "Read" => Some(Twist::Status(5)),
        _ => None,
    });
    let run = pair.rebuild().success();
    assert_eq!(pair.second.ran(), ["gen"], "{run}");
    assert!(warnings(&run).is_empty(), "{run}");
}

#[test]
fn who_asks_is_said_in_every_call() {
    let p = three_files();
    let server = GrpcServer::start(Capabilities::plain());
    let run = writing(&p, &server.url()).env("GRANULAR_REMOTE_TOKEN", "t0ken").run().success();
    assert!(warnings(&run).is_empty(), "{run}");
    let calls: usize = server.counts().values().sum();
    assert_eq!(server.authorizations(), vec!["Bearer t0ken"; calls]);
    let with_password = server.url().replace("://", "://me:secret@");
    let before = server.authorizations().len();
    reading(&p.elsewhere(), &with_password).run().success();
    assert_eq!(server.authorizations()[before..], ["Basic bWU6c2VjcmV0"; 3]);
}

/// The steps of `steps(30)` with such a remote: they run, one warning names it, and that took about as long as without.
#[track_caller]
fn is_done_without(p: &Project, url: &str, usual: Duration, what: &str) {
    let (run, time) =
        timed(|| writing(p, url).env("GRANULAR_REMOTE_TOKEN", "s3cret").run().success());
    assert_eq!(p.ran().len(), 30, "{what}: {run}");
    let warnings = warnings(&run);
    assert!(
        warnings.len() == 1 && warnings[0].contains("remote cache at 127.0.0.1:"),
        "{what}: {run}"
    );
    assert!(
        !format!("{}{}", run.raw_stdout(), run.raw_stderr()).contains("s3cret"),
        "{what}: {run}"
    );
    assert!(time < usual + BOUND, "{what}: {time:?}, and {usual:?} without");
}

#[test]
fn a32_a_remote_over_grpc_that_is_dead_costs_little_and_no_build() {
    let p = steps(30);
    let usual = timed(|| p.elsewhere().granular("build").success()).1;
    let nobody = serving::nobody();
    is_done_without(&p, &format!("grpc://{nobody}"), usual, "nobody");
    is_done_without(&p.elsewhere(), &format!("grpcs://{nobody}"), usual, "nobody");
    // One that takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["grpc", "grpcs"] {
        let url = format!("{scheme}://{}", silent.local_addr().unwrap());
        is_done_without(&p.elsewhere(), &url, usual, "silent");
    }
    // One that speaks HTTP, and no gRPC.
    let http = Server::start();
    is_done_without(&p.elsewhere(), &http.url().replace("http", "grpc"), usual, "http");

    let server = GrpcServer::start(Capabilities::plain());
    for twist in [
        Twist::Status(2),
        Twist::Status(8),
        Twist::Status(12),
        Twist::Status(13),
        Twist::Status(14),
        Twist::Status(16),
        Twist::NoStatus,
        Twist::Http(503),
        Twist::Close,
        Twist::Hang,
    ] {
        for first in [0, 4] {
            let p = p.elsewhere();
            server.trick({
                let twist = twist.clone();
                move |method, before| {
                    (first == 0 || before >= first || method.starts_with("Update"))
                        .then(|| twist.clone())
                }
            });
            is_done_without(&p, &server.url(), usual, &format!("{twist:?} from {first} on"));
            let calls: usize = server.counts().values().sum();
            assert!(calls <= 45, "{twist:?}: {:?}", server.counts());
        }
    }
    server.behave();
    let p = p.elsewhere();
    writing(&p, &server.url()).run().success();
    assert_eq!(server.counts()["UpdateActionResult"], 60, "once it behaves it is used again");
}

#[test]
fn a32_a_remote_over_grpc_that_drips_is_given_up() {
    let script = "head -c 3000 /dev/zero > {out}/file; cp noise {out}/large";
    let p = project(&step("gen", script, "inputs = [\"noise\"]\noutputs = [\"{out}\"]"));
    p.write("noise", noise(2_000_000));
    let pair = Pair::new(p, Capabilities::plain());
    for method in ["GetActionResult", "BatchReadBlobs", "Read"] {
        pair.server.twist(method, Twist::Drip);
        let (run, time) = timed(|| pair.rebuild().success());
        assert_eq!(pair.second.ran(), ["gen"], "{method}: {run}");
        assert!(warnings(&run)[0].contains("what it sends comes too slowly"), "{method}: {run}");
        assert!(time < BOUND, "{method}: {time:?}");
        assert_eq!(left_by(&pair.second), left_by(&pair.first));
    }
}

#[test]
fn a33_one_that_lets_nobody_write_is_read_and_told_once() {
    let pair = Pair::new(steps(6), Capabilities::plain());
    let more = step("more", "echo x", "inputs = []\noutputs = []");
    pair.second.write("Cargo.toml", pair.second.read("Cargo.toml") + &more);
    for (code, why) in [(7, "it refuses that (PermissionDenied"), (8, "it asks to be left alone")] {
        let second = pair.second.elsewhere();
        pair.server.trick(move |method, _| {
            (method == "UpdateActionResult" || method.starts_with("BatchUpdate"))
                .then_some(Twist::Status(code))
        });
        let run = writing(&second, &pair.server.url()).run().success();
        assert_eq!(second.ran(), ["more"], "what is there is used");
        assert!(warnings(&run).len() == 1 && warnings(&run)[0].contains(why), "{run}");
        let counts = pair.server.counts();
        let refused = ["UpdateActionResult", "BatchUpdateBlobs"];
        let refused = refused.map(|method| counts.get(method).copied().unwrap_or_default());
        assert!(refused.iter().sum::<usize>() <= 2, "{counts:?}");
    }
}

#[test]
fn a34_what_is_cut_or_changed_or_not_what_was_asked_for_is_not_used() {
    let script =
        "echo log; for name in a b c; do echo $name > {out}/$name; done; cp noise {out}/large";
    let p = project(&step("gen", script, "inputs = [\"noise\"]\noutputs = [\"{out}\"]"));
    p.write("noise", noise(2_000_000));
    let pair = Pair::new(p, Capabilities::plain());
    let empties = [0x0a, 0x00].repeat(300_000);
    for (method, twist) in [
        ("GetActionResult", Twist::Cut),
        ("GetActionResult", Twist::Message(b"<html>Log in, please</html>".to_vec())),
        ("GetActionResult", Twist::Message(vec![0xff; 1000])),
        ("GetActionResult", Twist::Message(Vec::new())),
        ("GetActionResult", Twist::Message([0x12, 0x00].repeat(4_000_000))),
        ("GetActionResult", Twist::Long(u32::MAX)),
        ("GetActionResult", Twist::Flood(400, vec![0; 100_000])),
        ("BatchReadBlobs", Twist::Cut),
        ("BatchReadBlobs", Twist::Message(vec![0xff; 1000])),
        ("BatchReadBlobs", Twist::Message(Vec::new())),
        ("BatchReadBlobs", Twist::Message(empties)),
        ("BatchReadBlobs", Twist::Long(1 << 30)),
        ("BatchReadBlobs", Twist::Flood(400, vec![0; 100])),
        ("BatchReadBlobs", Twist::Blobs(|blob| blob.data.push(7))),
        ("BatchReadBlobs", Twist::Blobs(|blob| blob.data.clear())),
        ("BatchReadBlobs", Twist::Blobs(|blob| blob.data[0] ^= 1)),
        ("BatchReadBlobs", Twist::Blobs(|blob| blob.compressor = 1)),
        ("BatchReadBlobs", Twist::Blobs(|blob| blob.compressor = 3)),
        (
            "BatchReadBlobs",
            Twist::Blobs(|blob| {
                blob.compressor = 1;
                blob.data = zstd::bulk::compress(&vec![0; 100_000_000], 1).unwrap();
            }),
        ),
        ("Read", Twist::Cut),
        ("Read", Twist::Message(vec![0xff; 1000])),
        ("Read", Twist::Flood(400, Vec::new())),
        ("Read", Twist::Flood(400, vec![0x52, 0x02, 1, 2])),
    ] {
        let what = format!("{method} {:.60}", format!("{twist:?}"));
        pair.server.twist(method, twist);
        let ((run, memory), time) = timed(|| with_memory(pair.anew()));
        let run = run.success();
        assert_eq!(pair.second.ran(), ["gen"], "{what}: {run}");
        assert_eq!(warnings(&run).len(), 1, "{what}: {run}");
        assert!(time < BOUND && memory < 300, "{what}: {time:?}, {memory} MB");
        assert_eq!(left_by(&pair.second), left_by(&pair.first));
    }
    pair.server.behave();
    pair.shares();
}

#[test]
fn a34_an_entry_that_names_two_blobs_as_one_is_not_taken_for_whole() {
    let pair = Pair::new(three_files(), Capabilities::plain());
    // Where blobs are is not signed: which they are is.
    pair.server.forge(|entry| {
        let files = &mut entry.output_files;
        // One that is not of a result names none.
        let Some(last) = files.last().and_then(|it| it.digest.clone()) else { return };
        for file in files {
            file.digest.as_mut().unwrap().hash.clone_from(&last.hash);
        }
    });
    let run = pair.rebuild().success();
    assert_eq!(pair.second.ran(), ["gen"], "{run}");
    let told = warnings(&run);
    assert!(told.len() == 1 && told[0].contains("gave something that is not right"), "{run}");
    pair.second.granular("verify").success();
}

#[test]
fn a34_a_bomb_in_a_stream_is_refused_where_it_is_more_than_was_announced() {
    let script = "cp noise {out}/large";
    let p = project(&step("gen", script, "inputs = [\"noise\"]\noutputs = [\"{out}\"]"));
    p.write("noise", noise(2_000_000));
    let pair = Pair::new(p, Capabilities::with(|cache| cache.compressors = vec![1]));
    pair.shares();
    let bomb = zstd::bulk::compress(&vec![0; 300_000_000], 1).unwrap();
    let mut message = vec![0x52];
    prost::encode_length_delimiter(bomb.len(), &mut message).unwrap();
    message.extend(bomb);
    pair.server.twist("Read", Twist::Message(message));
    let (run, memory) = with_memory(pair.anew());
    let run = run.success();
    assert_eq!(pair.second.ran(), ["gen"], "{run}");
    assert!(warnings(&run)[0].contains("it has more than 2000000 bytes"), "{run}");
    assert!(memory < 300, "{memory} MB");
}

#[test]
fn a34_a_connection_over_grpc_that_breaks_off_once_is_no_trouble() {
    let pair = Pair::new(three_files(), Capabilities::plain());
    for method in ["GetCapabilities", "GetActionResult", "BatchReadBlobs"] {
        pair.server
            .trick(move |called, before| (called == method && before == 0).then_some(Twist::Close));
        pair.shares();
        assert_eq!(pair.server.counts()[method], 2);
    }
}

#[test]
fn a35_a_blob_that_is_gone_over_grpc_makes_a_miss_and_is_written_again() {
    for place in 0..4 {
        let pair = Pair::new(three_files(), Capabilities::plain());
        pair.server.evict(place);
        let run = writing(&pair.second, &pair.server.url()).run().success();
        assert_eq!(pair.second.ran(), ["gen"], "{run}");
        assert!(warnings(&run).is_empty() && pair.server.broken().is_empty(), "{run}");
        let counts = pair.server.counts();
        assert_eq!((counts["FindMissingBlobs"], counts["BatchUpdateBlobs"]), (1, 1), "{counts:?}");
        pair.shares();
    }
}

/// Three small files and a large one.
fn small_and_large() -> Project {
    let script = "for name in a b c; do echo $name > {out}/$name; done; cp noise {out}/large";
    let p = project(&step("gen", script, "inputs = [\"noise\"]\noutputs = [\"{out}\"]"));
    p.write("noise", noise(2_000_000));
    p
}

#[test]
fn a34_a_blob_that_went_bad_over_grpc_is_written_anew_by_who_may_write() {
    let pair = Pair::new(small_and_large(), Capabilities::plain());
    let right = pair.server.blobs();
    for place in 0..right.len() {
        pair.server.spoil(place);
        let run = pair.anew().env("GRANULAR_REMOTE_WRITE", "on").run().success();
        assert_eq!(pair.second.ran(), ["gen"], "{run}");
        assert!(pair.server.blobs() == right, "{run}");
        pair.shares();
    }
}

const WRITING: [&str; 4] = ["FindMissingBlobs", "BatchUpdateBlobs", "Write", "UpdateActionResult"];

#[test]
fn a36_what_could_not_be_written_over_grpc_is_never_seen_in_part_and_comes_later() {
    let p = small_and_large();
    for (method, twist) in [
        ("FindMissingBlobs", Twist::Status(13)),
        ("FindMissingBlobs", Twist::Message(vec![0xff; 9])),
        ("BatchUpdateBlobs", Twist::Status(13)),
        ("BatchUpdateBlobs", Twist::Message(vec![0xff; 9])),
        // It says of no blob that it has kept it, of none of its bytes, and that it has kept one otherwise.
        ("BatchUpdateBlobs", Twist::Message(Vec::new())),
        ("Write", Twist::Message(Vec::new())),
        ("Write", Twist::Message(vec![0x08, 0x07])),
        ("Write", Twist::Status(13)),
        ("UpdateActionResult", Twist::Status(13)),
    ] {
        let (p, second, third) = (p.elsewhere(), p.elsewhere(), p.elsewhere());
        let what = format!("{method} {twist:?}");
        let server = GrpcServer::start(Capabilities::plain());
        server.twist(method, twist);
        let run = writing(&p, &server.url()).run().success();
        assert!(server.broken().is_empty() && warnings(&run).len() == 1, "{what}: {run}");
        server.behave();
        reading(&second, &server.url()).run().success();
        assert_eq!(second.ran(), ["gen"], "{what}: a whole miss");

        p.write("Cargo.toml", p.read("Cargo.toml") + "\n");
        let run = writing(&p, &server.url()).run().success();
        assert!(warnings(&run).is_empty(), "{what}: {run}");
        reading(&third, &server.url()).run().success();
        assert!(third.ran().is_empty(), "{what}: it was written by the next build");
    }
}

#[test]
fn a36_who_is_killed_while_he_writes_over_grpc_leaves_a_whole_result_or_none() {
    let p = small_and_large();
    for method in WRITING {
        let (p, second) = (p.elsewhere(), p.elsewhere());
        let server = GrpcServer::start(Capabilities::plain());
        let arrived = Arc::new(AtomicBool::new(false));
        server.trick({
            let arrived = Arc::clone(&arrived);
            move |called, _| {
                (called == method).then(|| {
                    arrived.store(true, Ordering::SeqCst);
                    Twist::Hang
                })
            }
        });
        killed_when(writing(&p, &server.url()), &arrived);
        assert!(server.broken().is_empty());
        server.behave();
        reading(&second, &server.url()).run().success();
        assert_eq!(second.ran(), ["gen"], "{method}");
    }
}
