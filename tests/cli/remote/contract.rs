//! The same promises against each server that people run.

use super::real::Kind;
use super::*;
use std::process::Child;

fn shares_all_sorts_of_results(kind: Kind) {
    let p = workspace();
    let Some(server) = kind.start(&p, &[]) else { return };
    all_sorts_are_shared(&p, &|p| writing(p, &server.url), &|p| reading(p, &server.url));
}

/// What [`workspace`] has built and written is what a second machine reads, and the other way round. Gives what was said at last.
pub(super) fn all_sorts_are_shared(
    p: &Project,
    writing: &dyn Fn(&Project) -> Invocation,
    reading: &dyn Fn(&Project) -> Invocation,
) -> Run {
    let run = writing(p).arg("-v").run().success();
    assert_eq!(p.ran(), ["c", "check", "gen", "use"]);
    assert!(warnings(&run).is_empty() && !run.stderr().contains("left for a later build"), "{run}");

    let second = p.elsewhere();
    let run = reading(&second).arg("-v").run().success();
    assert!(second.ran().is_empty() && warnings(&run).is_empty(), "{run}");
    assert_eq!(left_by(&second), left_by(p));
    second.granular("verify").success();

    // What the second changes and writes, the first has.
    for p in [p, &second] {
        p.write("in.txt", "2\n").write("a.h", "2\n");
    }
    writing(&second).run().success();
    second.ran();
    let run = reading(p).run().success();
    assert!(p.ran().is_empty(), "{run}");
    assert_eq!(left_by(&second), left_by(p));
    run
}

fn shares_many_small_files_and_large_ones(kind: Kind) {
    // One that can be made shorter, and one that cannot; a few bytes and many.
    let script = "for n in $(seq 2000); do echo file $n > {out}/$n; done; seq 1000000 > {out}/large; \
                  cp noise {out}/noise; cp noise {out}/same; tail -c 700000 noise > {out}/less";
    let p = project(&step("gen", script, "inputs = [\"noise\"]\noutputs = [\"{out}\"]"));
    p.write("noise", noise(5_000_000));
    let Some(server) = kind.start(&p, &[]) else { return };
    let run = writing(&p, &server.url).env("GRANULAR_REMOTE_WAIT", "60").arg("-v").run().success();
    assert!(warnings(&run).is_empty() && !run.stderr().contains("left for a later build"), "{run}");
    let second = p.elsewhere();
    let run = reading(&second, &server.url).arg("-v").run().success();
    assert!(second.ran().is_empty() && warnings(&run).is_empty(), "{run}");
    assert!(run.stderr().contains("brought 2003 blobs"), "{run}");
    assert_eq!(left_by(&second), left_by(&p));
    second.granular("verify").success();
}

fn that_has_lost_its_blobs_gives_misses_and_gets_them_again(kind: Kind) {
    let p = workspace();
    let Some(server) = kind.start(&p, &[]) else { return };
    writing(&p, &server.url).run().success();
    drop(server);
    let Some(server) = kind.start(&p, &[]) else { return };
    let second = p.elsewhere();
    writing(&second, &server.url).run().success();
    assert_eq!(second.ran().len(), 4);
    let third = p.elsewhere();
    reading(&third, &server.url).run().success();
    assert!(third.ran().is_empty());
    assert_eq!(left_by(&third), left_by(&second));
}

fn is_only_written_if_that_is_asked_for(kind: Kind) {
    let p = workspace();
    let Some(server) = kind.start(&p, &[]) else { return };
    for p in [&p, &p.elsewhere()] {
        let run = reading(p, &server.url).arg("-v").run().success();
        assert!(run.stderr().contains("read-only: writing was not asked for"), "{run}");
        assert_eq!(p.ran().len(), 4, "nobody has written: {run}");
    }
}

fn a42_gives_nobody_what_a_pull_request_has_forged(kind: Kind) {
    let p = steps(1);
    let Some(server) = kind.start(&p, &[]) else { return };
    signed::a42_nobody_takes_what_a_pull_request_has_forged(&server.url);
}

fn that_is_killed_in_the_middle_costs_no_build(kind: Kind) {
    let p = steps(30);
    let Some(mut server) = kind.start(&p, &[]) else { return };
    is_done_although_killed(&p, writing(&p, &server.url), &mut server.child);
}

/// The steps of `steps(30)`, built while the server is killed.
pub(super) fn is_done_although_killed(p: &Project, build: Invocation, server: &mut Child) {
    let (run, time) = timed(|| {
        build.run_while(|_| {
            while p.ran().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            server.kill().unwrap();
        })
    });
    let run = run.success();
    assert!(warnings(&run).len() <= 1 && time < Duration::from_secs(10), "{time:?}: {run}");
    let left = left_by(p);
    let files = left.values().filter(|entry| matches!(entry, crate::faults::Entry::File { .. }));
    assert_eq!(files.count(), 30);
}

macro_rules! contract {
    ($module:ident, $kind:expr, $($promise:ident)*) => {
        mod $module {
            use super::Kind;
            $(
                #[test]
                fn $promise() {
                    super::$promise($kind);
                }
            )*
        }
    };
    ($($module:ident = $kind:expr;)*) => {
        $(
            contract! {
                $module, $kind,
                shares_all_sorts_of_results
                shares_many_small_files_and_large_ones
                that_has_lost_its_blobs_gives_misses_and_gets_them_again
                is_only_written_if_that_is_asked_for
                a42_gives_nobody_what_a_pull_request_has_forged
                that_is_killed_in_the_middle_costs_no_build
            }
        )*
    };
}

contract! {
    bazel_remote_over_http = Kind::BazelRemoteHttp;
    bazel_remote_over_grpc = Kind::BazelRemoteGrpc;
    buildbox_casd = Kind::Casd;
}
