//! Finds what a misspelt name was meant to be.

/// Longer names are not compared: nobody misspells them into each other.
const LONGEST: usize = 64;

/// The nearest of `names` to `word`, if it is near enough: at most about a third of the letters differ.
pub(crate) fn suggest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, &mut names.into_iter())
}

fn nearest<'a>(word: &str, names: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word);
    let limit = word.len().max(3) / 3;
    let distances = names.filter_map(|name| {
        let letters = letters(name);
        let near =
            letters.len().abs_diff(word.len()) <= limit && letters.len().max(word.len()) <= LONGEST;
        near.then(|| (distance(&word, &letters), name))
    });
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

fn letters(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, left) in a.iter().enumerate() {
        let mut this = vec![row + 1];
        for (column, right) in b.iter().enumerate() {
            let replaced = last[column] + usize::from(left != right);
            let mut best = replaced.min(last[column + 1] + 1).min(this[column] + 1);
            if row > 0 && column > 0 && *left == b[column - 1] && a[row - 1] == *right {
                best = best.min(before_last[column - 1] + 1);
            }
            this.push(best);
        }
        before_last = std::mem::replace(&mut last, this);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised() {
        let names = ["run", "inputs", "outputs", "needs", "env", "track-env", "timeout"];
        for (word, meant) in [
            ("input", Some("inputs")),
            ("ouptuts", Some("outputs")),
            ("Needs", Some("needs")),
            ("track_env", Some("track-env")),
            ("rnu", Some("run")),
            ("time-out", Some("timeout")),
            ("banana", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(suggest(word, names), meant, "{word}");
        }
    }

    #[test]
    fn neighbours_that_are_swapped_count_once() {
        let distance = |a: &str, b: &str| distance(&letters(a), &letters(b));
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
