//! Draws mistakes as rustc and Cargo draw theirs. The files are read again; whatever has become of them, something is drawn.

use crate::wording;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use granular::mistake::{Mistake, Place};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

/// The texts of files by path; `None` for one that cannot be read.
type Sources = BTreeMap<PathBuf, Option<String>>;

/// All mistakes, and how many there are. Paths are told as they are seen from `dir`.
pub(crate) fn draw(mistakes: &[Mistake], dir: &Path) -> String {
    let places = mistakes.iter().flat_map(places);
    let sources: Sources = places.map(|place| (place.file.clone(), read(&place.file))).collect();
    let mut text = String::new();
    for mistake in mistakes {
        text.push_str(&one(mistake, &sources, dir));
        text.push_str("\n\n");
    }
    let total = format!("{} in the configuration", wording::count(mistakes.len(), "mistake"));
    text.push_str(&wording::error(&total));
    text
}

/// Line and column of the begin of a place, from 1 on; `None` where the file cannot be read.
pub(crate) fn line_and_column(place: &Place) -> (Option<usize>, Option<usize>) {
    let Some(source) = read(&place.file) else { return (None, None) };
    let before = source.get(..within(&source, &place.span).start).unwrap_or_default();
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (Some(line), Some(column))
}

fn one(mistake: &Mistake, sources: &Sources, dir: &Path) -> String {
    let title = wording::some_lines(&mistake.message);
    let help = mistake.help.as_deref().map(wording::some_lines);
    let mut group = Group::with_title(Level::ERROR.primary_title(title));
    for (file, places) in by_file(mistake) {
        let path = wording::one_line(&seen_from(dir, file).display().to_string());
        match sources.get(file).and_then(Option::as_deref) {
            Some(source) => group = group.element(snippet(source, path, &places)),
            None => group = group.element(Origin::path(path)),
        }
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group])
}

/// A place, and whether the mistake is there.
type Marked<'a> = (&'a Place, bool);

/// The places of a mistake by file, that of the mistake itself first.
fn by_file(mistake: &Mistake) -> Vec<(&Path, Vec<Marked<'_>>)> {
    let mut files: Vec<(&Path, Vec<Marked<'_>>)> = Vec::new();
    for (index, place) in places(mistake).enumerate() {
        let marked = (place, index == 0);
        match files.iter_mut().find(|(file, _)| *file == place.file) {
            Some((_, marks)) => marks.push(marked),
            None => files.push((&place.file, vec![marked])),
        }
    }
    files
}

fn places(mistake: &Mistake) -> impl Iterator<Item = &Place> {
    std::iter::once(&mistake.place).chain(&mistake.related)
}

fn snippet<'a>(
    source: &'a str,
    path: String,
    places: &[Marked<'a>],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let marks = places.iter().map(|(place, is_it)| {
        let kind = if *is_it { AnnotationKind::Primary } else { AnnotationKind::Context };
        let label = Some(wording::one_line(&place.label)).filter(|label| !label.is_empty());
        kind.span(within(source, &place.span)).label(label)
    });
    Snippet::source(source).path(path).annotations(marks)
}

/// The span as far as it lies within the source, moved outwards to the bounds of characters.
fn within(source: &str, span: &Range<usize>) -> Range<usize> {
    let start = source.floor_char_boundary(span.start.min(source.len()));
    let end = source.ceil_char_boundary(span.end.clamp(start, source.len()));
    start..end
}

fn read(file: &Path) -> Option<String> {
    std::fs::read(file).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// `file` relative to `dir`, with `..` where that leads to a directory that both are in; else as it is.
fn seen_from(dir: &Path, file: &Path) -> PathBuf {
    let common = dir.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let has_common = dir.components().take(common).any(|part| matches!(part, Component::Normal(_)));
    if !has_common {
        return file.to_path_buf();
    }
    let up = dir.components().skip(common).map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A directory of its own, taken away at the end.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("granular-draw-{name}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("web")).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            std::fs::write(self.0.join(name), text).unwrap();
            self.0.join(name)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn drawn(mistakes: &[Mistake], dir: &Path) -> String {
        anstream::adapter::strip_str(&draw(mistakes, dir)).to_string()
    }

    const TABLE: &str = "\
[workspace.metadata.granular.steps.api]
rnu     = [\"go\", \"build\"]
outputs = [\"{out}/api\"]
";

    fn at(text: &str, part: &str) -> Range<usize> {
        let start = text.find(part).unwrap();
        start..start + part.len()
    }

    #[test]
    fn mistakes_are_drawn_where_they_are() {
        let dir = Dir::new("where");
        let file = dir.file("Cargo.toml", TABLE);
        let web = dir.file("web/Cargo.toml", "# größe\n\toutputs = [\"{out}/api\"]\n");
        let mistakes = [
            Mistake::new(
                "unknown key `rnu`",
                Place::new(&file, at(TABLE, "rnu")).label("not a key of a step"),
            )
            .help("a key with a similar name exists: `run`"),
            Mistake::new(
                "two steps own `{out}/api`",
                Place::new(&web, at("# größe\n\toutputs = [\"{out}/api\"]\n", "\"{out}/api\"")),
            )
            .related(Place::new(&file, at(TABLE, "\"{out}/api\"")).label("`#api` owns it as well")),
            Mistake::new("a step has no `run`", Place::new(&file, at(TABLE, "api"))).related(
                Place::new(&file, at(TABLE, "outputs")).label("with outputs it needs one"),
            ),
        ];
        insta::assert_snapshot!(drawn(&mistakes, &dir.0), @r#"
        error: unknown key `rnu`
         --> Cargo.toml:2:1
          |
        2 | rnu     = ["go", "build"]
          | ^^^ not a key of a step
          |
          = help: a key with a similar name exists: `run`

        error: two steps own `{out}/api`
         --> web/Cargo.toml:2:13
          |
        2 |     outputs = ["{out}/api"]
          |                ^^^^^^^^^^^
          |
         ::: Cargo.toml:3:12
          |
        3 | outputs = ["{out}/api"]
          |            ----------- `#api` owns it as well

        error: a step has no `run`
         --> Cargo.toml:1:36
          |
        1 | [workspace.metadata.granular.steps.api]
          |                                    ^^^
        2 | rnu     = ["go", "build"]
        3 | outputs = ["{out}/api"]
          | ------- with outputs it needs one

        error: 3 mistakes in the configuration
        "#);
    }

    #[test]
    fn a_file_that_is_gone_is_named() {
        let mistake = Mistake::new("it cannot be read", Place::new("/no/such/Cargo.toml", 3..9))
            .help("make it readable");
        insta::assert_snapshot!(drawn(&[mistake], Path::new("/elsewhere")), @"
        error: it cannot be read
        --> /no/such/Cargo.toml
         = help: make it readable

        error: 1 mistake in the configuration
        ");
    }

    #[test]
    fn paths_are_told_as_they_are_seen_from_here() {
        let seen = |dir: &str, file: &str| {
            seen_from(Path::new(dir), Path::new(file)).display().to_string()
        };
        assert_eq!(seen("/w", "/w/web/Cargo.toml"), "web/Cargo.toml");
        assert_eq!(seen("/w/web/src", "/w/Cargo.toml"), "../../Cargo.toml");
        assert_eq!(seen("/x", "/w/Cargo.toml"), "/w/Cargo.toml");
        assert_eq!(seen("", "/w/Cargo.toml"), "/w/Cargo.toml");
    }

    #[test]
    fn lines_and_columns_begin_with_one() {
        let dir = Dir::new("lines");
        let file = dir.file("Cargo.toml", "a\nö = 1\n");
        assert_eq!(line_and_column(&Place::new(&file, 0..1)), (Some(1), Some(1)));
        assert_eq!(line_and_column(&Place::new(&file, 5..6)), (Some(2), Some(3)));
        assert_eq!(line_and_column(&Place::new(&file, 99..120)), (Some(3), Some(1)));
        assert_eq!(line_and_column(&Place::new("/no/such", 0..1)), (None, None));
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let text =
            drawn(&[Mistake::new("bad \u{1b}[2J\u{7}", Place::new("/no", 0..0))], Path::new("/"));
        assert!(text.contains(r"bad \u{1b}[2J\u{7}"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn no_file_and_no_span_make_it_panic(
            source in "[aö\t\r\n\u{1b}\u{200d}家#]{0,60}",
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            spans in prop::collection::vec((0..80usize, 0..80usize), 1..4),
            label in "[a\n\u{1b}]{0,4}",
        ) {
            let dir = Dir::new("any");
            let mut mistake = None;
            let files = [dir.file("a.toml", &source), dir.file("b.toml", &bytes)];
            for (index, (start, end)) in spans.into_iter().enumerate() {
                for file in [&files[index % 2], &files[(index + 1) % 2]] {
                    let place = Place::new(file, start..end).label(label.clone());
                    line_and_column(&place);
                    mistake = Some(match mistake {
                        None => Mistake::new("m", place),
                        Some(mistake) => Mistake::related(mistake, place),
                    });
                }
            }
            draw(&[mistake.unwrap()], &dir.0);
        }
    }
}
