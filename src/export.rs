//! Exports: what dependents see of a step. A step that leaves something exports that; any other passes on what it reads
//! and what its own needs export, so that a check or a named set of files is as good a need as a step with outputs.

use crate::canon;
use crate::content::{Content, Input, Output};
use crate::ordered;
use crate::path::{Base, RelPath};

/// One path of an export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// The root of `path`: `tree`; `{out}` for the exporting action's own output directory; or, passed on by a check or a set of files,
    /// `{#gen.out}` for that of the action `#gen`.
    pub root: String,
    /// Below that root.
    pub path: RelPath,
    /// What stands there.
    pub content: Content,
}

/// The exports of one need.
#[derive(Clone, Debug)]
pub struct NeedExports<'a> {
    /// What the needing step calls it, as in `{needs.NAME.out}`.
    pub name: &'a str,
    /// The full name of the action that is needed.
    pub action: String,
    /// What it exports.
    pub exports: &'a [Export],
}

const TREE: &str = "tree";
const OUT: &str = "{out}";

/// What an action exports, sorted, each path once: its `outputs` if it declares any, else its `inputs` and what its `needs` export.
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
    let passed_on = needs.iter().flat_map(|need| {
        // By the exporter's own name, so that what comes by two ways is the same.
        let own = format!("{{{}.out}}", need.action);
        need.exports.iter().map(move |export| renamed(export, &own))
    });
    let mut exports: Vec<_> = inputs.chain(passed_on).collect();
    ordered::sort_by(&mut exports, |a, b| (&a.root, &a.path).cmp(&(&b.root, &b.path)));
    exports.dedup();
    exports
}

/// The lines of the exports of all `needs` in a fingerprint: sorted, each once. A need's own output directory is called `{needs.NAME.out}`.
pub fn lines(needs: &[NeedExports<'_>]) -> Vec<String> {
    let lines = needs.iter().flat_map(|need| {
        let own = format!("{{needs.{}.out}}", need.name);
        need.exports.iter().map(move |export| renamed(export, &own).to_line())
    });
    let mut lines: Vec<_> = lines.collect();
    ordered::sort(&mut lines);
    lines.dedup();
    lines
}

fn of_output(output: &Output) -> Export {
    let root = match output.path.base {
        Base::Tree => TREE,
        Base::Out => OUT,
    };
    Export {
        root: root.to_owned(),
        path: output.path.path.clone(),
        content: output.content.clone(),
    }
}

/// The export with `own` in the place of the exporter's own output directory.
fn renamed(export: &Export, own: &str) -> Export {
    let root = if export.root == OUT { own.to_owned() } else { export.root.clone() };
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

    fn need<'a>(name: &'a str, exports: &'a [Export]) -> NeedExports<'a> {
        NeedExports { name, action: format!("#{name}"), exports }
    }

    #[test]
    fn a_check_passes_on_what_it_reads_and_what_its_needs_export() {
        let path = RelPath::new("a.go").unwrap();
        let generated = [Export { root: "{out}".into(), path, content: file(b"a") }];
        assert!(
            lines(&[need("gen", &generated)])[0]
                .starts_with(r#"export "{needs.gen.out}" "a.go" file "#)
        );

        let exports = of_action(false, &[], &[input("b.go")], &[need("gen", &generated)]);
        let lines = lines(&[need("check", &exports)]);
        assert!(lines[0].starts_with(r##"export "{#gen.out}" "a.go" file "##), "{lines:?}");
        assert!(lines[1].starts_with(r#"export tree "b.go" file "#), "{lines:?}");
    }

    #[test]
    fn what_two_needs_export_alike_stands_once() {
        let exports = of_action(false, &[], &[input("go.work")], &[]);
        let needs = [need("models", &exports), need("utils", &exports)];
        assert_eq!(lines(&needs).len(), 1);
        assert_eq!(of_action(false, &[], &[], &needs).len(), 1);
    }
}
