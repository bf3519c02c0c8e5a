//! A39 to A43 and A46 of the fault matrix: entries that a stranger has made, who may write, and to whom a token goes.

use super::faults::sealed;
use super::server::ActionResult;
use super::*;
use granular::content::{Content, Output};
use granular::digest::{Hash, Key};
use granular::path::{Base, OutputPath, RelPath};
use granular::result::ActionResult as Kept;

fn text(entry: &ActionResult) -> String {
    String::from_utf8(entry.stdout_raw.clone()).unwrap()
}

/// Everything of the second machine but what a build of it leaves.
fn around(p: &Project) -> Tree {
    tree(p.root().parent().unwrap(), |path| {
        path.components().any(|part| part.as_os_str() == "target")
            || path.starts_with("cache")
            || path == Path::new("runs")
    })
}

#[test]
fn a39_an_entry_with_a_path_that_leads_elsewhere_is_refused_as_a_whole() {
    let team = Team::new(three_files());
    let honest = team.server.kept("ac");
    let long = "x/".repeat(2048) + "x";
    let before = around(&team.second);
    for evil in [
        "../evil",
        "../../evil",
        "/tmp/granular-evil",
        "a/../../evil",
        "a//b",
        "./a",
        "",
        "..",
        "a/.",
        "nul\\0",
        &long,
    ] {
        honest.iter().for_each(|(path, message)| team.server.put(path, message.clone()));
        team.server.forge(|entry| {
            let text = text(entry).replace("output out \"b\"", &format!("output out {evil:?}"));
            entry.stdout_raw = sealed(&text);
        });
        let run = team.rebuild().success();
        assert_eq!(team.second.ran(), ["gen"], "{evil}: {run}");
        assert_eq!(warnings(&run).len(), 1, "{evil}: {run}");
        assert!(
            around(&team.second) == before && !Path::new("/tmp/granular-evil").exists(),
            "{evil}"
        );
        team.is_same();
    }
}

#[test]
fn a41_an_entry_with_a_path_that_the_step_does_not_declare_is_refused_as_a_whole() {
    let p = project(
        &[
            step("gen", "echo x > {out}/a", "inputs = []\noutputs = [\"{out}/a\"]"),
            step("other", "echo y > gen.txt", "inputs = []\noutputs = [\"gen.txt\"]"),
        ]
        .concat(),
    );
    p.write("src/main.rs", "fn main() {}\n");
    let team = Team::new(p);
    let honest = team.server.kept("ac");
    for (base, path) in [
        (Base::Tree, "src/main.rs"),
        (Base::Tree, "Cargo.toml"),
        (Base::Tree, ".cargo/config.toml"),
        (Base::Tree, ".git/hooks/pre-commit"),
        (Base::Tree, "gen.txt"),
        (Base::Out, "b"),
    ] {
        honest.iter().for_each(|(path, message)| team.server.put(path, message.clone()));
        team.server.forge(|entry| {
            let text = text(entry);
            if text.contains("output out \"a\"") {
                let key = text.lines().nth(1).unwrap().strip_prefix("key ").unwrap();
                let key = Key(Hash::parse(key).unwrap());
                let mut kept = Kept::from_text(&key, text.as_bytes()).unwrap();
                let Content::File { .. } = &kept.outputs[0].content else { panic!() };
                let content = kept.outputs[0].content.clone();
                let path = OutputPath { base, path: RelPath::new(path).unwrap() };
                kept.outputs.push(Output { path, content });
                kept.outputs.sort_by(|one, other| one.path.cmp(&other.path));
                entry.stdout_raw = kept.to_text(&key).into_bytes();
            }
        });
        let before = around(&team.second);
        let run = team.rebuild().success();
        assert_eq!(team.second.ran(), ["gen"], "{path}: {run}");
        assert!(warnings(&run)[0].contains("remote 127.0.0.1:"), "{path}: {run}");
        assert!(warnings(&run)[0].contains(path), "{path}: {run}");
        let mut after = around(&team.second);
        after.retain(|path, _| !path.ends_with("gen.txt"));
        let mut before = before;
        before.retain(|path, _| !path.ends_with("gen.txt"));
        assert!(after == before, "{path}");
        team.is_same();
    }
}

#[test]
fn a43_nothing_is_written_unless_it_is_asked_for() {
    let (p, server) = (steps(3), Server::start());
    let run = reading(&p, &server.url()).arg("-v").run().success();
    let told = "read-only: writing was not asked for (GRANULAR_REMOTE_WRITE=on does)";
    assert!(run.stderr().contains(told), "{run}");
    assert!(server.requests().iter().all(|request| request.method == "GET"));
    assert!(!p.cache().join("uploads").exists());
}

#[test]
fn a43_a_pull_request_writes_nothing_unless_it_is_insisted_on() {
    let server = Server::start();
    for (name, value) in [
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_EVENT_NAME", "pull_request_target"),
        ("CI_MERGE_REQUEST_IID", "7"),
    ] {
        let p = steps(2);
        let run = writing(&p, &server.url()).env(name, value).arg("-v").run().success();
        assert!(
            run.stderr().contains(&format!("says in {name} that this is a pull request")),
            "{run}"
        );
        assert!(server.requests().iter().all(|request| request.method == "GET"));
    }
    let p = steps(2);
    let always = reading(&p, &server.url()).env("GITHUB_EVENT_NAME", "pull_request");
    always.arg("--remote-write=always").run().success();
    assert!(server.count("PUT ac") > 0);
    let p = steps(2);
    server.clear();
    server.forget();
    writing(&p, &server.url()).env("GITHUB_EVENT_NAME", "push").run().success();
    assert!(server.count("PUT ac") > 0);
}

#[test]
fn a46_a_checkout_that_names_another_host_gets_no_token() {
    let (p, server) = (three_files(), Server::start());
    let tables = p.read("Cargo.toml");
    p.write(
        "Cargo.toml",
        format!("{tables}\n[workspace.metadata.granular]\nremote = \"{}\"\n", server.url()),
    );
    let host = server.url().trim_start_matches("http://").to_owned();
    let told = |server: &Server| -> Vec<_> {
        server.requests().into_iter().filter_map(|request| request.authorization).collect()
    };
    let build = |more: &[(&str, &str)]| {
        let p = p.elsewhere();
        server.forget();
        let command = p
            .command("build")
            .env("GRANULAR_TRUST", "anyone")
            .env("GRANULAR_REMOTE_TOKEN", "s3cret")
            .env("GRANULAR_REMOTE_WRITE", "on");
        more.iter().fold(command, |command, (name, value)| command.env(name, value)).run().success()
    };
    let run = build(&[]);
    assert!(told(&server).is_empty());
    assert!(
        run.stderr().contains(&format!(
            "GRANULAR_REMOTE_TOKEN is not sent to {host}, for which it was not given"
        )),
        "{run}"
    );
    assert!(!run.raw_stderr().contains("s3cret"));

    build(&[("GRANULAR_REMOTE_TOKEN_HOST", &host)]);
    assert!(told(&server).iter().all(|told| told == "Bearer s3cret") && !told(&server).is_empty());

    build(&[("GRANULAR_REMOTE", &server.url())]);
    assert!(told(&server).iter().all(|told| told == "Bearer s3cret") && !told(&server).is_empty());

    let with_password = server.url().replace("http://", "http://me:pass@");
    let run = build(&[("GRANULAR_REMOTE", &with_password), ("GRANULAR_REMOTE_TOKEN", "")]);
    assert!(
        told(&server).iter().all(|told| told == "Basic bWU6cGFzcw==") && !told(&server).is_empty()
    );
    assert!(!run.raw_stderr().contains("pass@"), "{run}");
}

#[test]
fn a46_a_redirect_takes_no_token_elsewhere() {
    let (p, server, other) = (three_files(), Server::start(), Server::start());
    let header: &'static str =
        Box::leak(format!("location: {}/ac/x\r\n", other.url()).into_boxed_str());
    for status in [301, 302, 307, 308] {
        let p = p.elsewhere();
        server.trick(move |_, _| Some(Twist::Status(status, header)));
        let run = writing(&p, &server.url()).env("GRANULAR_REMOTE_TOKEN", "s3cret").run().success();
        assert!(other.requests().is_empty());
        assert!(warnings(&run)[0].contains("no redirect is followed"), "{run}");
    }
}

#[test]
fn no_secret_and_no_place_of_a_checkout_is_sent_or_kept_and_no_step_sees_the_secret() {
    let p = project(&step(
        "gen",
        "env > {out}/env; env",
        "inputs = []\noutputs = [\"{out}\"]\nportable = true",
    ));
    let server = Server::start();
    let build =
        || writing(&p, &server.url()).env("GRANULAR_REMOTE_TOKEN", "s3cret").arg("-vv").run();
    let run = build().success();
    assert_eq!(p.ran(), ["gen"]);
    assert!(!run.raw_stderr().contains("s3cret"));
    // The second one may note that nothing was touched.
    build().success();
    let has = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
    for (path, bytes) in server.kept("ac").into_iter().chain(server.kept("cas")) {
        assert!(!has(&bytes, "s3cret"), "{path}");
    }
    let root = p.root().to_str().unwrap();
    for (path, bytes) in server.kept("ac") {
        assert!(!has(&bytes, root), "{path}");
    }
    let kept = tree(p.root().parent().unwrap(), |_| false);
    for (path, entry) in kept {
        let crate::faults::Entry::File { bytes, .. } = entry else { continue };
        assert!(!has(&bytes, "s3cret"), "{path:?}");
    }
}

#[test]
fn outputs_that_name_the_checkout_stay_here_unless_they_are_said_to_be_portable() {
    let script = "pwd > {out}/where; echo fine > {out}/fine";
    let more = "inputs = []\noutputs = [\"{out}\"]";
    let p = project(
        &[
            step("native", script, more),
            step("portable", script, &format!("{more}\nportable = true")),
            step("prints", "pwd", "inputs = []\noutputs = []"),
        ]
        .concat(),
    );
    let (server, second) = (Server::start(), p.elsewhere());
    let run = writing(&p, &server.url()).run().success();
    let told =
        "not shared, since the path of this checkout stands in it: `{out}/where` of `#native` (";
    assert!(warnings(&run).len() == 1 && warnings(&run)[0].contains(told), "{run}");
    reading(&second, &server.url()).run().success();
    assert_eq!(second.ran(), ["native"]);
}

#[test]
fn what_a_killed_build_has_left_to_write_stays_here_as_well() {
    let script = "pwd > {out}/where";
    let p = project(&step("native", script, "inputs = []\noutputs = [\"{out}\"]"));
    let server = Server::start();
    writing(&p, &server.url()).env("GRANULAR_REMOTE_WAIT", "0").run().success();
    p.write("Cargo.toml", p.read("Cargo.toml") + "\n");
    writing(&p, &server.url()).run().success();
    let root = p.root().to_str().unwrap();
    let kept = server.kept("cas");
    assert!(kept.values().all(|bytes| !String::from_utf8_lossy(bytes).contains(root)));
}

#[test]
fn what_is_spoken_to_in_the_open_since_it_is_this_machine_is_not_told_a_proxy() {
    let team = Team::new(three_files());
    let bucket = Server::start();
    let proxy = Server::start();
    let proxied = |run: Invocation| {
        let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
        names.iter().fold(run, |run, name| run.env(name, &proxy.url())).env("NO_PROXY", "")
    };
    let run = reading(&team.second, &team.server.url()).env("GRANULAR_REMOTE_TOKEN", "s3cret");
    let run = proxied(run).run().success();
    assert!(team.second.ran().is_empty() && proxy.requests().is_empty(), "{run}");
    let third = three_files();
    let run = writing(&third, "s3://bucket/team")
        .env("AWS_ENDPOINT_URL", &bucket.url())
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "s3cret")
        .env("AWS_REGION", "eu-central-1");
    let run = proxied(run).run().success();
    assert!(bucket.count("PUT ac") > 0 && proxy.requests().is_empty(), "{run}");
}
