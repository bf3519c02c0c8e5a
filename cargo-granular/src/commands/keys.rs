//! `keys`: the key of this machine, and whom it trusts.

use crate::cli::{KeysCommand, KeysNew};
use crate::exit::Exit;
use crate::session::Session;
use crate::trouble::{Result, Trouble};
use crate::trust::domain::Pattern;
use crate::trust::files::{self, Files, SIGNING_KEY, TRUST};
use crate::trust::key::{self, Holder, Own};
use crate::trust::list::{self, Trust};
use crate::wording;

/// Makes, lists, trusts or forgets.
pub(super) fn run(session: &Session, asked: Option<&KeysCommand>) -> Result<Exit> {
    // Where it is asked from is no matter: it is about the user. Only a build looks whether a list lies in its checkout.
    let files = Files::new(&session.env, &session.dir, None);
    match asked {
        None | Some(KeysCommand::List) => list(session, &files)?,
        Some(KeysCommand::New(asked)) => new(session, &files, asked)?,
        Some(KeysCommand::Trust { line }) => trust(session, &files, &line.join(" "))?,
        Some(KeysCommand::Forget { who }) => forget(session, &files, who)?,
    }
    Ok(Exit::Done)
}

fn list(session: &Session, files: &Files<'_>) -> Result<()> {
    let own = files.own()?;
    let trust = files.trust(None)?;
    let mut text = String::new();
    if let Some(own) = &own {
        let place = match session.variable(SIGNING_KEY) {
            Some(_) => SIGNING_KEY.to_owned(),
            None => files.shown_key(),
        };
        text.push_str(&format!("{}  # yours, in {place}\n", own.holder));
    }
    match trust {
        Some(Trust::Anyone) => text.push_str(&format!("# {TRUST} says that anyone is trusted\n")),
        Some(Trust::These(holders)) => {
            holders.iter().for_each(|holder| text.push_str(&format!("{holder}\n")));
        }
        None => {}
    }
    if text.is_empty() {
        let message =
            format!("there is no key here, and nobody is trusted in {}", files.shown_list());
        session.shell.status("Keys", &message);
    }
    session.shell.answer(&text)
}

fn new(session: &Session, files: &Files<'_>, asked: &KeysNew) -> Result<()> {
    let domains = Pattern::parse(&asked.domain).ok_or_else(|| Trouble::Usage {
        message: format!("`{}` cannot be a domain", asked.domain),
        help: Some("a domain is of letters, digits, `-`, `.`, `_` and `/`; `*` at the end stands for all that begin so".to_owned()),
    })?;
    let name = match &asked.name {
        Some(name) => name.clone(),
        None => usual_name(session),
    };
    if !key::is_name(&name) {
        return Err(Trouble::Usage {
            message: format!("`{name}` cannot be the name of a key"),
            help: Some("a name is of letters, digits, `-`, `.`, `_`, `@`, `+` and `/`".to_owned()),
        });
    }
    let own = match asked.print {
        true => {
            let own = Own::new(domains, &name).map_err(files::no_bytes)?;
            session.shell.answer(&format!("{}\n", own.secret_text()))?;
            own
        }
        false => files.new_key(domains, &name)?,
    };
    let whereto = match asked.print {
        true => format!("to standard output: keep it as the secret {SIGNING_KEY}, nowhere else"),
        false => format!("in {}", files.shown_key()),
    };
    session.shell.status("Made", &format!("a key, {whereto}"));
    session.shell.status("Trust", &format!("it with: cargo granular keys trust '{}'", own.holder));
    if !asked.print {
        session.shell.answer(&format!("{}\n", own.holder))?;
    }
    Ok(())
}

/// The user's own name, as far as a name can be so.
fn usual_name(session: &Session) -> String {
    let named = ["USER", "USERNAME", "LOGNAME"].into_iter().find_map(|name| session.variable(name));
    named.filter(|name| key::is_name(name)).unwrap_or("somebody").to_owned()
}

fn trust(session: &Session, files: &Files<'_>, line: &str) -> Result<()> {
    let holder = Holder::parse(list::entry(line)).map_err(|why| Trouble::Usage {
        message: format!("this is not a line of a trust list: {why}"),
        help: Some("such a line is `DOMAIN ed25519:HEX NAME`; `cargo granular keys` shows it on the machine that signs".to_owned()),
    })?;
    let is_new = files.add(&holder)?;
    let place = files.shown_list();
    let word = if is_new { "Trusted" } else { "Known" };
    session.shell.status(word, &format!("{} for {}, in {place}", holder.name, holder.domains));
    overruled(session);
    Ok(())
}

fn forget(session: &Session, files: &Files<'_>, who: &str) -> Result<()> {
    let gone = files.forget(who)?;
    if gone.is_empty() {
        return Err(Trouble::Usage {
            message: format!(
                "nobody in {} is called `{}` or has that key",
                files.shown_list(),
                wording::one_line(who)
            ),
            help: Some("`cargo granular keys` shows who is trusted".to_owned()),
        });
    }
    for holder in gone {
        session.shell.status("Forgot", &holder.to_string());
    }
    overruled(session);
    Ok(())
}

/// A variable stands before the list.
fn overruled(session: &Session) {
    if session.variable(TRUST).is_some() {
        session.shell.warn(&format!("the list counts where {TRUST} is not set, as it is here"));
    }
}
