//! Mistakes as short texts, for tests.

use crate::mistake::{Mistake, Place};
use crate::ordered::Map;
use std::path::{Path, PathBuf};

/// Every mistake: its message, its place with the text there, the other places, and the help.
pub(crate) fn draw(mistakes: &[Mistake], root: &Path) -> String {
    let mut files = Map::new();
    mistakes.iter().map(|mistake| draw_one(mistake, root, &mut files)).collect()
}

fn draw_one(mistake: &Mistake, root: &Path, files: &mut Map<PathBuf, String>) -> String {
    let mut text = format!("{}\n", mistake.message);
    for (sign, place) in std::iter::once(("-->", &mistake.place))
        .chain(mistake.related.iter().map(|place| (":::", place)))
    {
        text.push_str(&format!("  {sign} {}\n", draw_place(place, root, files)));
    }
    if let Some(help) = &mistake.help {
        text.push_str(&format!("  = help: {help}\n"));
    }
    text
}

fn draw_place(place: &Place, root: &Path, files: &mut Map<PathBuf, String>) -> String {
    let bytes =
        || String::from_utf8_lossy(&std::fs::read(&place.file).unwrap_or_default()).into_owned();
    let text = files.get_or_insert_with(place.file.clone(), bytes);
    let file = place
        .file
        .strip_prefix(root)
        .unwrap_or(&place.file)
        .display()
        .to_string()
        .replace('\\', "/");
    let before = text.get(..place.span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let meant = text.get(place.span.clone()).unwrap_or("?").escape_debug();
    let label = if place.label.is_empty() { String::new() } else { format!(": {}", place.label) };
    format!("{file}:{line}:{column} [{meant}]{label}")
}
