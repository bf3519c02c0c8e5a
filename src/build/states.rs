//! The state of each planned action, and every way from one to the next. Pure: knows neither threads nor files.
//!
//! `Waiting → Ready → Checking → Done`, or from `Checking` on `→ Restoring → Done`, `→ Queued → Running → Done`; an action whose key
//! another one is just being brought up to date for is `Parked` and goes back to `Ready` afterwards.

use crate::action::ActionId;
use crate::digest::Key;
use crate::graph::Graph;
use crate::ordered::{Map, Set};
use crate::path::Base;
use std::cmp::Reverse;
use std::time::Duration;

/// Where an action stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Some of its needs are not up to date yet.
    Waiting,
    /// It can be checked.
    Ready,
    /// A worker checks it.
    Checking,
    /// Another action with the same key is being restored or run.
    Parked,
    /// A worker restores it.
    Restoring,
    /// It has to run and waits for slots.
    Queued,
    /// It runs.
    Running,
    /// It is done with, one way or another.
    Done,
}

/// The states of all planned actions.
pub(crate) struct States {
    states: Map<ActionId, State>,
    /// How many needs are not done.
    left: Map<ActionId, usize>,
    dependents: Map<ActionId, Vec<ActionId>>,
    urgency: Map<ActionId, Duration>,
    /// The actions in these two states, the most urgent last: kept beside `states` for quick access.
    ready: Set<(Duration, Reverse<ActionId>)>,
    queued: Set<(Duration, Reverse<ActionId>)>,
    /// The keys that are being restored or run, and who waits for them.
    in_flight: Map<Key, Vec<ActionId>>,
    /// Who is parked behind an action that is checked again: one at a time, since all may have become the same by then.
    behind: Map<ActionId, Vec<ActionId>>,
    checking: usize,
    unfinished: usize,
}

/// The action whose outputs in the tree are those of `id` as well, if there is one: two cells of a matrix that come out the same. Only
/// one of the two is ever checked, restored or run.
pub(crate) fn twin(graph: &Graph, id: ActionId) -> Option<ActionId> {
    let outputs = &graph[id].outputs;
    let shares =
        !outputs.is_empty() && outputs.iter().all(|pattern| pattern.literal().base == Base::Tree);
    let twin = graph.twin(id);
    (shares && twin != id).then_some(twin)
}

impl States {
    pub(crate) fn new(
        graph: &Graph,
        planned: &[ActionId],
        urgency: Map<ActionId, Duration>,
    ) -> Self {
        let mut states = Self {
            states: planned.iter().map(|id| (*id, State::Waiting)).collect(),
            left: Map::new(),
            dependents: planned.iter().map(|id| (*id, Vec::new())).collect(),
            urgency,
            ready: Set::new(),
            queued: Set::new(),
            in_flight: Map::new(),
            behind: Map::new(),
            checking: 0,
            unfinished: planned.len(),
        };
        let mut ready = Vec::new();
        for &id in planned {
            let needs = graph[id].needs.iter().map(|need| need.action);
            let needs: Set<ActionId> = needs.chain(twin(graph, id)).collect();
            for need in &needs {
                states.dependents.get_or_insert_with(*need, Vec::new).push(id);
            }
            states.left.insert(id, needs.len());
            if needs.is_empty() {
                states.states.insert(id, State::Ready);
                ready.push(states.place(id));
            }
        }
        states.ready.extend(ready);
        states
    }

    /// The only place where a state changes.
    pub(crate) fn set(&mut self, id: ActionId, to: State) {
        let place = self.place(id);
        match self.states.insert(id, to) {
            Some(State::Ready) => drop(self.ready.remove(&place)),
            Some(State::Queued) => drop(self.queued.remove(&place)),
            Some(State::Checking) => self.checking -= 1,
            _ => {}
        }
        match to {
            State::Ready => drop(self.ready.insert(place)),
            State::Queued => drop(self.queued.insert(place)),
            State::Checking => self.checking += 1,
            State::Done => {
                self.unfinished -= 1;
                let behind = self.behind.remove(&id).unwrap_or_default();
                self.wake(behind);
            }
            _ => {}
        }
    }

    /// Where an action stands among others that wait for the same.
    fn place(&self, id: ActionId) -> (Duration, Reverse<ActionId>) {
        (self.urgency.get(&id).copied().unwrap_or_default(), Reverse(id))
    }

    pub(crate) fn get(&self, id: ActionId) -> Option<State> {
        self.states.get(&id).copied()
    }

    /// The most urgent action that can be checked.
    pub(crate) fn next_ready(&self) -> Option<ActionId> {
        self.ready.last().map(|(_, id)| id.0)
    }

    /// The most urgent action that waits for slots.
    pub(crate) fn next_queued(&self) -> Option<ActionId> {
        self.queued.last().map(|(_, id)| id.0)
    }

    /// All actions that wait for slots, the most urgent first.
    pub(crate) fn queued(&self) -> impl Iterator<Item = ActionId> {
        self.queued.iter().rev().map(|(_, id)| id.0)
    }

    /// Whether a worker checks something.
    pub(crate) fn is_checking(&self) -> bool {
        self.checking > 0
    }

    /// Whether anything is not done with.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished > 0
    }

    /// The actions that no worker has in hand and that are not done with.
    pub(crate) fn idle(&self) -> Vec<ActionId> {
        let idle = |state: State| {
            matches!(state, State::Waiting | State::Ready | State::Parked | State::Queued)
        };
        self.states.iter().filter(|(_, state)| idle(**state)).map(|(id, _)| *id).collect()
    }

    /// Claims `key` for `id`. If another action has it, `id` is parked until that one is done.
    pub(crate) fn claim(&mut self, key: Key, id: ActionId) -> bool {
        let behind = self.behind.remove(&id).unwrap_or_default();
        if let Some(parked) = self.in_flight.get_mut(&key) {
            parked.push(id);
            parked.extend(behind);
            self.set(id, State::Parked);
            return false;
        }
        self.in_flight.insert(key, behind);
        true
    }

    /// Gives `key` back: the first who waits for it is checked again, the others behind it.
    pub(crate) fn release(&mut self, key: &Key) {
        let parked = self.in_flight.remove(key).unwrap_or_default();
        self.wake(parked);
    }

    fn wake(&mut self, parked: Vec<ActionId>) {
        let mut parked =
            parked.into_iter().filter(|id| self.states.get(id) == Some(&State::Parked));
        let Some(first) = parked.next() else { return };
        let behind: Vec<_> = parked.collect();
        self.set(first, State::Ready);
        if !behind.is_empty() {
            self.behind.insert(first, behind);
        }
    }

    fn take_dependents(&mut self, id: ActionId) -> Vec<ActionId> {
        self.dependents.get_mut(&id).map(std::mem::take).unwrap_or_default()
    }

    /// Notes that `id` is up to date: what waited for nothing else is ready.
    pub(crate) fn succeed(&mut self, id: ActionId) {
        self.set(id, State::Done);
        for dependent in self.take_dependents(id) {
            let Some(left) = self.left.get_mut(&dependent) else { continue };
            *left -= 1;
            if *left == 0 && self.get(dependent) == Some(State::Waiting) {
                self.set(dependent, State::Ready);
            }
        }
    }

    /// Notes that `id` will not be up to date: everything that needs it, however far, is done with as well. Gives these, each with the need
    /// of it that failed or was skipped.
    pub(crate) fn fail(&mut self, id: ActionId) -> Vec<(ActionId, ActionId)> {
        self.set(id, State::Done);
        let mut skipped = Vec::new();
        let mut failed = vec![id];
        while let Some(need) = failed.pop() {
            for dependent in self.take_dependents(need) {
                if self.get(dependent) == Some(State::Waiting) {
                    self.set(dependent, State::Done);
                    skipped.push((dependent, need));
                    failed.push(dependent);
                }
            }
        }
        skipped
    }
}
