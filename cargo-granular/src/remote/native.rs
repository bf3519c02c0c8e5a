//! What is of use in one place only, or nobody else's business: bytes in which the path of a checkout stands, or the value of a variable that the step was passed. Pure.
//!
//! What must not stand in the outputs of a result is noted with what is to be written, in lines of [`granular::canon`]: `action "#api"`, for each path
//! `place "/home/me/project"`, for each output that the step declares by its very path `declared "{out}/api"`, for each secret `private "NPM_TOKEN" CHECK`, for each other variable that it was passed `passed "MY_URL" CHECK`, and last `end`. CHECK tells whether
//! the variable has the same value when the note is read; it says too little of the value to find it by.

use super::sensitive;
use crate::session::variable;
use granular::canon::{self, Fields};
use granular::digest::Hash;
use granular::ordered::Map;
use granular::store::Origin;
use memchr::memmem::Finder;
use std::ffi::OsString;

/// What must not stand in what is shared, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Limits {
    action: String,
    places: Vec<String>,
    declared: Vec<String>,
    private: Vec<Private>,
}

/// The value of a variable that the step was passed. Never shown, and not noted.
#[derive(Clone, PartialEq, Eq)]
struct Private {
    /// Whether it is called or looks as secrets do: then no step can mean it to be seen.
    is_secret: bool,
    name: String,
    value: String,
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[the value of {}]", self.name)
    }
}

impl Private {
    fn secret(name: &str, env: &Map<OsString, OsString>) -> Option<Self> {
        let value = sensitive::secret_in(name, variable(env, name)?)?;
        Some(Self { is_secret: true, name: name.to_owned(), value: value.to_owned() })
    }

    fn plain(name: &str, env: &Map<OsString, OsString>) -> Option<Self> {
        let value = sensitive::value_in(variable(env, name)?)?;
        Some(Self { is_secret: false, name: name.to_owned(), value: value.to_owned() })
    }

    fn check(&self) -> String {
        let hash = Hash::of(format!("{}\n{}", self.name, self.value).as_bytes()).to_string();
        hash.chars().take(4).collect()
    }
}

/// What was found that must not be shared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Found {
    /// The path of a checkout.
    Place,
    /// The value of a variable that the step was passed.
    Private,
}

impl Limits {
    /// Those of a result that was made there.
    pub(super) fn new(origin: &Origin, env: &Map<OsString, OsString>) -> Self {
        let private = |name: &String| {
            let plain = || Private::plain(name, env).filter(|_| !origin.portable);
            Private::secret(name, env).or_else(plain)
        };
        Self {
            action: origin.action.to_string(),
            places: origin.places.clone(),
            declared: origin.declared.clone(),
            private: origin.passed.iter().filter_map(private).collect(),
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
        for private in &self.private {
            text.push_str(if private.is_secret { "\nprivate" } else { "\npassed" });
            canon::quote(&mut text, &private.name);
            text.push_str(&format!(" {}", private.check()));
        }
        text + "\nend\n"
    }

    /// Reads what [`Limits::to_text`] wrote; `None` for anything else, and where a variable has another value now.
    pub(super) fn from_text(text: &str, env: &Map<OsString, OsString>) -> Option<Self> {
        let mut limits = Self::default();
        for line in text.strip_suffix("\nend\n")?.lines() {
            let mut fields = Fields::new(line);
            match fields.word()? {
                "action" => limits.action = fields.text()?,
                "place" => limits.places.push(fields.text()?),
                "declared" => limits.declared.push(fields.text()?),
                "private" => limits.private.push(Private::secret(&fields.text()?, env)?),
                "passed" => limits.private.push(Private::plain(&fields.text()?, env)?),
                _ => return None,
            }
        }
        (limits.to_text() == text).then_some(limits)
    }

    /// Looks for all of that in bytes as they come.
    pub(super) fn search(&self) -> Search<'_> {
        let places = self.places.iter().map(|place| Sought::Place(Place::new(place)));
        let private = self.private.iter();
        let private = private.map(|private| Sought::Private(Finder::new(&private.value)));
        Search { sought: private.chain(places).collect(), last: Vec::new(), found: None }
    }
}

/// A search for what must not be shared.
pub(super) struct Search<'a> {
    sought: Vec<Sought<'a>>,
    /// The end of what has come, in which something may have begun.
    last: Vec<u8>,
    found: Option<Found>,
}

enum Sought<'a> {
    Place(Place<'a>),
    Private(Finder<'a>),
}

impl Sought<'_> {
    fn length(&self) -> usize {
        match self {
            Self::Place(place) => place.path.len(),
            Self::Private(finder) => finder.needle().len(),
        }
    }

    fn is_in(&self, bytes: &[u8]) -> Option<Found> {
        match self {
            Self::Place(place) => place.is_in(bytes).then_some(Found::Place),
            Self::Private(finder) => finder.find(bytes).map(|_| Found::Private),
        }
    }
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
        // A path may be shared by who says so; that there is a secret as well has to be known.
        if self.found == Some(Found::Private) || self.sought.is_empty() {
            return;
        }
        let longest = self.sought.iter().map(Sought::length).max().unwrap_or_default();
        let border = bytes.get(..longest + 1).unwrap_or(bytes);
        self.last.extend_from_slice(border);
        let found = self.sought.iter().filter_map(|it| it.is_in(&self.last).or(it.is_in(bytes)));
        self.found = self.found.max(found.max());
        if border.len() < bytes.len() {
            let end = bytes.len().saturating_sub(longest + 1);
            self.last.clear();
            self.last.extend_from_slice(bytes.get(end..).unwrap_or_default());
        }
        // With the byte before it.
        let superfluous = self.last.len().saturating_sub(longest + 1);
        self.last.drain(..superfluous);
    }

    pub(super) fn found(&self) -> Option<Found> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(places: &[&str]) -> Limits {
        let places = places.iter().map(|place| (*place).to_owned()).collect();
        let private =
            Private { is_secret: true, name: "TOKEN".to_owned(), value: SECRET.to_owned() };
        let (declared, private) = (vec!["{out}/a".to_owned()], vec![private]);
        Limits { action: "a \"step\"".to_owned(), places, declared, private }
    }

    const SECRET: &str = "hunter22hunter22";

    fn env(value: &str) -> Map<OsString, OsString> {
        Map::from([("TOKEN".into(), value.into())])
    }

    fn is_found(place: &str, pieces: &[&str]) -> bool {
        let limits = limits(&[place]);
        let mut search = limits.search();
        pieces.iter().for_each(|piece| search.take(piece.as_bytes()));
        search.found() == Some(Found::Place)
    }

    #[test]
    fn a_secret_is_found_wherever_the_bytes_are_parted_and_shown_nowhere() {
        let limits = limits(&["/home/me/project"]);
        let text = format!("/home/me/project, x{SECRET}y, /home/me/project");
        for parted in 0..text.len() {
            let mut search = limits.search();
            search.take(&text.as_bytes()[..parted]);
            search.take(&text.as_bytes()[parted..]);
            assert_eq!(search.found(), Some(Found::Private), "{parted}");
        }
        assert!(!format!("{limits:?}").contains(SECRET) && !limits.to_text().contains(SECRET));
    }

    #[test]
    fn a_note_is_of_no_use_once_the_secret_is_another() {
        let text = limits(&[]).to_text();
        assert!(Limits::from_text(&text, &env("another secret")).is_none());
        assert!(Limits::from_text(&text, &Map::new()).is_none());
    }

    #[test]
    fn a_note_reads_back_and_one_that_was_cut_short_does_not() {
        for limits in [limits(&[]), limits(&["/a b/\n", "/c"])] {
            let text = limits.to_text();
            let env = env(SECRET);
            assert_eq!(Limits::from_text(&text, &env), Some(limits));
            let cut = |length| Limits::from_text(&text[..length], &env);
            assert!((0..text.len()).all(|length| cut(length).is_none()));
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
