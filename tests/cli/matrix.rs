//! One action for each combination of a matrix.

use crate::project::{project, step};
use insta::assert_snapshot;

#[test]
fn each_combination_is_an_action_with_outputs_of_its_own() {
    let p = project(&step(
        "bin",
        "echo {matrix.os}-{matrix.arch} > {out}/bin",
        r#"inputs = []
outputs = ["{out}/bin"]
matrix = { os = ["linux", "windows"], arch = ["amd64", "arm64"] }
matrix-exclude = [{ os = "windows", arch = "arm64" }]"#,
    ));
    assert_snapshot!(p.granular("build -j1").success(), @"
    ---- stderr
             Ran #bin[arch=amd64,os=linux] in [ELAPSED]: it has not run here before
             Ran #bin[arch=amd64,os=windows] in [ELAPSED]: it has not run here before
             Ran #bin[arch=arm64,os=linux] in [ELAPSED]: it has not run here before
        Finished 3 steps in [ELAPSED]: 3 ran
    ");
    assert_eq!(p.ran().len(), 3);
    assert_eq!(p.read_out("bin/arch=arm64,os=linux/bin"), "linux-arm64\n");
}

#[test]
fn actions_that_come_out_the_same_share_one_run() {
    let p = project(&step(
        "bin",
        "sleep 0.1; echo x > {out}/bin",
        r#"inputs = []
outputs = ["{out}/bin"]
matrix = { os = ["linux", "windows", "darwin"] }"#,
    ));
    p.granular("build -j4").success();
    assert_eq!(p.ran(), ["bin"]);
    for os in ["linux", "windows", "darwin"] {
        assert_eq!(p.read_out(&format!("bin/os={os}/bin")), "x\n");
    }
}

#[test]
fn a_need_on_a_matrix_is_the_action_that_agrees() {
    let p = project(
        &[
            step(
                "bin",
                "echo {matrix.os} > {out}/bin",
                "inputs = []\noutputs = [\"{out}/bin\"]\nmatrix = { os = [\"linux\", \"darwin\"] }",
            ),
            step(
                "pack",
                "cat {needs.bin.out}/bin > {out}/pack",
                r#"inputs = []
outputs = ["{out}/pack"]
needs = ["bin"]
matrix = { os = ["linux", "darwin"] }"#,
            ),
            step(
                "all",
                "cat {needs.pack.out}/*/pack > {out}/all",
                "inputs = []\noutputs = [\"{out}/all\"]\nneeds = [\"pack\"]",
            ),
        ]
        .concat(),
    );
    p.granular("build").success();
    assert_eq!(p.read_out("pack/os=darwin/pack"), "darwin\n");
    assert_eq!(p.read_out("all/all"), "darwin\nlinux\n");
    p.granular("build pack").success();
    assert_eq!(p.ran().len(), 5);
}
