//! What stands at a path: the plain data that inputs, exports and outputs are made of. Knows no file system.

use crate::canon::{self, Fields};
use crate::digest::{Digest, Hash};
use crate::path::{Base, OutputPath, RelPath};
use std::fmt::Write as _;

/// What stands at a path, as far as a fingerprint is concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A file: its bytes, and whether its owner may execute it.
    File {
        /// Of its bytes.
        digest: Digest,
        /// Whether the owner's executable bit is set.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// The text of the link.
        target: String,
        /// For an input that leads to a file: that file's digest and executable bit.
        pointee: Option<(Digest, bool)>,
    },
    /// A directory with nothing in it. One that holds something is told by what it holds.
    EmptyDirectory,
}

/// A file or link that a step reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// Below the workspace root.
    pub path: RelPath,
    /// What stands there.
    pub content: Content,
}

/// Something that a step leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Where.
    pub path: OutputPath,
    /// What.
    pub content: Content,
}

impl Content {
    /// Appends the fields of this content to a line: `file HASH SIZE`, `exec HASH SIZE`, `link "target"`, with
    /// `file HASH SIZE` of the pointee behind it, or `empty-directory`.
    pub fn write(&self, line: &mut String) {
        match self {
            Self::File { digest, executable } => write_file(line, digest, *executable),
            Self::Link { target, pointee } => {
                line.push_str(" link");
                canon::quote(line, target);
                if let Some((digest, executable)) = pointee {
                    write_file(line, digest, *executable);
                }
            }
            Self::EmptyDirectory => line.push_str(" empty-directory"),
        }
    }

    /// Reads what [`Content::write`] wrote, to the end of the line; `None` for anything else.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let content = match fields.word()? {
            word @ ("file" | "exec") => {
                let (digest, executable) = read_file(word, fields)?;
                Self::File { digest, executable }
            }
            "link" => {
                let target = fields.text()?;
                let pointee = match fields.is_done() {
                    true => None,
                    false => Some(read_file(fields.word()?, fields)?),
                };
                Self::Link { target, pointee }
            }
            "empty-directory" => Self::EmptyDirectory,
            _ => return None,
        };
        fields.is_done().then_some(content)
    }
}

fn write_file(line: &mut String, digest: &Digest, executable: bool) {
    let word = if executable { "exec" } else { "file" };
    let _ = write!(line, " {word} {} {}", digest.hash, digest.size);
}

fn read_file(word: &str, fields: &mut Fields<'_>) -> Option<(Digest, bool)> {
    let executable = match word {
        "file" => false,
        "exec" => true,
        _ => return None,
    };
    Some((Digest { hash: Hash::parse(fields.word()?)?, size: fields.number()? }, executable))
}

impl Output {
    /// The line of this output: `output tree "path" CONTENT` or `output out "path" CONTENT`.
    pub fn to_line(&self) -> String {
        let base = match self.path.base {
            Base::Tree => "tree",
            Base::Out => "out",
        };
        let mut line = format!("output {base}");
        canon::quote(&mut line, self.path.path.as_str());
        self.content.write(&mut line);
        line
    }

    /// Reads the fields behind the tag of such a line. A path that could leave its root is no path.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let base = match fields.word()? {
            "tree" => Base::Tree,
            "out" => Base::Out,
            _ => return None,
        };
        let path = RelPath::new(fields.text()?)?;
        Some(Self { path: OutputPath { base, path }, content: Content::read(fields)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digests() -> impl Strategy<Value = Digest> {
        (any::<[u8; 32]>(), any::<u64>())
            .prop_map(|(bytes, size)| Digest { hash: Hash::from_bytes(bytes), size })
    }

    fn contents() -> impl Strategy<Value = Content> {
        prop_oneof![
            (digests(), any::<bool>())
                .prop_map(|(digest, executable)| Content::File { digest, executable }),
            (any::<String>(), any::<Option<bool>>(), digests()).prop_map(
                |(target, pointee, digest)| Content::Link {
                    target,
                    pointee: pointee.map(|executable| (digest, executable))
                }
            ),
            Just(Content::EmptyDirectory),
        ]
    }

    fn read(line: &str) -> Option<Output> {
        let mut fields = Fields::new(line);
        (fields.word() == Some("output")).then(|| Output::read(&mut fields))?
    }

    proptest! {
        #[test]
        fn an_output_reads_back_from_one_line(content in contents(), path in "[^/\0]{1,20}", is_out in any::<bool>()) {
            let base = if is_out { Base::Out } else { Base::Tree };
            prop_assume!(path != "." && path != "..");
            let output = Output { path: OutputPath { base, path: RelPath::new(path).unwrap() }, content };
            let line = output.to_line();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(read(&line), Some(output));
        }
    }

    #[test]
    fn what_is_not_such_a_line_is_refused() {
        let hash = Hash::of(b"");
        for line in [
            "output out \"x\"".to_owned(),
            "output out \"x\" directory".to_owned(),
            "output out \"../x\" empty-directory".to_owned(),
            "output out \"x\" empty-directory more".to_owned(),
            "output out \"x\" link".to_owned(),
            "output out \"x\" link target".to_owned(),
            format!("output out \"x\" link \"y\" directory {hash} 0"),
            format!("output out \"x\" file {hash}"),
            format!("output out \"x\" file {hash} -1"),
            format!("output out \"x\" file {hash} 18446744073709551616"),
            format!("output out \"x\" file {hash} 0 more"),
            format!("output away \"x\" file {hash} 0"),
        ] {
            assert_eq!(read(&line), None, "{line}");
        }
    }
}
