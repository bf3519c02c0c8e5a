//! Buckets that misbehave: the faults of [`super::faults`], told to a server of the test's own in the words of S3; and what is refused before anybody is asked.

use super::moto::{Keys, named, reading, writing};
use super::server::plain;
use super::*;
use std::fs;

const BOUND: Duration = Duration::from_secs(6 + 2);

/// Two machines and a bucket: the first has built and shared everything.
struct Pair {
    server: Server,
    first: Project,
    second: Project,
}

impl Pair {
    fn new(first: Project) -> Self {
        let (server, second) = (Server::start(), first.elsewhere());
        let run = writing(&first, &server.url(), &Keys::any()).run().success();
        assert!(warnings(&run).is_empty() && server.broken().is_empty(), "{run}");
        assert!(!server.kept("ac").is_empty());
        first.ran();
        server.forget();
        Self { server, first, second }
    }

    /// The second machine builds from nothing; everything it leaves is right.
    #[track_caller]
    fn rebuild(&self) -> Run {
        for left in [self.second.path("target"), self.second.cache()] {
            let _ = fs::remove_dir_all(left);
        }
        self.second.ran();
        let run = reading(&self.second, &self.server.url(), &Keys::any()).run().success();
        assert!(left_by(&self.second) == left_by(&self.first), "{run}");
        run
    }
}

/// One step that leaves a file which is worth making small, and a small one.
fn large_and_small() -> Project {
    let script = "seq 1 20000 > {out}/large; echo small > {out}/small";
    project(&step("gen", script, "inputs = []\noutputs = [\"{out}\"]"))
}

#[test]
fn a_restore_from_a_bucket_takes_one_request_for_the_key_and_one_for_each_blob_all_signed() {
    let pair = Pair::new(large_and_small());
    pair.rebuild();
    assert!(pair.second.ran().is_empty());
    assert_eq!(pair.server.counts(), [("GET ac".to_owned(), 1), ("GET cas".to_owned(), 2)].into());
    for request in pair.server.requests() {
        assert!(request.path.starts_with("/bucket/team/"), "{request:?}");
        let signed = request.authorization.unwrap();
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=somebody/"), "{signed}");
    }
    let small = pair.server.kept("cas").into_keys().filter_map(|path| pair.server.encoding(&path));
    assert_eq!(small.count(), 1, "only what pays is made small");
    pair.server.forget();
    reading(&pair.second, &pair.server.url(), &Keys::any()).run().success();
    assert!(pair.server.requests().is_empty(), "fresh");
}

#[test]
fn a32_a_bucket_that_is_not_there_costs_little_and_no_build() {
    let p = steps(30);
    let usual = timed(|| p.elsewhere().granular("build").success()).1;
    let nobody = serving::nobody();
    let is_done_without = |url: &str| {
        let p = p.elsewhere();
        let (run, time) = timed(|| writing(&p, url, &Keys::any()).run().success());
        assert_eq!(p.ran().len(), 30, "{run}");
        let told = warnings(&run);
        assert!(told.len() == 1 && told[0].contains("remote cache at s3://bucket"), "{run}");
        assert!(time < usual + BOUND, "{time:?}, and {usual:?} without");
        run
    };
    is_done_without(&format!("http://{nobody}"));
    let server = Server::start();
    for twist in [
        Twist::Status(500, ""),
        Twist::Status(503, ""),
        Twist::Status(403, ""),
        Twist::Status(429, "retry-after: 3600\r\n"),
        Twist::Status(301, ""),
        Twist::Status(302, "location: http://127.0.0.1:1/\r\n"),
        Twist::Close,
        Twist::Garbage,
        Twist::Hang,
    ] {
        server.trick({
            let twist = twist.clone();
            move |_, _| Some(twist.clone())
        });
        is_done_without(&server.url());
        // Sixteen at once, each twice where the connection broke off, and some that were on their way when that was told.
        assert!(server.requests().len() <= 3 * 16, "{twist:?}: {:?}", server.counts());
    }
}

#[test]
fn a34_to_a36_blobs_of_a_bucket_that_are_cut_changed_or_gone_are_misses() {
    let pair = Pair::new(large_and_small());
    for twist in [
        Twist::Status(404, ""),
        Twist::Cut,
        Twist::CutChunks,
        Twist::Flip,
        Twist::Longer,
        Twist::LongerThanSaid,
        Twist::Shorter,
        Twist::Drip,
        Twist::Body(Vec::new()),
    ] {
        for kind in ["GET cas", "GET ac"] {
            // What is cut where nobody looks for more is whole; what is gone with the key is only a miss.
            let is_plain_miss = kind == "GET ac" && twist == Twist::Status(404, "");
            let is_harmless = matches!(twist, Twist::LongerThanSaid);
            pair.server.twist(kind, twist.clone());
            let (run, time) = timed(|| pair.rebuild());
            if is_harmless {
                continue;
            }
            assert_eq!(pair.second.ran(), ["gen"], "{kind} {twist:?}: {run}");
            let is_told = !is_plain_miss && twist != Twist::Status(404, "");
            assert_eq!(warnings(&run).len(), usize::from(is_told), "{kind} {twist:?}: {run}");
            assert!(time < BOUND, "{kind} {twist:?}: {time:?}");
        }
    }
}

#[test]
fn a38_what_was_made_small_is_held_to_what_was_announced() {
    let pair = Pair::new(large_and_small());
    let honest = pair.server.kept("cas");
    let (path, small) = honest
        .iter()
        .find(|(path, _)| pair.server.encoding(path).is_some())
        .map(|(path, small)| (path.clone(), small.clone()))
        .unwrap();
    let large = plain(Some("zstd"), &small);
    let bomb = |size: usize| zstd::bulk::compress(&vec![0; size], 19).unwrap();
    let wide = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        std::io::Write::write_all(&mut encoder, &large).unwrap();
        encoder.finish().unwrap()
    };
    let flipped = {
        let mut small = small.clone();
        let middle = small.len() / 2;
        small[middle] ^= 0x55;
        small
    };
    for (what, bytes, encoding) in [
        ("a bomb", bomb(1 << 30), "zstd"),
        ("the same in itself", zstd::bulk::compress(&bomb(1 << 30), 1).unwrap(), "zstd"),
        ("one of the right size", bomb(large.len()), "zstd"),
        ("a window that is too large", wide, "zstd"),
        ("one that ends too early", small[..small.len() - 5].to_vec(), "zstd"),
        ("one that is not whole", flipped, "zstd"),
        ("noise", vec![7; 5000], "zstd"),
        ("nothing", Vec::new(), "zstd"),
        ("empty frames without end", zstd::bulk::compress(&[], 1).unwrap().repeat(1 << 20), "zstd"),
        ("an encoding that is not known", large.clone(), "br"),
        ("one that does not say what it is", small.clone(), ""),
    ] {
        pair.server.put(&path, bytes);
        if !encoding.is_empty() {
            pair.server.encode(&path, encoding);
        }
        pair.server.forget();
        let ((run, memory), time) = timed(|| {
            for left in [pair.second.path("target"), pair.second.cache()] {
                let _ = fs::remove_dir_all(left);
            }
            pair.second.ran();
            with_memory(reading(&pair.second, &pair.server.url(), &Keys::any()))
        });
        let run = run.success();
        assert_eq!(pair.second.ran(), ["gen"], "{what}: {run}");
        assert_eq!(warnings(&run).len(), 1, "{what}: {run}");
        assert!(memory < 200 && time < BOUND, "{what}: {memory} MB, {time:?}");
        assert!(left_by(&pair.second) == left_by(&pair.first), "{what}");
    }
    pair.server.put(&path, small);
    pair.server.encode(&path, "zstd");
    pair.rebuild();
    assert!(pair.second.ran().is_empty());
}

#[test]
fn what_is_plain_in_a_bucket_is_read_as_well() {
    let pair = Pair::new(large_and_small());
    for below in ["cas", "ac"] {
        for (path, bytes) in pair.server.kept(below) {
            let bytes = plain(pair.server.encoding(&path).as_deref(), &bytes);
            pair.server.put(&path, bytes);
        }
    }
    pair.rebuild();
    assert!(pair.second.ran().is_empty());
}

#[test]
fn who_we_are_comes_from_a_profile_as_well_and_from_nowhere_is_told_at_once() {
    let pair = Pair::new(steps(1));
    let build = |p: &Project| {
        let command = p.command("build").env("AWS_ENDPOINT_URL", &pair.server.url());
        command.env("GRANULAR_TRUST", "anyone").env("GRANULAR_REMOTE", "s3://bucket/team")
    };
    let keys = |request: &server::Request| request.authorization.clone().unwrap_or_default();

    let p = pair.second.elsewhere();
    let home = p.root().with_file_name("home");
    fs::create_dir_all(home.join(".aws")).unwrap();
    let profiles = "[default]\naws_access_key_id = one\naws_secret_access_key = s3cret\n[team]\naws_access_key_id = two\naws_secret_access_key = s3cret\n";
    fs::write(home.join(".aws/credentials"), profiles).unwrap();
    fs::write(
        home.join(".aws/config"),
        "[profile team]\nregion = eu-central-1\n[profile sso]\nsso_session = team\n",
    )
    .unwrap();
    build(&p).run().success();
    assert!(p.ran().is_empty());
    let signed = keys(&pair.server.requests()[0]);
    assert!(signed.contains("Credential=one/") && signed.contains("/us-east-1/"), "{signed}");

    let (p, seen) = (p.elsewhere(), pair.server.forget());
    let p_home = home.to_str().unwrap();
    build(&p).env("HOME", p_home).env("AWS_PROFILE", "team").run().success();
    let signed = keys(&seen.requests()[0]);
    assert!(signed.contains("Credential=two/") && signed.contains("/eu-central-1/"), "{signed}");

    seen.forget();
    let p = p.elsewhere();
    let run = build(&p).env("HOME", p_home).env("AWS_PROFILE", "sso").run().success();
    assert_eq!((p.ran().len(), warnings(&run).len()), (1, 1), "{run}");
    assert!(
        warnings(&run)[0].contains("those of the profile `sso` come by `sso_session`"),
        "{run}"
    );

    let p = p.elsewhere();
    let run = build(&p).env("AWS_EC2_METADATA_DISABLED", "true").run().success();
    assert_eq!((p.ran().len(), warnings(&run).len()), (1, 1), "{run}");
    assert!(
        warnings(&run)[0].contains("there are no credentials: none in the environment"),
        "{run}"
    );
    assert!(seen.requests().is_empty(), "nobody is asked who does not know us");

    // Nobody answers at the address at which a cloud tells its machines who they are.
    let p = p.elsewhere();
    let nobody = serving::nobody();
    let (run, time) = timed(|| {
        build(&p).env("AWS_METADATA_ENDPOINT", &format!("http://{nobody}")).run().success()
    });
    assert_eq!((p.ran().len(), warnings(&run).len()), (1, 1), "{run}");
    assert!(warnings(&run)[0].contains("was asked, and it cannot be reached"), "{run}");
    assert!(time < BOUND, "{time:?}");

    // A bucket that is for everybody.
    let p = p.elsewhere();
    build(&p).env("AWS_SKIP_SIGNATURE", "true").run().success();
    assert!(p.ran().is_empty());
    assert!(seen.requests().iter().all(|request| request.authorization.is_none()));
}

#[test]
fn who_we_are_is_asked_of_the_machine_that_runs_this_one() {
    let pair = Pair::new(steps(1));
    // The three questions of EC2, answered by a server of which that is all.
    let cloud = Server::start();
    cloud.trick(|request, _| {
        let body = match request.path.as_str() {
            "/latest/api/token" => "token".to_owned(),
            "/latest/meta-data/iam/security-credentials/" => "role".to_owned(),
            _ => "{\"AccessKeyId\":\"lent\",\"SecretAccessKey\":\"s3cret\",\"Token\":\"s3ssion\",\"Expiration\":\"2100-01-01T00:00:00Z\"}".to_owned(),
        };
        Some(Twist::Body(body.into_bytes()))
    });
    for path in [
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/iam/security-credentials/role",
    ] {
        cloud.put(path, Vec::new());
    }
    let p = pair.second.elsewhere();
    let command = p.command("build").env("AWS_ENDPOINT_URL", &pair.server.url());
    let command =
        command.env("GRANULAR_TRUST", "anyone").env("AWS_METADATA_ENDPOINT", &cloud.url());
    let run = command.env("GRANULAR_REMOTE", "s3://bucket/team").run().success();
    assert!(p.ran().is_empty(), "{run}, {:?}", cloud.requests());
    let request = &pair.server.requests()[0];
    assert!(request.authorization.as_ref().unwrap().contains("Credential=lent/"), "{request:?}");
    assert_eq!(request.header("x-amz-security-token").as_deref(), Some("s3ssion"));
    assert_eq!(cloud.requests().len(), 3);
}

#[test]
fn what_a_bucket_is_asked_for_cannot_be_anything() {
    let p = steps(1);
    for (endpoint, url, why) in [
        ("http://minio.example:9000", "s3://bucket", "is to be spoken to without encryption"),
        ("minio", "s3://bucket", "AWS_ENDPOINT_URL is not `https://HOST`"),
        ("", "s3://id:s3cret@bucket", "its URL is not `s3://BUCKET/PREFIX`"),
        ("", "s3://bucket:9000/x", "its URL is not `s3://BUCKET/PREFIX`"),
        ("", "s3://bucket/a//b", "its path has names that a bucket cannot have"),
    ] {
        let run = named(&p, endpoint, &Keys::any()).env("GRANULAR_REMOTE", url).run().code(2);
        assert!(run.stderr().contains(why) && !run.raw_stderr().contains("s3cret"), "{run}");
    }
    let half =
        p.command("build").env("AWS_ACCESS_KEY_ID", "a").env("GRANULAR_REMOTE", "s3://bucket");
    let run = half.run().code(2);
    assert!(run.stderr().contains("the remote cache at s3://bucket cannot be used: "), "{run}");
    assert!(p.ran().is_empty());
}

#[test]
fn no_step_sees_who_we_are_unless_it_asks_and_nothing_secret_is_told_sent_or_kept() {
    let more = "inputs = []\noutputs = [\"{out}\"]\nportable = true";
    let p = project(&step("gen", "env > {out}/env", more));
    let server = Server::start();
    let token = ("AWS_SESSION_TOKEN", "s3ssion");
    let run = writing(&p, &server.url(), &Keys::any()).env(token.0, token.1).arg("-vv").run();
    let run = run.success();
    let has = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
    for secret in ["s3cret", "s3ssion"] {
        assert!(!run.raw_stderr().contains(secret));
        for (path, bytes) in server.kept("ac").into_iter().chain(server.kept("cas")) {
            let bytes = plain(server.encoding(&path).as_deref(), &bytes);
            assert!(!has(&bytes, secret), "{path}");
        }
        for (path, entry) in tree(p.root().parent().unwrap(), |_| false) {
            let crate::faults::Entry::File { bytes, .. } = entry else { continue };
            assert!(!has(&bytes, secret), "{path:?}");
        }
    }
    assert!(!p.read_out("gen/env").contains("AWS_"));
    let requests = server.requests();
    assert!(requests.iter().all(|request| !format!("{request:?}").contains("s3cret")));
}

#[test]
fn buckets_of_google_and_containers_of_azure_are_asked_in_their_own_words() {
    let p = steps(2);
    for (scheme, env) in [
        ("gs", vec![("GOOGLE_BEARER_TOKEN", "t0ken"), ("GOOGLE_BASE_URL", "URL")]),
        (
            "az",
            vec![
                ("AZURE_STORAGE_ACCOUNT_NAME", "team"),
                ("AZURE_STORAGE_ACCOUNT_KEY", "czNjcmV0czNjcmV0czNjcmV0czNjcmV0"),
                ("AZURE_STORAGE_ENDPOINT", "URL"),
            ],
        ),
    ] {
        let (server, first) = (Server::start(), p.elsewhere());
        let url = server.url();
        let build = |p: &Project| {
            let remote = format!("{scheme}://bucket/team");
            let command = p.command("build").env("GRANULAR_REMOTE", &remote);
            let command = command.env("GRANULAR_TRUST", "anyone");
            env.iter().fold(command, |command, (name, value)| {
                command.env(name, if *value == "URL" { &url } else { value })
            })
        };
        let run = build(&first).env("GRANULAR_REMOTE_WRITE", "on").run().success();
        assert!(warnings(&run).is_empty() && server.broken().is_empty(), "{scheme}: {run}");
        let second = p.elsewhere();
        let run = build(&second).run().success();
        assert!(second.ran().is_empty(), "{scheme}: {run}");
        assert!(run.stderr().contains(&format!("from remote {scheme}://bucket")), "{run}");
        assert_eq!(left_by(&second), left_by(&first));
        assert!(server.kept("ac").keys().all(|path| path.starts_with("/bucket/team/ac/")));
        server.trick(|_, _| Some(Twist::Status(403, "")));
        let third = p.elsewhere();
        let run = build(&third).run().success();
        assert_eq!((third.ran().len(), warnings(&run).len()), (2, 1), "{run}");
    }
}

#[test]
fn a_place_that_does_not_know_what_it_is_to_write_is_told() {
    let (p, server) = (large_and_small(), Server::start());
    server.trick(|request, _| (request.method == "PUT").then_some(Twist::Status(404, "")));
    let run = writing(&p, &server.url(), &Keys::any()).run().success();
    let told = warnings(&run);
    assert!(told.len() == 1 && told[0].contains("does not find where to write"), "{run}");
}
