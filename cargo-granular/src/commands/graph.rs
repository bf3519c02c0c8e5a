//! `graph`: which action needs which, in the language of a drawing program or for programs.

use super::look_at;
use crate::cli::{self, GraphFormat};
use crate::exit::Exit;
use crate::session::Session;
use crate::trouble::Result;
use crate::wording;
use granular::action::{Action, ActionId};
use granular::graph::Graph;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Draws the named steps, or all, with all that they need.
pub(super) fn run(session: &Session, asked: &cli::Graph) -> Result<Exit> {
    let opened = session.open()?;
    let graph = &opened.project.graph;
    let ids = look_at(session, &opened, &asked.packages, &asked.steps)?;
    let nodes = nodes(&with_needs(&ids, graph), graph);
    let text = match asked.format {
        GraphFormat::Dot => dot(&nodes),
        GraphFormat::Mermaid => mermaid(&nodes),
        GraphFormat::Json => format!("{}\n", object(&nodes)),
    };
    session.shell.answer(&text)?;
    Ok(Exit::Done)
}

/// An action, and what it needs.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Node {
    name: String,
    step: String,
    kind: Kind,
    needs: Vec<String>,
}

/// What an action is, as far as a drawing shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Build,
    Check,
    Test,
    Files,
}

/// The ids and all that they need, in the graph's order.
fn with_needs(ids: &[ActionId], graph: &Graph) -> BTreeSet<ActionId> {
    let mut found = BTreeSet::new();
    let mut waiting = ids.to_vec();
    while let Some(id) = waiting.pop() {
        if found.insert(id) {
            waiting.extend(graph[id].needs.iter().map(|need| need.action));
        }
    }
    found
}

fn nodes(ids: &BTreeSet<ActionId>, graph: &Graph) -> Vec<Node> {
    let node = |id: &ActionId| {
        let action = &graph[*id];
        let needs = action.needs.iter().map(|need| graph[need.action].name.to_string()).collect();
        Node {
            name: action.name.to_string(),
            step: action.name.step.to_string(),
            kind: kind(action),
            needs,
        }
    };
    ids.iter().map(node).collect()
}

fn kind(action: &Action) -> Kind {
    match action {
        Action { run: None, .. } => Kind::Files,
        Action { test: true, .. } => Kind::Test,
        action if action.outputs.is_empty() => Kind::Check,
        _ => Kind::Build,
    }
}

/// For Graphviz. An arrow leads from a step to what it needs.
fn dot(nodes: &[Node]) -> String {
    let mut text = "digraph granular {\n    rankdir = LR\n    node [shape=box]\n".to_owned();
    for node in nodes {
        let look = match node.kind {
            Kind::Build => "",
            Kind::Check => " [style=rounded]",
            Kind::Test => " [style=\"rounded,dashed\"]",
            Kind::Files => " [shape=note]",
        };
        text.push_str(&format!("    {}{look}\n", dot_text(&node.name)));
    }
    for (node, need) in edges(nodes) {
        text.push_str(&format!("    {} -> {}\n", dot_text(&node.name), dot_text(need)));
    }
    text.push_str("}\n");
    text
}

fn dot_text(text: &str) -> String {
    format!("\"{}\"", wording::one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// For Markdown. An arrow leads from a step to what it needs.
fn mermaid(nodes: &[Node]) -> String {
    let ids: BTreeMap<&str, usize> =
        nodes.iter().enumerate().map(|(id, node)| (node.name.as_str(), id)).collect();
    let mut text = "graph LR\n".to_owned();
    for (id, node) in nodes.iter().enumerate() {
        let (open, close) = match node.kind {
            Kind::Build => ("[", "]"),
            Kind::Check | Kind::Test => ("(", ")"),
            Kind::Files => ("[/", "/]"),
        };
        text.push_str(&format!("    s{id}{open}{}{close}\n", mermaid_text(&node.name)));
    }
    for (node, need) in edges(nodes) {
        if let (Some(from), Some(to)) = (ids.get(node.name.as_str()), ids.get(need)) {
            text.push_str(&format!("    s{from} --> s{to}\n"));
        }
    }
    text
}

/// `#` begins an entity there, and what begins with one of these would be taken for Markdown or markup.
fn mermaid_text(text: &str) -> String {
    let mut shown = String::from("\"");
    for char in wording::one_line(text).chars() {
        match char {
            '#' | '"' | '<' | '>' | '&' | '`' | '\\' | '*' => {
                shown.push_str(&format!("#{};", u32::from(char)))
            }
            char => shown.push(char),
        }
    }
    shown.push('"');
    shown
}

fn edges(nodes: &[Node]) -> impl Iterator<Item = (&Node, &str)> {
    nodes.iter().flat_map(|node| node.needs.iter().map(move |need| (node, need.as_str())))
}

fn object(nodes: &[Node]) -> Value {
    let action = |node: &Node| {
        let kind = match node.kind {
            Kind::Build => "build",
            Kind::Check => "check",
            Kind::Test => "test",
            Kind::Files => "files",
        };
        json!({"action": node.name, "step": node.step, "kind": kind, "needs": node.needs})
    };
    json!({"reason": "granular-graph", "actions": nodes.iter().map(action).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diamond() -> Vec<Node> {
        let node = |name: &str, kind, needs: &[&str]| Node {
            name: name.to_owned(),
            step: name.split('[').next().unwrap().to_owned(),
            kind,
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        };
        vec![
            node("#schema", Kind::Files, &[]),
            node("#models", Kind::Check, &["#schema"]),
            node("web#bundle[mode=\"a\\b\"]", Kind::Build, &["#schema"]),
            node("#e2e", Kind::Test, &["#models", "web#bundle[mode=\"a\\b\"]"]),
        ]
    }

    #[test]
    fn for_graphviz() {
        insta::assert_snapshot!(dot(&diamond()), @r##"
        digraph granular {
            rankdir = LR
            node [shape=box]
            "#schema" [shape=note]
            "#models" [style=rounded]
            "web#bundle[mode=\"a\\b\"]"
            "#e2e" [style="rounded,dashed"]
            "#models" -> "#schema"
            "web#bundle[mode=\"a\\b\"]" -> "#schema"
            "#e2e" -> "#models"
            "#e2e" -> "web#bundle[mode=\"a\\b\"]"
        }
        "##);
    }

    #[test]
    fn for_markdown() {
        insta::assert_snapshot!(mermaid(&diamond()), @r##"
        graph LR
            s0[/"#35;schema"/]
            s1("#35;models")
            s2["web#35;bundle[mode=#34;a#92;b#34;]"]
            s3("#35;e2e")
            s1 --> s0
            s2 --> s0
            s3 --> s1
            s3 --> s2
        "##);
    }

    #[test]
    fn for_programs() {
        insta::assert_snapshot!(object(&diamond()), @r##"{"reason":"granular-graph","actions":[{"action":"#schema","step":"#schema","kind":"files","needs":[]},{"action":"#models","step":"#models","kind":"check","needs":["#schema"]},{"action":"web#bundle[mode=\"a\\b\"]","step":"web#bundle","kind":"build","needs":["#schema"]},{"action":"#e2e","step":"#e2e","kind":"test","needs":["#models","web#bundle[mode=\"a\\b\"]"]}]}"##);
    }
}
