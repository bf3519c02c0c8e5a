//! What lies about in the target directory is no input.

use crate::project::{Project, project, step};

#[cfg(unix)]
#[test]
fn a_target_directory_is_no_input_however_it_is_reached() {
    let reads_all = || {
        let p = project(&step("all", "true", "outputs = []"));
        p.write("sub/source", "1\n");
        std::fs::create_dir(p.root().parent().unwrap().join("outside")).unwrap();
        p
    };
    let link = |p: &Project, text: &str, path: &str| {
        std::os::unix::fs::symlink(text, p.path(path)).unwrap();
    };
    let is_stable = |p: &Project, target: Option<&str>| {
        let build = || match target {
            Some(target) => p.command("build").env("CARGO_TARGET_DIR", target).run(),
            None => p.granular("build"),
        };
        for expected in [&["all"][..], &[], &[]] {
            build().success();
            assert_eq!(p.ran(), expected);
        }
        p.write("sub/source", "2\n");
        build().success();
        assert_eq!(p.ran(), ["all"]);
    };
    is_stable(&reads_all(), Some("sub/../tgt"));
    for behind in ["../outside", "build"] {
        let p = reads_all();
        std::fs::create_dir(p.path("build")).unwrap();
        link(&p, behind, "target");
        is_stable(&p, None);
    }
    let p = reads_all();
    std::fs::create_dir(p.path("build")).unwrap();
    link(&p, "build", "way");
    is_stable(&p, Some("way/tgt"));
}

#[cfg(unix)]
#[test]
fn a_workspace_behind_a_link_hides_its_target_directory() {
    let p = project(&step("all", "true", "outputs = []"));
    p.write("source", "1\n");
    let top = p.root().parent().unwrap().to_path_buf();
    std::os::unix::fs::symlink(p.root(), top.join("link")).unwrap();
    let manifest = top.join("link/Cargo.toml");
    for expected in [&["all"][..], &[], &[]] {
        let build = p.command("build --manifest-path").arg(manifest.to_str().unwrap());
        build.env("CARGO_TARGET_DIR", p.path("tgt").to_str().unwrap()).run().success();
        assert_eq!(p.ran(), expected);
    }
}
