//! What is shared, and how many requests it takes.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn what_one_machine_has_built_another_restores_byte_for_byte_and_runs_nothing() {
    let script = "mkdir {out}/empty; echo x > {out}/file; cp {out}/file {out}/program; chmod +x {out}/program; \
                  ln -s file {out}/link; : > {out}/nothing; echo told";
    let p = project(
        &[
            step("gen", script, "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]"),
            step(
                "use",
                "cat {needs.gen.out}/file > {out}/copy",
                "inputs = []\noutputs = [\"{out}/copy\"]\nneeds = [\"gen\"]",
            ),
            step("check", "echo all is well", "inputs = [\"in.txt\"]\noutputs = []"),
        ]
        .concat(),
    );
    p.write("in.txt", "1\n");
    let team = Team::new(p);
    let run =
        reading(&team.second, &team.server.url()).arg("--message-format=json").run().success();
    assert!(team.second.ran().is_empty(), "{run}");
    team.is_same();
    let source =
        format!("\"source\":\"remote {}\"", team.server.url().trim_start_matches("http://"));
    assert_eq!(run.stdout().matches(&source).count(), 3, "{run}");
    assert!(run.stderr().contains("Restored #gen (4 B from remote 127.0.0.1:"), "{run}");
    assert!(run.stderr().contains("all is well"), "the log of a check is told: {run}");
    team.second.granular("verify").success();
}

#[test]
fn a_fresh_build_asks_nothing_and_a_restore_one_key_and_its_blobs() {
    let team = Team::new(three_files());
    team.build().success();
    // Three files and a log.
    assert_eq!(team.server.counts(), [("GET ac".to_owned(), 1), ("GET cas".to_owned(), 4)].into());
    assert!(team.second.ran().is_empty());

    team.server.forget();
    team.build().success();
    team.second.write("README", "not an input\n");
    team.build().success();
    writing(&team.second, &team.server.url()).run().success();
    assert!(team.server.requests().is_empty(), "fresh: {:?}", team.server.requests());

    team.second.remove("target");
    let run = team.build().success();
    assert!(run.stderr().contains("from local cache"), "{run}");
    assert!(team.server.requests().is_empty(), "what was brought once is here");
}

#[test]
fn blobs_that_are_here_are_not_brought_and_equal_ones_once() {
    let script = "for name in a b c d; do echo same > {out}/$name; done; cat in.txt > {out}/e";
    let p = project(&step("gen", script, "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]"));
    p.write("in.txt", "1\n");
    let team = Team::new(p);
    team.build().success();
    assert_eq!(team.server.count("GET cas"), 2);

    for p in [&team.first, &team.second] {
        p.write("in.txt", "2\n");
    }
    writing(&team.first, &team.server.url()).run().success();
    team.server.forget();
    team.build().success();
    assert!(team.second.ran().is_empty());
    assert_eq!(team.server.count("GET cas"), 1, "the other one is here");
    team.is_same();
}

#[test]
fn what_is_not_there_costs_one_request_and_is_written_if_asked_for() {
    let server = Server::start();
    let p = three_files();
    reading(&p, &server.url()).run().success();
    assert_eq!(server.counts(), [("GET ac".to_owned(), 1)].into());

    let other = p.elsewhere();
    server.forget();
    writing(&other, &server.url()).run().success();
    let counts = server.counts();
    // The result, its four blobs, and the note of the tools that it was made with, which is read first.
    assert_eq!(counts["GET ac"], 2, "{counts:?}");
    assert_eq!((counts["PUT cas"], counts["PUT ac"]), (4, 2), "{counts:?}");
    assert!(server.broken().is_empty());
}

#[test]
fn a_large_blob_that_is_there_is_not_sent_again() {
    let script = "cat in.txt > {out}/small; head -c 100000 /dev/zero > {out}/large";
    let p = project(&step("gen", script, "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]"));
    p.write("in.txt", "1\n");
    let team = Team::new(p);
    team.second.write("in.txt", "2\n");
    writing(&team.second, &team.server.url()).run().success();
    let counts = team.server.counts();
    assert_eq!((counts["HEAD cas"], counts["PUT cas"]), (1, 1), "{counts:?}");
}

#[test]
fn what_a_depfile_found_leads_others_to_the_result() {
    let script = "cat a.h > {out}/o; echo '{out}/o: a.h' > {out}/o.d";
    let more = "inputs = []\ndepfile = \"{out}/o.d\"\noutputs = [\"{out}/o\"]";
    let p = project(&step("c", script, more));
    p.write("a.h", "1\n");
    let team = Team::new(p);
    let run = team.build().success();
    assert!(team.second.ran().is_empty(), "{run}");
    team.is_same();

    team.second.write("a.h", "2\n");
    team.build().success();
    assert_eq!(team.second.ran(), ["c"], "another header is another key");
    team.first.write("a.h", "2\n");
    writing(&team.first, &team.server.url()).run().success();
    assert_eq!(team.first.ran(), ["c"], "the second machine has not written");
}

#[test]
fn a_machine_without_the_tool_restores_what_was_made_with_it() {
    let p = project(
        "[workspace.metadata.granular.steps.web]\nrun = [\"bundle\", \"in.txt\", \"{out}/js\"]\ninputs = [\"in.txt\"]\n\
         outputs = [\"{out}/js\"]\nunavailable = \"skip\"\n",
    );
    p.write("in.txt", "1\n");
    p.write("bin/bundle", "#!/bin/sh\ncp \"$1\" \"$2\"\n");
    let second = p.elsewhere();
    second.remove("bin");
    fs::set_permissions(p.path("bin/bundle"), fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", p.path("bin").display());
    writing(&p, &server.url()).env("PATH", &path).run().success();
    let run = reading(&second, &server.url()).run().success();
    assert!(run.stderr().contains("as it was made with"), "{run}");
    assert_eq!(left_by(&second), left_by(&p));
}

#[test]
fn a_dry_run_says_what_the_remote_has_and_brings_nothing() {
    let team = Team::new(three_files());
    let run = reading(&team.second, &team.server.url()).arg("--dry-run").run().success();
    assert!(run.stdout().contains("Would restore #gen from remote 127.0.0.1:"), "{run}");
    assert_eq!(team.server.counts(), [("GET ac".to_owned(), 1)].into());
    assert!(!team.second.cache().exists());
}

#[test]
fn a_command_of_exec_is_shared_with_what_it_prints() {
    let server = Server::start();
    let p = project("");
    let second = p.elsewhere();
    let exec = |p: &Project| {
        let exec = p.command("exec --output made -- sh -c").arg("echo told; echo x > made");
        let exec = exec.env("GRANULAR_REMOTE", &server.url()).env("GRANULAR_TRUST", "anyone");
        exec.env("GRANULAR_REMOTE_WRITE", "on")
    };
    exec(&p).run().success();
    server.forget();
    let run = exec(&second).run().success();
    assert_eq!((run.stdout().as_str(), second.read("made").as_str()), ("told\n", "x\n"));
    assert_eq!(server.counts(), [("GET ac".to_owned(), 1), ("GET cas".to_owned(), 2)].into());
}

#[test]
fn the_setting_names_one_and_flags_and_offline_switch_it_off() {
    let team = Team::new(three_files());
    let tables = team.second.read("Cargo.toml");
    let url = team.server.url();
    team.second.write(
        "Cargo.toml",
        format!("{tables}\n[workspace.metadata.granular]\nremote = \"{url}\"\n"),
    );
    for off in ["build --remote off", "build --remote=off", "build --offline", "build --no-cache"] {
        team.start_anew();
        team.second.granular(off).success();
        assert!(team.server.requests().is_empty(), "{off}");
    }
    team.start_anew();
    team.second.command("build").env("GRANULAR_TRUST", "anyone").run().success();
    assert!(team.second.ran().is_empty());
    assert_eq!(team.server.count("GET ac"), 1);
}

#[test]
fn a_url_that_cannot_be_one_is_a_mistake_and_nothing_runs() {
    let p = three_files();
    for (url, why) in [
        ("ftp://cache.example", "there is no kind of remote called `ftp://`"),
        ("cache.example", "its URL has no scheme"),
        ("http://cache.example", "spoken to without encryption"),
        ("grpc://cache.example/main", "use `grpcs://`, or set GRANULAR_REMOTE_INSECURE=1"),
    ] {
        let run = p.command("build").arg("--remote").arg(url).run().code(2);
        assert!(run.stderr().contains(why), "{run}");
    }
    let tables = p.read("Cargo.toml");
    for (setting, why) in [
        ("remote = \"\"", "`remote` is empty"),
        ("remote = 3", "`remote` is not a string"),
        ("remote = \"https://me:s3cret@cache.example\"", "has a user and a password in it"),
    ] {
        p.write("Cargo.toml", format!("{tables}\n[workspace.metadata.granular]\n{setting}\n"));
        let run = p.granular("build").code(2);
        assert!(run.stderr().contains(why), "{run}");
    }
    p.write("Cargo.toml", tables);
    let run = p.granular("build --remote require").code(2);
    assert!(run.stderr().contains("a remote cache is required, and none is named"), "{run}");
    assert!(p.ran().is_empty());
}
