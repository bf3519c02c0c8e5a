//! `clean`: remove what steps have left in this checkout.

use super::build::listen;
use super::{lines, look_at};
use crate::cli::{Clean, MessageFormat};
use crate::exit::Exit;
use crate::quantity;
use crate::session::Session;
use crate::trouble::Result;
use crate::wording;
use granular::clean::{self, Cleaned};
use granular::execute::Stop;
use serde_json::{Value, json};

/// Removes what the named steps have left, or what all of them have, with the rest of this checkout's state.
pub(super) fn run(session: &Session, asked: &Clean) -> Result<Exit> {
    let opened = session.open()?;
    let actions = look_at(session, &opened, &asked.packages, &asked.steps)?;
    let packages = &asked.packages;
    let everything =
        asked.steps.is_empty() && packages.package.is_empty() && packages.exclude.is_empty();
    let cleaned = match asked.dry_run {
        true => clean::preview(&opened.project, &actions)?,
        false => {
            let stop = Stop::default();
            listen(&stop)?;
            let mut waiting = |process| session.shell.tell(&wording::waiting(process));
            let project = &opened.project;
            let env = &session.env;
            match clean::clean(project, &actions, everything, env, &stop, &mut waiting)? {
                Some(cleaned) => cleaned,
                None => return Ok(Exit::Interrupted),
            }
        }
    };
    for displaced in &cleaned.displaced {
        let to = displaced.to.display();
        session
            .shell
            .warn(&format!("`{}` was made by no step and is kept in `{to}`", displaced.path));
    }
    match asked.format.message_format {
        MessageFormat::Human => {
            let word = if asked.dry_run { "Would remove" } else { "Removed" };
            session.shell.status(word, &human(&cleaned));
        }
        MessageFormat::Json => session.shell.answer(&lines([object(&cleaned, asked.dry_run)]))?,
    }
    Ok(Exit::Done)
}

fn human(cleaned: &Cleaned) -> String {
    let files = wording::count(cleaned.files, "file");
    match cleaned.bytes {
        0 => files,
        bytes => format!("{files}, {}", quantity::size(bytes)),
    }
}

fn object(cleaned: &Cleaned, dry_run: bool) -> Value {
    let displaced = cleaned.displaced.iter().map(
        |displaced| json!({"path": displaced.path.to_string(), "to": displaced.to.to_string_lossy()}),
    );
    json!({
        "reason": "granular-clean-finished",
        "dry_run": dry_run,
        "files": cleaned.files,
        "bytes": cleaned.bytes,
        "displaced": displaced.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_is_counted() {
        assert_eq!(human(&Cleaned::default()), "0 files");
        assert_eq!(
            human(&Cleaned { files: 1, bytes: 9_541_000, ..Cleaned::default() }),
            "1 file, 9.1 MiB"
        );
    }
}
