//! What is of use in one place only: bytes in which the path of a checkout stands. Pure.
//!
//! What must not stand in the outputs of a result is noted with what is to be written, in lines of [`granular::canon`]: `action "#api"`, for each path
//! `place "/home/me/project"`, for each output that the step declares by its very path `declared "{out}/api"`, and last `end`.

use granular::canon::{self, Fields};
use granular::store::Origin;
use memchr::memmem::Finder;

/// What must not stand in what is shared, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Limits {
    action: String,
    places: Vec<String>,
    declared: Vec<String>,
}

impl Limits {
    /// Those of a result that was made there.
    pub(super) fn new(origin: &Origin) -> Self {
        Self {
            action: origin.action.to_string(),
            places: origin.places.clone(),
            declared: origin.declared.clone(),
        }
    }

    /// The same without what is said of paths in bytes: for what was printed.
    pub(super) fn without_places(&self) -> Self {
        Self { places: Vec::new(), ..self.clone() }
    }

    /// Whether the step declares the output of that name, as results name it, by its very path: who does so means to share it.
    pub(super) fn is_declared(&self, output: &str) -> bool {
        self.declared.iter().any(|declared| declared == output)
    }

    /// The action whose result it is.
    pub(super) fn action(&self) -> &str {
        &self.action
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = "action".to_owned();
        canon::quote(&mut text, &self.action);
        for place in &self.places {
            text.push_str("\nplace");
            canon::quote(&mut text, place);
        }
        for output in &self.declared {
            text.push_str("\ndeclared");
            canon::quote(&mut text, output);
        }
        text + "\nend\n"
    }

    /// Reads what [`Limits::to_text`] wrote; `None` for anything else.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut limits = Self::default();
        for line in text.strip_suffix("\nend\n")?.lines() {
            let mut fields = Fields::new(line);
            match fields.word()? {
                "action" => limits.action = fields.text()?,
                "place" => limits.places.push(fields.text()?),
                "declared" => limits.declared.push(fields.text()?),
                _ => return None,
            }
        }
        (limits.to_text() == text).then_some(limits)
    }

    /// Looks for the paths in bytes as they come.
    pub(super) fn search(&self) -> Search<'_> {
        let places = self.places.iter().map(|place| Place::new(place));
        Search { places: places.collect(), last: Vec::new(), has_found: false }
    }
}

/// A search for paths.
pub(super) struct Search<'a> {
    places: Vec<Place<'a>>,
    /// The end of what has come, in which a path may have begun.
    last: Vec<u8>,
    has_found: bool,
}

struct Place<'a> {
    path: &'a str,
    finder: Finder<'a>,
    /// Whether it is one name, such as `/app`, which stands in many longer paths that mean something else.
    is_short: bool,
}

impl<'a> Place<'a> {
    fn new(path: &'a str) -> Self {
        let path = path.trim_end_matches('/');
        Self { path, finder: Finder::new(path), is_short: path.matches('/').count() < 2 }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let ends =
            |at: usize| bytes.get(at + self.path.len()).is_none_or(|next| !is_of_a_name(*next));
        let begins = |at: usize| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            !self.is_short || before.is_none_or(|before| !is_of_a_name(*before) && *before != b'/')
        };
        // A path of nothing is the root of the system, and everywhere.
        !self.path.is_empty() && self.finder.find_iter(bytes).any(|at| ends(at) && begins(at))
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') || !byte.is_ascii()
}

impl Search<'_> {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if self.has_found || self.places.is_empty() {
            return;
        }
        let longest = self.places.iter().map(|place| place.path.len()).max().unwrap_or_default();
        let border = bytes.get(..longest + 1).unwrap_or(bytes);
        self.last.extend_from_slice(border);
        self.has_found =
            self.places.iter().any(|place| place.is_in(&self.last) || place.is_in(bytes));
        if border.len() < bytes.len() {
            let end = bytes.len().saturating_sub(longest + 1);
            self.last.clear();
            self.last.extend_from_slice(bytes.get(end..).unwrap_or_default());
        }
        // With the byte before it.
        let superfluous = self.last.len().saturating_sub(longest + 1);
        self.last.drain(..superfluous);
    }

    pub(super) fn has_found(&self) -> bool {
        self.has_found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(places: &[&str]) -> Limits {
        let places = places.iter().map(|place| (*place).to_owned()).collect();
        Limits { action: "a \"step\"".to_owned(), places, declared: vec!["{out}/a".to_owned()] }
    }

    fn is_found(place: &str, pieces: &[&str]) -> bool {
        let limits = limits(&[place]);
        let mut search = limits.search();
        pieces.iter().for_each(|piece| search.take(piece.as_bytes()));
        search.has_found()
    }

    #[test]
    fn a_note_reads_back_and_one_that_was_cut_short_does_not() {
        for limits in [limits(&[]), limits(&["/a b/\n", "/c"])] {
            let text = limits.to_text();
            assert_eq!(Limits::from_text(&text), Some(limits));
            assert!((0..text.len()).all(|length| Limits::from_text(&text[..length]).is_none()));
        }
    }

    #[test]
    fn a_path_is_found_wherever_the_bytes_are_parted() {
        let text = "x\0/home/me/project/src/main.go\0y";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert!(is_found("/home/me/project", &pieces), "{pieces:?}");
            }
        }
    }

    #[test]
    fn only_the_path_itself_is_meant() {
        assert!(is_found("/home/me/project", &["in /home/me/project"]));
        assert!(
            is_found("/home/me/project", &["glued/home/me/project/x"]),
            "as compilers glue texts"
        );
        assert!(!is_found("/home/me/project", &["/home/me/project-2/x, /home/me/projects"]));
        assert!(is_found("/app", &["\"/app/main.js\""]));
        assert!(!is_found("/app", &["./app/main.js, src/app, https://host/app, /applet"]));
        assert!(!is_found("/", &["/ and /usr"]));
    }
}
