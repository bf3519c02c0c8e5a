//! Tells people line by line: for files, pipes and machines that build.

use super::Reporter;
use super::human::Human;
use crate::github;
use crate::remote::Writing;
use granular::event::{Event, Summary};
use std::io::Write;

/// Writes whole lines. Who does not listen misses them; a build goes on.
pub(crate) struct Plain<W> {
    human: Human,
    to: W,
    /// Whether GitHub Actions reads it.
    is_guarded: bool,
}

impl<W: Write> Plain<W> {
    /// Writes the words of `human` to `to`.
    pub(crate) fn new(human: Human, to: W) -> Self {
        Self { human, to, is_guarded: false }
    }

    /// In a way that GitHub Actions obeys nothing of it, if it reads it.
    pub(crate) fn guarded(self, is_guarded: bool) -> Self {
        Self { is_guarded, ..self }
    }

    fn write(&mut self, text: &str) {
        let guarded = if self.is_guarded { Some(github::guarded(text)) } else { None };
        let text = guarded.as_deref().unwrap_or(text);
        if !text.is_empty() {
            let _ = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
        }
    }
}

impl<W: Write> Reporter for Plain<W> {
    fn event(&mut self, event: &Event) {
        let text = self.human.event(event);
        self.write(&text);
    }

    fn writing(&mut self, writing: &Writing) {
        let text = self.human.writing(writing);
        self.write(&text);
    }

    fn summary(&mut self, summary: &Summary) {
        let text = self.human.summary(summary);
        self.write(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up;
    use crate::shell::Verbosity;
    use std::io;

    #[test]
    fn whole_lines_are_written() {
        let mut written = Vec::new();
        let mut plain = Plain::new(Human::new(Verbosity::Normal, false), &mut written);
        let logs = made_up::Logs::new("plain");
        let (events, summary) = made_up::build(&logs);
        events.iter().for_each(|event| plain.event(event));
        plain.summary(&summary);
        let text = String::from_utf8(written).unwrap();
        assert!(text.ends_with("(1 skipped)\n"), "{text}");
        assert!(text.contains("#worker"));
    }

    #[test]
    fn nobody_who_listens_is_no_reason_to_fail() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut plain = Plain::new(Human::new(Verbosity::Full, false), Gone);
        let logs = made_up::Logs::new("gone");
        let (events, summary) = made_up::build(&logs);
        events.iter().for_each(|event| plain.event(event));
        plain.summary(&summary);
    }
}
