//! One step: every key of its table.

use super::artifact::{self, Artifacts};
use super::cells::{self, Variables};
use super::discover;
use super::document::Section;
use super::needs::{self, Needs};
use super::placeholder::{self, Scope, Use};
use super::quantity;
use super::suggest::suggest;
use super::table::{Element, Entry, Table};
use super::value::Notes;
use super::{Declared, Later};
use crate::matrix::Cell;
use crate::mistake::Mistake;
use crate::ordered::Map;
use crate::path::RelPath;
use crate::step::{Fallback, Run, Spanned, Step, StepName, Unavailable};
use crate::template::{Piece, Template};
use crate::triple::Triple;
use std::ops::Range;
use std::time::Duration;

/// The keys of a step.
pub(super) const KEYS: [&str; 24] = [
    "run",
    "inputs",
    "discover",
    "depfile",
    "outputs",
    "needs",
    "cargo",
    "env",
    "track-env",
    "pass-env",
    "tools",
    "matrix",
    "matrix-exclude",
    "test",
    "default",
    "dir",
    "timeout",
    "retries",
    "jobs",
    "platform",
    "portable",
    "incremental",
    "unavailable",
    "checked-in",
];

/// Keys that say how a command is run, and nothing of a set of files.
const KEYS_OF_A_COMMAND: [&str; 15] = [
    "discover",
    "depfile",
    "outputs",
    "cargo",
    "env",
    "track-env",
    "pass-env",
    "tools",
    "dir",
    "timeout",
    "retries",
    "jobs",
    "portable",
    "incremental",
    "checked-in",
];

/// What other programs call these keys.
const OTHER_NAMES: [(&str, &str); 18] = [
    ("cmd", "run"),
    ("command", "run"),
    ("script", "run"),
    ("exec", "run"),
    ("srcs", "inputs"),
    ("sources", "inputs"),
    ("files", "inputs"),
    ("outs", "outputs"),
    ("generates", "outputs"),
    ("deps", "needs"),
    ("depends", "needs"),
    ("depends-on", "needs"),
    ("dependencies", "needs"),
    ("environment", "env"),
    ("depfiles", "depfile"),
    ("dep-file", "depfile"),
    ("cwd", "dir"),
    ("working-directory", "dir"),
];

const LONGEST_NAME: usize = 100;
const MOST_RETRIES: u32 = 10;
const MOST_JOBS: u32 = 1_024;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The table of a step while it is read.
struct Fields<'a> {
    name: StepName,
    table: &'a Table,
    base: RelPath,
}

/// Reads a step. `None` only if it is no table.
pub(super) fn read<'a>(
    notes: &mut Notes<'a>,
    declared: &Declared,
    later: &mut Later,
    section: &Section<'a>,
    step: &'a Entry,
) -> Option<Step> {
    let name = StepName { package: section.package.map(str::to_owned), step: step.name.to_owned() };
    check_name(notes, &name, &step.key);
    let Some(table) = step.item.as_table() else {
        not_a_table(notes, section, &name, step);
        return None;
    };
    let fields = Fields { name: name.clone(), table, base: section.base.clone() };
    let meant = fields.check_keys(notes);
    fields.check_pairs(notes, &step.key, &meant);
    let (matrix, matrix_exclude) = fields.matrix(notes);
    let mut fallback = Fallback {
        unavailable: fields.unavailable(notes),
        checked_in: fields.checked_in(notes),
        is_packaged: section.manifest.is_packaged,
        absent: Vec::new(),
    };
    let may_lack = fallback.is_packaged && fallback.is_declared();
    let needs = fields
        .get("needs")
        .map(|entry| needs::read(notes, declared, section, &name, entry, may_lack))
        .unwrap_or_default();
    let absent = needs.absent.iter();
    fallback.absent.extend(absent.map(|need| format!("there is no step `{need}` to need")));
    let cargo = fields
        .get("cargo")
        .map(|entry| artifact::read(notes, declared, section, &name, entry))
        .unwrap_or_default();
    let scope = Scope {
        step: &name,
        matrix: matrix.as_ref(),
        needs: &needs,
        cargo: &cargo,
        triple: &declared.triple,
    };
    let run = fields.run(notes, later, &scope);
    let inputs =
        fields.get("inputs").map(|entry| fields.patterns(notes, later, &scope, Use::Input, entry));
    let dir = fields.dir(notes, later, &mut fallback).unwrap_or_else(|| section.base.clone());
    let discover =
        fields.get("discover").and_then(|entry| discover::read(notes, later, &scope, &dir, entry));
    let depfiles = fields
        .get("depfile")
        .map(|entry| discover::depfiles(notes, later, &scope, entry))
        .unwrap_or_default();
    // What is found is all that counts, unless more is declared.
    let finds = fields.get("discover").is_some() || fields.get("depfile").is_some();
    let inputs = inputs.or_else(|| finds.then(Vec::new));
    let outputs = fields
        .get("outputs")
        .map(|entry| fields.patterns(notes, later, &scope, Use::Output, entry));
    let env = fields.env(notes, later, &scope);
    let track_env = fields.variables(notes, "track-env");
    let pass_env = fields.variables(notes, "pass-env");
    fields.check_variables(notes, &env, &track_env, &pass_env);
    Some(Step {
        manifest: section.manifest.file.clone(),
        span: step.key.clone(),
        run_span: fields.get("run").map_or_else(|| step.key.clone(), |run| run.value.clone()),
        run,
        inputs,
        discover,
        depfiles,
        outputs: outputs.unwrap_or_default(),
        env: env.into_iter().map(|(name, value)| (name, value.value)).collect(),
        track_env: track_env.into_keys().collect(),
        pass_env: pass_env.into_keys().collect(),
        tools: fields.tools(notes),
        matrix: matrix.unwrap_or_default(),
        matrix_exclude,
        test: fields.boolean(notes, "test").unwrap_or(false),
        default: fields.boolean(notes, "default").unwrap_or(true),
        dir,
        timeout: fields.timeout(notes),
        retries: fields.integer(notes, "retries", 0, MOST_RETRIES).unwrap_or(0),
        jobs: fields.integer(notes, "jobs", 1, MOST_JOBS).unwrap_or(1),
        any_platform: fields.any_platform(notes),
        portable: fields.boolean(notes, "portable").unwrap_or(false),
        incremental: fields.incremental(notes),
        fallback,
        base: section.base.clone(),
        needs: needs.known,
        cargo: cargo.known,
        name,
    })
}

/// Whether a table that stands elsewhere looks like a step.
pub(super) fn looks_like_one(table: &Table) -> bool {
    table.entries.iter().any(|entry| matches!(&*entry.name, "run" | "inputs" | "outputs" | "needs"))
}

/// Whether some output of the step lies under `{out}`.
pub(super) fn leaves_something_in_out(step: &Step) -> bool {
    step.outputs.iter().any(|output| output.value.0.first() == Some(&Piece::Out))
}

/// Whether `directory` could be made by the step: an output in the tree lies there, above it or below it.
pub(super) fn may_make(step: &Step, directory: &RelPath) -> bool {
    let literal = |output: &Spanned<Template>| match output.value.0.first() {
        Some(Piece::Text(text)) => {
            let is_whole =
                output.value.as_text().is_some_and(|text| !text.contains(['*', '?', '[', '{']));
            let plain = &text[..text.find(['*', '?', '[', '{']).unwrap_or(text.len())];
            let plain = if is_whole {
                plain
            } else {
                plain.rsplit_once('/').map_or("", |(directory, _)| directory)
            };
            resolve(&step.base, plain)
        }
        Some(Piece::Matrix(_)) => Some(step.base.clone()),
        _ => None,
    };
    step.outputs
        .iter()
        .filter_map(literal)
        .any(|root| directory.is_within(&root) || root.is_within(directory))
}

/// `text` relative to `base`, or to the workspace root with `/` in front; `None` if it leaves the workspace.
fn resolve(base: &RelPath, text: &str) -> Option<RelPath> {
    match text.strip_prefix('/') {
        Some(below) => RelPath::root().resolve(below),
        None => base.resolve(text),
    }
}

fn check_name(notes: &mut Notes<'_>, name: &StepName, span: &Range<usize>) {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let good = name.step.starts_with(|char: char| char.is_ascii_alphanumeric())
        && name.step.chars().all(plain);
    if !good {
        let message = format!("bad name `{}` of a step", name.step.escape_debug());
        let help = "a name is made of ASCII letters, digits, `-`, `_` and `.`, and begins with a letter or digit";
        notes.add_with_help(message, span, "", help);
    } else if name.step.len() > LONGEST_NAME {
        notes.add(
            format!("the name of a step is longer than {LONGEST_NAME} bytes"),
            span,
            "it is the name of a directory as well",
        );
    }
}

fn not_a_table(notes: &mut Notes<'_>, section: &Section<'_>, name: &StepName, step: &Entry) {
    let inline = |run: String| format!("{} = {{ run = {run}, outputs = [] }}", name.step);
    let form = match (step.item.as_str(), step.item.as_array()) {
        (Some(line), _) => inline(format!("{line:?}")),
        (_, Some(_)) => inline("[…]".to_owned()),
        _ => format!("[{}.metadata.granular.steps.{}]", section.owner(), name.step),
    };
    let help = format!("write `{form}`");
    notes.wrong_type(&format!("step `{name}`"), "a table", step, Some(help));
}

impl<'a> Fields<'a> {
    fn get(&self, key: &str) -> Option<&'a Entry> {
        self.table.get(key)
    }

    fn what(&self, key: &str) -> String {
        format!("`{key}` in step `{}`", self.name)
    }

    /// Notes unknown keys. Gives those that were meant.
    fn check_keys(&self, notes: &mut Notes<'_>) -> Vec<&'static str> {
        let mut all_meant = Vec::new();
        for entry in self.table.entries.iter().filter(|entry| !KEYS.contains(&&*entry.name)) {
            let message = format!("unknown key `{}` in step `{}`", entry.name, self.name);
            let key = entry.name.to_ascii_lowercase().replace('_', "-");
            let other = OTHER_NAMES.iter().find(|(name, _)| *name == key).map(|(_, name)| *name);
            match other.or_else(|| suggest(&key, KEYS)) {
                Some(meant) => {
                    all_meant.push(meant);
                    notes.add(message, &entry.key, format!("did you mean `{meant}`?"));
                }
                None => {
                    let help =
                        format!("the keys of a step are {}", placeholder::list(KEYS.into_iter()));
                    notes.add_with_help(message, &entry.key, "", help);
                }
            }
        }
        all_meant
    }

    /// What has to stand together, and what must not stand without the other.
    fn check_pairs(&self, notes: &mut Notes<'_>, span: &Range<usize>, meant: &[&str]) {
        if self.get("run").is_some() || meant.contains(&"run") {
            if self.get("outputs").is_none() && !meant.contains(&"outputs") {
                let message = format!("step `{}` has `run` but no `outputs`", self.name);
                notes.add_with_help(
                    message,
                    span,
                    "",
                    "write `outputs = []` for a check, which leaves nothing behind",
                );
            }
            return;
        }
        for entry in KEYS_OF_A_COMMAND.iter().filter_map(|key| self.get(key)) {
            let message = format!("step `{}` has `{}` but no `run`", self.name, entry.name);
            notes.add_with_help(
                message,
                &entry.key,
                "",
                "without `run` a step is a named set of files",
            );
        }
    }

    fn matrix(&self, notes: &mut Notes<'a>) -> (Option<Variables>, Vec<Cell>) {
        let entry = self.get("matrix");
        let before = notes.mistakes.len();
        let variables = match &entry {
            Some(entry) => cells::read(notes, &self.name, entry),
            None => Some(Map::new()),
        };
        let exclude = self.get("matrix-exclude");
        let excluded = exclude
            .as_ref()
            .map(|entry| cells::read_exclude(notes, &self.name, variables.as_ref(), entry));
        let excluded = excluded.unwrap_or_default();
        match (variables, entry) {
            (Some(variables), Some(entry)) if notes.mistakes.len() == before => {
                let spans = [&entry, exclude.as_ref().unwrap_or(&entry)].map(|entry| &entry.key);
                let variables = cells::check(notes, &self.name, spans, variables, &excluded);
                (
                    Some(variables),
                    if notes.mistakes.len() == before { excluded } else { Vec::new() },
                )
            }
            (variables, _) => (variables, Vec::new()),
        }
    }

    fn run(&self, notes: &mut Notes<'a>, later: &mut Later, scope: &Scope<'_>) -> Option<Run> {
        let entry = self.get("run")?;
        if let Some(line) = entry.item.as_str() {
            if line.trim().is_empty() {
                notes.add(
                    format!("{} is empty", self.what("run")),
                    &entry.value,
                    "there is nothing to run",
                );
                return None;
            }
            let line = notes.string(&self.what("run"), entry)?;
            let line = Spanned { value: line, span: entry.value.clone() };
            return placeholder::read(notes, later, scope, "run", Use::Line, &line).map(Run::Shell);
        }
        let Some(array) = entry.item.as_array() else {
            let help = "write `[\"PROGRAM\", \"ARGUMENT\"]`, or a string for the shell";
            notes.wrong_type(&self.what("run"), "a command", entry, Some(help.to_owned()));
            return None;
        };
        if array.is_empty() {
            notes.add(
                format!("{} is empty", self.what("run")),
                &entry.value,
                "there is no program",
            );
        }
        let words = notes.strings(&self.what("run"), entry)?;
        if let Some(program) = words
            .first()
            .filter(|program| array.first().is_some_and(|element| element.span == program.span))
        {
            self.check_program(notes, program, array.len());
        }
        let words: Vec<Option<Template>> = words
            .iter()
            .map(|word| placeholder::read(notes, later, scope, "run", Use::Word, word))
            .collect();
        let words: Option<Vec<Template>> = words.into_iter().collect();
        words.filter(|words| !words.is_empty()).map(Run::Program)
    }

    fn check_program(&self, notes: &mut Notes<'_>, program: &Spanned<&str>, words: usize) {
        let text = program.value;
        if text.trim().is_empty() {
            notes.add(format!("the program of {} is empty", self.what("run")), &program.span, "");
        } else if words == 1 && is_command(text) {
            let split = array_of_words(text);
            let message =
                format!("`{text}` in `run` in step `{}` is not the name of a program", self.name);
            notes.add_with_help(
                message,
                &program.span,
                "an array is run without a shell",
                format!("write `[{split}]`, or `{text:?}` for the shell"),
            );
        }
    }

    fn patterns(
        &self,
        notes: &mut Notes<'a>,
        later: &mut Later,
        scope: &Scope<'_>,
        usage: Use,
        entry: &'a Entry,
    ) -> Vec<Spanned<Template>> {
        let mut templates: Vec<Spanned<Template>> = Vec::new();
        for text in notes.strings(&self.what(&entry.name), entry).unwrap_or_default() {
            if text.value.is_empty() {
                notes.add(
                    format!("an element of {} is empty", self.what(&entry.name)),
                    &text.span,
                    "",
                );
                continue;
            }
            let Some(value) = placeholder::read(notes, later, scope, &entry.name, usage, &text)
            else {
                continue;
            };
            let twice =
                usage == Use::Output && templates.iter().any(|template| template.value == value);
            if twice {
                notes.add(
                    format!("{} names `{}` twice", self.what("outputs"), text.value),
                    &text.span,
                    "the second time",
                );
            } else {
                templates.push(Spanned { value, span: text.span });
            }
        }
        templates
    }

    fn env(
        &self,
        notes: &mut Notes<'a>,
        later: &mut Later,
        scope: &Scope<'_>,
    ) -> Map<String, Spanned<Template>> {
        let mut env = Map::new();
        let Some(table) = self
            .get("env")
            .and_then(|entry| notes.table(&self.what("env"), entry, "{ NAME = \"VALUE\" }"))
        else {
            return env;
        };
        for variable in &table.entries {
            self.check_variable(notes, "env", &variable.name, &variable.key);
            if variable.name.starts_with("GRANULAR_") {
                let message = format!("{} sets `{}`", self.what("env"), variable.name);
                notes.add(
                    message,
                    &variable.key,
                    "variables of this name are set by granular itself",
                );
            }
            let what = format!("`{}` in `env` in step `{}`", variable.name, self.name);
            let Some(text) = notes.string(&what, variable) else { continue };
            let text = Spanned { value: text, span: variable.value.clone() };
            if let Some(value) = placeholder::read(notes, later, scope, "env", Use::Word, &text) {
                env.insert(variable.name.clone(), Spanned { value, span: variable.key.clone() });
            }
        }
        env
    }

    /// The names of `track-env` or `pass-env`, each with its place.
    fn variables(&self, notes: &mut Notes<'a>, key: &str) -> Map<String, Range<usize>> {
        let mut names = Map::new();
        let Some(entry) = self.get(key) else { return names };
        for name in notes.strings(&self.what(key), entry).unwrap_or_default() {
            let good = self.check_plain(notes, key, &name)
                && self.check_variable(notes, key, name.value, &name.span);
            if name.value == "GRANULAR_OUT"
                || name.value.starts_with("GRANULAR_OUT_")
                || name.value.starts_with("GRANULAR_CARGO_")
            {
                let message = format!("{} names `{}`", self.what(key), name.value);
                notes.add(message, &name.span, "it is set for each step by granular itself");
            } else if good && names.insert(name.value.to_owned(), name.span.clone()).is_some() {
                notes.add(
                    format!("{} names `{}` twice", self.what(key), name.value),
                    &name.span,
                    "the second time",
                );
            }
        }
        names
    }

    fn check_variable(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        name: &str,
        span: &Range<usize>,
    ) -> bool {
        let label = match name {
            "" => "it is empty",
            name if name.contains('=') => "a name cannot contain `=`",
            name if name.contains('\0') => "a name cannot contain a NUL character",
            name if name.contains(['*', '?']) => "there are no patterns here: name each variable",
            _ => return true,
        };
        notes.add(
            format!("bad name `{}` of a variable in {}", name.escape_debug(), self.what(key)),
            span,
            label,
        );
        false
    }

    /// A variable has one source and one part to play.
    fn check_variables(
        &self,
        notes: &mut Notes<'_>,
        env: &Map<String, Spanned<Template>>,
        track: &Map<String, Range<usize>>,
        pass: &Map<String, Range<usize>>,
    ) {
        let set: Map<String, Range<usize>> =
            env.iter().map(|(name, value)| (name.clone(), value.span.clone())).collect();
        let pairs = [
            ("env", &set, "track-env", track),
            ("env", &set, "pass-env", pass),
            ("track-env", track, "pass-env", pass),
        ];
        for (first_key, first, second_key, second) in pairs {
            for (name, span) in second {
                if let Some(other) = first.get(name) {
                    let message = format!(
                        "variable `{name}` stands in both `{first_key}` and `{second_key}` of step `{}`",
                        self.name
                    );
                    let place = notes.place(span).label(format!("in `{second_key}`"));
                    let mistake = Mistake::new(message, place)
                        .related(notes.place(other).label(format!("in `{first_key}`")));
                    notes.mistakes.push(mistake.help("`env` sets it, `track-env` passes it and makes it part of the key, `pass-env` only passes it"));
                }
            }
        }
    }

    fn tools(&self, notes: &mut Notes<'a>) -> Vec<Spanned<String>> {
        let mut tools: Vec<Spanned<String>> = Vec::new();
        let Some(entry) = self.get("tools") else { return tools };
        for tool in notes.strings(&self.what("tools"), entry).unwrap_or_default() {
            if tool.value.trim().is_empty() {
                notes.add(format!("an element of {} is empty", self.what("tools")), &tool.span, "");
            } else if tools.iter().any(|known| known.value == tool.value) {
                notes.add(
                    format!("{} names `{}` twice", self.what("tools"), tool.value),
                    &tool.span,
                    "the second time",
                );
            } else if self.check_plain(notes, "tools", &tool) {
                tools.push(Spanned { value: tool.value.to_owned(), span: tool.span });
            }
        }
        tools
    }

    fn dir(
        &self,
        notes: &mut Notes<'a>,
        later: &mut Later,
        fallback: &mut Fallback,
    ) -> Option<RelPath> {
        let entry = self.get("dir")?;
        let text = notes.string(&self.what("dir"), entry)?;
        let spanned = Spanned { value: text, span: entry.value.clone() };
        if !self.check_plain(notes, "dir", &spanned) {
            return None;
        }
        if text.is_empty() {
            notes.add_with_help(
                format!("{} is empty", self.what("dir")),
                &entry.value,
                "",
                "leave it out for the package's own directory",
            );
            return None;
        }
        let has_drive = text.as_bytes().get(1) == Some(&b':') || text.starts_with("//");
        let Some(directory) = resolve(&self.base, text).filter(|_| !has_drive) else {
            if fallback.is_packaged && fallback.is_declared() && !has_drive {
                fallback.absent.push(format!("its directory `{text}` lies outside of the package"));
                return None;
            }
            let help = "it is relative to the package, or to the workspace root with `/` in front";
            notes.add_with_help(
                format!("{} leaves the workspace", self.what("dir")),
                &entry.value,
                "",
                help,
            );
            return None;
        };
        later.directories.push((self.name.clone(), directory.clone(), notes.place(&entry.value)));
        Some(directory)
    }

    fn timeout(&self, notes: &mut Notes<'a>) -> Option<Duration> {
        let entry = self.get("timeout")?;
        let help = "write a number of seconds, or a text such as `\"90s\"`, `\"5m\"`, `\"1h30m\"`, `\"500ms\"`";
        let duration = match (entry.item.as_integer(), entry.item.as_str()) {
            (Some(seconds), _) => u64::try_from(seconds).ok().map(Duration::from_secs),
            (None, Some(text)) => quantity::duration(text),
            (None, None) => {
                notes.wrong_type(&self.what("timeout"), "a duration", entry, Some(help.to_owned()));
                return None;
            }
        };
        match duration {
            None => notes.add_with_help(
                format!("malformed {}", self.what("timeout")),
                &entry.value,
                "this is no duration",
                help,
            ),
            Some(Duration::ZERO) => {
                let help = "leave it out if there is to be no limit";
                notes.add_with_help(
                    format!("{} is zero", self.what("timeout")),
                    &entry.value,
                    "nothing could run",
                    help,
                );
            }
            Some(duration) if duration > LONGEST_TIMEOUT => {
                notes.add(
                    format!("{} is longer than a year", self.what("timeout")),
                    &entry.value,
                    "",
                );
            }
            fitting => return fitting,
        }
        None
    }

    fn boolean(&self, notes: &mut Notes<'a>, key: &str) -> Option<bool> {
        let entry = self.get(key)?;
        notes.boolean(&self.what(key), entry)
    }

    fn integer(&self, notes: &mut Notes<'a>, key: &str, least: u32, most: u32) -> Option<u32> {
        let entry = self.get(key)?;
        notes.integer(&self.what(key), entry, least, most)
    }

    fn incremental(&self, notes: &mut Notes<'a>) -> bool {
        let is_incremental = self.boolean(notes, "incremental").unwrap_or(false);
        let leaves_some = self
            .get("outputs")
            .is_some_and(|entry| entry.item.as_array().is_none_or(|all| !all.is_empty()));
        if let (true, false, Some(entry)) = (is_incremental, leaves_some, self.get("incremental")) {
            notes.add_with_help(
                "nothing of this step can stay while it runs again".to_owned(),
                &entry.value,
                "it declares no outputs",
                "declare the files by their names, or take `incremental` out",
            );
        }
        is_incremental
    }

    fn any_platform(&self, notes: &mut Notes<'a>) -> bool {
        let Some(entry) = self.get("platform") else { return false };
        match entry.item.as_str() {
            Some("any") => true,
            Some(text) => {
                let message =
                    format!("unknown value `{}` of {}", text.escape_debug(), self.what("platform"));
                let label = if suggest(text, ["any"]).is_some() {
                    "did you mean `any`?"
                } else {
                    "there is only `any`"
                };
                notes.add_with_help(
                    message,
                    &entry.value,
                    label,
                    "without it the operating system and architecture are part of the key",
                );
                false
            }
            None => {
                notes.wrong_type(
                    &self.what("platform"),
                    "a string",
                    entry,
                    Some("there is only `\"any\"`".to_owned()),
                );
                false
            }
        }
    }

    fn unavailable(&self, notes: &mut Notes<'a>) -> Unavailable {
        const POLICIES: [(&str, Unavailable); 2] =
            [("error", Unavailable::Error), ("skip", Unavailable::Skip)];
        let Some(entry) = self.get("unavailable") else { return Unavailable::default() };
        let help = "`\"error\"`, as without it, or `\"skip\"`: what is done where a tool or a source is missing";
        let Some(text) = entry.item.as_str() else {
            let what = self.what("unavailable");
            notes.wrong_type(&what, "a string", entry, Some(help.to_owned()));
            return Unavailable::default();
        };
        let known = POLICIES.iter().find(|(name, _)| *name == text).map(|(_, policy)| *policy);
        known.unwrap_or_else(|| {
            let what = self.what("unavailable");
            let message = format!("unknown value `{}` of {what}", text.escape_debug());
            let label = suggest(text, POLICIES.map(|(name, _)| name))
                .map(|meant| format!("did you mean `{meant}`?"));
            notes.add_with_help(message, &entry.value, label.unwrap_or_default(), help);
            Unavailable::default()
        })
    }

    /// The directory of files that stand in for what the step leaves. It can only hold what lies in `{out}`: what a step leaves in the tree
    /// is checked in where it is.
    fn checked_in(&self, notes: &mut Notes<'a>) -> Option<RelPath> {
        let entry = self.get("checked-in")?;
        let what = self.what("checked-in");
        let text = notes.string(&what, entry)?;
        let spanned = Spanned { value: text, span: entry.value.clone() };
        if !self.check_plain(notes, "checked-in", &spanned) {
            return None;
        }
        let directory = resolve(&self.base, text);
        let wrong = match &directory {
            None => Some("leaves the workspace"),
            Some(directory) if self.base.is_within(directory) => {
                Some("takes in the directory that the step is declared in")
            }
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            let help =
                "name a directory that holds a copy of what lies in `{out}`, and nothing else";
            notes.add_with_help(format!("{what} {wrong}"), &entry.value, "", help);
            return None;
        }
        let outputs = self.get("outputs").and_then(|outputs| outputs.item.as_array());
        let outputs = outputs.unwrap_or_default();
        let is_elsewhere = |output: &Element| {
            output.item.as_str().is_some_and(|output| !output.starts_with("{out}"))
        };
        if self.get("outputs").is_some() && !outputs.iter().any(|output| !is_elsewhere(output)) {
            let label = "no output of it begins with `{out}`";
            notes.add_with_help(
                format!("{what} stands in for nothing"),
                &entry.value,
                label,
                "it is a copy of what the step leaves in `{out}`; outputs in the tree are checked in where they are",
            );
        } else if let Some(output) = outputs.iter().find(|output| is_elsewhere(output)) {
            notes.add_with_help(
                format!("{what} cannot stand in for outputs in the tree"),
                &output.span,
                "not in `{out}`",
                "let another step leave it, or check it in where it is and leave `checked-in` out",
            );
        }
        directory
    }

    /// Notes placeholders where there can be none.
    fn check_plain(&self, notes: &mut Notes<'_>, key: &str, text: &Spanned<&str>) -> bool {
        let (needs, cargo) = (Needs::default(), Artifacts::default());
        let triple = Triple::default();
        let scope =
            Scope { step: &self.name, matrix: None, needs: &needs, cargo: &cargo, triple: &triple };
        placeholder::read(notes, &mut Later::default(), &scope, key, Use::Nothing, text).is_some()
    }
}

/// Whether a program looks like a whole command: words of which the first is a bare name.
fn is_command(text: &str) -> bool {
    let (first, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
    !rest.is_empty() && !first.contains(['/', '\\', '{'])
}

/// The words of a command as elements of an array.
fn array_of_words(text: &str) -> String {
    text.split_whitespace().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}
