//! GitHub Actions: what its runner would obey of what we print, and the summary of the job.

use crate::project::{Invocation, Project, Run, project, step};
use insta::assert_snapshot;
use std::fs;

fn in_actions(p: &Project, arguments: &str) -> Invocation {
    let summary = p.log().with_file_name("summary");
    p.command(arguments)
        .env("GITHUB_ACTIONS", "true")
        .env("CI", "true")
        .env("GITHUB_WORKSPACE", p.root().to_str().unwrap())
        .env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())
}

fn summary(p: &Project) -> String {
    fs::read_to_string(p.log().with_file_name("summary")).unwrap_or_default()
}

/// The commands that the runner would obey, in the order of their lines: of both forms, wherever it might look for them.
fn obeyed(printed: &str) -> Vec<String> {
    let mut stopped: Option<String> = None;
    let mut obeyed = Vec::new();
    for line in printed.split(['\n', '\r']) {
        let command = match line.trim_start().strip_prefix("::") {
            Some(rest) if rest.contains("::") => Some(rest.to_owned()),
            _ => line.find("##[").map(|at| line[at + 3..].replacen(']', "::", 1)),
        };
        let Some(command) = command else { continue };
        match (&stopped, command.strip_prefix("stop-commands::")) {
            (Some(token), _) => {
                if command == format!("{token}::") {
                    stopped = None;
                }
            }
            (None, Some(token)) => stopped = Some(token.to_owned()),
            (None, None) => obeyed.push(line.to_owned()),
        }
    }
    assert_eq!(stopped, None, "the runner obeys again what comes behind us: {printed}");
    obeyed
}

fn annotations(run: &Run) -> String {
    let lines = obeyed(&run.raw_stderr());
    assert!(obeyed(&run.raw_stdout()).is_empty(), "{run}");
    lines.join("\n")
}

#[test]
fn a_step_that_fails_is_an_annotation_where_it_is_declared() {
    let p = project(
        &[
            step("bad", "echo ::error::forged; echo '##[set-output name=a]b'; printf 'x\\r::set-env name=A::b\\n'; exit 3", "inputs = []\noutputs = []"),
            step("good", "true", "inputs = []\noutputs = []"),
            step("behind", "true", "inputs = []\noutputs = []\nneeds = [\"bad\"]"),
        ]
        .concat(),
    );
    let run = in_actions(&p, "build --keep-going").run().code(1);
    let told = annotations(&run).replace(p.root().to_str().unwrap(), "[ROOT]");
    assert_snapshot!(told, @r#"::error file=Cargo.toml,line=4,col=36,title=#bad failed::exit code 3%0Arepeat: cd [ROOT] && sh -c 'echo bad >> "$LOG"; echo ::error::forged; echo '\''##[set-output name=a]b'\''; printf '\''x\r::set-env name=A::b\n'\''; exit 3'"#);
    assert!(run.stderr().contains("::error::forged"), "the log is shown as it is: {run}");
    let line =
        p.read("Cargo.toml").lines().position(|line| line.contains("steps.bad]")).unwrap() + 1;
    assert!(told.contains(&format!("line={line},")), "{told}");
}

#[test]
fn nothing_that_a_step_prints_is_obeyed_whenever_it_is_shown() {
    let print = "echo '::add-mask::a'; echo ' ::set-output name=x::y'; echo 'z##[add-path]/tmp'; echo '::stop-commands::t'; echo '::t::'";
    let p = project(&step("check", print, "inputs = [\"in\"]\noutputs = []"));
    p.write("in", "1");
    for verbosity in ["", "-v", "-vv", "--message-format json"] {
        let ran = in_actions(&p, &format!("build --force {verbosity}")).run().success();
        assert_eq!(annotations(&ran), "", "{ran}");
        assert!(ran.raw_stderr().contains("z##[add-path]/tmp"), "{ran}");
        p.remove("target");
        let restored = in_actions(&p, &format!("build {verbosity}")).run().success();
        assert_eq!(annotations(&restored), "", "{restored}");
    }
    // A name says as little.
    let odd = "::warning::x ##[error]y";
    p.write("Cargo.toml", p.read("Cargo.toml").replace("\"in\"", "\"*.x\""));
    p.write(&format!("{odd}.x"), "1");
    for verbosity in ["-v", "-v --message-format json"] {
        p.write(&format!("{odd}.x"), verbosity);
        let run = in_actions(&p, &format!("build {verbosity}")).run().success();
        assert_eq!(annotations(&run), "", "{run}");
    }
    let tokens = in_actions(&p, "build --force").run().success().raw_stderr();
    let again = in_actions(&p, "build --force").run().success().raw_stderr();
    let token =
        |text: &str| text.split("::stop-commands::granular-").nth(1).unwrap()[..32].to_owned();
    assert_ne!(token(&tokens), token(&again));
}

#[test]
fn mistakes_and_other_trouble_are_annotations() {
    let p = project(
        "[workspace.metadata.granular.steps.a]\nrun = \"true\"\nouputs = []\n\n[workspace.metadata.granular.steps.b]\nrun = \"true\"\noutputs = []\nneeds = [\"c\"]\n",
    );
    assert_snapshot!(annotations(&in_actions(&p, "build").run().code(2)), @"
    ::error file=Cargo.toml,line=6,col=1,title=mistake in the configuration::unknown key `ouputs` in step `#a`
    ::error file=Cargo.toml,line=11,col=10,title=mistake in the configuration::unknown step `c` in `needs` of step `#b`
    ");
    p.manifest(&step("a", "true", "inputs = []\noutputs = []"));
    assert_snapshot!(annotations(&in_actions(&p, "build nope").run().code(2)), @"::error title=cargo granular::no step is called `nope`%0Ahelp: `cargo granular list` shows all steps");
    assert_eq!(summary(&p), "");
}

#[test]
fn the_summary_of_the_job_is_a_table_of_the_steps() {
    let p = project(
        &[
            step("kept", "true", "inputs = [\"a\"]\noutputs = []"),
            step("back", "cat b > {out}/x", "inputs = [\"b\"]\noutputs = [\"{out}/x\"]"),
            step("runs", "true", "inputs = [\"c*\"]\noutputs = []"),
            step("fails", "test ! -e bad", "inputs = [\"d\"]\noutputs = []"),
            step("behind", "true", "inputs = []\noutputs = []\nneeds = [\"fails\"]"),
        ]
        .concat(),
    );
    p.write("a", "").write("b", "1").write("c", "").write("d", "");
    in_actions(&p, "build").run().success();
    p.write("b", "2");
    in_actions(&p, "build").run().success();
    fs::remove_file(p.log().with_file_name("summary")).unwrap();
    p.write("b", "1").write("c|<b>`_x_`", "").write("bad", "").write("d", "2");
    fs::write(p.log().with_file_name("summary"), "before\n").unwrap();
    in_actions(&p, "build --keep-going -j1").run().code(1);
    let told = summary(&p);
    assert!(regex::Regex::new(r"\| ran \| \d").unwrap().is_match(&told), "{told}");
    // What trivial steps take and save is now a millisecond and now nothing.
    let times = regex::Regex::new(r"; \d+(\.\d+)?m?s saved|\b\d+(\.\d+)?m?s\b").unwrap();
    let told = times.replace_all(&told, "");
    assert_snapshot!(told, @"
    before
    ### cargo granular build, failed

    | step | status | time | saved | why |
    | --- | --- | ---: | ---: | --- |
    | <code>&#35;fails</code> | failed |  |  | <code>exit code 1</code> |
    | <code>&#35;behind</code> | skipped |  |  | <code>it needs &#35;fails</code> |
    | <code>&#35;runs</code> | ran |  |  | <code>c&#124;&#60;b&#62;&#96;&#95;x&#95;&#96; is new</code> |
    | <code>&#35;back</code> | restored |  |  | <code>from local cache&#59; b changed</code> |

    <details><summary>1 step fresh</summary>

    | step | status | time | saved | why |
    | --- | --- | ---: | ---: | --- |
    | <code>&#35;kept</code> | fresh |  |  |  |

    </details>

    1 failed, of the rest 4 steps in : 1 fresh, 1 restored, 1 ran, 1 skipped
    ");
    p.remove("bad");
    in_actions(&p, "build").run().success();
    fs::remove_file(p.log().with_file_name("summary")).unwrap();
    for _ in 0..3 {
        crate::costs::settle();
        in_actions(&p, "build").run().success();
    }
    let proved = summary(&p);
    assert_eq!(
        proved.matches("<details><summary>5 steps fresh</summary>").count(),
        3,
        "also where it is proved: {proved}"
    );
}

#[test]
fn it_can_be_turned_off_but_for_what_protects() {
    let p = project(&step("bad", "echo ::error::forged; exit 3", "inputs = []\noutputs = []"));
    let run = in_actions(&p, "build").env("GRANULAR_GITHUB", "off").run().code(1);
    assert_eq!(annotations(&run), "");
    assert!(run.raw_stderr().contains("::stop-commands::"), "{run}");
    assert_eq!(summary(&p), "");
    let elsewhere = p.granular("build").code(1);
    assert!(!elsewhere.raw_stderr().contains("::stop-commands::"), "{elsewhere}");
}

#[test]
fn a_summary_that_cannot_be_written_fails_no_build() {
    let p = project(&step("a", "true", "inputs = []\noutputs = []"));
    let run =
        in_actions(&p, "build").env("GITHUB_STEP_SUMMARY", "/nowhere/summary").run().success();
    assert!(
        run.stderr().contains("cannot add to the summary of the job in `/nowhere/summary`"),
        "{run}"
    );
}
