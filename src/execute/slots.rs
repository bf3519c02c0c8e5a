//! How many commands may run at once: slots, out of a jobserver that this process was started under or that it makes.
//! Knows neither steps nor processes.
//!
//! A process that takes part in a jobserver owns one slot without asking, and takes a token for each further one. The tokens
//! are bytes in a pipe that everybody who takes part reads from and writes back to; so they bound `make`, Cargo and
//! the commands of a build together.

use crate::error::{Error, Result};
use crate::ordered::Map;
use jobserver::{Acquired, Client, HelperThread};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::num::NonZero;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A jobserver: joined, or one of our own.
#[derive(Clone, Debug)]
pub struct Jobserver {
    client: Client,
    /// How many slots there are for us; `None` where only the joined server knows.
    limit: Option<usize>,
    is_joined: bool,
    /// What `MAKEFLAGS` says to who takes part.
    flags: String,
}

/// Hands out slots. Only one for each [`Jobserver`], or the slot that needs no token would be there twice.
pub struct Slots {
    shared: Arc<Shared>,
}

/// The right to run one command. Given back when it is dropped.
pub struct Slot {
    shared: Arc<Shared>,
    tokens: Vec<Acquired>,
    has_implicit: bool,
}

struct Shared {
    client: Client,
    limit: usize,
    is_joined: bool,
    deliver: Box<dyn Fn(Slot) + Send + Sync>,
    state: Mutex<State>,
    /// Reads tokens out of the pipe, one for each request. `None` before it has started and when the slots are gone.
    helper: Mutex<Option<HelperThread>>,
}

#[derive(Default)]
struct State {
    /// The sizes of the requests that wait, the oldest first.
    waiting: VecDeque<usize>,
    /// Tokens for the oldest request.
    gathered: Vec<Acquired>,
    /// How many slots are out.
    held: usize,
    /// Whether the slot that needs no token is out.
    is_implicit_out: bool,
    /// How many tokens the helper was asked for and has not brought.
    asked: usize,
    /// How many tokens the helper has brought.
    brought: u64,
    /// `brought` and the time when a token was found missing that the helper might have had.
    suspect: Option<(u64, Instant)>,
    /// Whether somebody delivers at this moment; whatever else is to be delivered he will see to.
    is_delivering: bool,
    /// Whether the jobserver is gone; there is only the slot without a token then.
    is_broken: bool,
    is_closed: bool,
}

/// The variables that name a jobserver.
const VARIABLES: [&str; 3] = ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"];

impl Jobserver {
    /// Joins the jobserver that `env`, the environment of this process, names, if it can be reached, and makes one otherwise.
    /// `limit` is how many slots there are, by default one for each processor; in a joined one it is a second bound besides the
    /// server's. To be called early in the life of the process, before it has pipes of its own that could be mistaken for the server's.
    pub fn new(limit: Option<usize>, env: &Map<OsString, OsString>) -> Result<Self> {
        let limit = limit.map(|limit| limit.max(1));
        let joined = names_jobserver(env).then(crate::os::join_jobserver).flatten();
        let is_joined = joined.is_some();
        let (client, limit) = match joined {
            Some(client) => (client, limit),
            None => {
                let limit = limit
                    .unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
                    .min(MOST);
                (Client::new(limit - 1).map_err(no_jobserver)?, Some(limit))
            }
        };
        let flags = flags(&client);
        Ok(Self { client, limit, is_joined, flags })
    }

    /// Whether this process was started under it.
    pub fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// How many slots there are for us; `None` where only the joined server knows.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Tells the child of `command` of the jobserver. A `MAKEFLAGS` of `env`, what was declared for it, stays.
    pub(super) fn tell(&self, command: &mut Command, env: &Map<OsString, OsString>) {
        for variable in ["CARGO_MAKEFLAGS", "MAKEFLAGS"] {
            if !env.contains_key(OsStr::new(variable)) {
                command.env(variable, &self.flags);
            }
        }
    }

    /// The descriptors that a child has to inherit to take part.
    #[cfg(unix)]
    pub(super) fn descriptors(&self) -> Vec<i32> {
        let auth = self.flags.rsplit("--jobserver-auth=").next().unwrap_or_default();
        auth.split(',').map_while(|number| number.parse().ok()).collect()
    }
}

/// No thread is kept so long between reading a token and bringing it.
const SURELY_BROUGHT: Duration = Duration::from_secs(1);

/// More tokens do not fit into a pipe without a reader.
const MOST: usize = 4096;

fn names_jobserver(env: &Map<OsString, OsString>) -> bool {
    let named = VARIABLES.iter().filter_map(|variable| env.get(OsStr::new(variable)));
    named.map(|value| value.to_string_lossy()).any(|value| value.contains("--jobserver-"))
}

/// The crate tells what it gives to a child, but only to a command.
fn flags(client: &Client) -> String {
    let mut command = Command::new("");
    client.configure(&mut command);
    let given = command
        .get_envs()
        .find(|(name, _)| *name == "CARGO_MAKEFLAGS")
        .and_then(|(_, value)| value);
    given.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn no_jobserver(error: io::Error) -> Error {
    Error::new(format!("cannot make a jobserver: {error}"))
}

impl Slots {
    /// The slots of `jobserver`. Each that was requested is given to `deliver`, now or later, on any thread; `deliver` has to
    /// return soon, such as by sending it into a channel.
    pub fn new(
        jobserver: &Jobserver,
        deliver: impl Fn(Slot) + Send + Sync + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            client: jobserver.client.clone(),
            limit: jobserver.limit.unwrap_or(usize::MAX),
            is_joined: jobserver.is_joined,
            deliver: Box::new(deliver),
            state: Mutex::default(),
            helper: Mutex::default(),
        });
        let bring = {
            let shared = Arc::clone(&shared);
            move |token| shared.bring(token)
        };
        let helper = jobserver.client.clone().into_helper_thread(bring).map_err(no_jobserver)?;
        *shared.helper() = Some(helper);
        Ok(Self { shared })
    }

    /// Asks for a slot that counts for `jobs` of them: at most all there are, and one in a joined jobserver, where to wait
    /// for several could be to wait for ever. Requests are served in their order.
    pub fn request(&self, jobs: u32) {
        let most = if self.shared.is_joined { 1 } else { self.shared.limit };
        let size = usize::try_from(jobs).unwrap_or(usize::MAX).clamp(1, most);
        self.shared.state().waiting.push_back(size);
        self.shared.serve();
    }
}

impl Drop for Slots {
    /// Forgets the requests that wait. Slots that are out stay so; their tokens go back when they are dropped.
    fn drop(&mut self) {
        let forgotten = {
            let mut state = self.shared.state();
            state.is_closed = true;
            state.waiting.clear();
            std::mem::take(&mut state.gathered)
        };
        drop(forgotten);
        // Taken out first: its thread may be waiting for a lock while we wait for it.
        let helper = self.shared.helper().take();
        drop(helper);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn helper(&self) -> MutexGuard<'_, Option<HelperThread>> {
        self.helper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token from the helper.
    fn bring(self: &Arc<Self>, token: io::Result<Acquired>) {
        {
            let mut state = self.state();
            state.asked = state.asked.saturating_sub(1);
            state.brought = state.brought.wrapping_add(1);
            match token {
                // Nobody waits any more: it goes back with the drop of `token`.
                Ok(_) if state.is_closed => {}
                Ok(token) => state.gathered.push(token),
                Err(_) => state.is_broken = true,
            }
        }
        self.serve();
    }

    /// Delivers what can be delivered, and asks for the tokens that are wanted.
    fn serve(self: &Arc<Self>) {
        loop {
            let Some(slot) = self.next() else { break };
            (self.deliver)(slot);
            self.state().is_delivering = false;
        }
        let wanted = self.wanted();
        if wanted > 0
            && let Some(helper) = &*self.helper()
        {
            (0..wanted).for_each(|_| helper.request_token());
        }
    }

    fn next(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        let needed = if state.is_broken { 1 } else { *state.waiting.front()? };
        let fits = state.held.saturating_add(needed) <= self.limit;
        let there = state.gathered.len() + usize::from(!state.is_implicit_out);
        if state.is_delivering || state.waiting.is_empty() || !fits || there < needed {
            return None;
        }
        let has_implicit = !std::mem::replace(&mut state.is_implicit_out, true);
        let tokens = state.gathered.drain(..needed - usize::from(has_implicit)).collect();
        state.waiting.pop_front();
        state.held += needed;
        state.is_delivering = true;
        Some(Slot { shared: Arc::clone(self), tokens, has_implicit })
    }

    /// How many tokens are to be asked for now. Those that nobody waits for go back.
    fn wanted(&self) -> usize {
        let mut state = self.state();
        let room = self.limit - state.held.min(self.limit);
        let waiting: usize = state.waiting.iter().sum();
        let implicit = usize::from(!state.is_implicit_out);
        let missing = waiting.min(room).saturating_sub(implicit);
        if state.is_broken || missing == 0 {
            state.gathered.clear();
        }
        let wanted = missing.saturating_sub(state.gathered.len() + state.asked);
        let wanted = if state.is_broken { 0 } else { wanted };
        state.asked += wanted;
        wanted
    }

    /// Puts back the tokens that commands took with them when they were killed. When no command runs and none is taken,
    /// all of them are in the pipe, but for one that the helper may have read and not yet brought.
    fn heal(&self, state: &mut State) {
        let Ok(there) = self.client.available() else { return };
        let missing = (self.limit - 1).saturating_sub(there + state.gathered.len());
        let (brought, now) = (state.brought, Instant::now());
        let is_old = |(then, since): (u64, Instant)| {
            then == brought && now.duration_since(since) >= SURELY_BROUGHT
        };
        let may_be_on_its_way = state.asked > 0 && !state.suspect.is_some_and(is_old);
        let lost = if may_be_on_its_way { missing.saturating_sub(1) } else { missing };
        state.suspect = match (lost < missing, state.suspect) {
            (true, Some((then, since))) if then == brought => Some((then, since)),
            (true, _) => Some((brought, now)),
            (false, _) => None,
        };
        for _ in 0..lost {
            let _ = self.client.release_raw();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let count = self.tokens.len() + usize::from(self.has_implicit);
        self.tokens.clear();
        {
            let mut state = self.shared.state();
            state.held = state.held.saturating_sub(count);
            state.is_implicit_out &= !self.has_implicit;
            if state.held == 0 && !self.shared.is_joined && !state.is_broken {
                self.shared.heal(&mut state);
            }
        }
        self.shared.serve();
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("limit", &self.shared.limit).finish_non_exhaustive()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::super::child::ChildExecutor;
    use super::super::trial::{Trial, own_binary};
    use super::super::{Command, Ending, Executor, Stop};
    use super::*;
    use std::fs;
    use std::sync::mpsc::{Receiver, channel};

    /// Marks itself as live, notes how many are, and goes.
    const COUNTED: &str =
        "mkdir -p live; : > live/$$; ls live | wc -l >> counts; sleep 0.02; rm live/$$";

    fn own(limit: usize) -> Jobserver {
        let jobserver = Jobserver::new(Some(limit), &Map::new()).unwrap();
        assert!(!jobserver.is_joined());
        jobserver
    }

    fn slots(jobserver: &Jobserver) -> (Slots, Receiver<Slot>) {
        let (sender, receiver) = channel();
        (Slots::new(jobserver, move |slot| drop(sender.send(slot))).unwrap(), receiver)
    }

    fn next(receiver: &Receiver<Slot>) -> Slot {
        receiver.recv_timeout(Duration::from_secs(20)).expect("a slot")
    }

    fn none(receiver: &Receiver<Slot>) {
        assert!(
            receiver.recv_timeout(Duration::from_millis(50)).is_err(),
            "more slots than there are"
        );
    }

    /// All slots but the first are in the pipe, and nobody is about to take one.
    fn assert_whole(jobserver: &Jobserver) {
        let whole = jobserver.limit().unwrap() - 1;
        let deadline = Instant::now() + Duration::from_secs(5);
        while jobserver.client.available().unwrap() != whole {
            assert!(
                Instant::now() < deadline,
                "{} tokens instead of {whole}",
                jobserver.client.available().unwrap()
            );
            thread::yield_now();
        }
    }

    /// Runs `command` so often, each time in a slot, as a build does.
    fn run_all(jobserver: &Jobserver, command: &Command, count: usize) {
        let (slots, delivered) = slots(jobserver);
        let executor = ChildExecutor::new(Some(jobserver.clone()));
        (0..count).for_each(|_| slots.request(1));
        thread::scope(|scope| {
            for number in 0..count {
                let slot = next(&delivered);
                let (executor, command) = (
                    &executor,
                    Command {
                        log: command.log.with_extension(number.to_string()),
                        ..command.clone()
                    },
                );
                scope.spawn(move || {
                    let finish = executor.run(&command, &Stop::default()).unwrap();
                    assert_eq!(
                        finish.ending,
                        Ending::Exited(0),
                        "{}",
                        fs::read_to_string(&command.log).unwrap()
                    );
                    drop(slot);
                });
            }
        });
    }

    fn most_at_once(trial: &Trial) -> usize {
        trial.read("counts").lines().map(|line| line.trim().parse().unwrap()).max().unwrap()
    }

    fn make() -> std::path::PathBuf {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&path).map(|dir| dir.join("make")).find(|make| make.is_file());
        found.expect("GNU make is needed for this test: install it, as in `apt-get install make`")
    }

    #[test]
    fn there_are_as_many_slots_as_the_limit_says() {
        for limit in [1, 2, 5] {
            let jobserver = own(limit);
            let (slots, delivered) = slots(&jobserver);
            (0..limit + 2).for_each(|_| slots.request(1));
            let mut held: Vec<_> = (0..limit).map(|_| next(&delivered)).collect();
            none(&delivered);
            held.pop();
            held.push(next(&delivered));
            none(&delivered);
            held.clear();
            drop(next(&delivered));
            drop(slots);
            assert_whole(&jobserver);
        }
    }

    #[test]
    fn a_request_for_several_slots_waits_for_all_and_is_not_overtaken() {
        let jobserver = own(3);
        let (slots, delivered) = slots(&jobserver);
        slots.request(1);
        let first = next(&delivered);
        slots.request(99);
        slots.request(1);
        none(&delivered);
        drop(first);
        let all = next(&delivered);
        none(&delivered);
        drop(all);
        drop(next(&delivered));
        drop(slots);
        assert_whole(&jobserver);
    }

    #[test]
    fn no_token_is_lost_with_requests_that_are_forgotten() {
        let jobserver = own(3);
        for _ in 0..20 {
            let (slots, delivered) = slots(&jobserver);
            (0..6).for_each(|_| slots.request(2));
            let slot = next(&delivered);
            drop(slots);
            drop((slot, delivered));
        }
        assert_whole(&jobserver);
    }

    #[test]
    fn a_receiver_that_is_gone_costs_nothing() {
        let jobserver = own(2);
        let (slots, delivered) = slots(&jobserver);
        drop(delivered);
        (0..20_000).for_each(|_| slots.request(1));
        drop(slots);
        assert_whole(&jobserver);
    }

    #[test]
    fn many_commands_never_exceed_the_limit() {
        let trial = Trial::new();
        let jobserver = own(3);
        run_all(&jobserver, &trial.shell(COUNTED), 40);
        assert_eq!(trial.read("counts").lines().count(), 40);
        assert!((2..=3).contains(&most_at_once(&trial)), "{} at once", most_at_once(&trial));
        assert_whole(&jobserver);
    }

    #[test]
    fn tokens_that_a_killed_child_had_taken_come_back() {
        let trial = Trial::new();
        let jobserver = own(3);
        let executor = ChildExecutor::new(Some(jobserver.clone()));
        let [read, _] = jobserver.descriptors()[..] else { panic!("two descriptors") };
        let mut command = trial.shell(&format!("head -c 2 /dev/fd/{read} >taken; kill -9 $$"));
        command.jobserver = true;
        let (slots, delivered) = slots(&jobserver);
        for _ in 0..20 {
            slots.request(1);
            let slot = next(&delivered);
            assert_eq!(
                executor.run(&command, &Stop::default()).unwrap().ending,
                Ending::Signal(9),
                "{}",
                trial.log()
            );
            assert_eq!((trial.read("taken").len(), jobserver.client.available().unwrap()), (2, 0));
            drop(slot);
        }
        drop(slots);
        assert_whole(&jobserver);
    }

    #[test]
    fn only_who_takes_part_gets_the_jobserver() {
        let trial = Trial::new();
        let jobserver = own(2);
        let executor = ChildExecutor::new(Some(jobserver.clone()));
        let mut command = trial.shell("echo $CARGO_MAKEFLAGS; echo $MAKEFLAGS; i=3; while [ $i -lt 100 ]; do [ -e /proc/self/fd/$i ] && echo $i; i=$((i+1)); done; :");
        executor.run(&command, &Stop::default()).unwrap();
        assert_eq!(trial.log(), "\n\n");
        command.jobserver = true;
        executor.run(&command, &Stop::default()).unwrap();
        let [read, write] = jobserver.descriptors()[..] else { panic!("two descriptors") };
        let flags = format!("-j --jobserver-fds={read},{write} --jobserver-auth={read},{write}");
        assert_eq!(
            trial.log(),
            format!("{flags}\n{flags}\n{}\n{}\n", read.min(write), read.max(write))
        );
        command.env.insert("MAKEFLAGS".into(), "-k".into());
        executor.run(&command, &Stop::default()).unwrap();
        assert!(trial.log().starts_with(&format!("{flags}\n-k\n")), "{}", trial.log());
    }

    #[test]
    fn make_as_a_step_shares_our_slots() {
        let make = make();
        let trial = Trial::new();
        let rule = COUNTED.replace('$', "$$");
        fs::write(
            trial.dir.join("Makefile"),
            format!("all: 1 2 3 4 5 6 7 8\n1 2 3 4 5 6 7 8:\n\t@{rule}\n"),
        )
        .unwrap();
        let jobserver = own(3);
        let mut command = trial.command(make, &["-s"]);
        command.jobserver = true;
        run_all(&jobserver, &command, 2);
        assert_eq!(trial.read("counts").lines().count(), 16);
        assert!((2..=3).contains(&most_at_once(&trial)), "{} at once", most_at_once(&trial));
        assert_whole(&jobserver);
    }

    /// Started by the test, make starts this test again, and this time it is the build inside.
    #[test]
    fn a_build_inside_make_keeps_to_its_slots() {
        const INSIDE: &str = "GRANULAR_TRIAL_INSIDE_MAKE";
        if let Some(dir) = std::env::var_os(INSIDE) {
            let jobserver = Jobserver::new(None, &std::env::vars_os().collect()).unwrap();
            assert!(jobserver.is_joined() && jobserver.limit().is_none());
            let trial = Trial::new();
            let mut command =
                trial.shell(&COUNTED.replace("live", "\"$LIVE\"").replace("counts", "\"$COUNTS\""));
            for (name, file) in [("LIVE", "live"), ("COUNTS", "counts")] {
                command.env.insert(name.into(), std::path::Path::new(&dir).join(file).into());
            }
            return run_all(&jobserver, &command, 12);
        }
        let make = make();
        let trial = Trial::new();
        let inside = format!(
            "{INSIDE}='{}' '{}' --exact execute::slots::tests::a_build_inside_make_keeps_to_its_slots",
            trial.dir.display(),
            own_binary()
        );
        let rule = COUNTED.replace('$', "$$");
        let makefile =
            format!("all: 1 2 3 4 5 6 build\nbuild:\n\t+@{inside}\n1 2 3 4 5 6:\n\t@{rule}\n");
        fs::write(trial.dir.join("Makefile"), makefile).unwrap();
        for _ in 0..3 {
            let make = std::process::Command::new(&make)
                .args(["-s", "-j2"])
                .current_dir(&trial.dir)
                .env_remove("MAKEFLAGS")
                .output()
                .unwrap();
            let text =
                String::from_utf8_lossy(&make.stdout) + String::from_utf8_lossy(&make.stderr);
            // make itself says so when tokens are missing at its end.
            assert!(
                make.status.success() && text.contains("1 passed") && !text.contains("jobserver"),
                "{text}"
            );
        }
        assert_eq!(trial.read("counts").lines().count(), 3 * (6 + 12));
        assert_eq!(most_at_once(&trial), 2);
    }
}
