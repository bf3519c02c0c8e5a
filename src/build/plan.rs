//! What an invocation wants of the graph, and what is urgent. Pure.

use super::states;
use crate::action::ActionId;
use crate::graph::Graph;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// `wanted` and everything that it needs, in topological order.
pub(crate) fn closure(graph: &Graph, wanted: &[ActionId]) -> Vec<ActionId> {
    let mut planned = BTreeSet::new();
    let mut rest = wanted.to_vec();
    while let Some(id) = rest.pop() {
        if planned.insert(id) {
            rest.extend(graph[id].needs.iter().map(|need| need.action));
            rest.extend(states::twin(graph, id));
        }
    }
    planned.into_iter().collect()
}

/// For each planned action how long it takes from its start to the end of the longest chain of actions behind it,
/// by what is known of each: the longer, the sooner it has to start. An unknown duration counts as a moment, so that
/// the number of actions behind it decides.
pub(crate) fn urgency(
    graph: &Graph,
    planned: &[ActionId],
    duration: impl Fn(ActionId) -> Option<Duration>,
) -> BTreeMap<ActionId, Duration> {
    const MOMENT: Duration = Duration::from_millis(1);
    let mut behind: BTreeMap<ActionId, Duration> = BTreeMap::new();
    let mut urgency = BTreeMap::new();
    for &id in planned.iter().rev() {
        let path = duration(id).unwrap_or(MOMENT) + behind.get(&id).copied().unwrap_or_default();
        urgency.insert(id, path);
        for need in &graph[id].needs {
            let longest = behind.entry(need.action).or_default();
            *longest = path.max(*longest);
        }
    }
    urgency
}
