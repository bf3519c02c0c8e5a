//! Tells people at a terminal: finished lines, and below them a few lines that show what runs, for how long, and how far it is.
//!
//! No raw mode and no hidden cursor, so that nothing needs to be restored, whatever ends the process. One clock redraws.

use super::Reporter;
use super::human::Human;
use crate::quantity;
use crate::remote::{Arriving, Layered, Writing};
use crate::shell;
use crate::wording;
use clap_cargo::style;
use granular::action::ActionName;
use granular::event::{Event, Finished, Summary};
use granular::execute::Stop;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The most steps that are shown while they run.
const ROWS: usize = 4;

/// A build that is over before this shows no line that changes.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often the lines change.
const BEAT: Duration = Duration::from_millis(100);

/// Tells people at a terminal.
pub(crate) struct Live {
    human: Human,
    screen: Arc<Mutex<Screen>>,
    /// Ends the clock when it is dropped.
    clock: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What stands at the bottom of the terminal.
struct Screen {
    board: Board,
    since: Instant,
    /// There from the first drawing on.
    bar: Option<ProgressBar>,
}

/// How far it is.
#[derive(Default)]
struct Board {
    planned: usize,
    done: usize,
    /// What is at work, the oldest first.
    rows: Vec<Row>,
    /// What arrives from a remote, if there is one.
    arriving: Option<Arriving>,
    /// What is written to a remote at the end.
    writing: Option<Writing>,
    /// Whether it was asked to end.
    stop: Stop,
}

/// An action that is at work.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    /// What is done, if it does not run.
    doing: &'static str,
    since: Instant,
}

impl Live {
    /// Writes the words of `human` to standard error, of a build that `stop` ends.
    pub(crate) fn new(human: Human, stop: &Stop) -> Self {
        let board = Board { stop: stop.clone(), ..Board::default() };
        let screen = Screen { board, since: Instant::now(), bar: None };
        let screen = Arc::new(Mutex::new(screen));
        Self { human, clock: start_clock(&screen), screen }
    }

    /// Takes the changing lines away for good.
    fn clear(&mut self) {
        if let Some((sender, thread)) = self.clock.take() {
            drop(sender);
            let _ = thread.join();
        }
        if let Some(bar) = lock(&self.screen).bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for Live {
    fn event(&mut self, event: &Event) {
        let text = self.human.event(event);
        let mut screen = lock(&self.screen);
        screen.board.event(event, Instant::now());
        screen.print(&text);
    }

    fn watch(&mut self, remote: &Layered) {
        lock(&self.screen).board.arriving = Some(remote.arriving());
    }

    fn writing(&mut self, writing: &Writing) {
        lock(&self.screen).board.writing = Some(writing.clone());
    }

    fn summary(&mut self, summary: &Summary) {
        self.clear();
        lock(&self.screen).print(&self.human.summary(summary));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Screen {
    /// Writes whole lines above the ones that change.
    fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        match &self.bar {
            Some(bar) => {
                bar.suspend(|| write(text));
                write(TO_THE_MARGIN);
            }
            None => write(text),
        }
    }

    /// Draws the lines that change.
    fn draw(&mut self) {
        if self.board.planned == 0 || self.since.elapsed() < PATIENCE {
            return;
        }
        let width = usize::from(console::Term::stderr().size().1);
        let text = self.board.text(Instant::now(), width);
        let text = if shell::has_colour() {
            text
        } else {
            anstream::adapter::strip_str(&text).to_string()
        };
        self.bar.get_or_insert_with(new_bar).set_message(text);
        write(TO_THE_MARGIN);
    }
}

/// After a drawing. At the right margin, where the crate leaves the cursor, the `^C` that a terminal echoes would begin a line
/// of its own, and taking the drawing away would miss its first one.
const TO_THE_MARGIN: &str = "\r";

fn write(text: &str) {
    let mut stream = shell::standard_error();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// A bar that is nothing but its message: drawing it is our business, taking it away and putting it back that of the crate.
fn new_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

fn start_clock(screen: &Arc<Mutex<Screen>>) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (sender, stop) = mpsc::channel::<()>();
    let screen = Arc::clone(screen);
    let tick = move || {
        while stop.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
            lock(&screen).draw();
        }
    };
    let thread = std::thread::Builder::new().name("display".to_owned()).spawn(tick);
    thread.ok().map(|thread| (sender, thread))
}

/// A thread that panicked while it drew is no reason not to tell the rest.
fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Planned { actions } => self.planned = actions.len(),
            Event::Started { action }
            | Event::Verifying { action }
            | Event::Compiling { action, .. } => self.begin(action, "", now),
            Event::Restoring { action } => self.begin(action, "restoring ", now),
            Event::Finished(Finished { action, .. }) => {
                self.done += 1;
                self.end(action);
            }
            Event::Verified { action, .. } => self.end(action),
            Event::Waiting { .. } | Event::Warning { .. } => {}
        }
    }

    fn begin(&mut self, action: &ActionName, doing: &'static str, now: Instant) {
        // It may have been shown already, while Cargo was asked, or before what was to be restored was found to be gone.
        self.end(action);
        self.rows.push(Row { name: wording::one_line(&action.to_string()), doing, since: now });
    }

    fn end(&mut self, action: &ActionName) {
        let name = wording::one_line(&action.to_string());
        self.rows.retain(|row| row.name != name);
    }

    /// Always as many lines as there are rows for the steps of this build, none wider than `width`.
    fn text(&self, now: Instant, width: usize) -> String {
        let rows = ROWS.min(self.planned);
        let mut lines = vec![self.bar()];
        let shown = if self.rows.len() > rows { rows.saturating_sub(1) } else { self.rows.len() };
        for Row { name, doing, since } in self.rows.iter().take(shown) {
            let time = quantity::about(now.saturating_duration_since(*since));
            lines.push(format!("{:13}{doing}{name} {time}", ""));
        }
        if self.rows.len() > shown {
            lines.push(format!("{:13}and {} more", "", self.rows.len() - shown));
        }
        lines.resize(rows + 1, " ".to_owned());
        // One column stays free: some terminals begin a new line when the last one is filled.
        let cut =
            |line: &String| console::truncate_str(line, width.saturating_sub(1), "…").into_owned();
        lines.iter().map(cut).collect::<Vec<_>>().join("\n")
    }

    /// How much has come from a remote.
    fn arrived(&self) -> String {
        let arriving = self.arriving.as_ref().filter(|arriving| arriving.bytes() > 0);
        arriving.map_or_else(String::new, |arriving| {
            format!(", {} from {}", quantity::size(arriving.bytes()), arriving.host)
        })
    }

    /// `    Building [====>     ] 3/5`; after an interrupt what a second one does, and at the end what is still written to a remote.
    fn bar(&self) -> String {
        const WIDTH: usize = 24;
        let (done, all) = match &self.writing {
            Some(writing) => (writing.done, writing.of),
            None => (self.done, self.planned),
        };
        let filled = (done * WIDTH).checked_div(all).unwrap_or(0).min(WIDTH);
        let arrow = if filled < WIDTH { ">" } else { "" };
        let bar = format!("{}{arrow}", "=".repeat(filled));
        let word = style::TRANSIENT;
        let (doing, hint) = match &self.writing {
            _ if self.stop.is_asked() => ("Stopping", " (once more: at once)".to_owned()),
            Some(writing) => ("Sharing", format!(" with {}", writing.host)),
            None => ("Building", self.arrived()),
        };
        let hint = wording::one_line(&hint);
        format!("{word}{doing:>12}{word:#} [{bar:WIDTH$}] {done}/{all}{hint}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up::{action, finished};
    use granular::event::Status;

    fn board(started: &[&str], now: Instant) -> Board {
        let mut board = Board::default();
        let actions = (0..5).map(|number| action(&format!("#{number}"))).collect();
        board.event(&Event::Planned { actions }, now);
        board.event(&Event::Finished(finished("#0", Status::Fresh)), now);
        for name in started {
            board.event(&Event::Started { action: action(name) }, now);
        }
        board
    }

    fn text(board: &Board, now: Instant, width: usize) -> String {
        let text = anstream::adapter::strip_str(&board.text(now, width)).to_string();
        text.lines().map(|line| format!("{}|\n", line.trim_end())).collect()
    }

    #[test]
    fn what_runs_is_shown_below_how_far_it_is() {
        let begin = Instant::now();
        let mut board = board(&["web#bundle[os=linux]", "#api"], begin);
        board.event(&Event::Finished(finished("#api", Status::Ran)), begin);
        insta::assert_snapshot!(text(&board, begin + Duration::from_millis(12_340), 80), @"
            Building [=========>              ] 2/5|
                     web#bundle[os=linux] 12.3s|
        |
        |
        |
        ");
    }

    #[test]
    fn what_is_put_in_place_or_written_elsewhere_is_shown_as_that() {
        let begin = Instant::now();
        let mut board = board(&["#api"], begin);
        board.event(&Event::Restoring { action: action("#web") }, begin);
        insta::assert_snapshot!(text(&board, begin, 80), @"
            Building [====>                   ] 1/5|
                     #api 1ms|
                     restoring #web 1ms|
        |
        |
        ");
        // It was gone, and runs instead.
        board.event(&Event::Started { action: action("#web") }, begin);
        assert!(!text(&board, begin, 80).contains("restoring"));
        let (host, waited) = ("cache.example".to_owned(), Duration::ZERO);
        board.writing = Some(Writing { host, done: 1, of: 4, waited });
        assert!(
            text(&board, begin, 80)
                .starts_with("     Sharing [======>                 ] 1/4 with cache.example|\n")
        );
    }

    #[test]
    fn the_number_of_lines_stays_the_same() {
        let begin = Instant::now();
        let names = ["#1", "#2", "#3", "#4", "#5", "#6"];
        for running in 0..=names.len() {
            let text = board(&names[..running], begin).text(begin, 80);
            assert_eq!(text.split('\n').count(), 5, "{text}");
        }
        insta::assert_snapshot!(text(&board(&names, begin), begin, 80), @"
        Building [====>                   ] 1/5|
                 #1 1ms|
                 #2 1ms|
                 #3 1ms|
                 and 3 more|
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let begin = Instant::now();
        let board = board(&["#a-step-with-a-name-that-is-rather-long", "#ß"], begin);
        for width in [0, 1, 5, 20, 40] {
            let text = anstream::adapter::strip_str(&board.text(begin, width)).to_string();
            assert!(
                text.lines().all(|line| line.chars().count() <= width.max(1)),
                "{width}: {text}"
            );
        }
    }

    #[test]
    fn a_plan_without_steps_divides_nothing_by_zero() {
        assert!(Board::default().text(Instant::now(), 80).contains("0/0"));
    }

    #[test]
    fn everything_done_fills_the_bar() {
        let board = Board { planned: 2, done: 2, ..Board::default() };
        assert!(board.bar().contains("[========================] 2/2"), "{}", board.bar());
    }

    #[test]
    fn an_interrupt_is_seen_at_once_and_what_a_second_one_does() {
        let begin = Instant::now();
        let board = board(&["#server"], begin);
        board.stop.ask();
        insta::assert_snapshot!(text(&board, begin, 80), @"
            Stopping [====>                   ] 1/5 (once more: at once)|
                     #server 1ms|
        |
        |
        |
        ");
    }
}
