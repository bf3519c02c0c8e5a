//! Words for people, shared by commands and reporters: status lines, plurals, endings, texts made safe to show.

use crate::quantity;
use clap::builder::styling::Style;
use clap_cargo::style;
use granular::event::{Difference, Failure, Skip};
use granular::execute::Ending;
use granular::reason::DirtyReason;
use granular::step::Run;
use granular::template::Template;
use std::time::Duration;

/// A line in Cargo's manner: the word right-aligned in 12 columns and in bold.
pub(crate) fn status(word: &str, colour: Style, message: &str) -> String {
    format!("{colour}{word:>12}{colour:#} {message}\n")
}

/// A status line of something that went well.
pub(crate) fn good(word: &str, message: &str) -> String {
    status(word, style::GOOD, message)
}

/// That another build holds this checkout, as Cargo says it of its own locks.
pub(crate) fn waiting(process: Option<u32>) -> String {
    let process = process.map(|id| format!(" (process {id})")).unwrap_or_default();
    let message = format!("waiting for another build in this checkout{process}");
    status("Blocking", style::TRANSIENT, &message)
}

/// A warning line.
pub(crate) fn warning(message: &str) -> String {
    headed("warning", style::WARN, message)
}

/// An error line.
pub(crate) fn error(message: &str) -> String {
    headed("error", style::ERROR, message)
}

/// A line with the way out.
pub(crate) fn help(message: &str) -> String {
    headed("help", style::TRANSIENT, message)
}

fn headed(word: &str, colour: Style, message: &str) -> String {
    let bold = Style::new().bold();
    format!("{colour}{word}{colour:#}{bold}:{bold:#} {message}\n")
}

/// `1 step`, `2 steps`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// The first `shown` of them, and how many are left.
pub(crate) fn some(names: &[String], shown: usize) -> String {
    let listed = names[..names.len().min(shown)].join(", ");
    match names.len().saturating_sub(shown) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// `text` on one line, with nothing in it that a terminal would obey or that would reorder what is read.
pub(crate) fn one_line(text: &str) -> String {
    escape(text, |_| true)
}

/// The same, but for the ends of lines.
pub(crate) fn some_lines(text: &str) -> String {
    escape(text, |char| char != '\n')
}

fn escape(text: &str, applies: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            char if is_unsafe(char) && applies(char) => shown.extend(char.escape_default()),
            char => shown.push(char),
        }
    }
    shown
}

/// Control characters, and those that change the direction or hide themselves.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What a step printed, made fit for showing: of the escape sequences only colours are left, and those only with `colour`;
/// what a carriage return would have overwritten is left out; other control characters are dropped. Ends with a newline if not empty.
pub(crate) fn log(bytes: &[u8], colour: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    let mut coloured = false;
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        let line = line.rsplit_once('\r').map_or(line, |(_, last)| last);
        coloured |= push_without_escapes(&mut shown, line, colour);
        shown.push('\n');
    }
    if coloured {
        shown.push_str("\u{1b}[0m");
    }
    shown
}

/// Says whether a colour was left in.
fn push_without_escapes(shown: &mut String, line: &str, colour: bool) -> bool {
    let mut coloured = false;
    let mut rest = line;
    while let Some(at) = rest.find(|char: char| char.is_control() && char != '\t') {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = escape_length(rest);
        let (sequence, behind) = rest.split_at(length);
        if colour && sequence.starts_with("\u{1b}[") && sequence.ends_with('m') {
            shown.push_str(sequence);
            coloured = true;
        }
        rest = behind;
    }
    shown.push_str(rest);
    coloured
}

/// The length of what a terminal would take for one unit at the start of `text`, which begins with a control character.
fn escape_length(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (text.chars().next(), chars.next()) {
        (Some('\u{1b}'), Some((_, '['))) => {
            end_behind(chars, text, |char| ('\u{40}'..='\u{7e}').contains(&char))
        }
        (Some('\u{1b}'), Some((_, ']' | 'P' | 'X' | '^' | '_'))) => match text.find("\u{1b}\\") {
            Some(end) if !text[..end].contains('\u{7}') => end + 2,
            _ => end_behind(chars, text, |char| char == '\u{7}'),
        },
        (Some('\u{1b}'), Some((at, next))) => at + next.len_utf8(),
        (first, _) => first.map_or(0, char::len_utf8),
    }
}

fn end_behind(
    mut chars: impl Iterator<Item = (usize, char)>,
    text: &str,
    is_end: impl Fn(char) -> bool,
) -> usize {
    chars.find(|(_, char)| is_end(*char)).map_or(text.len(), |(at, char)| at + char.len_utf8())
}

/// The main reason, and how many there are besides; empty without a reason.
pub(crate) fn main_reason(reasons: &[DirtyReason]) -> String {
    match reasons {
        [] => String::new(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

/// How many reasons are told where not all of them are asked for.
pub(crate) const REASONS: usize = 10;

/// The first `shown` reasons, a line each, indented by `indent` columns, and how many there are besides.
pub(crate) fn all_reasons(reasons: &[DirtyReason], indent: usize, shown: usize) -> String {
    let line = |text: String| format!("{:indent$}{text}\n", "");
    let mut lines: String =
        reasons.iter().take(shown).map(|reason| line(reason.to_string())).collect();
    if reasons.len() > shown {
        lines.push_str(&line(format!("and {} more", reasons.len() - shown)));
    }
    lines
}

/// How a command ended: "exit code 3", "signal 9 (SIGKILL)", "timed out after 30s", "stopped".
pub(crate) fn ending(ending: Ending, duration: Duration) -> String {
    match ending {
        Ending::Exited(code) => format!("exit code {code}"),
        Ending::Signal(number) => match signal_hook::low_level::signal_name(number) {
            Some(name) => format!("signal {number} ({name})"),
            None => format!("signal {number}"),
        },
        Ending::TimedOut => format!("timed out after {}", quantity::limit(duration)),
        Ending::Stopped => "stopped".to_owned(),
    }
}

/// Why a step failed, in one phrase.
pub(crate) fn failure(failure: &Failure, duration: Duration) -> String {
    match failure {
        Failure::Command { ending: how, .. } => ending(*how, duration),
        Failure::Outputs { faults, .. } => match faults.as_slice() {
            [] => "its outputs are not what is declared".to_owned(),
            [only] => one_line(only),
            [first, more @ ..] => format!("{} (and {} more)", one_line(first), more.len()),
        },
        Failure::Environment { message, .. }
        | Failure::Inputs { message, .. }
        | Failure::Finding { message, .. } => one_line(message),
    }
}

/// One output that differs, on one line.
pub(crate) fn difference(found: &Difference) -> String {
    one_line(&format!("{} {}", found.path, found.how))
}

/// Why a step was not tried.
pub(crate) fn skip(skip: &Skip) -> String {
    match skip {
        Skip::Need(need) => format!("it needs {}", one_line(&need.to_string())),
        Skip::AfterFailure => "another step failed".to_owned(),
        Skip::Stopped => "the build was stopped".to_owned(),
        Skip::Unavailable(why) => one_line(why),
    }
}

/// The command of a step as its author wrote it, on one line.
pub(crate) fn command(run: &Run) -> String {
    match run {
        Run::Shell(line) => one_line(template(line).trim()),
        Run::Program(words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(&template(word))).collect();
            one_line(&words.join(" "))
        }
    }
}

fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "-_./:=,+@%{}#~".contains(char);
    match word {
        word if !word.is_empty() && word.chars().all(plain) => word.to_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A template with its placeholders as they are written in the manifest.
pub(crate) fn template(template: &Template) -> String {
    template.source()
}

/// The name of `names` that `name` was most likely meant to be, if any is near.
pub(crate) fn similar<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |other: &&str| strsim::osa_distance(name, other);
    let near = |other: &&str| distance(other) <= (name.chars().count() / 3).max(1);
    names.into_iter().filter(near).min_by_key(distance)
}

/// Lines of cells, each column as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(|column| width(rows, column)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn width(rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::template::Piece;
    use proptest::prelude::*;

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc\u{202e}d"), r"a\u{1b}[2Jb\nc\u{202e}d");
        assert_eq!(some_lines("a\nb\u{7}"), "a\nb\\u{7}");
        assert_eq!(one_line("größe ✓"), "größe ✓");
    }

    #[test]
    fn a_log_keeps_its_colours_only_where_they_are_wanted() {
        let bytes = b"\x1b[31mred\x1b[0m and \x1b[2Jgone\n";
        assert_eq!(log(bytes, true), "\u{1b}[31mred\u{1b}[0m and gone\n\u{1b}[0m");
        assert_eq!(log(bytes, false), "red and gone\n");
    }

    #[test]
    fn a_log_shows_what_a_terminal_would_have_shown_in_the_end() {
        assert_eq!(
            log(b" 10%\r 50%\r100%\r\nbell\x07 \x1b]0;title\x07end\n\tlast", false),
            "100%\nbell end\n\tlast\n"
        );
        assert_eq!(log(b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", true), "link\n");
        assert_eq!(log(b"caf\xe9\x1b", true), "caf\u{fffd}\n");
        assert_eq!(log(b"", true), "");
    }

    proptest! {
        #[test]
        fn no_log_leaves_anything_a_terminal_obeys(bytes: Vec<u8>, text in "[\u{1b}\\[\\]m0;\u{7}\r\n\\\\a\u{9b}é]{0,40}") {
            for bytes in [bytes, text.into_bytes()] {
                prop_assert!(!log(&bytes, false).contains(|char: char| char.is_control() && !"\n\t".contains(char)));
                log(&bytes, true);
            }
        }

        #[test]
        fn a_name_is_on_one_line(text: String) {
            prop_assert!(!one_line(&text).contains(char::is_control));
        }
    }

    #[test]
    fn endings_are_told_by_code_or_by_name() {
        let shown = [
            Ending::Exited(3),
            Ending::Signal(9),
            Ending::Signal(99),
            Ending::TimedOut,
            Ending::Stopped,
        ]
        .map(|how| ending(how, Duration::from_millis(30_007)));
        assert_eq!(
            shown.join(", "),
            "exit code 3, signal 9 (SIGKILL), signal 99, timed out after 30s, stopped"
        );
    }

    #[test]
    fn many_names_are_cut_short() {
        let names: Vec<_> = (1..=7).map(|number| format!("#{number}")).collect();
        assert_eq!(some(&names, 5), "#1, #2, #3, #4, #5 and 2 more");
        assert_eq!(some(&names[..2], 5), "#1, #2");
    }

    #[test]
    fn a_command_can_be_read_as_a_shell_would_read_it() {
        let word = |text: &str| Template(vec![Piece::Text(text.to_owned())]);
        let out = Template(vec![Piece::Out, Piece::Text("/api".to_owned())]);
        let run =
            Run::Program(vec![word("go"), word("-ldflags=-s -w"), out, word(""), word("it's\n")]);
        assert_eq!(command(&run), r"go '-ldflags=-s -w' {out}/api '' 'it'\''s\n'");
    }

    #[test]
    fn a_misspelt_name_is_recognised() {
        assert_eq!(similar("wbe", ["api", "web"]), Some("web"));
        assert_eq!(similar("zebra", ["api", "web"]), None);
    }

    #[test]
    fn a_table_has_straight_columns() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        insta::assert_snapshot!(table(&[row(["NAME", "KIND", "NEEDS"]), row(["#größe", "test", ""]), row(["#a", "check", "#b"])]), @"
        NAME    KIND   NEEDS
        #größe  test
        #a      check  #b
        ");
    }
}
