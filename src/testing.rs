//! What the tests of the library share: a directory that goes away with the test, and damage to what is read from disk.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new directory, removed when dropped.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "granular-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One change of a text that another version, a crash or a stranger may make. Places are taken modulo the length.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    CutOff(usize),
    Insert(usize, Vec<u8>),
    Overwrite(usize, u8),
    Remove(usize, usize),
    /// Some bytes come once more, at another place.
    Repeat(usize, usize, usize),
    /// A number becomes this text.
    Number(usize, &'static str),
}

/// Numbers that nobody may believe: too large for memory, for 64 bits, negative, not written as we write them.
const NUMBERS: [&str; 7] = [
    "1152921504606846976",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "0",
    "007",
    "1e9",
];

/// A few changes.
pub(crate) fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..8),
        proptest::sample::select(vec![
            " ", "\n", "\"", "\\", "\0", "{", "}", "[", "]", "=", "../", "\u{202e}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let one = prop_oneof![
        any::<usize>().prop_map(Damage::CutOff),
        (any::<usize>(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Overwrite(at, byte)),
        (any::<usize>(), 0..40_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<usize>(), 0..80_usize, any::<usize>())
            .prop_map(|(at, length, to)| Damage::Repeat(at, length, to)),
        (any::<usize>(), proptest::sample::select(NUMBERS.to_vec()))
            .prop_map(|(at, number)| Damage::Number(at, number)),
    ];
    proptest::collection::vec(one, 1..5)
}

/// The bytes after these changes.
pub(crate) fn damaged(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damage {
        let place = |at: &usize, bytes: &[u8]| at % (bytes.len() + 1);
        let stretch = |at: &usize, length: &usize, bytes: &[u8]| {
            let start = place(at, bytes);
            start..(start + length).min(bytes.len())
        };
        match damage {
            Damage::CutOff(at) => bytes.truncate(place(at, &bytes)),
            Damage::Insert(at, new) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, new.iter().copied());
            }
            Damage::Overwrite(at, byte) => {
                let at = place(at, &bytes);
                bytes.get_mut(at).into_iter().for_each(|place| *place = *byte);
            }
            Damage::Remove(at, length) => drop(bytes.drain(stretch(at, length, &bytes))),
            Damage::Repeat(at, length, to) => {
                let again = bytes[stretch(at, length, &bytes)].to_vec();
                let to = place(to, &bytes);
                bytes.splice(to..to, again);
            }
            Damage::Number(at, number) => {
                let from = place(at, &bytes);
                let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit) else {
                    continue;
                };
                let digits =
                    bytes[from + start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let range = from + start..from + start + digits;
                bytes.splice(range, number.bytes());
            }
        }
    }
    bytes
}
