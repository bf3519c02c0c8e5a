//! What can be asked on the command line. The doc comments are the help that users read.

use crate::quantity;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use clap_cargo::style;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Parser, Debug)]
#[command(name = "cargo", bin_name = "cargo", styles = style::CLAP_STYLING)]
enum Cargo {
    Granular(Arguments),
}

const EXAMPLES: &str = "\
Examples:
  cargo granular build               Bring every step of this package up to date
  cargo granular build --workspace   The same for the whole workspace
  cargo granular build api -n        Say what it would do for one step, and why
  cargo granular explain api         Say why a step runs, and where its result came from";

const MORE: &str = "\
Examples:
  cargo granular build               Bring every step of this package up to date
  cargo granular build --workspace   The same for the whole workspace
  cargo granular build api -n        Say what it would do for one step, and why
  cargo granular explain api         Say why a step runs, and where its result came from

Steps are declared in `[package.metadata.granular]` and `[workspace.metadata.granular]` of
Cargo.toml. The full name of a step is `package#step`, or `#step` for one of the workspace;
quote such a name, since `#` begins a comment in a shell.

Environment:
  GRANULAR_CACHE_DIR   The directory of the cache, as --cache-dir
  GRANULAR_REMOTE, GRANULAR_REMOTE_WRITE
                       The cache that is shared with other machines, as --remote and --remote-write
  GRANULAR_REMOTE_TOKEN, GRANULAR_REMOTE_TOKEN_HOST
                       What it is told so that it knows you; the host that this is for, where the
                       URL stands in Cargo.toml
  GRANULAR_SIGNING_KEY, GRANULAR_SIGNING_KEY_FILE
                       What results are signed with that are written to it: a key or a file with one
  GRANULAR_TRUST, GRANULAR_TRUST_FILE
                       Whose results are taken from it: lines of a trust list or `anyone`; a file of
                       such lines
  GRANULAR_DOMAIN      The domain that results are read and written in [default: that of the pull
                       request, or main]
  GRANULAR_REMOTE_WAIT For how many seconds the end of a build waits for what is still to be written
                       [default: 10]
  GRANULAR_REMOTE_INSECURE
                       1: it may be spoken to without encryption although it is elsewhere
  AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL and others, GOOGLE_..., AZURE_...
                       What a remote that is a bucket is told, as by its provider's own tools
  CARGO                The cargo that is asked for the workspace
  CARGO_TARGET_DIR, CARGO_BUILD_JOBS, CARGO_NET_OFFLINE, CARGO_TERM_COLOR, CARGO_TERM_QUIET,
  CARGO_TERM_VERBOSE, CARGO_TERM_PROGRESS_WHEN, NO_COLOR, CLICOLOR_FORCE, CI
                       As in Cargo
  GITHUB_ACTIONS       true: failed steps and mistakes become annotations, and a table of the steps
                       goes into the summary of the job
  GRANULAR_GITHUB      off: neither of these

Exit codes:
  0    Done, also when the cache or a remote misbehaved
  1    A step failed, verify or reproduce found a difference, or cache import refused a file
  2    A mistake in the configuration or in the usage; nothing has run
  3    The environment: a tool is missing, the workspace cannot be written, a disk is full,
       a remote cache is required and cannot be used
  130  Interrupted; what was finished is kept";

/// Cargo for the rest of the monorepo: brings declared build steps up to date beside your crates
///
/// Steps that Cargo does not know (go build, protoc, a bundler, an integration test) are declared
/// in Cargo.toml. What has not changed is left alone, what was built before is restored, and the
/// rest runs in parallel, in order.
#[derive(clap::Args, Debug)]
#[command(version, after_help = EXAMPLES, after_long_help = MORE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What is asked for.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Bring steps up to date: leave them alone, restore them, or run them
    #[command(
        visible_alias = "b",
        after_help = "\
Examples:
  cargo granular build                Every step of this package that is neither a test nor on request
  cargo granular build api '#models'  Two steps and all that they need
  cargo granular build -p web -j 2    The steps of one package, at most two at once
  cargo granular build --dry-run      Say what it would do, and why
  cargo granular build --since origin/main -n   What this branch can affect, and why"
    )]
    Build(BringUp),
    /// Bring test steps up to date: a test that passed with the same inputs does not run again
    #[command(
        visible_alias = "t",
        after_help = "\
Examples:
  cargo granular test                 Every test step of this package
  cargo granular test --force         Run them again although nothing has changed"
    )]
    Test(BringUp),
    /// Run a command that no table declares, or replay what it did with the same inputs
    #[command(after_help = "\
Examples:
  cargo granular exec --input 'proto/**/*.proto' --output gen -- protoc --go_out=gen proto/a.proto
  cargo granular exec --input 'docs/**' -- vale docs      A check: without outputs
  cargo granular exec --need gen --output gen.tar -- tar -cf gen.tar -C {needs.gen.out} .

What the command prints comes as it prints it, and the same when it is not run. If it fails,
its exit code is ours, and nothing of it is kept.")]
    Exec(Exec),
    /// List the steps
    List(List),
    /// Show which step needs which
    #[command(after_help = "\
Examples:
  cargo granular graph | dot -Tsvg > steps.svg
  cargo granular graph --format mermaid api")]
    Graph(Graph),
    /// Say why a step would run, and where its last result came from
    #[command(after_help = "\
Examples:
  cargo granular explain api
  cargo granular explain api --inputs   Which files count
  diff <(cargo granular explain api --fingerprint) other-machine.txt")]
    Explain(Explain),
    /// Show the hit rate, the time saved and the slowest steps of this checkout
    Stats(Stats),
    /// Remove what was used least recently from the cache
    #[command(after_help = "\
Examples:
  cargo granular gc                    Shrink the cache to its usual limit
  cargo granular gc --max-age 30d      Remove what was not used for 30 days
  cargo granular gc --max-size 0       Remove everything")]
    Gc(Gc),
    /// Carry results of the cache to another machine, and from one
    Cache {
        /// What is done with it.
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// Make a key to sign shared results with, and say whose results are trusted
    #[command(after_help = "\
Examples:
  cargo granular keys new                   Make the key of this machine
  cargo granular keys new --print --name ci Make one for a CI secret, GRANULAR_SIGNING_KEY
  cargo granular keys trust main ed25519:… ci
  cargo granular keys forget ci
  cargo granular keys                       Show the key of this machine, and who is trusted

A line of the trust list says that results in a domain are taken if this key has signed them. The
domain of pull requests is `pr-NUMBER`, of all else `main`; `pr-*` stands for all that begin so.")]
    Keys {
        /// What is done with them.
        #[command(subcommand)]
        command: Option<KeysCommand>,
    },
    /// Remove what steps have left in this checkout
    ///
    /// Without STEPS and packages the rest of this checkout's state goes as well: logs, history,
    /// and what steps have left that are declared no longer. The cache is left alone.
    Clean(Clean),
    /// Read back every result in the cache and report what is damaged
    Verify(Verify),
    /// Run a step twice and compare what it leaves
    Reproduce(Reproduce),
}

/// What is done with the cache.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum CacheCommand {
    /// Write the results of steps, as they are now, into one file
    #[command(after_help = "\
Examples:
  cargo granular cache export results.granular           What all steps and their needs have left
  cargo granular cache export - api | ssh host 'cat > results.granular'")]
    Export(CacheExport),
    /// Take the results of such a file into the cache, once each is found to be whole
    ///
    /// Nobody can see whether they are true: take files only from those whose cache you would use.
    Import(CacheImport),
}

/// What is done with keys.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum KeysCommand {
    /// Show the key of this machine, without its secret, and who is trusted
    List,
    /// Make a key, and print the line by which others trust it
    New(KeysNew),
    /// Trust a key: add its line to the list of this user
    Trust {
        /// The line: `DOMAIN ed25519:HEX NAME`
        #[arg(value_name = "LINE", required = true)]
        line: Vec<String>,
    },
    /// Take somebody out of that list
    Forget {
        /// His name or key
        #[arg(value_name = "NAME|KEY")]
        who: String,
    },
}

/// `keys new`.
#[derive(clap::Args, Debug)]
pub(crate) struct KeysNew {
    /// What its holder is called [default: the user]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The domain that it signs for; `*` at the end stands for all that begin so
    #[arg(long, value_name = "DOMAIN", default_value = "main")]
    pub(crate) domain: String,
    /// Print the secret to standard output, for the secrets of a CI system, and keep it nowhere
    #[arg(long)]
    pub(crate) print: bool,
}

/// `cache export`.
#[derive(clap::Args, Debug)]
pub(crate) struct CacheExport {
    /// The file; `-` for standard output
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Steps whose results are meant, with all that they need [default: all]
    #[arg(value_name = "STEPS")]
    pub(crate) steps: Vec<String>,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// `cache import`.
#[derive(clap::Args, Debug)]
pub(crate) struct CacheImport {
    /// The file; `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// Flags that every command takes.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Common {
    /// Use verbose output (-vv: also what the steps print)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Do not print anything but failures and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Coloring
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<clap::ColorChoice>,
    /// Directory of the cache [default: that of the platform]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Directory for all generated artifacts, as in Cargo
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) target_dir: Option<PathBuf>,
    /// Path to Cargo.toml
    #[arg(long, global = true, value_name = "PATH", help_heading = "Manifest Options")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Assert that `Cargo.lock` will remain unchanged
    #[arg(long, global = true, help_heading = "Manifest Options")]
    pub(crate) locked: bool,
    /// Run without accessing the network
    #[arg(long, global = true, help_heading = "Manifest Options")]
    pub(crate) offline: bool,
    /// Equivalent to specifying both --locked and --offline
    #[arg(long, global = true, help_heading = "Manifest Options")]
    pub(crate) frozen: bool,
}

/// Flags that say which packages are meant.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Package Selection")]
pub(crate) struct Packages {
    /// Package whose steps are meant; may be a pattern, may be repeated
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Vec<String>,
    /// All packages of the workspace, and its own steps
    #[arg(long, alias = "all")]
    pub(crate) workspace: bool,
    /// Leave a package out; may be a pattern, may be repeated
    #[arg(long, value_name = "SPEC", requires = "workspace")]
    pub(crate) exclude: Vec<String>,
}

/// Flags that say which cache is shared with other machines.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Remote Cache")]
pub(crate) struct RemoteFlags {
    /// Cache that is shared with other machines; `off` for none, `require` to fail where it cannot
    /// be used; may be repeated
    #[arg(long, value_name = "URL|off|require")]
    pub(crate) remote: Vec<String>,
    /// Whether results are written to it; `on` writes none of a pull request, `always` does
    /// [default: off]
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub(crate) remote_write: Option<WriteMode>,
}

/// Whether results are written to a remote cache.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WriteMode {
    /// Never
    Off,
    /// Unless a CI system says that this is a pull request
    On,
    /// Also then
    Always,
}

/// How an answer is written.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct Format {
    /// What is written to standard output
    #[arg(long, value_name = "FMT", default_value = "human")]
    pub(crate) message_format: MessageFormat,
}

/// The forms of an answer.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum MessageFormat {
    /// For people
    #[default]
    Human,
    /// For programs: one JSON object a line
    Json,
}

/// `build` and `test`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct BringUp {
    /// Steps: `step`, `package#step`, `#step` (of the workspace), or patterns of them
    #[arg(value_name = "STEPS")]
    pub(crate) steps: Vec<String>,
    /// Say what would be done, and why, without doing it
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Run what was asked for again although it is up to date
    #[arg(long)]
    pub(crate) force: bool,
    /// Run what is up to date once more and compare what it leaves; what was there stays
    #[arg(long, conflicts_with_all = ["force", "dry_run"])]
    pub(crate) verify: bool,
    /// Of these only what can be affected by what changed since a commit, as git tells it, and what
    /// depends on that
    #[arg(long, value_name = "REV")]
    pub(crate) since: Option<String>,
    /// Go on with what does not depend on a failed step
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Fail a step if its inputs or outputs are changed while it runs
    #[arg(long)]
    pub(crate) strict: bool,
    /// Number of steps at once; -N for that many fewer than processors, `default` for all of them
    #[arg(short, long, value_name = "N", allow_hyphen_values = true, value_parser = Jobs::parse)]
    pub(crate) jobs: Option<Jobs>,
    /// Neither restore from the cache nor save to it
    #[arg(long, conflicts_with = "cache_dir")]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: RemoteFlags,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// `exec`.
#[derive(clap::Args, Debug)]
pub(crate) struct Exec {
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// Files that it reads: a pattern, may be repeated [default: all below this directory that Git
    /// does not ignore]
    #[arg(long, value_name = "PATTERN")]
    pub(crate) input: Vec<String>,
    /// What it leaves: a path or pattern, may be repeated [default: nothing, a check]
    #[arg(long, value_name = "PATTERN")]
    pub(crate) output: Vec<String>,
    /// Step to bring up to date first, may be repeated
    #[arg(long, value_name = "STEP")]
    pub(crate) need: Vec<String>,
    /// Variable to set, may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Variable to pass through whose value counts, may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) track_env: Vec<String>,
    /// Variable to pass through that does not count, may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) pass_env: Vec<String>,
    /// Program that it uses besides the one that it starts, may be repeated
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) tool: Vec<String>,
    /// Directory to run it in; patterns are relative to the current one
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) dir: Option<String>,
    /// When it is stopped: `90s`, `5m`
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Run it although nothing has changed
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: RemoteFlags,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `list`.
#[derive(clap::Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// `graph`.
#[derive(clap::Args, Debug)]
pub(crate) struct Graph {
    /// Steps to begin from, with all that they need [default: all]
    #[arg(value_name = "STEPS")]
    pub(crate) steps: Vec<String>,
    /// Language of the graph
    #[arg(long, value_name = "FMT", default_value = "dot")]
    pub(crate) format: GraphFormat,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// The languages of a graph.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GraphFormat {
    /// For Graphviz
    Dot,
    /// For Markdown on many sites
    Mermaid,
    /// For programs
    Json,
}

/// `explain`.
#[derive(clap::Args, Debug)]
pub(crate) struct Explain {
    /// The step; with a matrix, each of its actions is explained
    #[arg(value_name = "STEP")]
    pub(crate) step: String,
    /// Print the fingerprint: everything that may change what the step leaves
    #[arg(long)]
    pub(crate) fingerprint: bool,
    /// Print the files that its inputs are at this moment, one a line
    #[arg(long, conflicts_with = "fingerprint")]
    pub(crate) inputs: bool,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// `stats`.
#[derive(clap::Args, Debug)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) format: Format,
}

/// `gc`.
#[derive(clap::Args, Debug)]
pub(crate) struct Gc {
    /// Size to shrink to: `10GiB`, `500MB` [default: the setting `cache-size`, or 10GiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::parse_size)]
    pub(crate) max_size: Option<u64>,
    /// Remove what was not used for so long: `30d`, `12h`
    #[arg(long, value_name = "AGE", value_parser = quantity::parse_age)]
    pub(crate) max_age: Option<Duration>,
    /// Say what would be removed, without removing it
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// `clean`.
#[derive(clap::Args, Debug)]
pub(crate) struct Clean {
    /// Steps whose outputs are removed [default: all]
    #[arg(value_name = "STEPS")]
    pub(crate) steps: Vec<String>,
    /// Say what would be removed, without removing it
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// `verify`.
#[derive(clap::Args, Debug)]
pub(crate) struct Verify {
    /// Remove what is damaged
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// `reproduce`.
#[derive(clap::Args, Debug)]
pub(crate) struct Reproduce {
    /// The step; with a matrix, each of its actions is run twice
    #[arg(value_name = "STEP")]
    pub(crate) step: String,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// How many steps may run at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Jobs {
    /// As many as there are processors.
    Default,
    /// So many.
    Exactly(NonZeroUsize),
    /// So many fewer than there are processors, but at least one.
    AllBut(usize),
}

impl Jobs {
    /// Reads what Cargo takes for `-j`: a positive or negative number, or `default`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self::Default);
        }
        if let Some(less) = text.strip_prefix('-') {
            let less = less.parse().map_err(|_| not_jobs())?;
            return if less == 0 { Err(not_jobs()) } else { Ok(Self::AllBut(less)) };
        }
        text.parse().map(Self::Exactly).map_err(|_| not_jobs())
    }

    /// The number on a machine with so many processors; `None` for as many as there are.
    pub(crate) fn number(self, processors: usize) -> Option<usize> {
        match self {
            Self::Default => None,
            Self::Exactly(number) => Some(number.get()),
            Self::AllBut(less) => Some(processors.saturating_sub(less).max(1)),
        }
    }
}

fn not_jobs() -> String {
    "it must be a number other than 0, or `default`".to_owned()
}

/// The arguments as if Cargo had started us: it puts `granular` in front, a user who starts `cargo-granular` need not.
pub(crate) fn arguments(mut given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = vec![given.next().unwrap_or_else(|| "cargo".into()), "granular".into()];
    match given.next() {
        Some(first) if first == "granular" => {}
        Some(first) => arguments.push(first),
        None => {}
    }
    arguments.extend(given);
    arguments
}

/// Reads the arguments. The error may be the help that was asked for.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    set_colour(asked_colour(&arguments));
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let Cargo::Granular(arguments) =
        Cargo::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok(arguments)
}

/// The help that stands in for a command.
pub(crate) fn help() -> String {
    let mut command = command();
    command.build();
    let granular = command.find_subcommand_mut("granular");
    granular.map(|command| command.render_help().ansi().to_string()).unwrap_or_default()
}

/// Lines that are too long are hard to read, however wide the terminal is.
const WIDTH: usize = 100;

fn command() -> clap::Command {
    let command = Cargo::command().max_term_width(WIDTH);
    // What tests see depends on no terminal.
    if cfg!(test) { command.term_width(WIDTH) } else { command }
}

/// What is said of colour, looked for before the arguments are read, since reading them may end with a coloured text.
fn asked_colour(arguments: &[OsString]) -> clap::ColorChoice {
    // What follows `--` is a command of the user's.
    let own = arguments.iter().take_while(|text| *text != "--");
    let texts: Vec<_> = own.filter_map(|text| text.to_str()).collect();
    let behind = |at: usize| texts.get(at + 1).copied();
    let flag = texts.iter().enumerate().find_map(|(at, text)| match *text {
        "--color" => behind(at),
        text => text.strip_prefix("--color="),
    });
    let variable = std::env::var("CARGO_TERM_COLOR").ok();
    match flag.or(variable.as_deref()) {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        // Nobody looks there, even at what is a terminal.
        _ if is_set("CI") && !is_set("CLICOLOR_FORCE") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Decides on colour for everything that is written from now on.
fn set_colour(choice: clap::ColorChoice) {
    let choice = match choice {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, clap::Error> {
        parse(arguments(line.split(' ').map(OsString::from)))
    }

    #[test]
    fn the_command_line_is_sound() {
        Cargo::command().debug_assert();
    }

    #[test]
    fn it_is_the_same_however_it_is_started() {
        for line in [
            "/bin/cargo-granular granular build -v",
            "cargo-granular build -v",
            "cargo-granular -v build",
        ] {
            let arguments = read(line).unwrap();
            assert!(matches!(arguments.command, Some(Command::Build(_))), "{line}");
            assert_eq!(arguments.common.verbose, 1, "{line}");
        }
        assert!(read("cargo-granular").unwrap().command.is_none());
        assert!(read("cargo-granular granular").unwrap().command.is_none());
    }

    #[test]
    fn jobs_are_read_as_cargo_reads_them() {
        let jobs = |line: &str| match read(line).unwrap().command {
            Some(Command::Build(BringUp { jobs: Some(jobs), .. })) => jobs.number(4),
            _ => panic!("{line}"),
        };
        assert_eq!(jobs("c build -j3"), Some(3));
        assert_eq!(jobs("c build -j -1"), Some(3));
        assert_eq!(jobs("c build --jobs -9"), Some(1));
        assert_eq!(jobs("c build --jobs default"), None);
        for line in ["c build -j0", "c build -j-0", "c build -jx"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for line in [
            "c build -q -v",
            "c build --exclude web",
            "c gc --max-size big",
            "c list --dry-run",
            "c build --verify --force",
            "c build --verify -n",
            "c explain",
        ] {
            let error = read(line).unwrap_err();
            assert!(error.use_stderr(), "{line}");
        }
        assert!(read("c build --all --exclude web").is_ok());
    }

    fn help_of(command: &str) -> String {
        let words: Vec<_> = command.split_whitespace().map(OsString::from).collect();
        let given =
            [OsString::from("cargo-granular")].into_iter().chain(words).chain(["-h".into()]);
        parse(arguments(given)).unwrap_err().to_string()
    }

    #[test]
    fn the_help_says_what_can_be_asked() {
        insta::assert_snapshot!(help_of(""), @"
        Cargo for the rest of the monorepo: brings declared build steps up to date beside your crates

        Usage: cargo granular [OPTIONS] [COMMAND]

        Commands:
          build      Bring steps up to date: leave them alone, restore them, or run them [alias: b]
          test       Bring test steps up to date: a test that passed with the same inputs does not run again
                     [alias: t]
          exec       Run a command that no table declares, or replay what it did with the same inputs
          list       List the steps
          graph      Show which step needs which
          explain    Say why a step would run, and where its last result came from
          stats      Show the hit rate, the time saved and the slowest steps of this checkout
          gc         Remove what was used least recently from the cache
          cache      Carry results of the cache to another machine, and from one
          keys       Make a key to sign shared results with, and say whose results are trusted
          clean      Remove what steps have left in this checkout
          verify     Read back every result in the cache and report what is damaged
          reproduce  Run a step twice and compare what it leaves
          help       Print this message or the help of the given subcommand(s)

        Options:
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')
          -V, --version                 Print version

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular build               Bring every step of this package up to date
          cargo granular build --workspace   The same for the whole workspace
          cargo granular build api -n        Say what it would do for one step, and why
          cargo granular explain api         Say why a step runs, and where its result came from
        ");
        assert_eq!(anstream::adapter::strip_str(&help()).to_string(), help_of(""));
    }

    #[test]
    fn the_long_help_tells_of_the_environment_and_the_exit_codes() {
        let error = read("cargo-granular --help").unwrap_err();
        insta::assert_snapshot!(error.to_string(), @"
        Cargo for the rest of the monorepo: brings declared build steps up to date beside your crates

        Steps that Cargo does not know (go build, protoc, a bundler, an integration test) are declared in
        Cargo.toml. What has not changed is left alone, what was built before is restored, and the rest runs
        in parallel, in order.

        Usage: cargo granular [OPTIONS] [COMMAND]

        Commands:
          build      Bring steps up to date: leave them alone, restore them, or run them [alias: b]
          test       Bring test steps up to date: a test that passed with the same inputs does not run again
                     [alias: t]
          exec       Run a command that no table declares, or replay what it did with the same inputs
          list       List the steps
          graph      Show which step needs which
          explain    Say why a step would run, and where its last result came from
          stats      Show the hit rate, the time saved and the slowest steps of this checkout
          gc         Remove what was used least recently from the cache
          cache      Carry results of the cache to another machine, and from one
          keys       Make a key to sign shared results with, and say whose results are trusted
          clean      Remove what steps have left in this checkout
          verify     Read back every result in the cache and report what is damaged
          reproduce  Run a step twice and compare what it leaves
          help       Print this message or the help of the given subcommand(s)

        Options:
          -v, --verbose...
                  Use verbose output (-vv: also what the steps print)

          -q, --quiet
                  Do not print anything but failures and errors

              --color <WHEN>
                  Coloring
                  
                  [possible values: auto, always, never]

              --cache-dir <DIRECTORY>
                  Directory of the cache [default: that of the platform]

              --target-dir <DIRECTORY>
                  Directory for all generated artifacts, as in Cargo

          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Manifest Options:
              --manifest-path <PATH>
                  Path to Cargo.toml

              --locked
                  Assert that `Cargo.lock` will remain unchanged

              --offline
                  Run without accessing the network

              --frozen
                  Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular build               Bring every step of this package up to date
          cargo granular build --workspace   The same for the whole workspace
          cargo granular build api -n        Say what it would do for one step, and why
          cargo granular explain api         Say why a step runs, and where its result came from

        Steps are declared in `[package.metadata.granular]` and `[workspace.metadata.granular]` of
        Cargo.toml. The full name of a step is `package#step`, or `#step` for one of the workspace;
        quote such a name, since `#` begins a comment in a shell.

        Environment:
          GRANULAR_CACHE_DIR   The directory of the cache, as --cache-dir
          GRANULAR_REMOTE, GRANULAR_REMOTE_WRITE
                               The cache that is shared with other machines, as --remote and --remote-write
          GRANULAR_REMOTE_TOKEN, GRANULAR_REMOTE_TOKEN_HOST
                               What it is told so that it knows you; the host that this is for, where the
                               URL stands in Cargo.toml
          GRANULAR_SIGNING_KEY, GRANULAR_SIGNING_KEY_FILE
                               What results are signed with that are written to it: a key or a file with one
          GRANULAR_TRUST, GRANULAR_TRUST_FILE
                               Whose results are taken from it: lines of a trust list or `anyone`; a file of
                               such lines
          GRANULAR_DOMAIN      The domain that results are read and written in [default: that of the pull
                               request, or main]
          GRANULAR_REMOTE_WAIT For how many seconds the end of a build waits for what is still to be written
                               [default: 10]
          GRANULAR_REMOTE_INSECURE
                               1: it may be spoken to without encryption although it is elsewhere
          AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL and others, GOOGLE_..., AZURE_...
                               What a remote that is a bucket is told, as by its provider's own tools
          CARGO                The cargo that is asked for the workspace
          CARGO_TARGET_DIR, CARGO_BUILD_JOBS, CARGO_NET_OFFLINE, CARGO_TERM_COLOR, CARGO_TERM_QUIET,
          CARGO_TERM_VERBOSE, CARGO_TERM_PROGRESS_WHEN, NO_COLOR, CLICOLOR_FORCE, CI
                               As in Cargo
          GITHUB_ACTIONS       true: failed steps and mistakes become annotations, and a table of the steps
                               goes into the summary of the job
          GRANULAR_GITHUB      off: neither of these

        Exit codes:
          0    Done, also when the cache or a remote misbehaved
          1    A step failed, verify or reproduce found a difference, or cache import refused a file
          2    A mistake in the configuration or in the usage; nothing has run
          3    The environment: a tool is missing, the workspace cannot be written, a disk is full,
               a remote cache is required and cannot be used
          130  Interrupted; what was finished is kept
        ");
    }

    #[test]
    fn the_help_of_build() {
        insta::assert_snapshot!(help_of("build"), @"
        Bring steps up to date: leave them alone, restore them, or run them

        Usage: cargo granular build [OPTIONS] [STEPS]...

        Arguments:
          [STEPS]...  Steps: `step`, `package#step`, `#step` (of the workspace), or patterns of them

        Options:
          -n, --dry-run                 Say what would be done, and why, without doing it
              --force                   Run what was asked for again although it is up to date
              --verify                  Run what is up to date once more and compare what it leaves; what
                                        was there stays
              --since <REV>             Of these only what can be affected by what changed since a commit,
                                        as git tells it, and what depends on that
              --keep-going              Go on with what does not depend on a failed step
              --strict                  Fail a step if its inputs or outputs are changed while it runs
          -j, --jobs <N>                Number of steps at once; -N for that many fewer than processors,
                                        `default` for all of them
              --no-cache                Neither restore from the cache nor save to it
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Remote Cache:
              --remote <URL|off|require>  Cache that is shared with other machines; `off` for none,
                                          `require` to fail where it cannot be used; may be repeated
              --remote-write[=<WHEN>]     Whether results are written to it; `on` writes none of a pull
                                          request, `always` does [default: off] [possible values: off, on,
                                          always]

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular build                Every step of this package that is neither a test nor on
          request
          cargo granular build api '#models'  Two steps and all that they need
          cargo granular build -p web -j 2    The steps of one package, at most two at once
          cargo granular build --dry-run      Say what it would do, and why
          cargo granular build --since origin/main -n   What this branch can affect, and why
        ");
    }

    #[test]
    fn the_help_of_exec() {
        insta::assert_snapshot!(help_of("exec"), @"
        Run a command that no table declares, or replay what it did with the same inputs

        Usage: cargo granular exec [OPTIONS] -- <COMMAND>...

        Arguments:
          <COMMAND>...  The program and its arguments

        Options:
              --input <PATTERN>         Files that it reads: a pattern, may be repeated [default: all below
                                        this directory that Git does not ignore]
              --output <PATTERN>        What it leaves: a path or pattern, may be repeated [default:
                                        nothing, a check]
              --need <STEP>             Step to bring up to date first, may be repeated
              --env <NAME=VALUE>        Variable to set, may be repeated
              --track-env <NAME>        Variable to pass through whose value counts, may be repeated
              --pass-env <NAME>         Variable to pass through that does not count, may be repeated
              --tool <PROGRAM>          Program that it uses besides the one that it starts, may be repeated
              --dir <DIRECTORY>         Directory to run it in; patterns are relative to the current one
              --timeout <TIME>          When it is stopped: `90s`, `5m`
              --force                   Run it although nothing has changed
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Remote Cache:
              --remote <URL|off|require>  Cache that is shared with other machines; `off` for none,
                                          `require` to fail where it cannot be used; may be repeated
              --remote-write[=<WHEN>]     Whether results are written to it; `on` writes none of a pull
                                          request, `always` does [default: off] [possible values: off, on,
                                          always]

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular exec --input 'proto/**/*.proto' --output gen -- protoc --go_out=gen proto/a.proto
          cargo granular exec --input 'docs/**' -- vale docs      A check: without outputs
          cargo granular exec --need gen --output gen.tar -- tar -cf gen.tar -C {needs.gen.out} .

        What the command prints comes as it prints it, and the same when it is not run. If it fails,
        its exit code is ours, and nothing of it is kept.
        ");
    }

    #[test]
    fn the_help_of_test() {
        insta::assert_snapshot!(help_of("test"), @"
        Bring test steps up to date: a test that passed with the same inputs does not run again

        Usage: cargo granular test [OPTIONS] [STEPS]...

        Arguments:
          [STEPS]...  Steps: `step`, `package#step`, `#step` (of the workspace), or patterns of them

        Options:
          -n, --dry-run                 Say what would be done, and why, without doing it
              --force                   Run what was asked for again although it is up to date
              --verify                  Run what is up to date once more and compare what it leaves; what
                                        was there stays
              --since <REV>             Of these only what can be affected by what changed since a commit,
                                        as git tells it, and what depends on that
              --keep-going              Go on with what does not depend on a failed step
              --strict                  Fail a step if its inputs or outputs are changed while it runs
          -j, --jobs <N>                Number of steps at once; -N for that many fewer than processors,
                                        `default` for all of them
              --no-cache                Neither restore from the cache nor save to it
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Remote Cache:
              --remote <URL|off|require>  Cache that is shared with other machines; `off` for none,
                                          `require` to fail where it cannot be used; may be repeated
              --remote-write[=<WHEN>]     Whether results are written to it; `on` writes none of a pull
                                          request, `always` does [default: off] [possible values: off, on,
                                          always]

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular test                 Every test step of this package
          cargo granular test --force         Run them again although nothing has changed
        ");
    }

    #[test]
    fn the_help_of_list() {
        insta::assert_snapshot!(help_of("list"), @"
        List the steps

        Usage: cargo granular list [OPTIONS]

        Options:
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline
        ");
    }

    #[test]
    fn the_help_of_graph() {
        insta::assert_snapshot!(help_of("graph"), @"
        Show which step needs which

        Usage: cargo granular graph [OPTIONS] [STEPS]...

        Arguments:
          [STEPS]...  Steps to begin from, with all that they need [default: all]

        Options:
              --format <FMT>            Language of the graph [default: dot] [possible values: dot, mermaid,
                                        json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular graph | dot -Tsvg > steps.svg
          cargo granular graph --format mermaid api
        ");
    }

    #[test]
    fn the_help_of_explain() {
        insta::assert_snapshot!(help_of("explain"), @"
        Say why a step would run, and where its last result came from

        Usage: cargo granular explain [OPTIONS] <STEP>

        Arguments:
          <STEP>  The step; with a matrix, each of its actions is explained

        Options:
              --fingerprint             Print the fingerprint: everything that may change what the step
                                        leaves
              --inputs                  Print the files that its inputs are at this moment, one a line
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular explain api
          cargo granular explain api --inputs   Which files count
          diff <(cargo granular explain api --fingerprint) other-machine.txt
        ");
    }

    #[test]
    fn the_help_of_stats() {
        insta::assert_snapshot!(help_of("stats"), @"
        Show the hit rate, the time saved and the slowest steps of this checkout

        Usage: cargo granular stats [OPTIONS]

        Options:
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline
        ");
    }

    #[test]
    fn the_help_of_gc() {
        insta::assert_snapshot!(help_of("gc"), @"
        Remove what was used least recently from the cache

        Usage: cargo granular gc [OPTIONS]

        Options:
              --max-size <SIZE>         Size to shrink to: `10GiB`, `500MB` [default: the setting
                                        `cache-size`, or 10GiB]
              --max-age <AGE>           Remove what was not used for so long: `30d`, `12h`
          -n, --dry-run                 Say what would be removed, without removing it
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular gc                    Shrink the cache to its usual limit
          cargo granular gc --max-age 30d      Remove what was not used for 30 days
          cargo granular gc --max-size 0       Remove everything
        ");
    }

    #[test]
    fn the_help_of_the_cache() {
        insta::assert_snapshot!(help_of("cache"), @"
        Carry results of the cache to another machine, and from one

        Usage: cargo granular cache [OPTIONS] <COMMAND>

        Commands:
          export  Write the results of steps, as they are now, into one file
          import  Take the results of such a file into the cache, once each is found to be whole
          help    Print this message or the help of the given subcommand(s)

        Options:
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline
        ");
        insta::assert_snapshot!(help_of("cache export"), @"
        Write the results of steps, as they are now, into one file

        Usage: cargo granular cache export [OPTIONS] <FILE> [STEPS]...

        Arguments:
          <FILE>      The file; `-` for standard output
          [STEPS]...  Steps whose results are meant, with all that they need [default: all]

        Options:
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline

        Examples:
          cargo granular cache export results.granular           What all steps and their needs have left
          cargo granular cache export - api | ssh host 'cat > results.granular'
        ");
        insta::assert_snapshot!(help_of("cache import"), @"
        Take the results of such a file into the cache, once each is found to be whole

        Usage: cargo granular cache import [OPTIONS] <FILE>

        Arguments:
          <FILE>  The file; `-` for standard input

        Options:
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline
        ");
    }

    #[test]
    fn the_help_of_clean() {
        insta::assert_snapshot!(help_of("clean"), @"
        Remove what steps have left in this checkout

        Usage: cargo granular clean [OPTIONS] [STEPS]...

        Arguments:
          [STEPS]...  Steps whose outputs are removed [default: all]

        Options:
          -n, --dry-run                 Say what would be removed, without removing it
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline
        ");
    }

    #[test]
    fn the_help_of_verify() {
        insta::assert_snapshot!(help_of("verify"), @"
        Read back every result in the cache and report what is damaged

        Usage: cargo granular verify [OPTIONS]

        Options:
              --repair                  Remove what is damaged
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline
        ");
    }

    #[test]
    fn the_help_of_reproduce() {
        insta::assert_snapshot!(help_of("reproduce"), @"
        Run a step twice and compare what it leaves

        Usage: cargo granular reproduce [OPTIONS] <STEP>

        Arguments:
          <STEP>  The step; with a matrix, each of its actions is run twice

        Options:
              --message-format <FMT>    What is written to standard output [default: human] [possible
                                        values: human, json]
          -v, --verbose...              Use verbose output (-vv: also what the steps print)
          -q, --quiet                   Do not print anything but failures and errors
              --color <WHEN>            Coloring [possible values: auto, always, never]
              --cache-dir <DIRECTORY>   Directory of the cache [default: that of the platform]
              --target-dir <DIRECTORY>  Directory for all generated artifacts, as in Cargo
          -h, --help                    Print help (see more with '--help')

        Package Selection:
          -p, --package <SPEC>  Package whose steps are meant; may be a pattern, may be repeated
              --workspace       All packages of the workspace, and its own steps
              --exclude <SPEC>  Leave a package out; may be a pattern, may be repeated

        Manifest Options:
              --manifest-path <PATH>  Path to Cargo.toml
              --locked                Assert that `Cargo.lock` will remain unchanged
              --offline               Run without accessing the network
              --frozen                Equivalent to specifying both --locked and --offline
        ");
    }
}
