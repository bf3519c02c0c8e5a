//! From what the user asked for to actions: step names, bare names, patterns, packages. Pure.

use crate::action::{Action, ActionId};
use crate::config::suggest::suggest;
use crate::graph::Graph;
use crate::ordered::Set;
use crate::path::RelPath;
use crate::pattern::InputPatterns;
use crate::step::StepName;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Whether tests are asked for (`cargo granular test`) instead of what a plain build wants.
    pub tests: bool,
    /// The STEPS as given; empty for all of the kind asked for.
    pub steps: Vec<String>,
    /// The packages whose steps are chosen.
    pub packages: Vec<String>,
    /// Whether the workspace's own steps are chosen as well.
    pub workspace_steps: bool,
}

/// Something that names no step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What is wrong.
    pub message: String,
    /// The way out, if there is one to tell.
    pub help: Option<String>,
}

/// The actions that are wanted, in the graph's order; or a sentence on what names nothing, and the way out.
///
/// STEPS are full names (`web#bundle`, `#api`, `#api[goos=linux]`), bare names (that step wherever the chosen packages or the
/// workspace declare it) or patterns of either. Without STEPS: every step of the chosen packages that a plain build wants, or every test.
pub fn select(graph: &Graph, selection: &Selection) -> Result<Vec<ActionId>, Unknown> {
    let is_chosen = |action: &Action| match &action.name.step.package {
        Some(package) => selection.packages.contains(package),
        None => selection.workspace_steps,
    };
    if selection.steps.is_empty() {
        let is_wanted =
            |action: &Action| is_chosen(action) && action.test == selection.tests && action.default;
        return Ok(graph.ids().filter(|id| is_wanted(&graph[*id])).collect());
    }
    let mut wanted = Set::new();
    for text in &selection.steps {
        let wish = Wish::new(text)?;
        let before = wanted.len();
        let named: Vec<_> = graph.ids().filter(|id| wish.names(&graph[*id], &is_chosen)).collect();
        if named.is_empty() && wanted.len() == before {
            return Err(nothing_named(graph, text, &wish));
        }
        wanted.extend(named);
    }
    Ok(wanted.into_iter().collect())
}

/// One of the STEPS.
enum Wish<'a> {
    /// A step or an action by its full name.
    Full(&'a str),
    /// A step by its name alone.
    Bare(&'a str),
    /// A pattern of full names, which has a `#` in it.
    FullPattern(InputPatterns),
    /// A pattern of bare names.
    BarePattern(InputPatterns),
}

impl<'a> Wish<'a> {
    fn new(text: &'a str) -> Result<Self, Unknown> {
        let (is_full, is_pattern) = (text.contains('#'), text.contains(['*', '?', '{']));
        if !is_pattern {
            return Ok(if is_full { Self::Full(text) } else { Self::Bare(text) });
        }
        // Names are matched by the patterns that paths are: there is one kind of wildcard in all of the program.
        let glob =
            InputPatterns::new(&RelPath::root(), &[text.to_owned()]).map_err(|mistakes| {
                let what = mistakes.into_iter().next().map_or(String::new(), |(_, what)| what);
                Unknown { message: format!("`{text}` is not a pattern: {what}"), help: None }
            })?;
        Ok(if is_full { Self::FullPattern(glob) } else { Self::BarePattern(glob) })
    }

    fn names(&self, action: &Action, is_chosen: &impl Fn(&Action) -> bool) -> bool {
        let step = &action.name.step;
        let is_near = || is_chosen(action) || step.package.is_none();
        match self {
            Self::Full(text) => step.to_string() == *text || action.name.to_string() == *text,
            Self::Bare(text) => step.step == *text && is_near(),
            Self::FullPattern(glob) => matches(glob, &step.to_string()),
            Self::BarePattern(glob) => matches(glob, &step.step) && is_near(),
        }
    }
}

fn matches(glob: &InputPatterns, name: &str) -> bool {
    RelPath::new(name).is_some_and(|name| glob.matches(&name))
}

fn nothing_named(graph: &Graph, text: &str, wish: &Wish<'_>) -> Unknown {
    let steps: Set<&StepName> = graph.actions().iter().map(|action| &action.name.step).collect();
    let message = match wish {
        Wish::Full(_) | Wish::Bare(_) => format!("no step is called `{text}`"),
        Wish::FullPattern(_) | Wish::BarePattern(_) => format!("no step matches `{text}`"),
    };
    let elsewhere: Vec<_> =
        steps.iter().filter(|step| step.step == text).map(|step| format!("`{step}`")).collect();
    let help = if !elsewhere.is_empty() {
        let names = elsewhere.join(" or ");
        Some(format!(
            "outside of the chosen packages there is {names}: give the full name, or choose its package with `-p`"
        ))
    } else if steps.is_empty() {
        Some(
            "the workspace declares no steps: one begins with `[workspace.metadata.granular.steps.NAME]` in the root's `Cargo.toml`"
                .to_owned(),
        )
    } else {
        let full: Vec<_> = steps.iter().map(ToString::to_string).collect();
        let bare = steps.iter().map(|step| step.step.as_str());
        let candidates = full.iter().map(String::as_str).chain(bare);
        match suggest(text, candidates) {
            Some(name) => Some(format!("did you mean `{name}`?")),
            None => Some("`cargo granular list` shows all steps".to_owned()),
        }
    };
    Unknown { message, help }
}
