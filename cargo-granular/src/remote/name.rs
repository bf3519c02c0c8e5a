//! The names that servers of Bazel's caches give to bytes. The only module of the program that names their hash function: SHA-256, or BLAKE3 where a
//! server wants that, which is ours.

use crate::format;
use crate::trust::domain::Domain;
use granular::digest::{Digest, Hasher, Key};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

/// The SHA-256 of some bytes, or their BLAKE3, as their [`Naming`] says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Name([u8; 32]);

/// By what a server names its blobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Naming {
    #[default]
    Sha256,
    Blake3,
}

/// The name and size of a blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Address {
    pub(super) name: Name,
    pub(super) size: u64,
}

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Result,
    Found,
    MadeWith,
}

impl Name {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The name of an entry.
    pub(super) fn of_entry(kind: Kind, key: &Key, domain: &Domain) -> Self {
        let (kind, version) = (kind.word(), format::ENTRY);
        Self::of(format!("granular {kind} {version}\n{key}\n{domain}\n").as_bytes())
    }

    /// Reads 64 lowercase hexadecimal digits; anything else is `None`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // The same digits as ours.
        granular::digest::Hash::parse(text).map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        granular::digest::Hash::from_bytes(self.0).fmt(f)
    }
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Result, Self::Found, Self::MadeWith];

    /// Its word in names.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Found => "found",
            Self::MadeWith => "made-with",
        }
    }

    /// The one with that word.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Takes the name of bytes as they come. Where it is our own hash there is nothing to do for it.
pub(super) struct Namer(Option<Sha256>);

impl Namer {
    pub(super) fn new(naming: Naming) -> Self {
        Self((naming == Naming::Sha256).then(Sha256::default))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(hasher) = &mut self.0 {
            hasher.update(bytes);
        }
    }

    /// The name of what came, whose own digest is `ours`.
    pub(super) fn finish(self, ours: &Digest) -> Name {
        Name(self.0.map_or(*ours.hash.as_bytes(), |hasher| hasher.finalize().into()))
    }
}

/// Both digests of all that is left to read, which `watch` sees as well.
pub(super) fn both_of(
    mut from: &File,
    naming: Naming,
    mut watch: impl FnMut(&[u8]),
) -> io::Result<(Name, Digest)> {
    let (mut theirs, mut ours) = (Namer::new(naming), Hasher::default());
    let mut buffer = vec![0; granular::digest::CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => {
                let ours = ours.finish();
                return Ok((theirs.finish(&ours), ours));
            }
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                theirs.update(bytes);
                ours.update(bytes);
                watch(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::digest::Hash;

    #[test]
    fn names_are_those_that_everybody_gives() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Name::of(b"").to_string(), empty);
        assert_eq!(Name::parse(empty), Some(Name::of(b"")));
        assert_eq!(Name::parse(&empty.to_uppercase()), None);
    }

    #[test]
    fn where_blobs_are_named_by_our_own_hash_there_is_no_other() {
        let name = |naming, bytes: &[u8]| {
            let mut namer = Namer::new(naming);
            namer.update(bytes);
            namer.finish(&Digest::of(bytes)).to_string()
        };
        assert_eq!(name(Naming::Sha256, b"x"), Name::of(b"x").to_string());
        assert_eq!(name(Naming::Blake3, b"x"), Hash::of(b"x").to_string());
    }

    #[test]
    fn what_entries_are_about_keeps_their_names_apart() {
        let key = Key(Hash::of(b"key"));
        let main = Domain::main();
        let names = Kind::ALL.map(|kind| Name::of_entry(kind, &key, &main));
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2]);
        let other = Name::of_entry(Kind::Result, &key, &Domain::of_pull_request(Some(7)));
        assert_ne!(names[0], other);
        let told = format!("granular result 2\n{key}\nmain\n");
        assert_eq!(names[0], Name::of(told.as_bytes()), "as the documentation says");
    }
}
