//! GitHub Actions: what its runner reads in what we print, and what it must not read there. Knows no build.
//!
//! The runner obeys lines of what a job prints: `::error file=…::…` begins an annotation, and others change what later steps of the job see. Those that we mean are written
//! by [`error`], with everything in them escaped. All else that we write to standard error may hold somebody else's words: what a step printed (now, or when its result was made, by whoever
//! made it), names of files, source lines. Where such a text holds anything that could begin a command it stands between `::stop-commands::TOKEN` and `::TOKEN::`, with a token that nobody
//! could know while the text was made ([`guarded`]). It is the runner that keeps to this, so that it does not matter in which forms of a line it looks for commands, and the text stays as it is.
//! All of it goes to one stream, since the order between two is not kept.

use crate::session;
use granular::ordered::Map;
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};

/// The variable that turns annotations and the summary off.
pub(crate) const VARIABLE: &str = "GRANULAR_GITHUB";

/// Whether the runner of GitHub Actions reads what we print.
pub(crate) fn is_reading(env: &Map<OsString, OsString>) -> bool {
    session::variable(env, "GITHUB_ACTIONS") == Some("true")
}

/// Whether annotations and a summary are wanted.
pub(crate) fn is_wanted(env: &Map<OsString, OsString>) -> bool {
    let is_off = matches!(session::variable(env, VARIABLE), Some("off" | "false" | "0"));
    is_reading(env) && !is_off
}

/// The file that the summary is to be appended to.
pub(crate) fn summary_file(env: &Map<OsString, OsString>) -> Option<PathBuf> {
    session::path(env, "GITHUB_STEP_SUMMARY").filter(|_| is_wanted(env))
}

/// `text`, whole lines, in a way that the runner obeys nothing of it.
pub(crate) fn guarded(text: &str) -> Cow<'_, str> {
    // A command of either form that the runner knows has one of these in it.
    if !text.contains("::") && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    // The keys of these are random.
    let random = || RandomState::new().build_hasher().finish();
    let token = format!("granular-{:016x}{:016x}", random(), random());
    let end = if text.ends_with('\n') { "" } else { "\n" };
    Cow::Owned(format!("::stop-commands::{token}\n{text}{end}::{token}::\n"))
}

/// A place in a file, as an annotation names it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct At {
    /// From the root of the repository.
    pub(crate) file: String,
    /// From 1 on.
    pub(crate) line: Option<usize>,
    /// From 1 on.
    pub(crate) column: Option<usize>,
}

impl At {
    /// A place in `file`, told from the directory that the repository was checked out to.
    pub(crate) fn new(env: &Map<OsString, OsString>, file: &Path) -> Self {
        let top = session::path(env, "GITHUB_WORKSPACE");
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let file = real(file);
        let below = top.as_deref().and_then(|top| file.strip_prefix(real(top)).ok());
        let file = below.unwrap_or(&file).display().to_string();
        Self { file, line: None, column: None }
    }
}

/// An annotation, as a line.
pub(crate) fn error(at: Option<&At>, title: &str, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some(At { file, line, column }) = at {
        properties.push(format!("file={}", property(file)));
        properties.extend(line.map(|line| format!("line={line}")));
        properties.extend(column.map(|column| format!("col={column}")));
    }
    properties.push(format!("title={}", property(title)));
    format!("::error {}::{}\n", properties.join(","), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// `text` as code in a table of a summary: on one line, and nothing in it means anything to Markdown or HTML.
pub(crate) fn cell(text: &str) -> String {
    let mut code = String::from("<code>");
    for char in crate::wording::one_line(text).chars() {
        match char {
            // A character that is written by its number never is markup.
            char if char.is_alphanumeric() || matches!(char, ' ' | '-' | '/') => code.push(char),
            char => code.push_str(&format!("&#{};", u32::from(char))),
        }
    }
    code + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_annotation_is_one_line_whatever_is_in_it() {
        let at = At { file: "a,b:c%\n.toml".to_owned(), line: Some(3), column: None };
        insta::assert_snapshot!(error(Some(&at), "#api: x,y", "100%\r\n::set-env name=X::y"), @"::error file=a%2Cb%3Ac%25%0A.toml,line=3,title=#api%3A x%2Cy::100%25%0D%0A::set-env name=X::y");
        insta::assert_snapshot!(error(None, "t", "m"), @"::error title=t::m");
    }

    #[test]
    fn what_could_be_a_command_stands_between_words_that_nobody_knows() {
        assert_eq!(guarded("all is well\n"), "all is well\n");
        for text in ["::error::x\n", "  ::add-mask::y", "a ##[set-output name=a]b\n", "a::b"] {
            let once = guarded(text).into_owned();
            let lines: Vec<_> = once.lines().collect();
            let token = lines[0].strip_prefix("::stop-commands::").unwrap();
            assert_eq!(lines[1..], [text.trim_end_matches('\n'), &format!("::{token}::")]);
            assert!(token.len() > 32 && !guarded(text).contains(token), "a new one each time");
        }
    }

    #[test]
    fn a_cell_is_text_and_nothing_else() {
        insta::assert_snapshot!(cell("a|b `c` <img> [x](http://y) *z*\n#1"), @"<code>a&#124;b &#96;c&#96; &#60;img&#62; &#91;x&#93;&#40;http&#58;//y&#41; &#42;z&#42;&#92;n&#35;1</code>");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_line_or_its_cell(text: String) {
            prop_assert_eq!(error(None, &text, &text).lines().count(), 1);
            prop_assert!(!error(None, &text, &text).trim_end_matches('\n').contains(['\r', '\n']));
            let cell = cell(&text);
            let inner = cell.strip_prefix("<code>").unwrap().strip_suffix("</code>").unwrap();
            prop_assert!(!inner.contains(['|', '<', '>', '`', '*', '_', '[', '\\', '\n', '"']));
        }
    }
}
