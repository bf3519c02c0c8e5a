//! `list`: the steps as they are declared.

use super::{lines, look_at};
use crate::cli::{List, MessageFormat};
use crate::exit::Exit;
use crate::session::Session;
use crate::trouble::Result;
use crate::wording;
use granular::action::ActionId;
use granular::graph::Graph;
use granular::step::{Run, Step, StepName};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Lists the steps of the named packages, or all.
pub(super) fn run(session: &Session, asked: &List) -> Result<Exit> {
    let opened = session.open()?;
    let (config, graph) = (&opened.project.config, &opened.project.graph);
    let ids = look_at(session, &opened, &asked.packages, &[])?;
    let meant: BTreeSet<&StepName> = ids.iter().map(|id| &graph[*id].name.step).collect();
    let steps: Vec<_> = config.steps.iter().filter(|step| meant.contains(&step.name)).collect();
    let text = match asked.format.message_format {
        MessageFormat::Human => human(&steps),
        MessageFormat::Json => lines(steps.iter().map(|step| object(step, &ids, graph))),
    };
    session.shell.answer(&text)?;
    Ok(Exit::Done)
}

fn human(steps: &[&Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let heading = ["NAME", "KIND", "NEEDS", "COMMAND"].map(str::to_owned).to_vec();
    let rows = steps.iter().map(|step| row(step));
    wording::table(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

fn row(step: &Step) -> Vec<String> {
    let variables: Vec<_> = step.matrix.keys().map(String::as_str).collect();
    let matrix =
        if variables.is_empty() { String::new() } else { format!("[{}]", variables.join(",")) };
    let needs: Vec<_> = step.needs.iter().map(|need| need.value.step.to_string()).collect();
    let command = step.run.as_ref().map(wording::command).unwrap_or_default();
    let name = wording::one_line(&format!("{}{matrix}", step.name));
    vec![name, kinds(step).join(", "), wording::one_line(&needs.join(" ")), command]
}

/// In words: `files`, `check`, `test`, `build`, and `on request` for one that is not `default`.
fn kinds(step: &Step) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    if step.run.is_none() {
        kinds.push("files");
    } else if step.test {
        kinds.push("test");
    } else if step.outputs.is_empty() {
        kinds.push("check");
    } else {
        kinds.push("build");
    }
    if !step.default {
        kinds.push("on request");
    }
    kinds
}

fn object(step: &Step, ids: &[ActionId], graph: &Graph) -> Value {
    let run = step.run.as_ref().map(|run| match run {
        Run::Program(words) => json!(words.iter().map(wording::template).collect::<Vec<_>>()),
        Run::Shell(line) => json!(wording::template(line)),
    });
    let needs: Vec<_> = step.needs.iter().map(|need| need.value.step.to_string()).collect();
    let outputs: Vec<_> =
        step.outputs.iter().map(|output| wording::template(&output.value)).collect();
    let own = ids.iter().filter(|id| graph[**id].name.step == step.name);
    json!({
        "reason": "granular-step",
        "step": step.name.to_string(),
        "package": step.name.package,
        "manifest_path": step.manifest.to_string_lossy(),
        "run": run,
        "outputs": outputs,
        "needs": needs,
        "check": step.run.is_some() && step.outputs.is_empty(),
        "test": step.test,
        "default": step.default,
        "actions": own.map(|id| graph[*id].name.to_string()).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
pub(crate) mod made_up {
    //! Steps as an author would declare them.

    use granular::ordered::{Map, Set};
    use granular::step::{DeclaredNeed, Run, Spanned, Step, StepName};
    use granular::template::{Piece, Template};

    pub(crate) fn template(text: &str) -> Template {
        Template(vec![Piece::Text(text.to_owned())])
    }

    /// A step `name` of the workspace that runs `words` and leaves `{out}` if `leaves`.
    pub(crate) fn step(name: &str, words: &[&str], leaves: bool, needs: &[&str]) -> Step {
        let run = words.iter().map(|word| template(word)).collect();
        let need = |need: &&str| Spanned {
            value: DeclaredNeed {
                step: StepName { package: None, step: (*need).to_owned() },
                name: (*need).to_owned(),
            },
            span: 0..0,
        };
        let out = Spanned { value: Template(vec![Piece::Out]), span: 0..0 };
        Step {
            name: StepName { package: None, step: name.to_owned() },
            manifest: "/w/Cargo.toml".into(),
            span: 0..0,
            base: Default::default(),
            run: (!words.is_empty()).then_some(Run::Program(run)),
            run_span: 0..0,
            inputs: None,
            outputs: leaves.then_some(out).into_iter().collect(),
            discover: None,
            depfiles: Vec::new(),
            needs: needs.iter().map(need).collect(),
            env: Map::new(),
            track_env: Set::new(),
            pass_env: Set::new(),
            tools: Vec::new(),
            matrix: Map::new(),
            matrix_exclude: Vec::new(),
            test: false,
            default: true,
            dir: Default::default(),
            timeout: None,
            retries: 0,
            jobs: 1,
            any_platform: false,
            portable: false,
            incremental: false,
            cargo: Vec::new(),
            fallback: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use made_up::{step, template};

    fn steps() -> Vec<Step> {
        let mut bundle = step("bundle", &["npm", "run", "build"], true, &["models", "schema"]);
        bundle.name.package = Some("web".to_owned());
        bundle.matrix.insert("os".to_owned(), vec!["linux".to_owned()]);
        let mut e2e = step("e2e", &[], false, &["api"]);
        e2e.run = Some(Run::Shell(template("./e2e.sh | tee log\n")));
        (e2e.test, e2e.default) = (true, false);
        vec![
            step("schema", &[], false, &[]),
            step("models", &["go", "vet", "./shared/models"], false, &[]),
            bundle,
            e2e,
        ]
    }

    #[test]
    fn people_get_a_table() {
        insta::assert_snapshot!(human(&steps().iter().collect::<Vec<_>>()), @"
        NAME            KIND              NEEDS            COMMAND
        #schema         files
        #models         check                              go vet ./shared/models
        web#bundle[os]  build             #models #schema  npm run build
        #e2e            test, on request  #api             ./e2e.sh | tee log
        ");
        assert_eq!(human(&[]), "");
    }

    #[test]
    fn programs_get_an_object_a_line() {
        let objects =
            steps().iter().map(|step| object(step, &[], &Graph::default())).collect::<Vec<_>>();
        insta::assert_snapshot!(lines(objects), @r##"
        {"reason":"granular-step","step":"#schema","package":null,"manifest_path":"/w/Cargo.toml","run":null,"outputs":[],"needs":[],"check":false,"test":false,"default":true,"actions":[]}
        {"reason":"granular-step","step":"#models","package":null,"manifest_path":"/w/Cargo.toml","run":["go","vet","./shared/models"],"outputs":[],"needs":[],"check":true,"test":false,"default":true,"actions":[]}
        {"reason":"granular-step","step":"web#bundle","package":"web","manifest_path":"/w/Cargo.toml","run":["npm","run","build"],"outputs":["{out}"],"needs":["#models","#schema"],"check":false,"test":false,"default":true,"actions":[]}
        {"reason":"granular-step","step":"#e2e","package":null,"manifest_path":"/w/Cargo.toml","run":"./e2e.sh | tee log\n","outputs":[],"needs":["#api"],"check":true,"test":true,"default":false,"actions":[]}
        "##);
    }
}
