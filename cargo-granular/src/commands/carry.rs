//! `cache export` and `cache import`: results in a file, for machines that cannot reach each other.

use super::{lines, look_at, shown};
use crate::archive::{self, Carried, Writer};
use crate::cache::{self, Cache};
use crate::cli::{CacheExport, CacheImport, MessageFormat};
use crate::exit::Exit;
use crate::quantity;
use crate::session::Session;
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::action::ActionId;
use granular::assess::{self, Assessment, Edges, Outlook};
use granular::digest::Key;
use granular::fingerprint;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes the results of what the steps are made of now into a file.
pub(super) fn export(session: &Session, asked: &CacheExport) -> Result<Exit> {
    let is_json = asked.format.message_format == MessageFormat::Json;
    if is_json && is_stream(&asked.file) {
        return Err(Trouble::usage(
            "standard output takes the results or what is told of them, not both: name a file, or leave `--message-format json` out",
        ));
    }
    let opened = session.open()?;
    let wanted = look_at(session, &opened, &asked.packages, &asked.steps)?;
    let cache =
        cache::open_to_look(session, &opened.project.config.settings)?.ok_or_else(cache::none)?;
    let edges = Edges { store: Some(&*cache.store), env: &session.env };
    let assessments = assess::assess(&opened.project, &wanted, false, &edges)?;
    let to = Target::new(session, &asked.file)?;
    let place = to.shown.clone();
    let trouble = |trouble| written(trouble, &place, &cache);
    let mut writer = Writer::new(&cache.store, to).map_err(trouble)?;
    let (mut without, mut last) = (Vec::new(), HashSet::new());
    for assessment in &assessments {
        if opened.project.graph[assessment.action].run.is_none() {
            continue;
        }
        let key = key(assessment, &mut last);
        let is_there = match key {
            Some(key) => writer.result(&key).map_err(trouble)?,
            None => false,
        };
        let (Some(key), true) = (key, is_there) else {
            without.push(shown(&opened, assessment.action));
            continue;
        };
        if let Some(print) = &assessment.static_fingerprint {
            writer.found(&print.key).map_err(trouble)?;
        }
        if let Some(print) =
            assessment.static_fingerprint.as_ref().or(assessment.fingerprint.as_ref())
        {
            let (partial, _) = fingerprint::without_tools(print);
            writer.made_with(&partial.key, &key).map_err(trouble)?;
        }
    }
    if writer.carried.results == 0 {
        return Err(Trouble::Unanswered(
            "the cache has no result of these steps as they are now: build them first".to_owned(),
        ));
    }
    let (to, carried) = writer.finish().map_err(trouble)?;
    to.publish()?;
    if !without.is_empty() {
        let steps = wording::count(without.len(), "step");
        let names = wording::some(&without, 5);
        session.shell.warn(&format!(
            "the cache has no result of {steps} as they are now, which are left out: {names}"
        ));
    }
    let told = format!("{} to {place}", amount(&carried));
    session.shell.status("Exported", &told);
    if is_json {
        let mut object = object("granular-cache-exported", &carried);
        object["without"] = json!(without);
        session.shell.answer(&lines([object]))?;
    }
    Ok(Exit::Done)
}

/// Takes the results of a file into the cache.
pub(super) fn import(session: &Session, asked: &CacheImport) -> Result<Exit> {
    let cache = cache::needed(session)?;
    let place =
        if is_stream(&asked.file) { "standard input".to_owned() } else { named(&asked.file) };
    let (carried, outcome) = match is_stream(&asked.file) {
        true => archive::read(&cache.store, &mut io::stdin().lock(), cache.max_size),
        false => {
            let file = File::open(session.dir.join(&asked.file)).map_err(|error| {
                Trouble::usage(format!("cannot open `{}`: {error}", shown_path(&asked.file)))
            })?;
            archive::read(
                &cache.store,
                &mut BufReader::with_capacity(1 << 16, file),
                cache.max_size,
            )
        }
    };
    cache::tidy(session, &cache);
    if let Err(trouble) = outcome {
        return Err(unread(trouble, &place, &carried, &cache));
    }
    let known = match carried.known {
        0 => String::new(),
        known => format!("; {} there already", counted(known, "result", "was", "were")),
    };
    session.shell.status("Imported", &format!("{} from {place}{known}", amount(&carried)));
    if asked.format.message_format == MessageFormat::Json {
        let mut object = object("granular-cache-imported", &carried);
        object["known"] = json!(carried.known);
        session.shell.answer(&lines([object]))?;
    }
    Ok(Exit::Done)
}

/// The key that an action has now. What Cargo builds is not known without building it: of an action that depends on that, and on nothing else that is not known, the key of its last time is taken,
/// which `last` notes.
fn key(assessment: &Assessment, last: &mut HashSet<ActionId>) -> Option<Key> {
    if let Some(fingerprint) = &assessment.fingerprint {
        return Some(fingerprint.key);
    }
    match &assessment.outlook {
        Outlook::Unknown(needs) if needs.iter().all(|need| last.contains(need)) => {
            last.insert(assessment.action);
            assessment.record.as_ref().map(|record| record.key)
        }
        _ => None,
    }
}

/// The file that is written: under another name beside its place until it is whole.
struct Target {
    to: BufWriter<Box<dyn Write>>,
    /// Where it is, and where it is to be.
    paths: Option<(PathBuf, PathBuf)>,
    /// How messages call it.
    shown: String,
}

impl Target {
    fn new(session: &Session, file: &Path) -> Result<Self> {
        if is_stream(file) {
            let to = BufWriter::new(Box::new(io::stdout()) as Box<dyn Write>);
            return Ok(Self { to, paths: None, shown: "standard output".to_owned() });
        }
        let path = session.dir.join(file);
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // What steps left may be secret, as it is in the cache.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(&part).map_err(|error| Trouble::Environment {
            message: format!("cannot write {}: {error}", named(file)),
            help: Some("name a file in a directory that can be written".to_owned()),
        })?;
        let to = BufWriter::with_capacity(1 << 16, Box::new(opened) as Box<dyn Write>);
        Ok(Self { to, paths: Some((part, path)), shown: named(file) })
    }

    fn publish(mut self) -> Result<()> {
        let Some((part, path)) = self.paths.take() else { return Ok(()) };
        fs::rename(&part, &path).map_err(|error| {
            let _ = fs::remove_file(&part);
            let message =
                format!("cannot put the file in its place `{}`: {error}", shown_path(&path));
            Trouble::Environment { message, help: None }
        })
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.paths {
            let _ = fs::remove_file(part);
        }
    }
}

fn is_stream(file: &Path) -> bool {
    file == Path::new("-")
}

fn named(file: &Path) -> String {
    format!("`{}`", shown_path(file))
}

fn shown_path(path: &Path) -> String {
    wording::one_line(&path.display().to_string())
}

fn counted(number: u64, noun: &str, one: &str, more: &str) -> String {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    format!("{} {}", wording::count(number, noun), if number == 1 { one } else { more })
}

/// `5 results with 8 blobs (9.1 MiB)`.
fn amount(carried: &Carried) -> String {
    let count =
        |number: u64, noun| wording::count(usize::try_from(number).unwrap_or(usize::MAX), noun);
    let (results, blobs) = (count(carried.results, "result"), count(carried.blobs, "blob"));
    format!("{results} with {blobs} ({})", quantity::size(carried.bytes))
}

fn object(reason: &str, carried: &Carried) -> Value {
    json!({"reason": reason, "results": carried.results, "blobs": carried.blobs, "bytes": carried.bytes})
}

fn written(trouble: archive::Trouble, place: &str, cache: &Cache) -> Trouble {
    match trouble {
        archive::Trouble::File(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Trouble::Unheard
        }
        archive::Trouble::File(error) => Trouble::Environment {
            message: format!("cannot write to {place}: {error}"),
            help: Some(
                "make room there or name another file; nothing is left of this one".to_owned(),
            ),
        },
        trouble => Trouble::Unanswered(format!(
            "the cache in `{}`: {trouble} (`cargo granular verify --repair` removes what is damaged, the next build makes it anew)",
            cache::shown(&cache.dir)
        )),
    }
}

fn unread(trouble: archive::Trouble, place: &str, carried: &Carried, cache: &Cache) -> Trouble {
    let taken = match carried.results {
        0 => "nothing of it was taken in".to_owned(),
        results => format!(
            "{} taken in before, each of them whole",
            counted(results, "result", "was", "were")
        ),
    };
    match trouble {
        archive::Trouble::Bad(how) => {
            Trouble::Unanswered(format!("{place} is refused: {how} ({taken})"))
        }
        archive::Trouble::File(error) => {
            let help = Some(taken);
            Trouble::Environment { message: format!("cannot read {place}: {error}"), help }
        }
        archive::Trouble::Cache(error) => Trouble::Environment {
            message: format!("the cache in `{}`: {error}", cache::shown(&cache.dir)),
            help: Some(taken),
        },
    }
}
