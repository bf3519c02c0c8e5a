//! From declared steps to actions: expands each matrix. Knows no other step than the one it expands.

use crate::action::{Action, ActionName, GoPackages};
use crate::mistake::Mistake;
use crate::ordered::{Map, Set};
use crate::path::{OutputPath, RelPath};
use crate::pattern::{self, InputPatterns, OutputPattern};
use crate::step::{Discover, Fallback, Run, Spanned, Step};
use crate::template::shell::Shell;
use crate::template::{Piece, Template};
use std::ops::Range;

/// More combinations than these are not looked at one by one.
pub(crate) const MOST_COMBINATIONS: usize = 100_000;

/// The values of one action, by variable.
pub(crate) type Cell = Map<String, String>;

/// An action and which declared texts its patterns come from.
#[derive(Clone, Debug)]
pub(crate) struct Expanded {
    /// The action, without its needs.
    pub(crate) action: Action,
    /// The texts of `action.inputs`; empty where none are declared.
    pub(crate) input_texts: Vec<String>,
    /// Their places in the manifest.
    pub(crate) input_spans: Vec<Range<usize>>,
    /// The places of `action.outputs` in the manifest.
    pub(crate) output_spans: Vec<Range<usize>>,
}

/// How many combinations the matrix has before any is taken out.
pub(crate) fn combinations(matrix: &Map<String, Vec<String>>) -> usize {
    matrix.values().fold(1, |count: usize, values| count.saturating_mul(values.len()))
}

/// Every combination that is not taken out: in the order of the variables' names, the last changing fastest, and of each
/// variable's values as declared. One empty cell without a matrix.
pub(crate) fn cells(matrix: &Map<String, Vec<String>>, exclude: &[Cell]) -> Vec<Cell> {
    if combinations(matrix) > MOST_COMBINATIONS {
        return Vec::new();
    }
    let mut cells = vec![Cell::new()];
    for (name, values) in matrix {
        let with = |cell: Cell| {
            values.iter().map(move |value| extended(&cell, name, value)).collect::<Vec<_>>()
        };
        cells = cells.into_iter().flat_map(with).collect();
    }
    let is_out = |cell: &Cell| exclude.iter().any(|out| !out.is_empty() && agree(out, cell));
    cells.retain(|cell| !is_out(cell));
    cells
}

/// Whether two cells have the same values in the variables that both have.
pub(crate) fn agree(a: &Cell, b: &Cell) -> bool {
    a.iter().all(|(name, value)| b.get(name).is_none_or(|other| other == value))
}

/// The actions of `step`, their needs still to be tied. A pattern that is wrong is told once, however many actions have it.
pub(crate) fn expand(step: &Step) -> (Vec<Expanded>, Vec<Mistake>) {
    let mut told = Told { step, texts: Set::new(), mistakes: Vec::new() };
    let mut compiled = Map::new();
    let cells = cells(&step.matrix, &step.matrix_exclude);
    let actions =
        cells.into_iter().map(|cell| expand_cell(step, cell, &mut compiled, &mut told)).collect();
    (actions, told.mistakes)
}

/// Mistakes in patterns, each declared text once.
struct Told<'a> {
    step: &'a Step,
    texts: Set<usize>,
    mistakes: Vec<Mistake>,
}

impl Told<'_> {
    fn tell(&mut self, key: &str, span: &Range<usize>, sentence: String) {
        if self.texts.insert(span.start) {
            let message = format!("wrong pattern in `{key}` of step `{}`", self.step.name);
            self.mistakes.push(Mistake::new(message, self.step.place(span).label(sentence)));
        }
    }
}

fn extended(cell: &Cell, name: &str, value: &str) -> Cell {
    let mut cell = cell.clone();
    cell.insert(name.to_owned(), value.to_owned());
    cell
}

fn expand_cell(
    step: &Step,
    cell: Cell,
    compiled: &mut Map<Vec<String>, InputPatterns>,
    told: &mut Told<'_>,
) -> Expanded {
    let declared = step.inputs.as_ref().map(|templates| texts(templates, &cell));
    let (input_spans, input_texts): (Vec<Range<usize>>, Vec<String>) =
        declared.into_iter().flatten().unzip();
    let mut fallback = step.fallback.clone();
    let inputs = match (&step.inputs, &step.fallback.checked_in) {
        (None, None) => InputPatterns::everything(&step.base),
        (None, Some(_)) => inputs(step, &["**".to_owned()], &[], compiled, told, &mut fallback),
        (Some(_), _) => inputs(step, &input_texts, &input_spans, compiled, told, &mut fallback),
    };
    let (output_spans, outputs): (Vec<Range<usize>>, Vec<OutputPattern>) =
        outputs(step, &cell, told).into_iter().unzip();
    let action = Action {
        base: step.base.clone(),
        run: step.run.as_ref().map(|run| substituted(run, &cell)),
        inputs,
        outputs,
        discover: step.discover.as_ref().map(|discover| packages(step, &discover.value, &cell)),
        depfiles: depfiles(step, &cell, told),
        needs: Vec::new(),
        cargo: step.cargo.iter().map(|artifact| artifact.value.clone()).collect(),
        env: step.env.iter().map(|(name, value)| (name.clone(), value.substitute(&cell))).collect(),
        track_env: step.track_env.clone(),
        pass_env: step.pass_env.clone(),
        tools: step.tools.iter().map(|tool| tool.value.clone()).collect(),
        test: step.test,
        default: step.default,
        dir: step.dir.clone(),
        timeout: step.timeout,
        retries: step.retries,
        jobs: step.jobs,
        any_platform: step.any_platform,
        portable: step.portable,
        incremental: step.incremental,
        fallback,
        name: ActionName { step: step.name.clone(), cell },
    };
    Expanded { action, input_texts, input_spans, output_spans }
}

fn packages(step: &Step, discover: &Discover, cell: &Cell) -> GoPackages {
    let text = |template: &Template| template.substitute(cell).source();
    GoPackages {
        patterns: discover.go.iter().map(|pattern| text(&pattern.value)).collect(),
        tags: discover.tags.as_ref().map(|tags| tags.iter().map(text).collect()),
        test: discover.test.unwrap_or_else(|| reads_tests(step)),
    }
}

/// Whether what a step runs may read the tests of a package: only of some commands it is known that they do not.
fn reads_tests(step: &Step) -> bool {
    let word = |at: usize| match &step.run {
        Some(Run::Program(words)) => words.get(at).and_then(Template::as_text),
        _ => None,
    };
    let is_go = word(0).is_some_and(|program| {
        let name = program.rsplit('/').next().unwrap_or(program);
        name == "go" || name.starts_with("go1")
    });
    !(is_go && matches!(word(1), Some("build" | "run" | "install")))
}

/// The paths below `{out}` of the dependency files.
fn depfiles(step: &Step, cell: &Cell, told: &mut Told<'_>) -> Vec<RelPath> {
    let mut depfiles = Vec::new();
    for (span, text) in texts(&step.depfiles, cell) {
        match OutputPattern::new(&step.base, &text) {
            Ok(pattern) if pattern.is_literal() => {
                let OutputPath { path, .. } = pattern.literal();
                depfiles.push(path.clone());
            }
            Ok(_) => told.tell("depfile", &span, "a dependency file has one name".to_owned()),
            Err(sentence) => told.tell("depfile", &span, sentence),
        }
    }
    depfiles
}

fn substituted(run: &Run, cell: &Cell) -> Run {
    match run {
        Run::Program(arguments) => {
            Run::Program(arguments.iter().map(|argument| argument.substitute(cell)).collect())
        }
        Run::Shell(line) => Run::Shell(line.substitute_for_shell(cell, Shell::HERE)),
    }
}

/// The texts of patterns with the values of `cell` in them. One with a variable that is unknown is a mistake already, and
/// left out.
fn texts(templates: &[Spanned<Template>], cell: &Cell) -> Vec<(Range<usize>, String)> {
    let known = |template: &Template| {
        template
            .0
            .iter()
            .all(|piece| !matches!(piece, Piece::Matrix(name) if !cell.contains_key(name)))
    };
    let text = |template: &Spanned<Template>| {
        (template.span.clone(), template.value.substitute(cell).source())
    };
    templates.iter().filter(|template| known(&template.value)).map(text).collect()
}

fn inputs(
    step: &Step,
    texts: &[String],
    spans: &[Range<usize>],
    compiled: &mut Map<Vec<String>, InputPatterns>,
    told: &mut Told<'_>,
    fallback: &mut Fallback,
) -> InputPatterns {
    let mut listed = texts.to_vec();
    if fallback.is_packaged && fallback.is_declared() {
        listed.retain(|text| !leads_out_of_the_package(step, text, fallback));
    }
    if let Some(patterns) = compiled.get(texts) {
        return patterns.clone();
    }
    // What stands in for the outputs is none of the inputs: it would change with what it is a copy of.
    let taken_out = fallback.checked_in.as_ref().filter(|_| !listed.is_empty());
    listed.extend(taken_out.map(|dir| format!("!/{}", pattern::escaped(dir.as_str()))));
    let patterns = InputPatterns::new(&step.base, &listed).unwrap_or_else(|mistakes| {
        for (index, sentence) in mistakes {
            told.tell("inputs", spans.get(index).unwrap_or(&step.span), sentence);
        }
        // It has one mistake; what it would read besides is not worth another.
        InputPatterns::nothing()
    });
    compiled.insert(texts.to_vec(), patterns.clone());
    patterns
}

/// Whether an input of a package that was taken out of its workspace was left behind there; it is noted as absent then.
fn leads_out_of_the_package(step: &Step, text: &String, fallback: &mut Fallback) -> bool {
    let mistakes = InputPatterns::new(&step.base, std::slice::from_ref(text)).err();
    let leads_out =
        mistakes.iter().flatten().any(|(_, sentence)| *sentence == pattern::leaves_workspace());
    if leads_out {
        fallback.absent.push(format!("its input `{text}` lies outside of the package"));
    }
    leads_out
}

fn outputs(step: &Step, cell: &Cell, told: &mut Told<'_>) -> Vec<(Range<usize>, OutputPattern)> {
    let mut outputs = Vec::new();
    for (span, text) in texts(&step.outputs, cell) {
        match OutputPattern::new(&step.base, &text) {
            Ok(pattern) => outputs.push((span, pattern)),
            Err(sentence) => told.tell("outputs", &span, sentence),
        }
    }
    outputs
}
