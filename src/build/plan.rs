//! What an invocation wants of the graph, and what is urgent. Pure.

use super::states;
use crate::action::ActionId;
use crate::graph::Graph;
use crate::ordered::Map;
use std::time::Duration;

/// `wanted` and everything that it needs, in topological order.
pub(crate) fn closure(graph: &Graph, wanted: &[ActionId]) -> Vec<ActionId> {
    let mut planned = vec![false; graph.actions().len()];
    let mut rest = wanted.to_vec();
    while let Some(id) = rest.pop() {
        if !std::mem::replace(&mut planned[id.0], true) {
            rest.extend(graph[id].needs.iter().map(|need| need.action));
            rest.extend(states::twin(graph, id));
        }
    }
    graph.ids().filter(|id| planned[id.0]).collect()
}

/// For each planned action how long it takes from its start to the end of the longest chain of actions behind it,
/// by what is known of each: the longer, the sooner it has to start. An unknown duration counts as a moment, so that
/// the number of actions behind it decides.
pub(crate) fn urgency(
    graph: &Graph,
    planned: &[ActionId],
    duration: impl Fn(ActionId) -> Option<Duration>,
) -> Map<ActionId, Duration> {
    const MOMENT: Duration = Duration::from_millis(1);
    let mut longest = vec![Duration::ZERO; graph.actions().len()];
    for &id in planned.iter().rev() {
        let path = duration(id).unwrap_or(MOMENT) + longest[id.0];
        longest[id.0] = path;
        for need in &graph[id].needs {
            longest[need.action.0] = path.max(longest[need.action.0]);
        }
    }
    planned.iter().map(|id| (*id, longest[id.0])).collect()
}
