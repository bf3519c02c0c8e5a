//! A42 of the fault matrix, and what else it takes to know whose result it is: keys, trust lists, domains. Nobody here trusts anyone but those that a test names.

use super::by_hand::{get, put};
use super::server::ActionResult;
use super::*;
use granular::digest::{Hash, Key};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A key that `keys new --print` has made.
struct Made {
    /// What a CI system keeps as its secret.
    secret: String,
    /// The line by which others trust it.
    line: String,
}

impl Made {
    fn new(domain: &str, name: &str) -> Self {
        let p = project("");
        let run =
            p.granular(&format!("keys new --print --domain {domain} --name {name}")).success();
        let told = run.raw_stderr();
        let line = told.split("keys trust '").nth(1).unwrap().split('\'').next().unwrap();
        assert!(!p.root().with_file_name("home").join(".config").exists(), "kept nowhere");
        Self { secret: run.raw_stdout().trim().to_owned(), line: line.to_owned() }
    }

    /// The digits that nobody else may see.
    fn digits(&self) -> String {
        self.secret.split(':').nth(1).unwrap().to_owned()
    }

    /// The same key, of which its holder says that it is for another domain.
    fn said_to_be_for(&self, domain: &str) -> String {
        let parts: Vec<_> = self.secret.split(':').collect();
        format!("{}:{}:{domain}:{}", parts[0], parts[1], parts[3])
    }
}

/// A team in which main signs with one key, and all pull requests with another.
struct Signed {
    main: Made,
    pull_requests: Made,
    url: String,
    /// Where the bucket is, if it is one.
    endpoint: String,
}

impl Signed {
    fn new(url: &str) -> Self {
        let (main, pull_requests) = (Made::new("main", "ci"), Made::new("pr-*", "pull-requests"));
        Self { main, pull_requests, url: url.to_owned(), endpoint: String::new() }
    }

    fn trust(&self) -> String {
        format!("{}, {}", self.main.line, self.pull_requests.line)
    }

    /// A machine that reads, with the team's trust list.
    fn reader(&self, p: &Project) -> Invocation {
        moto::named(p, &self.endpoint, &moto::Keys::any())
            .env("GRANULAR_REMOTE", &self.url)
            .env("GRANULAR_TRUST", &self.trust())
    }

    /// The CI of main.
    fn main(&self, p: &Project) -> Invocation {
        self.reader(p)
            .env("GRANULAR_REMOTE_WRITE", "on")
            .env("GRANULAR_SIGNING_KEY", &self.main.secret)
            .env("GITHUB_EVENT_NAME", "push")
    }

    /// The build of a pull request, which has the key of pull requests and no other.
    fn pull_request(&self, p: &Project, number: u32) -> Invocation {
        self.reader(p)
            .env("GRANULAR_REMOTE_WRITE", "always")
            .env("GRANULAR_SIGNING_KEY", &self.pull_requests.secret)
            .env("GITHUB_EVENT_NAME", "pull_request")
            .env("GITHUB_REF", &format!("refs/pull/{number}/merge"))
    }
}

/// A step whose author can let it leave something else, or fail, without another key.
fn step_that_can_lie() -> Project {
    project(
        "[workspace.metadata.granular.steps.gen]\nrun = 'echo gen >> \"$LOG\"; echo ${LIE:-truth} > {out}/file; exit ${CODE:-0}'\n\
         inputs = []\noutputs = [\"{out}/file\"]\npass-env = [\"LOG\", \"LIE\", \"CODE\"]\n",
    )
}

fn left(p: &Project) -> String {
    p.read_out("gen/file")
}

/// The key of the only step.
fn key_of(p: &Project) -> Key {
    let run = p.granular("explain gen --message-format json").success();
    let key = regex::Regex::new("\"key\":\"([0-9a-f]{64})\"").unwrap();
    Key(Hash::parse(&key.captures(&run.raw_stdout()).unwrap()[1]).unwrap())
}

/// The name of an entry, as the documentation says.
fn entry(key: &Key, domain: &str) -> String {
    let name: [u8; 32] = Sha256::digest(format!("granular result 2\n{key}\n{domain}\n")).into();
    Hash::from_bytes(name).to_string()
}

/// Whatever a pull request puts there before main, under its own name or under main's, main and other pull requests build by themselves.
pub(super) fn a42_nobody_takes_what_a_pull_request_has_forged(url: &str) {
    a42_with_a_bucket(url, url);
}

/// The same, with a bucket that is spoken to by hand at the URL `by_hand`.
pub(super) fn a42_with_a_bucket(url: &str, by_hand: &str) {
    let mut team = Signed::new(url);
    let url = by_hand;
    team.endpoint = url.trim_end_matches("/bucket/team").to_owned();
    let p = step_that_can_lie();
    let key = key_of(&p);
    // Through the front door, before anybody else.
    let liar = p.elsewhere();
    team.pull_request(&liar, 7).env("LIE", "lie").run().success();
    assert_eq!(left(&liar), "lie\n");
    let forged = get(url, &entry(&key, "pr-7")).unwrap();
    assert_eq!(get(url, &entry(&key, "main")), None, "nothing is in the place of main's");
    let same = p.elsewhere();
    team.pull_request(&same, 7).run().success();
    assert_eq!((same.ran().len(), left(&same).as_str()), (0, "lie\n"), "its own it reads");

    let nobody_is_deceived = |how: &str, warned: usize| {
        let (main, other, release) = (p.elsewhere(), p.elsewhere(), p.elsewhere());
        let runs = [
            (&main, team.reader(&main)),
            (&other, team.pull_request(&other, 8).env("GRANULAR_REMOTE_WRITE", "off")),
            (&release, team.reader(&release).env("GRANULAR_DOMAIN", "release")),
        ];
        for (p, command) in runs {
            let run = command.run().success();
            assert_eq!((p.ran().len(), left(p).as_str()), (1, "truth\n"), "{how}: {run}");
            assert_eq!(warnings(&run).len(), warned, "{how}: {run}");
            let told = "1 entry that nobody trusted has signed";
            assert!(warnings(&run).iter().all(|warning| warning.contains(told)), "{how}: {run}");
        }
    };
    nobody_is_deceived("in its own domain", 0);

    // By hand, under main's name.
    let main = entry(&key, "main");
    put(url, &main, &forged);
    nobody_is_deceived("signed for its own domain", 1);
    put(url, &main, &ActionResult { stderr_raw: Vec::new(), ..forged.clone() });
    nobody_is_deceived("unsigned", 1);
    put(
        url,
        &main,
        &ActionResult { stderr_raw: b"granular-statement 1\n".to_vec(), ..forged.clone() },
    );
    nobody_is_deceived("signed by nonsense", 1);

    // With a program that is told that the key is one of main.
    let elsewhere = p.elsewhere();
    let run = team
        .reader(&elsewhere)
        .env("GRANULAR_REMOTE_WRITE", "on")
        .env("GRANULAR_SIGNING_KEY", &team.pull_requests.said_to_be_for("*"))
        .env("LIE", "lie")
        .run();
    run.success();
    assert_eq!(left(&elsewhere), "lie\n");
    let told = String::from_utf8(get(url, &main).unwrap().stderr_raw).unwrap();
    assert!(told.contains("domain \"main\""), "{told}");
    nobody_is_deceived("signed for main by the key of pull requests", 1);

    // Main has its say: what is there is not in its way, and it takes the place of it.
    let honest = p.elsewhere();
    let run = team.main(&honest).run().success();
    assert_eq!((honest.ran().len(), left(&honest).as_str()), (1, "truth\n"), "{run}");
    let right = get(url, &main).unwrap();
    for number in [7, 8] {
        let reader = p.elsewhere();
        let run = team.pull_request(&reader, number).run().success();
        assert_eq!((reader.ran().len(), left(&reader).as_str()), (0, "truth\n"), "{run}");
        assert!(warnings(&run).is_empty(), "{run}");
    }

    // What main has signed, on something else.
    put(url, &main, &ActionResult { stderr_raw: right.stderr_raw.clone(), ..forged.clone() });
    nobody_is_deceived("main's words on other outputs", 1);
    let other_step = p.elsewhere();
    other_step.write("Cargo.toml", other_step.read("Cargo.toml").replace("truth", "other"));
    team.main(&other_step).run().success();
    put(url, &main, &get(url, &entry(&key_of(&other_step), "main")).unwrap());
    nobody_is_deceived("main's result of another key", 1);
    put(url, &main, &forged);
    let told = team.reader(&p.elsewhere()).run().success();
    let who = "1 entry that nobody trusted has signed, as good as none: 1 in main by ed25519:[HASH] (which calls itself pull-requests), for something else";
    assert!(warnings(&told)[0].contains(who), "{told}");
}

#[test]
fn a42_nobody_takes_what_a_pull_request_has_forged_from_a_server() {
    let server = Server::start();
    a42_nobody_takes_what_a_pull_request_has_forged(&server.url());
}

#[test]
fn a_changed_byte_in_what_was_signed_is_a_miss() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = step_that_can_lie();
    team.main(&p).run().success();
    let honest = server.kept("ac");
    let second = p.elsewhere();
    let say = |change: &dyn Fn(&mut ActionResult)| {
        honest.iter().for_each(|(path, message)| server.put(path, message.clone()));
        server.forge(change);
        for left in [second.path("target"), second.cache()] {
            let _ = fs::remove_dir_all(left);
        }
        second.ran();
        let run = team.reader(&second).run().success();
        (second.ran().len(), warnings(&run).len())
    };
    assert_eq!(say(&|_| {}), (0, 0));
    for place in [0, 30, 120, 200, 300, 400, 500] {
        let changed = say(&|entry| {
            let length = entry.stderr_raw.len();
            entry.stderr_raw[place % length] ^= 1;
        });
        assert_eq!(changed, (1, 1), "{place}");
    }
    // Also what is not of the outputs, such as how long it took.
    let changed = say(&|entry| {
        let text = String::from_utf8(entry.stdout_raw.clone()).unwrap();
        let text = regex::Regex::new("duration-ms .*").unwrap().replace(&text, "duration-ms 77");
        entry.stdout_raw = super::faults::sealed(&text);
    });
    assert_eq!(changed, (1, 1));
    assert_eq!(say(&|_| {}), (0, 0));
}

#[test]
fn who_trusts_nobody_reads_nothing_and_is_told_both_ways_out_once() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = steps(3);
    team.main(&p).run().success();
    server.forget();
    let second = p.elsewhere();
    let build = |p: &Project| p.command("build").env("GRANULAR_REMOTE", &server.url());
    let run = build(&second).run().success();
    assert_eq!(second.ran().len(), 3);
    assert!(server.requests().is_empty());
    let told = warnings(&run);
    assert!(
        told.len() == 1
            && told[0].contains("cargo granular keys trust")
            && told[0].contains("GRANULAR_TRUST=anyone"),
        "{run}"
    );
    let run = build(&second).run().success();
    assert!(warnings(&run).is_empty(), "nothing was looked for: {run}");
    second.write("Cargo.toml", second.read("Cargo.toml") + "\n");
    let run = build(&second).run().success();
    assert!(warnings(&run).is_empty(), "nothing was looked for: {run}");

    let third = p.elsewhere();
    let run = build(&third).arg("--remote=require").run().code(3);
    assert!(run.stderr().contains("it is not said whose results are trusted"), "{run}");
    build(&third).env("GRANULAR_TRUST", "anyone").arg("--remote=require").run().success();
    assert!(third.ran().is_empty());
}

#[test]
fn a_trust_list_of_the_checkout_is_refused() {
    let (p, server) = (steps(1), Server::start());
    let made = Made::new("main", "eve");
    p.write("trust", &made.line).write("config/granular/trust", &made.line);
    p.write("key", &made.secret);
    let outside = p.root().with_file_name("link");
    std::os::unix::fs::symlink(p.path("trust"), &outside).unwrap();
    let config = p.path("config");
    for (name, value) in [
        ("GRANULAR_TRUST_FILE", "trust"),
        ("GRANULAR_TRUST_FILE", outside.to_str().unwrap()),
        ("GRANULAR_SIGNING_KEY_FILE", "key"),
        ("XDG_CONFIG_HOME", config.to_str().unwrap()),
    ] {
        let run =
            p.command("build").env("GRANULAR_REMOTE", &server.url()).env(name, value).run().code(2);
        assert!(run.stderr().contains("lies in the checkout"), "{name}={value}: {run}");
    }
    assert!(server.requests().is_empty() && p.ran().is_empty());
    // The checkout is all of the repository.
    fs::create_dir(p.root().with_file_name(".git")).unwrap();
    fs::write(p.root().with_file_name("trust"), &made.line).unwrap();
    let run = p.command("build").env("GRANULAR_REMOTE", &server.url());
    let run = run.env("GRANULAR_TRUST_FILE", "../trust").run().code(2);
    assert!(run.stderr().contains("lies in the checkout"), "{run}");
}

#[test]
fn lists_and_keys_that_cannot_be_read_are_mistakes_that_tell_no_secret() {
    let (p, server) = (steps(1), Server::start());
    let made = Made::new("main", "ci");
    let digits = made.digits();
    for (name, value, why) in [
        ("GRANULAR_TRUST", "main ed25519:12 ci", "line 1: its key is not"),
        ("GRANULAR_TRUST", &made.secret, "it has a secret key in it"),
        ("GRANULAR_TRUST_FILE", "/nowhere/trust", "cannot be read"),
        ("GRANULAR_SIGNING_KEY", &digits, "GRANULAR_SIGNING_KEY is not a key to sign with"),
        ("GRANULAR_SIGNING_KEY", &made.line, "it is not written `ed25519-secret:HEX:DOMAIN:NAME`"),
        ("GRANULAR_DOMAIN", "a b", "cannot be the value of GRANULAR_DOMAIN"),
    ] {
        let run = p.command("build").env("GRANULAR_REMOTE", &server.url()).env(name, value);
        let run = run.run().code(2);
        assert!(run.stderr().contains(why), "{name}: {run}");
        assert!(!run.raw_stderr().contains(&digits), "{name}");
    }
    assert!(p.ran().is_empty());
}

#[test]
fn keys_are_made_listed_trusted_and_forgotten() {
    let (server, first) = (Server::start(), three_files());
    let second = first.elsewhere();
    let run = first.granular("keys new --name anna").success();
    let line = run.raw_stdout().trim().to_owned();
    let config = first.root().with_file_name("home").join(".config/granular");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&config.join("key")), mode(&config)), (0o600, 0o700));
    let secret = fs::read_to_string(config.join("key")).unwrap();
    assert!(!run.raw_stderr().contains(secret.trim()) && !run.raw_stdout().contains("secret"));
    insta::assert_snapshot!(run, @"
    main ed25519:[HASH] anna
    ---- stderr
            Made a key, in [ROOT]/home/.config/granular/key
           Trust it with: cargo granular keys trust 'main ed25519:[HASH] anna'
    ");
    let again = first.granular("keys new").code(2);
    assert!(again.stderr().contains("there is a key already"), "{again}");
    assert_eq!(fs::read_to_string(config.join("key")).unwrap(), secret, "it is not overwritten");
    insta::assert_snapshot!(first.granular("keys").success(), @"main ed25519:[HASH] anna  # yours, in [ROOT]/home/.config/granular/key");

    let build = |p: &Project| p.command("build").env("GRANULAR_REMOTE", &server.url());
    let run = build(&first).env("GRANULAR_REMOTE_WRITE", "on").run().success();
    assert!(warnings(&run).is_empty(), "it trusts itself: {run}");

    insta::assert_snapshot!(second.command("keys trust").arg(&line).run().success(), @"
    ---- stderr
         Trusted anna for main, in [ROOT]/home/.config/granular/trust
    ");
    let split = format!("keys trust {line}");
    assert!(second.granular(&split).success().stderr().contains("Known anna for main"));
    let run = second.granular("keys list").success();
    assert_eq!(run.raw_stdout().trim(), line);
    build(&second).run().success();
    assert!(second.ran().is_empty());

    let named = second.root().with_file_name("named");
    let mut elsewhere = second.command("keys trust").arg(&line);
    elsewhere = elsewhere.env("GRANULAR_TRUST_FILE", named.to_str().unwrap());
    elsewhere.run().success();
    assert_eq!(fs::read_to_string(&named).unwrap().trim(), line);

    let list = second.root().with_file_name("home").join(".config/granular/trust");
    fs::write(&list, format!("# ours\n{line} # a note\n")).unwrap();
    second.granular("keys forget anna").success();
    assert_eq!(fs::read_to_string(&list).unwrap(), "# ours\n");
    let run = second.granular("keys forget anna").code(2);
    assert!(run.stderr().contains("is called `anna`"), "{run}");
    for left in [second.path("target"), second.cache()] {
        fs::remove_dir_all(left).unwrap();
    }
    build(&second).run().success();
    assert_eq!(second.ran(), ["gen"]);

    fs::set_permissions(config.join("key"), fs::Permissions::from_mode(0o644)).unwrap();
    first.write("Cargo.toml", first.read("Cargo.toml") + "\n");
    let run = build(&first).run().code(2);
    assert!(run.stderr().contains("can be read by others than you"), "{run}");
}

#[test]
fn who_is_told_to_write_and_has_no_key_for_that_says_so_and_writes_nothing() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let main_in_a_pull_request = "this is the build of a pull request, which writes in its own domain `pr-7` only, and GRANULAR_DOMAIN says `main`";
    for (key, more, why) in [
        ("", &[][..], "there is no key to sign with (`cargo granular keys new` makes one"),
        (
            &*team.pull_requests.secret,
            &[],
            "the key of pull-requests is for the domain `pr-*`, and this is `main`",
        ),
        (
            &*team.main.secret,
            &[
                ("GITHUB_EVENT_NAME", "pull_request"),
                ("GITHUB_REF", "refs/pull/7/merge"),
                ("GRANULAR_DOMAIN", "main"),
            ],
            main_in_a_pull_request,
        ),
    ] {
        let p = steps(1);
        let run = team.reader(&p).env("GRANULAR_REMOTE_WRITE", "always");
        let run = more.iter().fold(run, |run, (name, value)| run.env(name, value));
        let run = run.env("GRANULAR_SIGNING_KEY", key).run().success();
        let told = warnings(&run);
        assert!(told.len() == 1 && told[0].contains(why), "{why}: {run}");
        assert!(server.count("PUT ac") + server.count("PUT cas") == 0, "{why}");
    }
    let p = steps(1);
    let file = p.root().with_file_name("key");
    fs::write(&file, format!("# the key of CI\n{}\n", team.main.secret)).unwrap();
    let run = team.reader(&p).env("GRANULAR_REMOTE_WRITE", "on");
    run.env("GRANULAR_SIGNING_KEY_FILE", file.to_str().unwrap()).run().success();
    assert_eq!(server.count("PUT ac"), 2);
}

#[test]
fn explain_says_who_has_signed_what_came_from_a_remote_and_where_it_was_made() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = step_that_can_lie();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let by = team
        .main(&p)
        .env("GITHUB_SHA", commit)
        .env("GITHUB_SERVER_URL", "https://github.example")
        .env("GITHUB_REPOSITORY", "team/project")
        .env("GITHUB_RUN_ID", "99");
    by.run().success();
    let own = p.granular("explain gen").success();
    assert!(!own.stdout().contains("signed"), "it was made here: {own}");
    assert!(own.stdout().contains("in this checkout, by a run of"), "{own}");

    let second = p.elsewhere();
    let run = team.reader(&second).arg("-v").run().success();
    let url = "https://github.example/team/project/actions/runs/99";
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let told = format!(
        "Signed #gen by ci (ed25519:[HASH]) for the domain main, at commit {commit}, in the run {url}, on {platform}"
    );
    assert!(run.stderr().contains(&told), "{run}");
    let explained = second.granular("explain gen").success();
    let told = explained.stdout().replace(&platform, "[PLATFORM]");
    let told =
        regex::Regex::new("127.0.0.1:[0-9]+").unwrap().replace_all(&told, "[HOST]").into_owned();
    insta::assert_snapshot!(told, @"
    #gen

    Last time in this checkout it was restored from remote [HOST], just now: it has not run here before

    Now it is fresh: nothing has changed, and what it left is still there.

    Its result was made just now on another machine, by a run of [ELAPSED]: 1 output with 6 B.
    It came from remote [HOST], signed by ci (ed25519:[HASH]) for the domain main, just now.
    It was made at commit 0123456789abcdef0123456789abcdef01234567, in the run https://github.example/team/project/actions/runs/99, on [PLATFORM].
    Its key is [HASH].
    ");

    // Also when it comes out of the cache of this machine, where it lies since then.
    second.remove("target");
    let run = second.granular("build --message-format json").success();
    for part in [
        "\"signer\":\"ci\"",
        "\"domain\":\"main\"",
        &format!("\"commit\":\"{commit}\""),
        &format!("\"run\":\"{url}\""),
        "\"key\":\"ed25519:",
        "\"remote\":\"127.0.0.1:",
        "\"signed_at\":\"20",
    ] {
        assert!(run.raw_stdout().contains(part), "{part}: {run}");
        let explained = second.granular("explain gen --message-format json").success();
        assert!(explained.raw_stdout().contains(part), "{part}: {explained}");
    }
    // What is made here in its place is nobody's but ours.
    second.granular("build --force").success();
    let explained = second.granular("explain gen").success();
    assert!(!explained.stdout().contains("signed"), "{explained}");

    let third = p.elsewhere();
    team.reader(&third).run().success();
    let origins = third.cache().join("origins");
    let note = || fs::read_dir(&origins).unwrap().count();
    assert_eq!(note(), 1);
    third.granular("gc --max-size 0").success();
    assert_eq!(note(), 1, "it is there before its result");
    let of_key = fs::read_dir(&origins).unwrap().next().unwrap().unwrap().path();
    let entry = fs::read_dir(of_key).unwrap().next().unwrap().unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    fs::File::options().append(true).open(entry.path()).unwrap().set_modified(long_ago).unwrap();
    third.granular("gc --max-size 0").success();
    assert_eq!(note(), 0, "it goes with the result");
}

#[test]
fn a_commit_is_that_of_git_where_no_ci_says_it_and_nothing_is_changed() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = steps(1);
    let git = |arguments: &str| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=me", "-c", "user.email=me@example.com"]);
        let output = git.args(arguments.split(' ')).current_dir(p.root()).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    p.write(".gitignore", "/target\n/Cargo.lock\n");
    git("init -q");
    git("add -A");
    git("commit -q -m first");
    let commit = format!("commit \"{}\"", git("rev-parse HEAD"));
    let say_so = || {
        team.main(&p).arg("--force").run().success();
        let kept = server.kept("ac");
        let said = |message: &Vec<u8>| {
            String::from_utf8(ActionResult::decode(&message[..]).unwrap().stderr_raw).unwrap()
        };
        assert!(!kept.is_empty() && kept.values().all(|it| said(it).contains("domain \"main\"")));
        kept.values().filter(|it| said(it).contains(&commit)).count()
    };
    assert!(say_so() > 0);
    // What was built of it is not what was built here.
    server.clear();
    p.write("new.txt", "1\n");
    assert_eq!(say_so(), 0);
}

#[test]
fn what_an_earlier_build_has_left_to_write_is_not_signed_as_that_of_this_commit_and_run() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = steps(1);
    let at = |commit: &str| team.main(&p).env("GITHUB_SHA", &commit.repeat(40));
    server.trick(|request, _| (request.method == "PUT").then_some(Twist::Status(403, "")));
    at("a").run().success();
    server.behave();
    p.write("Cargo.toml", p.read("Cargo.toml") + &step("new", "", "inputs = []\noutputs = []"));
    at("b").run().success();
    let second = p.elsewhere();
    let run = team.reader(&second).arg("--message-format=json").run().success();
    let of = |step: &str| {
        let stdout = run.raw_stdout();
        let finished = stdout.lines().find(|line| line.contains("finished") && line.contains(step));
        finished.unwrap().to_owned()
    };
    let (new, left) = (format!("\"commit\":\"{}\"", "b".repeat(40)), "\"commit\":null");
    assert!(of("#new").contains(&new) && of("#s00").contains(left), "{run}");
}

/// A machine to which a pull request has brought a lie, by way of the server. The first project is the step's, on no machine yet.
fn with_a_lie() -> (Server, Signed, Project, Project) {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = step_that_can_lie();
    team.pull_request(&p.elsewhere(), 7).env("LIE", "lie").run().success();
    let shared = p.elsewhere();
    team.pull_request(&shared, 7).run().success();
    assert_eq!((shared.ran().len(), left(&shared).as_str()), (0, "lie\n"));
    (server, team, p, shared)
}

#[test]
fn what_a_pull_request_has_brought_to_a_machine_is_none_of_mains() {
    let (_server, team, _, shared) = with_a_lie();
    shared.remove("target");
    let run = team.reader(&shared).run().success();
    assert_eq!((shared.ran().len(), left(&shared).as_str()), (1, "truth\n"), "{run}");
    shared.remove("target");
    team.reader(&shared).run().success();
    assert!(shared.ran().is_empty(), "its own it has now");
}

#[test]
fn what_a_pull_request_has_brought_to_a_checkout_is_not_fresh_for_main() {
    let (server, team, _, shared) = with_a_lie();
    // Fresh twice: the second time not even looked at.
    for _ in 0..2 {
        team.pull_request(&shared, 7).run().success();
        assert_eq!((shared.ran().len(), left(&shared).as_str()), (0, "lie\n"));
    }
    let run = team.reader(&shared).env("GITHUB_REF", "refs/heads/main").run().success();
    assert_eq!((shared.ran().len(), left(&shared).as_str()), (1, "truth\n"), "{run}");
    let why = "what was restored is of somebody who is not trusted for this build";
    assert!(run.stderr().contains(why), "{run}");
    server.forget();
    for _ in 0..2 {
        team.reader(&shared).run().success();
        assert!(shared.ran().is_empty() && server.requests().is_empty());
    }
}

#[test]
fn what_is_known_of_one_result_is_not_lost_over_another_that_could_not_be_brought() {
    let (server, team, p, shared) = with_a_lie();
    team.main(&p).run().success();
    server.twist("GET cas", Twist::Status(404, ""));
    shared.remove("target");
    // Main's is there, and cannot be brought; nor is there one of this machine in its place.
    team.reader(&shared).env("CODE", "1").run().code(1);
    assert_eq!(shared.ran().len(), 1);
    shared.remove("target");
    let run = team.reader(&shared).run().success();
    assert_eq!((shared.ran().len(), left(&shared).as_str()), (1, "truth\n"), "{run}");
}

#[test]
fn a_result_whose_origin_cannot_be_read_is_not_one_of_this_machine() {
    let (_server, team, p, shared) = with_a_lie();
    let of_key = shared.cache().join("origins").join(key_of(&p).to_string());
    let note = fs::read_dir(of_key).unwrap().next().unwrap().unwrap();
    // As after a power failure.
    fs::write(note.path(), "").unwrap();
    shared.remove("target");
    let run = team.reader(&shared).run().success();
    assert_eq!((shared.ran().len(), left(&shared).as_str()), (1, "truth\n"), "{run}");
}

#[test]
fn main_does_not_sign_what_a_pull_request_has_brought_in_the_place_of_what_main_had_left_to_write()
{
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = step_that_can_lie();
    team.pull_request(&p.elsewhere(), 7).env("LIE", "lie").run().success();
    server.twist("PUT ac", Twist::Status(500, ""));
    team.main(&p).run().success();
    server.behave();
    let name = entry(&key_of(&p), "main");
    assert_eq!(get(&server.url(), &name), None);
    // A collection has taken it away, say.
    fs::remove_dir_all(p.cache().join("v1/results")).unwrap();
    p.remove("target");
    team.pull_request(&p, 7).run().success();
    assert_eq!(left(&p), "lie\n");
    server.forget();
    let other = step("other", ": > {out}/file", "inputs = []\noutputs = [\"{out}/file\"]");
    p.write("Cargo.toml", p.read("Cargo.toml") + &other);
    team.main(&p).arg("other").run().success();
    assert!(server.count("PUT ac") > 0);
    assert_eq!(get(&server.url(), &name), None, "{:?}", server.counts());
}

#[test]
fn what_was_taken_from_somebody_who_is_not_trusted_any_more_is_not_used_any_more() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = step_that_can_lie();
    team.main(&p).env("LIE", "lie").run().success();
    let second = p.elsewhere();
    let build = |trust: &str| {
        let _ = fs::remove_dir_all(second.path("target"));
        let run = team.reader(&second).env("GRANULAR_TRUST", trust).run().success();
        assert!(warnings(&run).len() <= 1, "{run}");
        (second.ran().len(), left(&second))
    };
    assert_eq!(build(&team.trust()), (0, "lie\n".to_owned()));
    server.forget();
    assert_eq!(build(&team.trust()), (0, "lie\n".to_owned()));
    assert!(server.requests().is_empty());
    assert_eq!(build(&team.pull_requests.line), (1, "truth\n".to_owned()));

    // And what was taken when anyone was trusted.
    let third = p.elsewhere();
    server.clear();
    writing(&p.elsewhere(), &server.url()).env("LIE", "lie").run().success();
    reading(&third, &server.url()).run().success();
    assert_eq!(left(&third), "lie\n");
    third.remove("target");
    team.reader(&third).run().success();
    assert_eq!((third.ran().len(), left(&third).as_str()), (1, "truth\n"));

    // Who trusts anyone trusts those who can write at one place.
    let (fourth, other) = (p.elsewhere(), Server::start());
    reading(&fourth, &server.url()).run().success();
    assert_eq!(left(&fourth), "lie\n");
    fourth.remove("target");
    reading(&fourth, &other.url()).run().success();
    assert_eq!((fourth.ran().len(), left(&fourth).as_str()), (1, "truth\n"));
}

#[test]
fn what_a_pull_request_has_left_to_write_is_not_written_by_main() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = step_that_can_lie();
    fs::create_dir_all(p.cache()).unwrap();
    team.pull_request(&p, 7).env("LIE", "lie").env("GRANULAR_REMOTE_WAIT", "0").run().success();
    let notes = fs::metadata(p.cache().join("uploads")).unwrap();
    assert_eq!(notes.permissions().mode() & 0o777, 0o700, "what is left is nobody else's business");
    server.clear();
    p.write("Cargo.toml", p.read("Cargo.toml") + "\n");
    team.main(&p).run().success();
    assert!(!server.kept("ac").contains_key(&format!("/ac/{}", entry(&key_of(&p), "main"))));
}

#[test]
fn pull_requests_find_what_main_has_found_and_what_they_have() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let script = "cat a.h > {out}/o; echo '{out}/o: a.h' > {out}/o.d";
    let p = project(&step(
        "c",
        script,
        "inputs = []\ndepfile = \"{out}/o.d\"\noutputs = [\"{out}/o\"]",
    ));
    p.write("a.h", "1\n");
    team.main(&p).run().success();
    let (one, two) = (p.elsewhere(), p.elsewhere());
    team.pull_request(&one, 7).run().success();
    assert!(one.ran().is_empty());
    for p in [&one, &two] {
        p.write("a.h", "2\n");
    }
    team.pull_request(&one, 7).run().success();
    assert_eq!(one.ran(), ["c"]);
    team.pull_request(&two, 7).run().success();
    assert!(two.ran().is_empty());
    let main = two.elsewhere();
    let run = team.reader(&main).run().success();
    assert_eq!(main.ran(), ["c"], "{run}");
}

#[test]
fn nothing_that_is_secret_is_in_any_request_or_file() {
    let server = Server::start();
    let team = Signed::new(&server.url());
    let p = project(
        "[workspace.metadata.granular.steps.c]\n\
         run = 'echo c >> \"$LOG\"; env > {out}/env; cat a.h > {out}/o; echo \"{out}/o: a.h\" > {out}/o.d; env | grep -v VALUE_OF > {out}/env'\n\
         inputs = []\ndepfile = \"{out}/o.d\"\noutputs = [\"{out}/o\", \"{out}/env\"]\nportable = true\n\
         track-env = [\"TRACKED\", \"GRANULAR_SIGNING_KEY_FILE\"]\n\
         pass-env = [\"LOG\", \"PASSED\", \"GRANULAR_SIGNING_KEY\", \"GRANULAR_REMOTE_TOKEN\"]\n",
    );
    p.write("a.h", "1\n");
    let second = p.elsewhere();
    let secrets = ["VALUE_OF_TRACKED", "VALUE_OF_PASSED", "VALUE_OF_TOKEN", &*team.main.digits()]
        .map(str::to_owned);
    let run = |p: &Project, command: Invocation| {
        let command = command
            .env("TRACKED", &secrets[0])
            .env("PASSED", &secrets[1])
            .env("GRANULAR_REMOTE_TOKEN", &secrets[2])
            .arg("-vv");
        let run = command.run().success();
        for secret in &secrets {
            assert!(!run.raw_stderr().contains(secret) && !run.raw_stdout().contains(secret));
        }
        p.ran()
    };
    assert_eq!(run(&p, team.main(&p)), ["c"]);
    assert!(run(&second, team.reader(&second)).is_empty());
    for request in server.requests() {
        let mut told = request.path + "\n" + &request.headers;
        // Where it has to be.
        told = told.replace("authorization: Bearer VALUE_OF_TOKEN\r\n", "");
        assert!(secrets.iter().all(|secret| !told.contains(secret)), "{told}");
    }
    let kept: Vec<_> = ["ac", "cas"].iter().flat_map(|below| server.kept(below)).collect();
    assert!(kept.len() > 4);
    for (path, bytes) in kept {
        let told = String::from_utf8_lossy(&bytes);
        assert!(secrets.iter().all(|secret| !told.contains(secret)), "{path}: {told}");
        assert!(!told.contains("ed25519-secret"), "no step sees it: {path}");
    }
    // What is ours on this machine: the fingerprint says what is tracked, the rest stands nowhere.
    for (path, entry) in tree(p.root().parent().unwrap(), |_| false) {
        let crate::faults::Entry::File { bytes, .. } = entry else { continue };
        let told = String::from_utf8_lossy(&bytes);
        assert!(secrets[1..].iter().all(|secret| !told.contains(secret)), "{path:?}");
    }
}

#[test]
fn outputs_that_look_like_secrets_stay_here_unless_they_are_named() {
    let key = "echo '-----BEGIN PRIVATE KEY-----' > {out}/plain";
    let p = project(
        &[
            step("env", "echo A=1 > {out}/.env", "inputs = []\noutputs = [\"{out}\"]"),
            step(
                "pattern",
                "mkdir {out}/tls; echo x > {out}/tls/server.key",
                "inputs = []\noutputs = [\"{out}/tls/*.key\"]",
            ),
            step("begins", key, "inputs = []\noutputs = [\"{out}\"]"),
            step("prints", "echo '-----BEGIN RSA PRIVATE KEY-----'", "inputs = []\noutputs = []"),
            step(
                "named",
                "echo A=1 > {out}/.env; cp {out}/.env {out}/other",
                "inputs = []\noutputs = [\"{out}/.env\", \"{out}/other\"]",
            ),
            step("meant", key, "inputs = []\noutputs = [\"{out}/plain\"]"),
        ]
        .concat(),
    );
    let (server, second) = (Server::start(), p.elsewhere());
    let run = writing(&p, &server.url()).run().success();
    let told = warnings(&run);
    assert_eq!(told.len(), 1, "{run}");
    insta::assert_snapshot!(told[0], @"warning: not shared, since it looks like a secret: `{out}/.env` of `#env`, `{out}/plain` of `#begins`, `{out}/tls/server.key` of `#pattern` and 1 more (a step that names this very file in its `outputs` shares it all the same)");
    reading(&second, &server.url()).run().success();
    assert_eq!(second.ran(), ["begins", "env", "pattern", "prints"]);
    let _ = fs::remove_dir_all(p.path("target"));
    // What was left to write is held against the same.
    let third = p.elsewhere();
    writing(&third, &server.url()).env("GRANULAR_REMOTE_WAIT", "0").run().success();
    third.write("Cargo.toml", third.read("Cargo.toml") + "\n");
    writing(&third, &server.url()).run().success();
    let kept = server.kept("cas");
    assert_eq!(kept.values().filter(|bytes| bytes.starts_with(b"-----BEGIN")).count(), 1);
}

#[test]
fn what_a_step_was_passed_in_confidence_stays_here_with_what_it_wrote_down() {
    let passing = |name: &str, script: &str, outputs: &str| {
        let step = step(name, script, &format!("inputs = []\noutputs = {outputs}"));
        step.replace("[\"LOG\"]", "[\"LOG\", \"NPM_TOKEN\", \"PLACE\"]")
    };
    let p = project(
        &[
            passing("writes", "echo \"a $NPM_TOKEN b\" > {out}/file", "[\"{out}/file\"]"),
            passing("prints", "echo $NPM_TOKEN", "[]"),
            passing("knows", "echo $PLACE > {out}/file", "[\"{out}/file\"]"),
            passing("tells", "echo $PLACE > {out}/file", "[\"{out}/file\"]\nportable = true"),
            passing("uses", "test -n \"$NPM_TOKEN\"; echo x > {out}/file", "[\"{out}\"]"),
        ]
        .concat(),
    );
    let secret = "npm_0123456789abcdef";
    for wait in ["0", "10"] {
        let (p, server) = (p.elsewhere(), Server::start());
        let write = |p: &Project| {
            writing(p, &server.url()).env("NPM_TOKEN", secret).env("PLACE", "plain-value")
        };
        let run = write(&p).env("GRANULAR_REMOTE_WAIT", wait).arg("-v").run().success();
        if wait == "0" {
            p.write("Cargo.toml", p.read("Cargo.toml") + "\n");
            write(&p).run().success();
        } else {
            let told = "the value of a variable of its `pass-env` stands in it: \
                        `{out}/file` of `#knows`, `{out}/file` of `#writes`, what `#prints` prints (";
            assert!(warnings(&run).len() == 1 && warnings(&run)[0].contains(told), "{run}");
            assert!(run.stderr().contains("wrote 2 results ("), "three of five stay here: {run}");
        }
        let kept: Vec<_> = ["ac", "cas"].iter().flat_map(|below| server.kept(below)).collect();
        let has = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(secret);
        assert!(kept.iter().all(|(_, bytes)| !has(bytes)));
        let second = p.elsewhere();
        reading(&second, &server.url()).env("NPM_TOKEN", "x").run().success();
        assert_eq!(second.ran(), ["knows", "prints", "writes"], "waiting for {wait} s");
        assert!(
            !p.cache().join("uploads").exists()
                || tree(&p.cache().join("uploads"), |_| false).values().all(|entry| {
                    !matches!(entry, crate::faults::Entry::File { bytes, .. } if has(bytes))
                })
        );
    }
}

#[test]
fn the_guides_for_github_and_gitlab_work_from_the_key_to_the_pull_request() {
    const GITHUB: [[(&str, &str); 2]; 2] = [
        [("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/heads/main")],
        [("GITHUB_EVENT_NAME", "pull_request"), ("GITHUB_REF", "refs/pull/7/merge")],
    ];
    const GITLAB: [[(&str, &str); 2]; 2] = [
        [("GITLAB_CI", "true"), ("CI_COMMIT_BRANCH", "main")],
        [("GITLAB_CI", "true"), ("CI_MERGE_REQUEST_IID", "7")],
    ];
    for [main, pull_request] in [GITHUB, GITLAB] {
        let (server, made, p) = (Server::start(), Made::new("main", "ci"), step_that_can_lie());
        let tables = p.read("Cargo.toml");
        let setting = format!("[workspace.metadata.granular]\nremote = \"{}\"\n", server.url());
        p.write("Cargo.toml", tables + &setting);
        let host = server.url().trim_start_matches("http://").to_owned();
        let job = |p: &Project, own: &[(&str, &str)], secrets: [&str; 2], write: &str| {
            let job = p
                .command("build --workspace")
                .env("GRANULAR_TRUST", &made.line)
                .env("GRANULAR_REMOTE_WRITE", write)
                .env("GRANULAR_REMOTE_TOKEN_HOST", &host)
                .env("GRANULAR_SIGNING_KEY", secrets[0])
                .env("GRANULAR_REMOTE_TOKEN", secrets[1]);
            let job = own.iter().fold(job, |job, (name, value)| job.env(name, value));
            let run = job.run().success();
            assert!(warnings(&run).is_empty(), "{run}");
        };
        job(&p, &main, [&made.secret, "token"], "on");
        assert_eq!((p.ran().len(), server.count("PUT ac")), (1, 2));
        let told = server.requests();
        assert!(told.iter().all(|it| it.authorization.as_deref() == Some("Bearer token")));

        // A pull request has no secrets, and an empty text in their place. It may say that it wants to write.
        server.forget();
        for write in ["off", "on"] {
            let proposed = p.elsewhere();
            job(&proposed, &pull_request, ["", ""], write);
            assert!(proposed.ran().is_empty());
        }
        assert!(server.requests().iter().all(|request| request.method == "GET"));

        // Somebody at his desk.
        let desk = p.elsewhere();
        desk.command("keys trust").arg(&made.line).run().success();
        let run = desk.granular("build").success();
        assert!(desk.ran().is_empty() && warnings(&run).is_empty(), "{run}");
    }
}
