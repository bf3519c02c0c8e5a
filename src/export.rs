//! Exports: what dependents see of a step. A step that leaves something exports that; any other passes on what it reads
//! and what its own needs export, so that a check or a named set of files is as good a need as a step with outputs.

use crate::canon;
use crate::content::{Content, Input, Output};
use crate::path::{Base, RelPath};

/// One path of an export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// The root of `path`: `tree`, or an output directory as its dependent would call it, `{out}` or `{needs.models.out}`.
    pub root: String,
    /// Below that root.
    pub path: RelPath,
    /// What stands there.
    pub content: Content,
}

/// The exports of one need, by the name that the needing step has for it.
#[derive(Clone, Debug)]
pub struct NeedExports<'a> {
    /// The name, as in `{needs.NAME.out}`.
    pub name: &'a str,
    /// What it exports.
    pub exports: &'a [Export],
}

const TREE: &str = "tree";

/// What an action exports: its `outputs` if it declares any, else its `inputs` and what its `needs` export.
pub fn of_action(
    declares_outputs: bool,
    outputs: &[Output],
    inputs: &[Input],
    needs: &[NeedExports<'_>],
) -> Vec<Export> {
    if declares_outputs {
        return outputs.iter().map(of_output).collect();
    }
    let inputs = inputs.iter().map(|input| Export {
        root: TREE.to_owned(),
        path: input.path.clone(),
        content: input.content.clone(),
    });
    inputs.chain(through(needs)).collect()
}

/// The exports of all `needs`, named as the needing step sees them.
pub fn through<'a>(needs: &'a [NeedExports<'a>]) -> impl Iterator<Item = Export> + 'a {
    needs.iter().flat_map(|need| need.exports.iter().map(|export| seen_through(need.name, export)))
}

/// The lines of the exports of all `needs` in a fingerprint: sorted, each once.
pub fn lines(needs: &[NeedExports<'_>]) -> Vec<String> {
    let mut lines: Vec<_> = through(needs).map(|export| export.to_line()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

fn of_output(output: &Output) -> Export {
    let root = match output.path.base {
        Base::Tree => TREE,
        Base::Out => "{out}",
    };
    Export {
        root: root.to_owned(),
        path: output.path.path.clone(),
        content: output.content.clone(),
    }
}

fn seen_through(name: &str, export: &Export) -> Export {
    let root = match export.root.strip_prefix('{') {
        Some("out}") => format!("{{needs.{name}.out}}"),
        // A slash, which no name of a step has: no chain of needs can imitate another.
        Some(chain) => format!("{{needs.{name}/{chain}"),
        None => export.root.clone(),
    };
    Export { root, ..export.clone() }
}

impl Export {
    /// `export tree "path" CONTENT` or `export "{needs.models.out}" "path" CONTENT`.
    fn to_line(&self) -> String {
        let mut line = String::from("export");
        match self.root.as_str() {
            TREE => line.push_str(" tree"),
            root => canon::quote(&mut line, root),
        }
        canon::quote(&mut line, self.path.as_str());
        self.content.write(&mut line);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::path::OutputPath;

    fn file(bytes: &[u8]) -> Content {
        Content::File { digest: Digest::of(bytes), executable: false }
    }

    fn input(path: &str) -> Input {
        Input { path: RelPath::new(path).unwrap(), content: file(b"") }
    }

    #[test]
    fn a_step_with_outputs_exports_these_alone() {
        let path = OutputPath { base: Base::Out, path: RelPath::new("api").unwrap() };
        let outputs = [Output { path, content: file(b"binary") }];
        let exports = of_action(true, &outputs, &[input("main.go")], &[]);
        assert_eq!(exports.len(), 1);
        assert_eq!(exports[0].root, "{out}");
    }

    #[test]
    fn a_check_passes_on_what_it_reads_and_what_its_needs_export() {
        let generated = [Export {
            root: "{out}".into(),
            path: RelPath::new("a.go").unwrap(),
            content: file(b"a"),
        }];
        let needs = [NeedExports { name: "gen", exports: &generated }];
        let exports = of_action(false, &[], &[input("b.go")], &needs);
        let roots: Vec<_> = exports.iter().map(|export| export.root.as_str()).collect();
        assert_eq!(roots, ["tree", "{needs.gen.out}"]);

        let lines = lines(&[NeedExports { name: "check", exports: &exports }]);
        assert!(
            lines[0].starts_with(r#"export "{needs.check/needs.gen.out}" "a.go" file "#),
            "{lines:?}"
        );
        assert!(lines[1].starts_with(r#"export tree "b.go" file "#), "{lines:?}");
    }

    #[test]
    fn what_two_needs_export_alike_stands_once() {
        let exports = of_action(false, &[], &[input("go.work")], &[]);
        let needs = [
            NeedExports { name: "models", exports: &exports },
            NeedExports { name: "utils", exports: &exports },
        ];
        assert_eq!(lines(&needs).len(), 1);
    }
}
