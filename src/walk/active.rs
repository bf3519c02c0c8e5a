//! Where in their sequences the patterns of all actions stand while a walk goes down: in each directory only those are
//! carried on that can still match something below it. Knows no file system.

use crate::ordered::Set;
use crate::path::Base;
use crate::pattern::glob::{Name, Segment};
use crate::pattern::{InputPatterns, OutputPattern, Sequence};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// The patterns of all actions and the outputs of all steps, one row for each sequence.
pub(super) struct Program<'p> {
    /// Sorted by group, and within a group by pattern, the last pattern first: so the first that matches decides.
    rows: Vec<Row<'p>>,
    /// For each pattern of each action whether it has taken in something.
    used: Vec<AtomicBool>,
    /// The place of each action's first pattern in `used`.
    starts: Vec<usize>,
}

struct Row<'p> {
    group: usize,
    role: Role,
    /// The place in `used`.
    pattern: usize,
    sequence: &'p Sequence,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An output of a step: what it owns is nobody's input. All of these are group 0.
    Owns,
    /// A positive pattern of the action `group - 1`.
    TakesIn,
    /// A negative one.
    TakesOut,
}

/// What a wildcard cannot see at a place.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Shade {
    /// Whether the place or a directory above it is ignored.
    pub(super) ignored: bool,
    /// How many hidden directories the place lies in.
    pub(super) hidden: u32,
}

/// How far one sequence has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    row: usize,
    /// The segment that the next component is held against; behind the last one everything below is meant.
    at: usize,
    /// What it sees through, since the literal path of a directory was named.
    granted: Shade,
}

/// What the patterns of one action say of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Taken {
    /// The index of the action.
    pub(super) action: usize,
    /// Whether it was named, not only matched.
    pub(super) by_name: bool,
}

/// The states of a directory, ready to be asked for names.
pub(super) struct Active<'a> {
    program: &'a Program<'a>,
    states: &'a [State],
    /// The states that wait for one exact name, by that name; unless there are so few that looking at all is cheaper.
    exact: HashMap<&'a [u8], Vec<State>>,
    others: Vec<State>,
}

const FEW: usize = 8;

impl<'p> Program<'p> {
    pub(super) fn new(patterns: &[&'p InputPatterns], outputs: &[&'p OutputPattern]) -> Self {
        let owners = outputs
            .iter()
            .filter(|output| output.literal().base == Base::Tree)
            .flat_map(|output| output.sequences());
        let owner = |sequence| Row { group: 0, role: Role::Owns, pattern: usize::MAX, sequence };
        let mut rows: Vec<Row<'p>> = owners.map(owner).collect();
        let mut starts = Vec::with_capacity(patterns.len());
        let mut count = 0;
        for (action, patterns) in patterns.iter().enumerate() {
            starts.push(count);
            for (index, pattern) in patterns.patterns().iter().enumerate().rev() {
                let role = if pattern.negative { Role::TakesOut } else { Role::TakesIn };
                let row =
                    |sequence| Row { group: action + 1, role, pattern: count + index, sequence };
                rows.extend(pattern.sequences.iter().map(row));
            }
            count += patterns.patterns().len();
        }
        let used = (0..count).map(|_| AtomicBool::new(false)).collect();
        Self { rows, used, starts }
    }

    /// The states at the root.
    pub(super) fn start(&self) -> Vec<State> {
        let states =
            (0..self.rows.len()).map(|row| State { row, at: 0, granted: Shade::default() });
        let mut states: Vec<State> = states.collect();
        self.settle(&mut states, Shade::default());
        states
    }

    /// Whether the pattern `index` of the action `action` has taken in something.
    pub(super) fn is_used(&self, action: usize, index: usize) -> bool {
        let place = self.starts.get(action).map(|start| start + index);
        place
            .and_then(|place| self.used.get(place))
            .is_some_and(|used| used.load(Ordering::Relaxed))
    }

    /// Drops what can match nothing below a directory: wildcards that do not see it, patterns that a later one takes back in
    /// full, and actions of which no positive pattern is left. Everything, if a step owns the directory.
    fn settle(&self, states: &mut Vec<State>, shade: Shade) {
        let mut kept = 0; // the states before this place stay
        let mut at = 0;
        let mut wanted = false;
        while at < states.len() {
            let group = self.rows[states[at].row].group;
            let (start, mut positive, mut closed) = (kept, group == 0, false);
            while at < states.len() && self.rows[states[at].row].group == group {
                let state = states[at];
                let row = &self.rows[state.row];
                at += 1;
                let everything = self.means_everything(&state);
                if row.role == Role::Owns && everything {
                    return states.clear();
                }
                if closed || (row.role == Role::TakesIn && !self.sees(&state, shade)) {
                    continue;
                }
                closed = row.role == Role::TakesOut && everything;
                positive |= row.role == Role::TakesIn;
                states[kept] = state;
                kept += 1;
            }
            wanted |= positive && group != 0;
            if !positive {
                kept = start;
            }
        }
        states.truncate(if wanted { kept } else { 0 });
    }

    /// Whether it has come to the end of its sequence, so that everything below is meant.
    fn is_covered(&self, state: &State) -> bool {
        state.at >= self.rows[state.row].sequence.segments.len()
    }

    /// Whether the next component stands before the first wildcard.
    fn is_naming(&self, state: &State) -> bool {
        state.at < self.rows[state.row].sequence.prefix.components().count()
    }

    /// Whether it matches everything below the directory it stands in.
    fn means_everything(&self, state: &State) -> bool {
        let rest = self.rows[state.row].sequence.segments.get(state.at..);
        matches!(rest, None | Some([] | [Segment::Tree, Segment::Name(Name::Any)]))
    }

    /// What is still being named needs no light.
    fn sees(&self, state: &State, shade: Shade) -> bool {
        let naming = self.rows[state.row].sequence.literal && !self.is_covered(state);
        naming
            || ((!shade.ignored || state.granted.ignored) && shade.hidden <= state.granted.hidden)
    }

    /// Appends the states that `state` leads to in the directory `name`, where the light is `shade`.
    fn step(&self, state: &State, name: &[u8], shade: Shade, states: &mut Vec<State>) {
        let sequence = self.rows[state.row].sequence;
        let mut advance = |at: usize| {
            let covered = at >= sequence.segments.len();
            if !covered || sequence.below {
                let granted = if covered && sequence.literal { shade } else { state.granted };
                self.push(State { row: state.row, at, granted }, states);
            }
        };
        match sequence.segments.get(state.at) {
            None => states.push(*state),
            Some(Segment::Name(wanted)) if wanted.matches(name) => advance(state.at + 1),
            Some(Segment::Name(_)) => {}
            Some(Segment::Tree) => {
                advance(state.at);
                if let Some(Segment::Name(wanted)) = sequence.segments.get(state.at + 1)
                    && wanted.matches(name)
                {
                    advance(state.at + 2);
                }
            }
        }
    }

    /// Appends a state, unless one of its row says as much: at a later `**` everything can be matched that an earlier place can.
    fn push(&self, state: State, states: &mut Vec<State>) {
        let is_tree = |state: &State| {
            self.rows[state.row].sequence.segments.get(state.at) == Some(&Segment::Tree)
        };
        if is_tree(&state) {
            while states.last().is_some_and(|last| last.row == state.row && last.at < state.at) {
                states.pop();
            }
        }
        let of_row = states.iter().rev().take_while(|last| last.row == state.row);
        if !of_row.clone().any(|last| last.at == state.at || (last.at > state.at && is_tree(last)))
        {
            states.push(state);
        }
    }

    /// Whether `name` in the directory of `state` is matched.
    fn accepts(&self, state: &State, name: &[u8]) -> bool {
        let sequence = self.rows[state.row].sequence;
        match sequence.segments.get(state.at..) {
            None | Some([]) => true,
            Some([Segment::Name(wanted)] | [Segment::Tree, Segment::Name(wanted)]) => {
                sequence.itself && wanted.matches(name)
            }
            Some(_) => false,
        }
    }

    fn exact_name(&self, state: &State) -> Option<&[u8]> {
        match self.rows[state.row].sequence.segments.get(state.at) {
            Some(Segment::Name(Name::Exact(name))) => Some(name),
            _ => None,
        }
    }
}

impl<'a> Active<'a> {
    pub(super) fn new(program: &'a Program<'a>, states: &'a [State]) -> Self {
        let mut exact: HashMap<&[u8], Vec<State>> = HashMap::new();
        let mut others = Vec::new();
        if states.len() > FEW {
            for state in states {
                match program.exact_name(state) {
                    Some(name) => exact.entry(name).or_default().push(*state),
                    None => others.push(*state),
                }
            }
        }
        Self { program, states, exact, others }
    }

    /// The names that are waited for, if no pattern has to be held against all names of the directory.
    pub(super) fn only_names(&self) -> Option<Vec<&'a [u8]>> {
        let takes_in =
            self.states.iter().filter(|state| self.program.rows[state.row].role == Role::TakesIn);
        let mut names =
            takes_in.map(|state| self.program.exact_name(state)).collect::<Option<Vec<_>>>()?;
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    /// Whether `name` is for all positive patterns only a directory on the way that they name.
    pub(super) fn is_only_a_way(&self, name: &[u8]) -> bool {
        self.candidates(name).all(|state| {
            let row = &self.program.rows[state.row];
            let ends = row.sequence.literal && state.at + 1 >= row.sequence.segments.len();
            row.role != Role::TakesIn || (!ends && self.program.is_naming(state))
        })
    }

    /// Which actions take in `name`. `shade` is the light that falls on it; it is asked for only if a wildcard wants to know.
    pub(super) fn take(
        &self,
        name: &[u8],
        mut shade: impl FnMut() -> Shade,
        taken: &mut Vec<Taken>,
    ) {
        taken.clear();
        let mut closed = usize::MAX; // the group that a negative pattern has decided
        for state in self.candidates(name) {
            let row = &self.program.rows[state.row];
            if row.group == closed || !self.program.accepts(state, name) {
                continue;
            }
            match row.role {
                Role::Owns => return taken.clear(),
                Role::TakesOut => closed = row.group,
                Role::TakesIn => {
                    let by_name = row.sequence.literal && !self.program.is_covered(state);
                    if by_name || self.program.sees(state, shade()) {
                        self.program.mark(row.pattern);
                        add(taken, Taken { action: row.group - 1, by_name });
                    }
                }
            }
        }
    }

    /// The states of the directory `name` below this one, where the light is `shade`. None if nothing can match there.
    pub(super) fn step(&self, name: &[u8], shade: Shade, states: &mut Vec<State>) {
        states.clear();
        for state in self.candidates(name) {
            self.program.step(state, name, shade, states);
        }
        self.program.settle(states, shade);
    }

    /// Drops of the states that [`Active::step`] gave what does not see into a directory where the light is `shade`.
    pub(super) fn settle(&self, states: &mut Vec<State>, shade: Shade) {
        self.program.settle(states, shade);
    }

    /// Leaves of the states that [`Active::step`] gave for a link those of the actions that named it: it stands in the path
    /// before the first wildcard. Gives the actions whose wildcards alone would lead through it.
    pub(super) fn keep_named(&self, states: &mut Vec<State>) -> Vec<usize> {
        let row = |state: &State| &self.program.rows[state.row];
        let came_by_name = |state: &State| {
            let before = self
                .states
                .iter()
                .find(|before| before.row == state.row && before.at + 1 == state.at);
            before.is_some_and(|before| self.program.is_naming(before))
        };
        let takes_in = |state: &&State| row(state).role == Role::TakesIn;
        let named: Set<usize> = states
            .iter()
            .filter(takes_in)
            .filter(|state| came_by_name(state))
            .map(|state| row(state).group)
            .collect();
        let all: Set<usize> =
            states.iter().filter(takes_in).map(|state| row(state).group).collect();
        states.retain(|state| match row(state).role {
            Role::Owns => !named.is_empty(),
            Role::TakesOut => named.contains(&row(state).group),
            Role::TakesIn => came_by_name(state),
        });
        all.difference(&named).map(|group| group.saturating_sub(1)).collect()
    }

    /// The actions that have positive patterns among `states`.
    pub(super) fn actions(&self, states: &[State]) -> Set<usize> {
        let rows = states.iter().map(|state| &self.program.rows[state.row]);
        rows.filter(|row| row.role == Role::TakesIn)
            .map(|row| row.group.saturating_sub(1))
            .collect()
    }

    /// The states that `name` can mean something to, in the order of their rows.
    fn candidates(&self, name: &[u8]) -> impl Iterator<Item = &State> {
        let few = if self.states.len() > FEW { &[] } else { self.states };
        let mut exact = self.exact.get(name).map_or(&[][..], Vec::as_slice).iter().peekable();
        let mut others = few.iter().chain(&self.others).peekable();
        std::iter::from_fn(move || match (exact.peek(), others.peek()) {
            (Some(one), Some(other)) if one.row <= other.row => exact.next(),
            (Some(_), None) => exact.next(),
            _ => others.next(),
        })
    }
}

impl Program<'_> {
    fn mark(&self, pattern: usize) {
        if let Some(used) = self.used.get(pattern)
            && !used.load(Ordering::Relaxed)
        {
            used.store(true, Ordering::Relaxed);
        }
    }
}

/// The states of an action stand together, so only the last one taken can be the same.
fn add(taken: &mut Vec<Taken>, new: Taken) {
    match taken.last_mut() {
        Some(last) if last.action == new.action => last.by_name |= new.by_name,
        _ => taken.push(new),
    }
}
