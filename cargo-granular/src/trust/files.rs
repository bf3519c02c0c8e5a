//! Where the key and the trust list of this machine lie, read and changed. In the directory of the user's configuration, or where a variable says; never in the checkout.

use super::domain::Pattern;
use super::key::{Holder, Own};
use super::list::{self, Trust};
use crate::session::{path, variable};
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::ordered::Map;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Lines of a trust list, or `anyone`.
pub(crate) const TRUST: &str = "GRANULAR_TRUST";
/// A file of such lines.
pub(crate) const TRUST_FILE: &str = "GRANULAR_TRUST_FILE";
/// A key to sign with.
pub(crate) const SIGNING_KEY: &str = "GRANULAR_SIGNING_KEY";
/// A file with one.
pub(crate) const SIGNING_KEY_FILE: &str = "GRANULAR_SIGNING_KEY_FILE";

/// No file of either kind is larger, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// Where the files of this machine lie.
pub(crate) struct Files<'a> {
    env: &'a Map<OsString, OsString>,
    /// The current directory.
    dir: &'a Path,
    /// The checkout, in which nothing of this may lie; `None` where there is none.
    checkout: Option<PathBuf>,
}

impl<'a> Files<'a> {
    /// `root` is that of the workspace, if this is about one.
    pub(crate) fn new(
        env: &'a Map<OsString, OsString>,
        dir: &'a Path,
        root: Option<&Path>,
    ) -> Self {
        Self { env, dir, checkout: root.map(checkout) }
    }

    /// Who is believed; `None` where nobody has said so. A machine believes itself.
    pub(crate) fn trust(&self, own: Option<&Own>) -> Result<Option<Trust>> {
        let mut holders = match variable(self.env, TRUST) {
            Some(text) => match list::from_variable(text) {
                Ok(Trust::Anyone) => return Ok(Some(Trust::Anyone)),
                Ok(Trust::These(holders)) => holders,
                Err(why) => {
                    return Err(Trouble::Usage {
                        message: format!("{TRUST} is not a trust list: {why}"),
                        help: Some("its lines are `DOMAIN ed25519:HEX NAME`, with commas or new lines between them; or it is the word `anyone`".to_owned()),
                    });
                }
            },
            None => self.listed()?,
        };
        holders.extend(own.map(|own| own.holder.clone()));
        Ok((!holders.is_empty()).then_some(Trust::These(holders)))
    }

    /// Who stands in the file.
    fn listed(&self) -> Result<Vec<Holder>> {
        let Some(text) = self.list_text()? else { return Ok(Vec::new()) };
        list::holders(&text).map_err(|why| Trouble::Usage {
            message: format!("the trust list `{}` cannot be read: {why}", self.shown_list()),
            help: Some("its lines are `DOMAIN ed25519:HEX NAME`; `#` begins a comment".to_owned()),
        })
    }

    fn list_text(&self) -> Result<Option<String>> {
        let Some((path, is_named)) = self.place(TRUST_FILE, "trust") else { return Ok(None) };
        self.outside(&path, "the trust list")?;
        // What is about no checkout may be about to make it.
        read(&path, is_named && self.checkout.is_some(), "the trust list")
    }

    /// The key that this machine signs with, if it has one.
    pub(crate) fn own(&self) -> Result<Option<Own>> {
        if let Some(line) = variable(self.env, SIGNING_KEY) {
            return Own::parse(line).map(Some).map_err(|why| Trouble::Usage {
                message: format!("{SIGNING_KEY} is not a key to sign with: {why}"),
                help: Some("`cargo granular keys new --print` makes one".to_owned()),
            });
        }
        let Some((path, is_named)) = self.place(SIGNING_KEY_FILE, "key") else { return Ok(None) };
        self.outside(&path, "the key")?;
        let Some(text) = read(&path, is_named, "the key")? else { return Ok(None) };
        if !is_named && is_open(&path) {
            return Err(Trouble::Usage {
                message: format!("the key `{}` can be read by others than you", shown(&path)),
                help: Some(format!(
                    "`chmod 600 {}`, or make another one if somebody may have read it",
                    shown(&path)
                )),
            });
        }
        let line = text.lines().map(list::entry).find(|line| !line.is_empty()).unwrap_or_default();
        Own::parse(line).map(Some).map_err(|why| Trouble::Usage {
            message: format!("the file `{}` has no key to sign with: {why}", shown(&path)),
            help: Some("`cargo granular keys new` makes one where there is no file".to_owned()),
        })
    }

    /// Where the key lies or would lie, for messages.
    pub(crate) fn shown_key(&self) -> String {
        self.place(SIGNING_KEY_FILE, "key").map_or_else(String::new, |(path, _)| shown(&path))
    }

    /// Where the trust list lies or would lie, for messages.
    pub(crate) fn shown_list(&self) -> String {
        self.place(TRUST_FILE, "trust").map_or_else(String::new, |(path, _)| shown(&path))
    }

    /// Makes a key, and keeps it where there is none yet.
    pub(crate) fn new_key(&self, domains: Pattern, name: &str) -> Result<Own> {
        let path = self.place(SIGNING_KEY_FILE, "key").ok_or_else(nowhere)?.0;
        self.outside(&path, "the key")?;
        let own = Own::new(domains, name).map_err(no_bytes)?;
        let text = format!("{}\n", own.secret_text());
        write_new(&path, &text).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Trouble::Usage {
                message: format!("there is a key already, in `{}`", shown(&path)),
                help: Some("`cargo granular keys` shows it; move it away to have another one, or `--print` one for another machine".to_owned()),
            },
            _ => unwritable(&path, &error),
        })?;
        Ok(own)
    }

    /// Adds somebody to the list; false if he stands there.
    pub(crate) fn add(&self, holder: &Holder) -> Result<bool> {
        if self.listed()?.contains(holder) {
            return Ok(false);
        }
        let path = self.place(TRUST_FILE, "trust").ok_or_else(nowhere)?.0;
        self.outside(&path, "the trust list")?;
        let mut text = self.list_text()?.unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{holder}\n"));
        replace(&path, &text).map_err(|error| unwritable(&path, &error))?;
        Ok(true)
    }

    /// Takes those out of the list who are called so, or have that key; says who they were.
    pub(crate) fn forget(&self, who: &str) -> Result<Vec<Holder>> {
        let is_meant = |holder: &Holder| holder.name == who || holder.key.to_string() == who;
        let (gone, _): (Vec<_>, Vec<_>) = self.listed()?.into_iter().partition(is_meant);
        if gone.is_empty() {
            return Ok(gone);
        }
        let path = self.place(TRUST_FILE, "trust").ok_or_else(nowhere)?.0;
        let text = self.list_text()?.unwrap_or_default();
        let is_gone =
            |line: &&str| Holder::parse(list::entry(line)).is_ok_and(|holder| is_meant(&holder));
        let left: String =
            text.lines().filter(|line| !is_gone(line)).map(|line| format!("{line}\n")).collect();
        replace(&path, &left).map_err(|error| unwritable(&path, &error))?;
        Ok(gone)
    }

    /// The path that the variable names, or that of `name` among the user's configuration; and whether it was named.
    fn place(&self, named: &str, name: &str) -> Option<(PathBuf, bool)> {
        match path(self.env, named) {
            Some(path) => Some((self.dir.join(path), true)),
            None => Some((directory(self.env)?.join(name), false)),
        }
    }

    /// Whoever can edit the checkout would decide on it.
    fn outside(&self, path: &Path, what: &str) -> Result<()> {
        let Some(checkout) = &self.checkout else { return Ok(()) };
        let real = real(path);
        match real.starts_with(checkout) {
            false => Ok(()),
            true => Err(Trouble::Usage {
                message: format!(
                    "{what} `{}` lies in the checkout, so that whoever can edit that decides on it",
                    shown(path)
                ),
                help: Some(format!(
                    "keep it elsewhere; {TRUST_FILE} and {SIGNING_KEY_FILE} name other places"
                )),
            }),
        }
    }
}

/// What is checked out with a workspace: all of the repository that it lies in.
fn checkout(root: &Path) -> PathBuf {
    let root = real(root);
    let repository = root.ancestors().find(|dir| dir.join(".git").symlink_metadata().is_ok());
    repository.map_or(root.clone(), Path::to_path_buf)
}

/// Without links, also where the file is not there yet.
fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_path_buf(),
    }
}

/// The platform's place for what a user has configured, in a directory of our name; `None` where `env` names no home directory.
fn directory(env: &Map<OsString, OsString>) -> Option<PathBuf> {
    let home = || path(env, "HOME").filter(|home| home.is_absolute());
    let configured = if cfg!(windows) {
        path(env, "APPDATA")
    } else {
        let named = path(env, "XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
        let usual =
            if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
        named.or_else(|| home().map(|home| home.join(usual)))
    };
    configured.map(|dir| dir.join("granular"))
}

fn read(path: &Path, is_named: bool, what: &str) -> Result<Option<String>> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(SIZE_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => Err(Trouble::Usage {
            message: format!("{what} `{}` cannot be read: {error}", shown(path)),
            help: None,
        }),
    }
}

/// Whether others than its owner may read it.
fn is_open(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes a file that only the user can read; an error where one is there.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Puts a file in the place of one that is there, as a whole.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    write_new(&new, text).and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

fn nowhere() -> Trouble {
    Trouble::Environment {
        message: "there is no place for your configuration, since HOME is not set".to_owned(),
        help: Some(format!("{TRUST_FILE} and {SIGNING_KEY_FILE} can name places")),
    }
}

/// That the system gives no randomness.
pub(crate) fn no_bytes(why: String) -> Trouble {
    Trouble::Environment { message: why, help: None }
}

fn unwritable(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Environment { message: format!("cannot write `{}`: {error}", shown(path)), help: None }
}

fn shown(path: &Path) -> String {
    wording::one_line(&path.display().to_string())
}
