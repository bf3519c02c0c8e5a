//! A log that says of its bytes which stream they were printed to. Pure.
//!
//! The bytes stand as they were printed, in the order of their arrival, and behind them a line that tells those of standard error:
//! `[granular: printed to standard error: 0-12 40-60]`, each range without its end. A log without that line is all standard output.

use std::fmt::Write as _;
use std::ops::Range;

/// One of the two streams that a command prints to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

const HEAD: &str = "\n[granular: printed to standard error:";
const END: &str = "]\n";

/// Which bytes were printed to standard error, in order, none touching the next.
#[derive(Debug, Default)]
pub(super) struct Errors {
    ranges: Vec<Range<u64>>,
    size: u64,
}

impl Errors {
    /// Notes the next `length` bytes.
    pub(super) fn note(&mut self, stream: Stream, length: u64) {
        let range = self.size..self.size + length;
        self.size = range.end;
        if stream == Stream::Output || length == 0 {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    /// The line for the end of the log.
    pub(super) fn line(&self) -> String {
        let mut line = HEAD.to_owned();
        for range in &self.ranges {
            let _ = write!(line, " {}-{}", range.start, range.end);
        }
        line + END
    }
}

/// What a log holds, part by part, each with the stream that it was printed to.
pub fn parts(log: &[u8]) -> Vec<(Stream, &[u8])> {
    let Some((bytes, errors)) = told_apart(log) else {
        return vec![(Stream::Output, log)];
    };
    let (mut parts, mut at) = (Vec::new(), 0);
    for range in errors {
        parts.push((Stream::Output, &bytes[at..range.start]));
        parts.push((Stream::Error, &bytes[range.clone()]));
        at = range.end;
    }
    parts.push((Stream::Output, &bytes[at..]));
    parts.retain(|(_, part)| !part.is_empty());
    parts
}

/// The bytes of a log without its last line, and the ranges that this one tells; `None` if it does not.
fn told_apart(log: &[u8]) -> Option<(&[u8], Vec<Range<usize>>)> {
    let line_end = log.strip_suffix(END.as_bytes())?;
    let start = line_end.windows(HEAD.len()).rposition(|window| window == HEAD.as_bytes())?;
    let (bytes, line) = line_end.split_at(start);
    let ranges = std::str::from_utf8(&line[HEAD.len()..]).ok()?;
    let mut at = 0;
    let mut read = |text: &str| {
        let (start, end) = text.split_once('-')?;
        let range = start.parse().ok()?..usize::min(end.parse().ok()?, bytes.len());
        let is_in_order = at <= range.start && range.start <= range.end;
        at = range.end;
        is_in_order.then_some(range)
    };
    let ranges: Option<Vec<_>> = ranges.split_whitespace().map(&mut read).collect();
    Some((bytes, ranges?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_log_without_the_line_is_all_standard_output() {
        for log in ["", "a\n", "[granular: printed to standard error: x-y]\n"] {
            assert_eq!(parts(log.as_bytes()), [(Stream::Output, log.as_bytes())]);
        }
    }

    proptest! {
        #[test]
        fn what_was_printed_comes_back_stream_by_stream(
            printed in proptest::collection::vec((any::<bool>(), "[ab\n]{0,4}|(\n\\[granular: printed to standard error: 0-1\\]\n)"), 0..6),
        ) {
            let (mut log, mut errors) = (String::new(), Errors::default());
            let mut expected = [String::new(), String::new()];
            for (is_error, text) in &printed {
                errors.note(if *is_error { Stream::Error } else { Stream::Output }, text.len() as u64);
                log += text;
                expected[usize::from(*is_error)] += text;
            }
            log += &errors.line();
            let mut found = [Vec::new(), Vec::new()];
            for (stream, part) in parts(log.as_bytes()) {
                found[usize::from(stream == Stream::Error)].extend_from_slice(part);
            }
            prop_assert_eq!(found, expected.map(String::into_bytes));
        }

        #[test]
        fn no_log_makes_the_reader_panic(log in "(\n\\[granular: printed to standard error:)?[0-9 -]{0,9}(\\]\n)?") {
            parts(log.as_bytes());
        }
    }
}
