//! A bucket of S3 on this machine: moto, which plays Amazon's services. Where it is not, `./test` brings it.

use super::serving::{self, Serving};
use super::*;
use crate::sandbox::could_not_run;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/servers/moto/bin");

/// What somebody says of himself whose signature nobody looks at.
pub(super) const SOMEBODY: &str = "AWS4-HMAC-SHA256 Credential=x/20210101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";

/// One with an empty bucket, which lets everybody do everything until [`Moto::closed`] is asked for.
pub(super) struct Moto {
    pub(super) child: Child,
    port: u16,
}

impl Moto {
    /// None where there is no such program.
    pub(super) fn start(p: &Project) -> Option<Self> {
        Self::starting(p, &[])
    }

    fn starting(p: &Project, env: &[(&str, &str)]) -> Option<Self> {
        let program = format!("{PROGRAMS}/moto_server");
        if !Path::new(&program).exists() {
            could_not_run(
                "there is no moto below target/servers; `./test` brings it where there is Python with pip",
            );
            return None;
        }
        let log = p.root().with_file_name("moto.log");
        let Serving { child, port } = serving::started(&log, |[port, _]| {
            let mut command = Command::new(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).envs(env.iter().copied());
            command
        })
        .unwrap();
        let server = Self { child, port };
        assert!(server.ask("PUT", "/bucket").starts_with("HTTP/1.1 200"));
        Some(server)
    }

    /// One that lets in only who has the keys that come with it: a user who may do everything, and one who may only read.
    pub(super) fn closed(p: &Project) -> Option<(Self, [Keys; 2])> {
        // So many requests are for everybody: the bucket, and per user those below.
        let server = Self::starting(p, &[("INITIAL_NO_AUTH_ACTION_COUNT", "7")])?;
        let script = "import boto3, json, sys
iam = boto3.client('iam', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='x', aws_secret_access_key='x')
for name, actions in [('all', ['s3:*']), ('reader', ['s3:GetObject', 's3:ListBucket', 's3:HeadObject'])]:
    iam.create_user(UserName=name)
    policy = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': actions, 'Resource': '*'}]}
    iam.put_user_policy(UserName=name, PolicyName='p', PolicyDocument=json.dumps(policy))
    keys = iam.create_access_key(UserName=name)['AccessKey']
    print(keys['AccessKeyId'], keys['SecretAccessKey'])
";
        let made = Command::new(format!("{PROGRAMS}/python"))
            .args(["-c", script, &server.url()])
            .output()
            .unwrap();
        let told = String::from_utf8(made.stdout).unwrap();
        let mut words = told.split_whitespace().map(str::to_owned);
        let keys =
            [(); 2].map(|()| Keys { id: words.next().unwrap(), secret: words.next().unwrap() });
        Some((server, keys))
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The answer to a request of somebody whose signature nobody looks at.
    pub(super) fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: s3.amazonaws.com\r\nauthorization: {SOMEBODY}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The names of all that is kept, of a thousand at most.
    pub(super) fn kept(&self) -> Vec<String> {
        all_of(&self.ask("GET", "/bucket?list-type=2"), "Key")
    }
}

/// What stands between all tags of that name.
fn all_of(answer: &str, tag: &str) -> Vec<String> {
    let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
    let all = answer.split(&begin).skip(1).filter_map(|rest| rest.split(&end).next());
    all.map(str::to_owned).collect()
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who somebody is.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
}

impl Keys {
    pub(super) fn any() -> Self {
        Self { id: "somebody".to_owned(), secret: "s3cret".to_owned() }
    }
}

/// A build that reads the bucket at that endpoint.
pub(super) fn reading(p: &Project, endpoint: &str, keys: &Keys) -> Invocation {
    named(p, endpoint, keys).env("GRANULAR_REMOTE", "s3://bucket/team")
}

/// One that writes to it, too.
pub(super) fn writing(p: &Project, endpoint: &str, keys: &Keys) -> Invocation {
    reading(p, endpoint, keys).env("GRANULAR_REMOTE_WRITE", "on")
}

/// One that knows where buckets are.
pub(super) fn named(p: &Project, endpoint: &str, keys: &Keys) -> Invocation {
    let command = p.command("build").env("GRANULAR_TRUST", "anyone");
    let command = command.env("AWS_ENDPOINT_URL", endpoint);
    command.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret)
}

#[test]
fn a_bucket_shares_all_sorts_of_results_small_where_that_pays() {
    let p = workspace();
    let Some(server) = Moto::start(&p) else { return };
    let any = Keys::any();
    let url = server.url();
    let run = contract::all_sorts_are_shared(&p, &|p| writing(p, &url, &any), &|p| {
        reading(p, &url, &any)
    });
    assert!(run.stderr().contains("from remote s3://bucket"), "{run}");
    let kept = server.kept();
    assert!(kept.iter().all(|name| name.starts_with("team/ac/") || name.starts_with("team/cas/")));
    let answers =
        kept.iter().map(|name| server.ask("HEAD", &format!("/bucket/{name}")).to_lowercase());
    let small: Vec<_> =
        answers.filter(|answer| answer.contains("content-encoding: zstd")).collect();
    assert!(
        small.iter().any(|answer| length(answer) < 1000),
        "three megabytes of zeros: {small:?}"
    );
}

fn length(answer: &str) -> usize {
    let length = answer.split("content-length: ").nth(1).unwrap();
    length.split("\r\n").next().unwrap().parse().unwrap()
}

#[test]
fn a_bucket_takes_large_files_in_parts_and_many_small_ones() {
    let script = "mkdir {out}/many; i=0; while [ $i -lt 1000 ]; do echo $i > {out}/many/$i; i=$((i+1)); done; \
                  seq 1 3500000 > {out}/text; openssl enc -aes-128-ctr -K 00 -iv 00 -nosalt -in {out}/text -out {out}/noise 2>/dev/null; \
                  cat {out}/text {out}/noise > {out}/both";
    let p = project(&step("gen", script, "inputs = []\noutputs = [\"{out}\"]"));
    let Some(server) = Moto::start(&p) else { return };
    let any = Keys::any();
    let wait = ("GRANULAR_REMOTE_WAIT", "120");
    let (run, memory) = with_memory(writing(&p, &server.url(), &any).env(wait.0, wait.1).arg("-v"));
    let run = run.success();
    assert!(warnings(&run).is_empty() && !run.stderr().contains("left for a later build"), "{run}");
    assert!(memory < 120, "{memory} MB");
    // Of what came in parts the tag says in how many.
    let parts = all_of(&server.ask("GET", "/bucket?list-type=2&max-keys=9999"), "ETag");
    let parts = parts.iter().filter_map(|tag| tag.trim_matches(['"', '&', ';']).split_once('-'));
    assert_eq!(parts.count(), 2, "noise, and what begins as a text and is made small");
    let second = p.elsewhere();
    let (run, memory) = with_memory(reading(&second, &server.url(), &any));
    let run = run.success();
    assert!(second.ran().is_empty(), "{run}");
    assert!(memory < 120, "{memory} MB");
    assert!(left_by(&second) == left_by(&p));
}

#[test]
fn a_bucket_that_refuses_or_is_not_there_costs_one_warning_and_no_build() {
    let p = steps(3);
    let Some((server, [all, reader])) = Moto::closed(&p) else { return };
    let stranger = Keys::any();
    let run = writing(&p, &server.url(), &stranger).run().success();
    assert_eq!(p.ran().len(), 3);
    let told = warnings(&run);
    assert!(told.len() == 1 && told[0].contains("remote cache at s3://bucket"), "{run}");
    assert!(told[0].contains("it refuses reading (403 Forbidden InvalidAccessKeyId"), "{run}");
    assert!(!run.raw_stderr().contains("s3cret"));

    let wrong = Keys { id: all.id.clone(), secret: "s3cret".to_owned() };
    let p = p.elsewhere();
    let run = writing(&p, &server.url(), &wrong).run().success();
    assert!(warnings(&run)[0].contains("(403 Forbidden SignatureDoesNotMatch"), "{run}");

    let p = p.elsewhere();
    let run =
        writing(&p, &server.url(), &all).env("GRANULAR_REMOTE", "s3://no-such-bucket/x").run();
    let run = run.success();
    assert_eq!((p.ran().len(), warnings(&run).len()), (3, 1), "{run}");
    assert!(
        warnings(&run)[0].contains("there is no such bucket (404 Not Found NoSuchBucket)"),
        "{run}"
    );

    // Who has the rights shares, and who may only read does that.
    let p = p.elsewhere();
    let run = writing(&p, &server.url(), &all).run().success();
    assert!(p.ran().len() == 3 && warnings(&run).is_empty(), "{run}");
    let second = p.elsewhere();
    second.write(
        "Cargo.toml",
        second.read("Cargo.toml") + &step("more", "", "inputs = []\noutputs = []"),
    );
    let run = writing(&second, &server.url(), &reader).run().success();
    assert_eq!(second.ran(), ["more"], "{run}");
    let told = warnings(&run);
    assert!(
        told.len() == 1 && told[0].contains("is only read for the rest of this build"),
        "{run}"
    );
}

#[test]
fn a42_nobody_takes_what_a_pull_request_has_forged_from_a_bucket() {
    let place = project("");
    let Some(server) = Moto::start(&place) else { return };
    let by_hand = format!("{}/bucket/team", server.url());
    signed::a42_with_a_bucket("s3://bucket/team", &by_hand);
}

#[test]
fn a_bucket_that_has_lost_its_blobs_gives_misses_and_gets_them_again() {
    let p = workspace();
    let Some(server) = Moto::start(&p) else { return };
    let any = Keys::any();
    writing(&p, &server.url(), &any).run().success();
    for name in server.kept().iter().filter(|name| name.contains("/cas/")) {
        assert!(server.ask("DELETE", &format!("/bucket/{name}")).starts_with("HTTP/1.1 204"));
    }
    let second = p.elsewhere();
    writing(&second, &server.url(), &any).run().success();
    assert_eq!(second.ran(), ["c", "check", "gen", "use"]);
    let third = p.elsewhere();
    reading(&third, &server.url(), &any).run().success();
    assert!(third.ran().is_empty());
    assert_eq!(left_by(&third), left_by(&second));
}

#[test]
fn a_bucket_that_is_killed_in_the_middle_costs_no_build() {
    let p = steps(30);
    let Some(mut server) = Moto::start(&p) else { return };
    let build = writing(&p, &server.url(), &Keys::any());
    contract::is_done_although_killed(&p, build, &mut server.child);
}

#[test]
fn a_bucket_is_not_written_by_a_pull_request_nor_where_only_the_checkout_names_it() {
    let p = steps(2);
    let Some(server) = Moto::start(&p) else { return };
    let any = Keys::any();
    let run = writing(&p, &server.url(), &any).env("GITHUB_EVENT_NAME", "pull_request").run();
    run.success();
    assert!(server.kept().is_empty());

    let tables = p.read("Cargo.toml");
    p.write(
        "Cargo.toml",
        format!("{tables}\n[workspace.metadata.granular]\nremote = \"s3://bucket/x\"\n"),
    );
    let forged = |p: &Project| named(p, &server.url(), &any).env("GRANULAR_REMOTE_WRITE", "always");
    let run = forged(&p.elsewhere()).run().success();
    let told = "only the checkout names s3://bucket (GRANULAR_REMOTE, or GRANULAR_REMOTE_TOKEN_HOST=s3://bucket, lets it be written)";
    assert!(warnings(&run).len() == 1 && warnings(&run)[0].contains(told), "{run}");
    assert!(server.kept().is_empty());
    forged(&p.elsewhere()).env("GRANULAR_REMOTE_TOKEN_HOST", "s3://bucket").run().success();
    assert!(!server.kept().is_empty());
}
