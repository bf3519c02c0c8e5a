//! The file of a proof: lines of [`crate::canon`] for what is said, and behind them, in bytes, what was seen, directory by directory. Looks at nothing.
//!
//! | part | in bytes, numbers with the lowest first |
//! | --- | --- |
//! | magic | [`MAGIC`], the version in its last byte |
//! | text | length (4), lines |
//! | groups | until the hash: path of a directory (length 4), number of children (4), their length (4), children |
//! | child | name (length 2), what counts (1), whether anything is there (1), and if so: device, inode, size, mtime, ctime (8 each), kind (1), mode (4) |
//! | hash | of all before it (32) |

use super::look::{Group, Sight, What};
use super::{Fresh, Proof};
use crate::action::ActionName;
use crate::canon::{self, Fields};
use crate::digest::{Hash, Key};
use crate::format;
use crate::ordered::Map;
use crate::path::RelPath;
use crate::stat::{Kind, Stat};
use crate::step::StepName;
use crate::tools::Lookup;
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MAGIC: [u8; 20] = *b"granular untouched\n\x01";
const HASH: usize = 32;

/// Kinds by their number. Of anything else nothing is proved.
const KINDS: [Kind; 3] = [Kind::File, Kind::Directory, Kind::Link];

/// The bytes of a proof that was seen by `sights`; `None` where something cannot be written: a path that is not UTF-8, a time out of all reason.
pub(super) fn write(proof: &Proof, sights: &[Sight]) -> Option<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    *bytes.last_mut()? = u8::try_from(format::UNTOUCHED).ok()?;
    let text = text(proof)?;
    add_length(&mut bytes, text.len())?;
    bytes.extend_from_slice(text.as_bytes());
    let mut children = Vec::new();
    for sight in sights {
        let (directory, name) = parts(&sight.path)?;
        children.push((directory, (name, sight)));
    }
    // What was changed last is likely to be changed next: to look there first finds out soonest that something was.
    let mut groups: Vec<_> = Map::grouped(children).into_iter().collect();
    let youngest = |children: &[(&str, &Sight)]| {
        let stats = children.iter().filter_map(|(_, sight)| sight.stat.as_ref());
        stats.filter(|stat| stat.kind != Kind::Directory).map(|stat| stat.ctime_ns).max()
    };
    groups.sort_by_cached_key(|(_, children)| Reverse(youngest(children)));
    for (directory, children) in groups {
        add_length(&mut bytes, directory.len())?;
        bytes.extend_from_slice(directory.as_bytes());
        add_length(&mut bytes, children.len())?;
        let mut inner = Vec::new();
        for (name, sight) in children {
            add_child(&mut inner, name, sight)?;
        }
        add_length(&mut bytes, inner.len())?;
        bytes.extend_from_slice(&inner);
    }
    bytes.extend_from_slice(Hash::of(&bytes).as_bytes());
    Some(bytes)
}

/// A path as its directory and its name in it.
fn parts(path: &Path) -> Option<(&str, &str)> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Some((parent.to_str()?, name.to_str()?)),
        _ => Some((path.to_str()?, ".")),
    }
}

fn add_length(bytes: &mut Vec<u8>, length: usize) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    Some(())
}

fn add_child(bytes: &mut Vec<u8>, name: &str, sight: &Sight) -> Option<()> {
    bytes.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    let what = What::ALL.iter().position(|what| *what == sight.what)?;
    bytes.extend_from_slice(&[u8::try_from(what).ok()?, u8::from(sight.stat.is_some())]);
    let Some(stat) = &sight.stat else { return Some(()) };
    for number in [stat.device, stat.inode, stat.size] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for time in [stat.mtime_ns, stat.ctime_ns] {
        bytes.extend_from_slice(&i64::try_from(time).ok()?.to_le_bytes());
    }
    let kind = KINDS.iter().position(|kind| *kind == stat.kind)?;
    bytes.push(u8::try_from(kind).ok()?);
    bytes.extend_from_slice(&stat.mode.to_le_bytes());
    Some(())
}

fn text(proof: &Proof) -> Option<String> {
    let mut text = format!("question {}\n", proof.question);
    for path in &proof.hidden {
        text.push_str("hidden");
        canon::quote(&mut text, path.as_str());
        text.push('\n');
    }
    for (name, value) in &proof.variables {
        text.push_str("variable");
        canon::quote(&mut text, name);
        text.push(' ');
        push_or_dash(&mut text, value.as_ref());
        text.push('\n');
    }
    for lookup in &proof.lookups {
        text.push_str("tool");
        canon::quote(&mut text, &lookup.name);
        canon::quote(&mut text, lookup.dir.to_str()?);
        canon::quote(&mut text, &lookup.path);
        for path in [&lookup.found, &lookup.real].into_iter().flatten() {
            canon::quote(&mut text, path.to_str()?);
        }
        text.push('\n');
    }
    for fresh in &proof.actions {
        let step = &fresh.action.step;
        let _ = write!(text, "action {} {} ", fresh.saved.as_nanos(), u8::from(fresh.is_check));
        push_or_dash(&mut text, fresh.key.as_ref());
        text.push_str(if step.package.is_some() { " package" } else { " workspace" });
        step.package.iter().for_each(|package| canon::quote(&mut text, package));
        canon::quote(&mut text, &step.step);
        for (name, value) in &fresh.action.cell {
            canon::quote(&mut text, name);
            canon::quote(&mut text, value);
        }
        text.push('\n');
    }
    Some(text)
}

fn push_or_dash(text: &mut String, value: Option<&impl std::fmt::Display>) {
    match value {
        Some(value) => {
            let _ = write!(text, "{value}");
        }
        None => text.push('-'),
    }
}

/// Reads what [`write`] wrote: the proof, and what was seen, group by group. `None` for anything else.
pub(super) fn parse(bytes: &[u8]) -> Option<(Proof, Vec<Group<'_>>)> {
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    let version = u8::try_from(format::UNTOUCHED).ok()?;
    let (magic, rest) = body.split_first_chunk::<{ MAGIC.len() }>()?;
    let is_ours = magic.starts_with(&MAGIC[..MAGIC.len() - 1]) && magic.last() == Some(&version);
    if !is_ours || Hash::of(body).as_bytes() != hash {
        return None;
    }
    let mut rest = rest;
    let text = std::str::from_utf8(part(&mut rest)?).ok()?;
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let directory = std::str::from_utf8(part(&mut rest)?).ok()?;
        let count = length(&mut rest)?;
        groups.push(Group { directory, count, children: part(&mut rest)? });
    }
    Some((parse_text(text)?, groups))
}

fn length(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

fn part<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = length(bytes)?;
    let (part, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

fn parse_text(text: &str) -> Option<Proof> {
    let mut lines = text.lines();
    let question = Hash::parse(lines.next()?.strip_prefix("question ")?)?;
    let mut proof = Proof {
        question,
        actions: Vec::new(),
        hidden: Vec::new(),
        variables: Vec::new(),
        lookups: Vec::new(),
    };
    for line in lines {
        let mut fields = Fields::new(line);
        match fields.word()? {
            "hidden" => proof.hidden.push(RelPath::new(fields.text()?)?),
            "variable" => {
                let name = fields.text()?;
                let value = fields.word()?;
                let hash = if value == "-" { None } else { Some(Hash::parse(value)?) };
                proof.variables.push((name, hash));
            }
            "tool" => proof.lookups.push(parse_lookup(&mut fields)?),
            "action" => proof.actions.push(parse_action(&mut fields)?),
            _ => return None,
        }
        if !fields.is_done() {
            return None;
        }
    }
    Some(proof)
}

fn parse_lookup(fields: &mut Fields<'_>) -> Option<Lookup> {
    let (name, dir, path) = (fields.text()?, PathBuf::from(fields.text()?), fields.text()?);
    let (mut found, mut real) = (None, None);
    if !fields.is_done() {
        (found, real) = (Some(fields.text()?.into()), Some(fields.text()?.into()));
    }
    Some(Lookup { name, dir, path, found, real })
}

fn parse_action(fields: &mut Fields<'_>) -> Option<Fresh> {
    let saved = Duration::from_nanos(fields.number()?);
    let is_check = fields.number::<u8>()? == 1;
    let key = match fields.word()? {
        "-" => None,
        key => Some(Key(Hash::parse(key)?)),
    };
    let package = match fields.word()? {
        "package" => Some(fields.text()?),
        _ => None,
    };
    let step = StepName { package, step: fields.text()? };
    let mut cell = Map::new();
    while !fields.is_done() {
        cell.insert(fields.text()?, fields.text()?);
    }
    Some(Fresh { action: ActionName { step, cell }, key, saved, is_check })
}

/// A child of a group.
pub(super) struct Child<'p> {
    pub(super) name: &'p str,
    pub(super) what: What,
    pub(super) stat: Option<Stat>,
}

/// The children of a group, one after the other.
pub(super) struct Children<'p> {
    rest: &'p [u8],
    left: usize,
}

impl<'p> Children<'p> {
    pub(super) fn new(group: &Group<'p>) -> Self {
        Self { rest: group.children, left: group.count }
    }

    /// Whether all of them could be read, and nothing stands behind them.
    pub(super) fn is_whole(&self) -> bool {
        self.left == 0 && self.rest.is_empty()
    }

    fn child(&mut self) -> Option<Child<'p>> {
        let length = u16::from_le_bytes(self.bytes()?);
        let (name, rest) = self.rest.split_at_checked(length.into())?;
        self.rest = rest;
        let [what, is_there] = self.bytes()?;
        let name = std::str::from_utf8(name).ok()?;
        let what = *What::ALL.get(usize::from(what))?;
        let stat = if is_there == 1 { Some(self.stat()?) } else { None };
        Some(Child { name, what, stat })
    }

    fn stat(&mut self) -> Option<Stat> {
        let mut number = || Some(u64::from_le_bytes(self.bytes()?));
        let (device, inode, size) = (number()?, number()?, number()?);
        let mut time = || Some(i128::from(i64::from_le_bytes(self.bytes()?)));
        let (mtime_ns, ctime_ns) = (time()?, time()?);
        let [kind] = self.bytes()?;
        let kind = *KINDS.get(usize::from(kind))?;
        let mode = u32::from_le_bytes(self.bytes()?);
        Some(Stat { kind, device, inode, size, mtime_ns, ctime_ns, mode })
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }
}

impl<'p> Iterator for Children<'p> {
    type Item = Child<'p>;

    fn next(&mut self) -> Option<Child<'p>> {
        if self.left == 0 {
            return None;
        }
        let child = self.child()?;
        self.left -= 1;
        Some(child)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sight(path: &str, what: What, stat: Option<Stat>) -> Sight {
        Sight { path: path.into(), what, stat }
    }

    fn some() -> (Proof, Vec<Sight>) {
        let stat = Stat {
            kind: Kind::File,
            device: 7,
            inode: 1 << 40,
            size: 3,
            mtime_ns: -5,
            ctime_ns: 2_000_000_002,
            mode: 0o644,
        };
        let step = StepName { package: Some("web".to_owned()), step: "a \"b\"\n".to_owned() };
        let cell = Map::from([("os".to_owned(), "linux".to_owned())]);
        let fresh = Fresh {
            action: ActionName { step, cell },
            key: Some(Key(Hash::of(b"key"))),
            saved: Duration::from_nanos(12_345),
            is_check: true,
        };
        let own = StepName { package: None, step: "files".to_owned() };
        let files = ActionName { step: own, cell: Map::new() };
        let files = Fresh { action: files, key: None, saved: Duration::ZERO, is_check: false };
        let lookup = |found: Option<&str>| Lookup {
            name: "go".to_owned(),
            dir: PathBuf::new(),
            path: "/bin:/usr/bin".to_owned(),
            found: found.map(PathBuf::from),
            real: found.map(PathBuf::from),
        };
        let proof = Proof {
            question: Hash::of(b"question"),
            actions: vec![fresh, files],
            hidden: vec![RelPath::new("target").unwrap()],
            variables: vec![("TERM".to_owned(), None), ("PWD".to_owned(), Some(Hash::of(b"/")))],
            lookups: vec![lookup(None), lookup(Some("/usr/bin/go"))],
        };
        let sights = vec![
            sight("/", What::Directory, None),
            sight("/w/a", What::Entry, Some(stat)),
            sight("/w/a", What::Pointee, Some(Stat { kind: Kind::Directory, ..stat })),
            sight("/w/gone", What::Entry, None),
            sight("/w/dir/x", What::OwnDirectory, None),
        ];
        (proof, sights)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (proof, sights) = some();
        let bytes = write(&proof, &sights).unwrap();
        let (read, groups) = parse(&bytes).unwrap();
        assert_eq!(read, proof);
        let mut seen = Vec::new();
        for group in &groups {
            let mut children = Children::new(group);
            for child in children.by_ref() {
                let directory = Path::new(group.directory);
                let path =
                    if child.name == "." { directory.into() } else { directory.join(child.name) };
                seen.push(Sight { path, what: child.what, stat: child.stat });
            }
            assert!(children.is_whole());
        }
        seen.sort_by(|a, b| (&a.path, a.what).cmp(&(&b.path, b.what)));
        let mut sights = sights;
        sights.sort_by(|a, b| (&a.path, a.what).cmp(&(&b.path, b.what)));
        assert_eq!(seen, sights);
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_no_proof(at in 0.0..1.0_f64, flip in 1..=255_u8, keep in 0.0..1.0_f64) {
            let (proof, sights) = some();
            let mut bytes = write(&proof, &sights).unwrap();
            let cut = (bytes.len() as f64 * keep) as usize;
            prop_assert!(parse(&bytes[..cut]).is_none());
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] ^= flip;
            prop_assert!(parse(&bytes).is_none());
        }

        /// Whoever can write the file can write a hash as well.
        #[test]
        fn no_bytes_make_the_reader_panic(middle in proptest::collection::vec(any::<u8>(), 0..200), group in proptest::collection::vec(any::<u8>(), 0..60)) {
            for text in [&middle[..], b"question x\n"] {
                let mut bytes = MAGIC.to_vec();
                add_length(&mut bytes, text.len()).unwrap();
                bytes.extend_from_slice(text);
                bytes.extend_from_slice(&middle);
                bytes.extend_from_slice(Hash::of(&bytes).as_bytes());
                let _ = parse(&bytes);
            }
            let mut children = Children::new(&Group { directory: "/", count: 5, children: &group });
            children.by_ref().for_each(drop);
            let _ = children.is_whole();
        }
    }
}
