//! What its writer says of an entry, signed: that this text is the one for this key in this domain, and where it was made. Pure.
//!
//! ```text
//! granular-statement 1
//! kind result
//! key HASH
//! domain "main"
//! text HASH
//! exit 0
//! platform "linux-x86_64"
//! writer "ci"
//! commit "…"
//! run "https://…"
//! time 1790000000
//! by ed25519:HEX
//! signature HEX
//! ```
//!
//! `text` is our hash of all of the entry's own text, which names the outputs by our hashes. `exit` stands there for a result, and is always 0: no other one is kept. `commit` and
//! `run` stand there if they are known; `time` is in seconds since 1970. The signature is over all lines before it. A statement has one text only: whatever would not be written again
//! byte for byte is refused, so that there are no two readings of what was signed.
//!
//! `writer`, `commit` and `run` are the writer's words, for people: who he is says his key, and what that is called says the list of the reader.

use super::name::Kind;
use crate::format;
use crate::trust::domain::Domain;
use crate::trust::key::{self, Own, PublicKey};
use crate::trust::list::Trust;
use granular::canon::{self, Fields};
use granular::digest::{Hash, Key};
use std::fmt::Write as _;

/// A longer one is not read, in bytes.
const SIZE_MAX: usize = 4096;

/// No field is longer, in bytes.
pub(super) const FIELD_MAX: usize = 1024;

/// What an entry is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct About {
    pub(super) kind: Kind,
    pub(super) key: Key,
    pub(super) domain: Domain,
}

/// What somebody says of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Statement {
    pub(super) about: About,
    /// The hash of the entry's text.
    pub(super) text: Hash,
    pub(super) platform: String,
    pub(super) writer: String,
    pub(super) commit: Option<String>,
    pub(super) run: Option<String>,
    /// In seconds since 1970.
    pub(super) time: u64,
    pub(super) by: PublicKey,
}

/// Why an entry may be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Voucher {
    /// What the reader calls the one who vouches for it; `None` where nobody does, and anyone is believed.
    pub(super) signer: Option<String>,
    /// What was said, with its signature; empty where nothing was that holds.
    pub(super) statement: String,
}

impl Statement {
    fn body(&self) -> String {
        let About { kind, key, domain } = &self.about;
        let (version, kind) = (format::STATEMENT, kind.word());
        let mut text = format!("granular-statement {version}\nkind {kind}\nkey {key}\n");
        quoted(&mut text, "domain", domain.as_str());
        let _ = writeln!(text, "text {}", self.text);
        if self.about.kind == Kind::Result {
            text.push_str("exit 0\n");
        }
        quoted(&mut text, "platform", &self.platform);
        quoted(&mut text, "writer", &self.writer);
        self.commit.iter().for_each(|commit| quoted(&mut text, "commit", commit));
        self.run.iter().for_each(|run| quoted(&mut text, "run", run));
        let _ = write!(text, "time {}\nby {}\n", self.time, self.by);
        text
    }

    /// The text, with the signature of the key that it says it is by.
    pub(super) fn signed(&self, own: &Own) -> String {
        let body = self.body();
        let signature = own.sign(&body);
        let [first, second] = halves(&signature);
        format!("{body}signature {first}{second}\n")
    }

    /// Reads what [`Statement::signed`] wrote, if it was signed by whom it says; the reason why not otherwise.
    pub(super) fn verified(text: &[u8]) -> Result<Self, &'static str> {
        if text.len() > SIZE_MAX {
            return Err("what is said of it is too long");
        }
        let text = std::str::from_utf8(text).map_err(|_| "what is said of it is no text")?;
        let odd = "what is said of it cannot be read";
        let (body, signature) = parted(text).ok_or(odd)?;
        let statement = parse(body).ok_or(odd)?;
        if statement.body() != body {
            return Err(odd);
        }
        match statement.by.has_signed(body, &signature) {
            true => Ok(statement),
            false => Err("its signature is wrong"),
        }
    }
}

/// Appends a line with a quoted text.
fn quoted(text: &mut String, tag: &str, value: &str) {
    text.push_str(tag);
    canon::quote(text, value);
    text.push('\n');
}

fn halves(signature: &[u8; 64]) -> [Hash; 2] {
    let half = |from: usize| {
        let mut half = [0; 32];
        half.iter_mut().zip(signature.iter().skip(from)).for_each(|(to, from)| *to = *from);
        Hash::from_bytes(half)
    };
    [half(0), half(32)]
}

/// What is signed, and the signature.
fn parted(text: &str) -> Option<(&str, [u8; 64])> {
    let at = text.strip_suffix('\n')?.rfind('\n')? + 1;
    let (body, last) = text.split_at_checked(at)?;
    let digits = last.strip_prefix("signature ")?.strip_suffix('\n')?;
    let (first, second) = digits.split_at_checked(64)?;
    let mut signature = [0; 64];
    let bytes = [Hash::parse(first)?, Hash::parse(second)?];
    let bytes = bytes.iter().flat_map(|half| half.as_bytes().iter());
    signature.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Some((body, signature))
}

/// Order, repetition and what is left of a line are not looked at here: the text is compared with what would be written.
fn parse(body: &str) -> Option<Statement> {
    let (mut kind, mut key, mut domain, mut hash, mut by, mut time) =
        (None, None, None, None, None, None);
    let [mut platform, mut writer, mut commit, mut run] = [const { None }; 4];
    let mut lines = body.lines();
    if lines.next()? != format!("granular-statement {}", format::STATEMENT) {
        return None;
    }
    for line in lines {
        let mut fields = Fields::new(line);
        let text = |fields: &mut Fields<'_>| fields.text().filter(|text| text.len() <= FIELD_MAX);
        match fields.word()? {
            "kind" => kind = Some(Kind::of_word(fields.word()?)?),
            "key" => key = Some(Key(Hash::parse(fields.word()?)?)),
            "domain" => domain = Some(Domain::parse(&fields.text()?)?),
            "text" => hash = Some(Hash::parse(fields.word()?)?),
            // Of which kind it is, and of no other code: by the comparison.
            "exit" => {}
            "platform" => platform = Some(text(&mut fields)?),
            "writer" => writer = Some(text(&mut fields).filter(|name| key::is_name(name))?),
            "commit" => commit = Some(text(&mut fields)?),
            "run" => run = Some(text(&mut fields)?),
            "time" => time = Some(fields.number()?),
            "by" => by = Some(PublicKey::parse(fields.word()?)?),
            _ => return None,
        }
    }
    Some(Statement {
        about: About { kind: kind?, key: key?, domain: domain? },
        text: hash?,
        platform: platform?,
        writer: writer?,
        commit,
        run,
        time: time?,
        by: by?,
    })
}

/// Whether an entry may be used by those who believe as `trust` says; if not, by whom it is, as what follows "signed by".
pub(super) fn judge(
    trust: &Trust,
    about: &About,
    text: &[u8],
    statement: &[u8],
) -> Result<Voucher, String> {
    let said = String::from_utf8_lossy(statement).into_owned();
    let judged = match Statement::verified(statement) {
        _ if statement.is_empty() => Err("nobody".to_owned()),
        Err(why) => Err(format!("nobody ({why})")),
        Ok(found) if found.about != *about || found.text != Hash::of(text) => {
            Err(format!("{}, for something else", named(&found)))
        }
        Ok(found) => match (trust, trust.holder(&found.by, &about.domain)) {
            (_, Some(holder)) => Ok(Voucher { signer: Some(holder.name.clone()), statement: said }),
            (Trust::Anyone, None) => Ok(Voucher { signer: Some(found.writer), statement: said }),
            (Trust::These(_), None) => Err(named(&found)),
        },
    };
    match judged {
        Err(_) if *trust == Trust::Anyone => Ok(Voucher { signer: None, statement: String::new() }),
        judged => judged,
    }
}

/// Somebody who is not believed has said himself what he is called.
fn named(statement: &Statement) -> String {
    format!("{} (which calls itself {})", statement.by, statement.writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::domain::Pattern;
    use proptest::prelude::*;

    fn own(domains: &str) -> Own {
        Own::new(Pattern::parse(domains).unwrap(), "ci").unwrap()
    }

    fn about(kind: Kind, key: &[u8], domain: &str) -> About {
        About { kind, key: Key(Hash::of(key)), domain: Domain::parse(domain).unwrap() }
    }

    fn statement(own: &Own) -> Statement {
        Statement {
            about: about(Kind::Result, b"key", "main"),
            text: Hash::of(b"text"),
            platform: "linux-x86_64".to_owned(),
            writer: "ci".to_owned(),
            commit: Some("0123456789abcdef".to_owned()),
            run: Some("https://ci.example/runs/7".to_owned()),
            time: 1_790_000_000,
            by: own.holder.key,
        }
    }

    #[test]
    fn a_statement_is_a_text_that_a_person_can_read() {
        let text = statement(&own("main")).signed(&own("main"));
        let text =
            regex::Regex::new("[0-9a-f]{64,}").unwrap().replace_all(&text, "[HEX]").into_owned();
        insta::assert_snapshot!(text, @r#"
        granular-statement 1
        kind result
        key [HEX]
        domain "main"
        text [HEX]
        exit 0
        platform "linux-x86_64"
        writer "ci"
        commit "0123456789abcdef"
        run "https://ci.example/runs/7"
        time 1790000000
        by ed25519:[HEX]
        signature [HEX]
        "#);
    }

    #[test]
    fn it_reads_back_with_and_without_what_need_not_be_known() {
        let own = own("main");
        let whole = statement(&own);
        let bare = Statement { commit: None, run: None, ..whole.clone() };
        for statement in [whole, bare] {
            assert_eq!(Statement::verified(statement.signed(&own).as_bytes()), Ok(statement));
        }
        let long = Statement { run: Some("x".repeat(FIELD_MAX + 1)), ..statement(&own) };
        assert!(Statement::verified(long.signed(&own).as_bytes()).is_err());
    }

    #[test]
    fn it_is_refused_if_another_has_signed_it_or_lines_come_twice_or_in_another_order() {
        let (own, other) = (own("main"), own("main"));
        assert!(Statement::verified(statement(&own).signed(&other).as_bytes()).is_err());
        let body = statement(&own).body();
        let resigned = |body: String| {
            let [first, second] = halves(&own.sign(&body));
            Statement::verified(format!("{body}signature {first}{second}\n").as_bytes())
        };
        assert!(resigned(body.clone()).is_ok());
        for odd in [
            body.replace("time ", "time 0"),
            body.replace("time ", "time  "),
            body.replace("kind result\n", "kind result\nkind result\n"),
            body.replace("kind result\n", "kind found\nkind result\n"),
            body.replace("\ndomain \"main\"", "\ndomain \"pr-7\"\ndomain \"main\""),
            body.replace("\"main\"", "\"m\\u{61}in\""),
            body.replace("\"main\"", "\"main\" "),
            body.replace("exit 0", "exit 1"),
            body.replace("exit 0\n", ""),
            body.replace("kind result", "kind found"),
            body.replace('\n', "\r\n"),
            body.replace("granular-statement 1", "granular-statement 2"),
            format!("{body}\n"),
            format!("{body}more \"x\"\n"),
            format!("\n{body}"),
        ] {
            assert_ne!(odd, body);
            assert!(resigned(odd.clone()).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_entry_is_used_only_if_somebody_believed_has_said_just_this_of_it() {
        let (main, prs) = (own("main"), own("pr-*"));
        let trust = Trust::These(vec![main.holder.clone(), prs.holder.clone()]);
        let judged = |trust: &Trust, about: &About, text: &[u8], statement: &str| {
            judge(trust, about, text, statement.as_bytes())
        };
        let here = about(Kind::Result, b"key", "main");
        let right = statement(&main).signed(&main);
        let voucher = judged(&trust, &here, b"text", &right).unwrap();
        assert_eq!(voucher, Voucher { signer: Some("ci".to_owned()), statement: right.clone() });
        for elsewhere in [
            about(Kind::Result, b"other key", "main"),
            about(Kind::Found, b"key", "main"),
            about(Kind::Result, b"key", "pr-7"),
        ] {
            let who = judged(&trust, &elsewhere, b"text", &right).unwrap_err();
            assert!(who.ends_with(", for something else"), "{who}");
        }
        assert!(judged(&trust, &here, b"other text", &right).is_err(), "replayed");
        let forged = Statement { by: prs.holder.key, ..statement(&main) }.signed(&prs);
        assert!(judged(&trust, &here, b"text", &forged).unwrap_err().starts_with("ed25519:"));
        assert_eq!(judged(&trust, &here, b"text", "").unwrap_err(), "nobody");
        for anything in [&right, &forged, "", "odd"] {
            assert!(judged(&Trust::Anyone, &here, b"text", anything).is_ok());
        }
        assert_eq!(judged(&Trust::Anyone, &here, b"other", &right).unwrap().signer, None);
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused_wherever_it_stands(at: prop::sample::Index, byte: u8) {
            let own = own("main");
            let mut text = statement(&own).signed(&own).into_bytes();
            let at = at.index(text.len());
            prop_assume!(text[at] != byte);
            text[at] = byte;
            prop_assert!(Statement::verified(&text).is_err());
        }

        #[test]
        fn a_lost_added_or_doubled_piece_is_refused(from: prop::sample::Index, to: prop::sample::Index, more: String) {
            let own = own("main");
            let text = statement(&own).signed(&own);
            let (from, to) = (from.index(text.len()), to.index(text.len()));
            let (from, to) = (from.min(to), from.max(to) + 1);
            let less = [&text[..from], &text[to..]].concat();
            prop_assert!(Statement::verified(less.as_bytes()).is_err());
            let doubled = [&text[..to], &text[from..]].concat();
            prop_assert!(Statement::verified(doubled.as_bytes()).is_err());
            prop_assume!(!more.is_empty());
            let longer = [&text[..from], &more, &text[from..]].concat();
            prop_assert!(Statement::verified(longer.as_bytes()).is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "(granular-statement 1\n)?([a-z]{2,9} [\"\\\\a-f0-9é{}u]{0,70}\n){0,6}(signature [0-9a-fé]{0,129}\n)?") {
            let _ = Statement::verified(&bytes);
            let _ = Statement::verified(text.as_bytes());
        }
    }
}
