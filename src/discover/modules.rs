//! The local directories that a `go.mod` or `go.work` ties together. Pure.
//!
//! Only as far as to know which further module files decide what Go reads: a text that Go would not take may give anything.

/// The directories that `text` names: in `use` of a `go.work`, and behind the arrow of a `replace`. As they are written.
pub(crate) fn directories(text: &str) -> Vec<String> {
    let mut directories = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        let words = words(line);
        let mut words: &[String] = &words;
        let verb = match &block {
            Some(_) if words.first().is_some_and(|word| word == ")") => {
                block = None;
                continue;
            }
            Some(verb) => verb.clone(),
            None => {
                let Some((verb, rest)) = words.split_first() else { continue };
                words = rest;
                if words.first().is_some_and(|word| word == "(") {
                    block = Some(verb.clone());
                    continue;
                }
                verb.clone()
            }
        };
        let directory = match verb.as_str() {
            "use" => words.first(),
            "replace" => {
                let arrow = words.iter().position(|word| word == "=>");
                arrow.and_then(|at| words.get(at + 1)).filter(|path| is_local(path))
            }
            _ => None,
        };
        directories.extend(directory.cloned());
    }
    directories
}

/// As Go tells a directory from the path of a module.
fn is_local(path: &str) -> bool {
    matches!(path, "." | "..")
        || ["./", "../", "/", ".\\", "..\\"].iter().any(|start| path.starts_with(start))
}

/// The words of a line: bare, or in quotes; up to a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            break;
        }
        let (word, behind) = match first {
            quote @ ('"' | '`') => {
                let inside = &rest[1..];
                let end = inside.find(quote).unwrap_or(inside.len());
                (&inside[..end], inside.get(end + 1..).unwrap_or_default())
            }
            '(' | ')' => rest.split_at(1),
            _ => {
                let end = rest.find(|char: char| char.is_whitespace() || matches!(char, '(' | ')'));
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn used_and_replaced_directories_are_found() {
        let work = "go 1.22\n\nuse ./one // the first\nuse (\n\t./two\n\t\"with space\" // quoted\n\t// nothing\n\t`../out`\n)\n\
            replace example.com/a => ./three\nreplace (\n\texample.com/b v1.2.3 => ../four\n\texample.com/c => example.com/d v1.0.0\n)\nuse .\n";
        assert_eq!(
            directories(work),
            ["./one", "./two", "with space", "../out", "./three", "../four", "."]
        );
        let module = "module example.com/a\n\nrequire (\n\t./odd v1.0.0\n)\nrequire example.com/b v0.0.0\nreplace example.com/b => ../b\n";
        assert_eq!(directories(module), ["../b"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[use(){}\"`/ .\n\t=>replaceé]{0,60}") {
            let _ = directories(&text);
        }
    }
}
