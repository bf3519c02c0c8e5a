//! Dirty reasons: one difference each that makes earlier work unusable. Plain data, comparable, with one wording.

use crate::canon::{self, Fields};
use crate::found::Finder;
use std::fmt;

/// One difference. The order of the variants is the order of importance, the main one first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DirtyReason {
    /// The user asked for it to run (`--force`).
    Forced,
    /// It has never been brought up to date in this checkout.
    NeverRan,
    /// The last run failed.
    LastRunFailed,
    /// The last run was stopped before its end.
    LastRunUnfinished,
    /// Inputs changed during the last run, or outputs behind it, so that its result was not kept.
    LastRunDisturbed,
    /// What stands there was restored from a store that would not give it now, and says so.
    Disowned,
    /// The fingerprint's format is another.
    FormatChanged,
    /// The command is another.
    CommandChanged,
    /// The directory it is run in is another.
    DirectoryChanged,
    /// The operating system or architecture is another.
    PlatformChanged,
    /// The output patterns are others.
    OutputsDeclared,
    /// A tool is another: its name, and what it said of its version then and says now, where that differs.
    ToolChanged {
        /// The tool.
        tool: String,
        /// Its version then and now.
        versions: Option<(String, String)>,
    },
    /// A variable that the step sets is another. Never its value: it may be a secret.
    EnvChanged(String),
    /// A tracked variable has another value, was set or was unset.
    TrackedEnvChanged(String),
    /// An input's bytes, executable bit or link changed.
    InputChanged(String),
    /// An input is new.
    InputAdded(String),
    /// An input is gone.
    InputRemoved(String),
    /// One of the three before, of an input that is not declared but was found.
    Found(Finder, Box<DirtyReason>),
    /// What a need exports changed.
    NeedChanged {
        /// The need that exports it, if known.
        need: Option<String>,
        /// What changed.
        path: String,
    },
    /// An output on disk is not what was left there: changed, gone, or something new among them.
    OutputChanged(String),
}

impl DirtyReason {
    /// The word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::NeverRan => "never-ran",
            Self::LastRunFailed => "last-run-failed",
            Self::LastRunUnfinished => "last-run-unfinished",
            Self::LastRunDisturbed => "last-run-disturbed",
            Self::Disowned => "disowned",
            Self::FormatChanged => "format-changed",
            Self::CommandChanged => "command-changed",
            Self::DirectoryChanged => "directory-changed",
            Self::PlatformChanged => "platform-changed",
            Self::OutputsDeclared => "outputs-declared",
            Self::ToolChanged { .. } => "tool-changed",
            Self::EnvChanged(_) => "env-changed",
            Self::TrackedEnvChanged(_) => "tracked-env-changed",
            Self::InputChanged(_) => "input-changed",
            Self::InputAdded(_) => "input-added",
            Self::InputRemoved(_) => "input-removed",
            Self::Found(_, reason) => reason.kind(),
            Self::NeedChanged { .. } => "need-changed",
            Self::OutputChanged(_) => "output-changed",
        }
    }

    /// What it is about: a path, a variable or a tool; `None` where the kind says all.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::ToolChanged { tool: subject, .. }
            | Self::EnvChanged(subject)
            | Self::TrackedEnvChanged(subject)
            | Self::InputChanged(subject)
            | Self::InputAdded(subject)
            | Self::InputRemoved(subject)
            | Self::NeedChanged { path: subject, .. }
            | Self::OutputChanged(subject) => Some(subject),
            Self::Found(_, reason) => reason.subject(),
            _ => None,
        }
    }

    /// What the subject is: "path", "variable" or "tool".
    pub fn subject_kind(&self) -> Option<&'static str> {
        match self {
            Self::ToolChanged { .. } => Some("tool"),
            Self::EnvChanged(_) | Self::TrackedEnvChanged(_) => Some("variable"),
            _ => self.subject().map(|_| "path"),
        }
    }
}

impl DirtyReason {
    /// The fields of this reason in a line: its kind, and what it is about.
    pub fn write(&self, line: &mut String) {
        if let Self::Found(finder, reason) = self {
            line.push_str(" found ");
            line.push_str(finder.word());
            return reason.write(line);
        }
        line.push(' ');
        line.push_str(self.kind());
        if let Some(subject) = self.subject() {
            canon::quote(line, subject);
        }
        match self {
            Self::ToolChanged { versions: Some((then, now)), .. } => {
                canon::quote(line, then);
                canon::quote(line, now);
            }
            Self::NeedChanged { need: Some(need), .. } => canon::quote(line, need),
            _ => {}
        }
    }

    /// The reason of this kind and subject, without what may have been known besides; `None` if there is none such.
    pub fn of(kind: &str, subject: Option<&str>) -> Option<Self> {
        let mut line = kind.to_owned();
        if let Some(subject) = subject {
            canon::quote(&mut line, subject);
        }
        Self::read(&mut Fields::new(&line))
    }

    /// Reads what [`DirtyReason::write`] wrote; `None` for anything else.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let reason = match fields.word()? {
            "forced" => Self::Forced,
            "never-ran" => Self::NeverRan,
            "last-run-failed" => Self::LastRunFailed,
            "last-run-unfinished" => Self::LastRunUnfinished,
            "last-run-disturbed" => Self::LastRunDisturbed,
            "disowned" => Self::Disowned,
            "format-changed" => Self::FormatChanged,
            "command-changed" => Self::CommandChanged,
            "directory-changed" => Self::DirectoryChanged,
            "platform-changed" => Self::PlatformChanged,
            "outputs-declared" => Self::OutputsDeclared,
            "tool-changed" => Self::ToolChanged {
                tool: fields.text()?,
                versions: fields.text().zip(fields.text()),
            },
            "env-changed" => Self::EnvChanged(fields.text()?),
            "tracked-env-changed" => Self::TrackedEnvChanged(fields.text()?),
            "input-changed" => Self::InputChanged(fields.text()?),
            "input-added" => Self::InputAdded(fields.text()?),
            "input-removed" => Self::InputRemoved(fields.text()?),
            "found" => {
                let finder = Finder::from_word(fields.word()?)?;
                // Only one of the others can stand in it.
                let is_nested = fields.clone().word() == Some("found");
                return Some(Self::Found(
                    finder,
                    Box::new((!is_nested).then(|| Self::read(fields))??),
                ));
            }
            "need-changed" => Self::NeedChanged { path: fields.text()?, need: fields.text() },
            "output-changed" => Self::OutputChanged(fields.text()?),
            _ => return None,
        };
        fields.is_done().then_some(reason)
    }
}

impl fmt::Display for DirtyReason {
    /// For people, on one line whatever a path contains: "services/worker/processor.go changed".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject().unwrap_or("").escape_debug();
        match self {
            Self::Forced => f.write_str("forced"),
            Self::NeverRan => f.write_str("it has not run here before"),
            Self::LastRunFailed => f.write_str("its last run failed"),
            Self::LastRunUnfinished => f.write_str("its last run did not come to its end"),
            Self::LastRunDisturbed => {
                f.write_str("its inputs or outputs changed during its last run")
            }
            Self::Disowned => {
                f.write_str("what was restored is of somebody who is not trusted for this build")
            }
            Self::FormatChanged => {
                f.write_str("this version of cargo granular makes keys in another way")
            }
            Self::CommandChanged => f.write_str("its command changed"),
            Self::DirectoryChanged => f.write_str("its directory changed"),
            Self::PlatformChanged => f.write_str("the platform changed"),
            Self::OutputsDeclared => f.write_str("its declared outputs changed"),
            Self::ToolChanged { versions: Some((then, now)), .. } => {
                write!(
                    f,
                    "{subject} changed from {} to {}",
                    then.escape_debug(),
                    now.escape_debug()
                )
            }
            Self::ToolChanged { versions: None, .. } => write!(f, "the program {subject} changed"),
            Self::EnvChanged(_) => write!(f, "the variable {subject} that it sets changed"),
            Self::TrackedEnvChanged(_) => write!(f, "the variable {subject} changed"),
            Self::InputChanged(_) => write!(f, "{subject} changed"),
            Self::InputAdded(_) => write!(f, "{subject} is new"),
            Self::InputRemoved(_) => write!(f, "{subject} is gone"),
            Self::Found(finder, reason) => write!(f, "{reason} (found by {finder})"),
            Self::NeedChanged { need: Some(need), .. } => write!(f, "{subject} of {need} changed"),
            Self::NeedChanged { need: None, .. } => write!(f, "{subject} of a need changed"),
            Self::OutputChanged(_) => write!(f, "its output {subject} was changed or removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_its_line() {
        let versions = Some(("go1.19".to_owned(), "go1.26".to_owned()));
        let reasons = [
            DirtyReason::Forced,
            DirtyReason::NeverRan,
            DirtyReason::LastRunFailed,
            DirtyReason::LastRunUnfinished,
            DirtyReason::LastRunDisturbed,
            DirtyReason::Disowned,
            DirtyReason::FormatChanged,
            DirtyReason::CommandChanged,
            DirtyReason::DirectoryChanged,
            DirtyReason::PlatformChanged,
            DirtyReason::OutputsDeclared,
            DirtyReason::ToolChanged { tool: "go".into(), versions },
            DirtyReason::ToolChanged { tool: "go".into(), versions: None },
            DirtyReason::EnvChanged("A".into()),
            DirtyReason::TrackedEnvChanged("B".into()),
            DirtyReason::InputChanged("a \"b\".go".into()),
            DirtyReason::InputAdded("a\n.go".into()),
            DirtyReason::InputRemoved(String::new()),
            DirtyReason::Found(
                Finder::GoList,
                Box::new(DirtyReason::InputChanged("a b.go".into())),
            ),
            DirtyReason::Found(Finder::Depfile, Box::new(DirtyReason::InputAdded("x.h".into()))),
            DirtyReason::NeedChanged { need: Some("#models".into()), path: "x".into() },
            DirtyReason::NeedChanged { need: None, path: "x".into() },
            DirtyReason::OutputChanged("{out}/api".into()),
        ];
        for reason in reasons {
            let mut line = String::from("reason");
            reason.write(&mut line);
            let mut fields = Fields::new(&line);
            assert_eq!(fields.word(), Some("reason"));
            assert_eq!(DirtyReason::read(&mut fields).as_ref(), Some(&reason), "{line}");
            let of = DirtyReason::of(reason.kind(), reason.subject()).map(|of| of.kind());
            assert_eq!(of, Some(reason.kind()));
        }
    }
}
