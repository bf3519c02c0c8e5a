//! Globs as sequences of segments, one for each component of a path. Knows no file system.
//!
//! One form serves matching, walking (a position in the sequence is what the walk remembers) and the test for overlap, so
//! that the three cannot disagree. globset was measured first: a regular expression for each pattern costs 15 to 25 µs to
//! compile, more for 1,000 actions than a whole build with nothing to do may take. It is the yardstick of the tests instead.

/// Whose rules a text is read by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// Ours: `?` is a character, and what cannot mean anything is a mistake.
    Pattern,
    /// Git's: `?` is a byte.
    Git,
}

/// A part of a glob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Segment {
    /// `**`: any number of components, also none. Neither the last segment nor followed by another of its kind.
    Tree,
    /// Exactly one component.
    Name(Name),
}

/// What one component has to be like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Name {
    /// Anything: `*`.
    Any,
    /// These bytes.
    Exact(Box<[u8]>),
    /// Anything that begins so: `lib*`.
    Beginning(Box<[u8]>),
    /// Anything that ends so: `*.go`.
    Ending(Box<[u8]>),
    /// Whatever these tokens take, one after the other.
    Tokens(Box<[Token]>, Dialect),
}

/// A part of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// `*`: any number of units. Never two in a row.
    Star,
    /// One of these units.
    Set(Set),
}

/// Units (characters or bytes) as ranges with both ends in them: sorted, apart from each other, without `/` and NUL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Set(Vec<(u32, u32)>);

/// Why a text is no glob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// `[` without its `]`.
    OpenClass,
    /// `[[:name:]]` with a name that does not exist.
    UnknownClass(String),
    /// `[z-a]`.
    BackwardRange(String),
    /// A class without any character, such as `[/]`.
    EmptyClass,
    /// A `\` with nothing behind it.
    LoneBackslash,
}

/// Reads the components of `text`. Empty ones are there, as empty [`Name::Exact`], and so are `.` and `..`.
pub(crate) fn parse(text: &[u8], dialect: Dialect) -> Result<Vec<Segment>, Fault> {
    components(text, dialect)
        .into_iter()
        .map(|component| parse_segment(component, dialect))
        .collect()
}

/// The place behind the class that begins with the `[` at `start`; `None` if it is none.
pub(crate) fn class_end(text: &[u8], start: usize) -> Option<usize> {
    parse_class(text, start, Dialect::Pattern).ok().map(|(_, end)| end)
}

/// Makes a sequence keep the promises of [`Segment::Tree`].
pub(crate) fn normalize(segments: &mut Vec<Segment>) {
    segments.dedup_by(|next, before| *next == Segment::Tree && *before == Segment::Tree);
    if segments.last() == Some(&Segment::Tree) {
        segments.push(Segment::Name(Name::Any));
    }
}

/// Whether `path` is as `segments` say; with `below`, also whether it lies below something that is.
pub(crate) fn matches(segments: &[Segment], path: &[u8], below: bool) -> bool {
    let (mut at, mut rest) = (0, path);
    // Only the last `**` has to be tried again: whatever an earlier one could take, this one can.
    let mut again: Option<(usize, &[u8])> = None;
    loop {
        match segments.get(at) {
            None if below || rest.is_empty() => return true,
            Some(Segment::Tree) => {
                at += 1;
                again = Some((at, rest));
                continue;
            }
            Some(Segment::Name(name)) => {
                if let Some((component, behind)) = split_first(rest)
                    && name.matches(component)
                {
                    (at, rest) = (at + 1, behind);
                    continue;
                }
            }
            None => {}
        }
        let Some((after, from)) = &mut again else { return false };
        let Some((_, behind)) = split_first(from) else { return false };
        *from = behind;
        (at, rest) = (*after, behind);
    }
}

/// Whether there is a path that both take; each with everything below it where its `below` is set.
pub(crate) fn overlap(first: (&[Segment], bool), second: (&[Segment], bool)) -> bool {
    let ((first, first_below), (second, second_below)) = (first, second);
    // `row[j]` answers for what is left of `first` and for `second[j..]`; the rows are made from the last one upwards.
    let mut row: Vec<bool> = Vec::new();
    for i in (0..=first.len()).rev() {
        let mut next = vec![false; second.len() + 1];
        for j in (0..=second.len()).rev() {
            let down = || row.get(j).copied().unwrap_or(false);
            let right = next.get(j + 1).copied().unwrap_or(false);
            next[j] = match (first.get(i), second.get(j)) {
                (None, None) => true,
                (None, Some(_)) if first_below => true,
                (Some(_), None) if second_below => true,
                (Some(Segment::Tree), _) | (_, Some(Segment::Tree)) => {
                    right_or_down(first.get(i), second.get(j), right, down())
                }
                (Some(Segment::Name(one)), Some(Segment::Name(other))) => {
                    row.get(j + 1).copied().unwrap_or(false) && one.intersects(other)
                }
                _ => false,
            };
        }
        row = next;
    }
    row.first().copied().unwrap_or(false)
}

/// Whether `outer` takes every path that `inner` takes. Errs on the side of `false`.
pub(crate) fn includes(outer: &[Segment], inner: &[Segment]) -> bool {
    let mut row: Vec<bool> = Vec::new(); // as in `overlap`
    for i in (0..=outer.len()).rev() {
        let mut next = vec![false; inner.len() + 1];
        for j in (0..=inner.len()).rev() {
            let behind = |row: &[bool], at: usize| row.get(at).copied().unwrap_or(false);
            next[j] = match (outer.get(i), inner.get(j)) {
                (None, None) => true,
                (Some(Segment::Tree), _) => behind(&row, j) || behind(&next, j + 1),
                (Some(Segment::Name(one)), Some(Segment::Name(other))) => {
                    behind(&row, j + 1) && one.includes(other)
                }
                _ => false,
            };
        }
        row = next;
    }
    row.first().copied().unwrap_or(false)
}

/// A `**` may end here, or take what the other side has next.
fn right_or_down(one: Option<&Segment>, other: Option<&Segment>, right: bool, down: bool) -> bool {
    match (one, other) {
        (Some(_), Some(_)) => right || down,
        (Some(_), None) => down,
        (None, _) => right,
    }
}

/// The first component of a path and what is behind it; `None` for the empty path.
fn split_first(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    match path.iter().position(|byte| *byte == b'/') {
        Some(slash) => Some((&path[..slash], &path[slash + 1..])),
        None => Some((path, &[])),
    }
}

impl Name {
    /// Whether a component is like that.
    pub(crate) fn matches(&self, component: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => **name == *component,
            Self::Beginning(name) => component.starts_with(name),
            Self::Ending(name) => component.ends_with(name),
            Self::Tokens(tokens, dialect) => tokens_match(tokens, *dialect, component),
        }
    }

    /// Whether some component is like both.
    fn intersects(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Exact(name), other) | (other, Self::Exact(name)) => other.matches(name),
            _ => tokens_intersect(&self.tokens(), &other.tokens()),
        }
    }

    /// Whether every component that is like `other` is like this. Errs on the side of `false`.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Exact(name)) => self.matches(name),
            (Self::Ending(end), Self::Ending(other)) => other.ends_with(end),
            (Self::Beginning(start), Self::Beginning(other)) => other.starts_with(start),
            _ => self == other,
        }
    }

    fn tokens(&self) -> Vec<Token> {
        let text = |bytes: &[u8]| {
            units(bytes, Dialect::Pattern)
                .map(|unit| Token::Set(Set::one(unit)))
                .collect::<Vec<_>>()
        };
        match self {
            Self::Any => vec![Token::Star],
            Self::Exact(name) => text(name),
            Self::Beginning(name) => [text(name), vec![Token::Star]].concat(),
            Self::Ending(name) => [vec![Token::Star], text(name)].concat(),
            Self::Tokens(tokens, _) => tokens.to_vec(),
        }
    }
}

fn tokens_match(tokens: &[Token], dialect: Dialect, component: &[u8]) -> bool {
    let (mut at, mut rest) = (0, component);
    let mut again: Option<(usize, &[u8])> = None; // only the last `*`, as in `matches`
    loop {
        match tokens.get(at) {
            None if rest.is_empty() => return true,
            Some(Token::Star) => {
                at += 1;
                again = Some((at, rest));
                continue;
            }
            Some(Token::Set(set)) => {
                if let Some((unit, behind)) = first_unit(rest, dialect)
                    && set.contains(unit)
                {
                    (at, rest) = (at + 1, behind);
                    continue;
                }
            }
            None => {}
        }
        let Some((after, from)) = &mut again else { return false };
        let Some((_, behind)) = first_unit(from, dialect) else { return false };
        *from = behind;
        (at, rest) = (*after, behind);
    }
}

/// As [`overlap`], for the tokens of two names.
fn tokens_intersect(first: &[Token], second: &[Token]) -> bool {
    let mut row: Vec<bool> = Vec::new();
    for i in (0..=first.len()).rev() {
        let mut next = vec![false; second.len() + 1];
        for j in (0..=second.len()).rev() {
            let down = row.get(j).copied().unwrap_or(false);
            let right = next.get(j + 1).copied().unwrap_or(false);
            next[j] = match (first.get(i), second.get(j)) {
                (None, None) => true,
                (Some(Token::Star), Some(_)) | (Some(_), Some(Token::Star)) => right || down,
                (Some(Token::Star), None) => down,
                (None, Some(Token::Star)) => right,
                (Some(Token::Set(one)), Some(Token::Set(other))) => {
                    row.get(j + 1).copied().unwrap_or(false) && one.intersects(other)
                }
                _ => false,
            };
        }
        row = next;
    }
    row.first().copied().unwrap_or(false)
}

/// The first unit of a name and what is behind it. What is not UTF-8 counts as U+FFFD, byte by byte.
fn first_unit(name: &[u8], dialect: Dialect) -> Option<(u32, &[u8])> {
    let (first, behind) = name.split_first()?;
    if first.is_ascii() || dialect == Dialect::Git {
        return Some((u32::from(*first), behind));
    }
    for length in 2..=name.len().min(4) {
        if let Ok(text) = std::str::from_utf8(&name[..length])
            && let Some(char) = text.chars().next()
        {
            return Some((u32::from(char), &name[length..]));
        }
    }
    Some((u32::from(char::REPLACEMENT_CHARACTER), behind))
}

fn units(name: &[u8], dialect: Dialect) -> impl Iterator<Item = u32> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (unit, behind) = first_unit(rest, dialect)?;
        rest = behind;
        Some(unit)
    })
}

/// The texts between the slashes, without those in classes. A backslash before a slash is dropped.
fn components(text: &[u8], dialect: Dialect) -> Vec<&[u8]> {
    let mut components = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if text.get(at + 1) == Some(&b'/') => {
                components.push(&text[start..at]);
                at += 2;
                start = at;
            }
            b'\\' => at += 2,
            b'[' => at = parse_class(text, at, dialect).map_or(at + 1, |(_, end)| end),
            b'/' => {
                components.push(&text[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    components.push(text.get(start..).unwrap_or_default());
    components
}

fn parse_segment(component: &[u8], dialect: Dialect) -> Result<Segment, Fault> {
    // Git takes three stars for two; with us, as with globset, they are one.
    let stars = component.iter().all(|byte| *byte == b'*');
    if component == b"**" || (stars && component.len() > 2 && dialect == Dialect::Git) {
        return Ok(Segment::Tree);
    }
    // Most components are these: no need to take them apart.
    let plain = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
    if plain(component) {
        return Ok(Segment::Name(Name::Exact(component.into())));
    }
    if let Some(end) = component.strip_prefix(b"*").filter(|end| !end.is_empty() && plain(end)) {
        return Ok(Segment::Name(Name::Ending(end.into())));
    }
    Ok(Segment::Name(name_of(parse_tokens(component, dialect)?, dialect)))
}

fn parse_tokens(component: &[u8], dialect: Dialect) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some((unit, _)) = component.get(at..).and_then(|rest| first_unit(rest, dialect)) {
        match component[at] {
            b'*' => {
                if tokens.last() != Some(&Token::Star) {
                    tokens.push(Token::Star);
                }
                at += 1;
            }
            b'?' => {
                tokens.push(Token::Set(Set::all(dialect)));
                at += 1;
            }
            b'[' => {
                let (set, end) = parse_class(component, at, dialect)?;
                if set.0.is_empty() && dialect == Dialect::Pattern {
                    return Err(Fault::EmptyClass);
                }
                tokens.push(Token::Set(set));
                at = end;
            }
            b'\\' => {
                let escaped = component.get(at + 1..).and_then(|rest| first_unit(rest, dialect));
                let (unit, _) = escaped.ok_or(Fault::LoneBackslash)?;
                tokens.push(Token::Set(Set::one(unit)));
                at += 1 + width(unit, dialect);
            }
            _ => {
                tokens.push(Token::Set(Set::one(unit)));
                at += width(unit, dialect);
            }
        }
    }
    Ok(tokens)
}

fn width(unit: u32, dialect: Dialect) -> usize {
    match dialect {
        Dialect::Git => 1,
        Dialect::Pattern => char::from_u32(unit).map_or(1, char::len_utf8),
    }
}

/// The simplest name that takes what `tokens` take.
fn name_of(tokens: Vec<Token>, dialect: Dialect) -> Name {
    let text = |tokens: &[Token]| literal_bytes(tokens, dialect);
    match tokens.as_slice() {
        [Token::Star] => return Name::Any,
        [Token::Star, rest @ ..] => {
            if let Some(bytes) = text(rest) {
                return Name::Ending(bytes);
            }
        }
        [rest @ .., Token::Star] => {
            if let Some(bytes) = text(rest) {
                return Name::Beginning(bytes);
            }
        }
        all => {
            if let Some(bytes) = text(all) {
                return Name::Exact(bytes);
            }
        }
    }
    Name::Tokens(tokens.into(), dialect)
}

fn literal_bytes(tokens: &[Token], dialect: Dialect) -> Option<Box<[u8]>> {
    let mut bytes = Vec::new();
    for token in tokens {
        let Token::Set(set) = token else { return None };
        let unit = set.only()?;
        match dialect {
            Dialect::Git => bytes.push(u8::try_from(unit).ok()?),
            Dialect::Pattern => {
                bytes.extend(char::from_u32(unit)?.encode_utf8(&mut [0; 4]).as_bytes())
            }
        }
    }
    Some(bytes.into())
}

/// Reads the class that begins with the `[` at `start`; gives the place behind its `]`.
fn parse_class(text: &[u8], start: usize, dialect: Dialect) -> Result<(Set, usize), Fault> {
    let unit_at =
        |at: usize| text.get(at..).and_then(|rest| first_unit(rest, dialect)).map(|(unit, _)| unit);
    let mut at = start + 1;
    let negated = matches!(text.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let first = at;
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut previous: Option<u32> = None; // what a `-` would begin with
    loop {
        let unit = unit_at(at).ok_or(Fault::OpenClass)?;
        match text[at] {
            b']' if at > first => break,
            b'-' if previous.is_some() && !matches!(text.get(at + 1), None | Some(b']')) => {
                at += 1 + usize::from(text[at + 1] == b'\\');
                let last = unit_at(at).ok_or(Fault::OpenClass)?;
                ranges.extend(range(previous.unwrap_or(last), last, dialect)?);
                at += width(last, dialect);
                previous = None;
            }
            b'[' if text.get(at + 1) == Some(&b':') && class_name(text, at).is_some() => {
                let (name, end) = class_name(text, at).ok_or(Fault::OpenClass)?;
                let named = named_class(name).ok_or_else(|| {
                    Fault::UnknownClass(String::from_utf8_lossy(name).into_owned())
                })?;
                ranges.extend(named.iter().map(|(from, to)| (u32::from(*from), u32::from(*to))));
                at = end;
                previous = None;
            }
            byte => {
                at += usize::from(byte == b'\\');
                let unit = if byte == b'\\' { unit_at(at).ok_or(Fault::OpenClass)? } else { unit };
                ranges.push((unit, unit));
                at += width(unit, dialect);
                previous = Some(unit);
            }
        }
    }
    let set = Set::new(ranges, negated, dialect);
    Ok((set, at + 1))
}

/// Git takes a range that runs backwards as no range; its first character was taken before.
fn range(from: u32, to: u32, dialect: Dialect) -> Result<Option<(u32, u32)>, Fault> {
    if from <= to {
        return Ok(Some((from, to)));
    }
    match dialect {
        Dialect::Git => Ok(None),
        Dialect::Pattern => {
            let text =
                [from, to].map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
            Err(Fault::BackwardRange(format!("{}-{}", text[0], text[1])))
        }
    }
}

/// The name in a `[:name:]` that begins at `at`, and the place behind it. Up to the next `]`, as Git reads it.
fn class_name(text: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let inside = text.get(at + 2..)?;
    let end = inside.iter().position(|byte| *byte == b']')?;
    let name = inside[..end].strip_suffix(b":")?;
    Some((name, at + 2 + end + 1))
}

fn named_class(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        b"cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        b"digit" => &[(b'0', b'9')],
        b"graph" => &[(0x21, 0x7e)],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(0x20, 0x7e)],
        b"punct" => &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)],
        b"space" => &[(b'\t', b'\n'), (b'\r', b'\r'), (b' ', b' ')],
        b"upper" => &[(b'A', b'Z')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

impl Set {
    fn one(unit: u32) -> Self {
        Self(vec![(unit, unit)])
    }

    fn all(dialect: Dialect) -> Self {
        Self::new(Vec::new(), true, dialect)
    }

    fn new(mut ranges: Vec<(u32, u32)>, negated: bool, dialect: Dialect) -> Self {
        let mut never = vec![(0, 0), (u32::from(b'/'), u32::from(b'/'))];
        let top = match dialect {
            Dialect::Git => 0xff,
            Dialect::Pattern => {
                never.push((0xd800, 0xdfff));
                0x10_ffff
            }
        };
        if negated {
            ranges.extend(never);
            return Self(complement(ranges, top));
        }
        // Taken out by complementing twice.
        let mut outside = complement(ranges, top);
        outside.extend(never);
        Self(complement(outside, top))
    }

    fn contains(&self, unit: u32) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&unit))
    }

    fn only(&self) -> Option<u32> {
        match self.0.as_slice() {
            [(from, to)] if from == to => Some(*from),
            _ => None,
        }
    }

    fn intersects(&self, other: &Self) -> bool {
        self.0
            .iter()
            .any(|(from, to)| other.0.iter().any(|(start, end)| from <= end && start <= to))
    }
}

/// All units up to `top` that are in none of `ranges`.
fn complement(mut ranges: Vec<(u32, u32)>, top: u32) -> Vec<(u32, u32)> {
    crate::ordered::sort(&mut ranges);
    let mut outside = Vec::new();
    let mut next = 0;
    for (from, to) in ranges {
        if from > next {
            outside.push((next, from - 1));
        }
        next = next.max(to.saturating_add(1));
    }
    if next <= top {
        outside.push((next, top));
    }
    outside
}
