//! The order of steps, and the cycles that leave none. Without recursion: a chain of needs may be longer than the stack is deep.

use crate::mistake::Mistake;
use crate::ordered::Map;
use crate::step::{Step, StepName};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// More cycles than these are not told at once.
const MOST_CYCLES: usize = 20;

/// For each step: which steps it needs, each with the place of the need among the declared ones. A need on a step that is
/// not there is left out; it is a mistake already.
pub(super) fn edges(steps: &[Step]) -> Vec<Vec<(usize, usize)>> {
    let places: Map<&StepName, usize> =
        steps.iter().enumerate().map(|(place, step)| (&step.name, place)).collect();
    let edges = |step: &Step| {
        let needs = step.needs.iter().enumerate();
        needs
            .filter_map(|(need, declared)| Some((*places.get(&declared.value.step)?, need)))
            .collect()
    };
    steps.iter().map(edges).collect()
}

/// The steps, needs first, and as declared where that leaves a choice. Steps of a cycle, and what needs them, come last.
pub(super) fn topological(edges: &[Vec<(usize, usize)>]) -> Vec<usize> {
    let mut dependents = vec![Vec::new(); edges.len()];
    let mut open: Vec<usize> = edges.iter().map(Vec::len).collect();
    for (step, needs) in edges.iter().enumerate() {
        for (needed, _) in needs {
            dependents[*needed].push(step);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..edges.len()).filter(|step| open[*step] == 0).map(Reverse).collect();
    let mut order = Vec::new();
    while let Some(Reverse(step)) = ready.pop() {
        order.push(step);
        for dependent in &dependents[step] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                ready.push(Reverse(*dependent));
            }
        }
    }
    order.extend((0..edges.len()).filter(|step| open[*step] > 0));
    order
}

/// A mistake for each cycle that a search in depth comes upon. Without the needs that close these there would be no cycle.
pub(super) fn cycles(steps: &[Step], edges: &[Vec<(usize, usize)>]) -> Vec<Mistake> {
    rings(edges).into_iter().map(|ring| told(steps, &ring)).collect()
}

/// How far a step has been searched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    New,
    /// Its place on the path.
    OnPath(usize),
    Done,
}

/// Each ring as pairs of a step and the place of its need on the next, from the step that is declared first.
fn rings(edges: &[Vec<(usize, usize)>]) -> Vec<Vec<(usize, usize)>> {
    let mut search = vec![Search::New; edges.len()];
    let mut rings = Vec::new();
    for start in 0..edges.len() {
        // The steps from `start` down, and how many needs of each have been followed.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if search[start] == Search::New {
            search[start] = Search::OnPath(0);
            path.push((start, 0));
        }
        while let Some((step, followed)) = path.last_mut() {
            let Some((needed, _)) = edges[*step].get(*followed) else {
                search[*step] = Search::Done;
                path.pop();
                continue;
            };
            *followed += 1;
            match search[*needed] {
                Search::New => {
                    search[*needed] = Search::OnPath(path.len());
                    path.push((*needed, 0));
                }
                Search::OnPath(place) if rings.len() < MOST_CYCLES => {
                    rings.push(ring(edges, &path[place..]))
                }
                Search::OnPath(_) | Search::Done => {}
            }
        }
    }
    rings
}

fn ring(edges: &[Vec<(usize, usize)>], path: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut ring: Vec<(usize, usize)> =
        path.iter().map(|(step, followed)| (*step, edges[*step][followed - 1].1)).collect();
    let first =
        ring.iter().enumerate().min_by_key(|(_, (step, _))| *step).map_or(0, |(place, _)| place);
    ring.rotate_left(first);
    ring
}

fn told(steps: &[Step], ring: &[(usize, usize)]) -> Mistake {
    let mut places = ring.iter().map(|(step, need)| {
        let (step, need) = (&steps[*step], &steps[*step].needs[*need]);
        step.place(&need.span).label(format!("`{}` needs `{}`", step.name, need.value.step))
    });
    let mut message = format!("`{}`", steps[ring[0].0].name);
    for (place, (step, need)) in ring.iter().enumerate() {
        let which = if place == 0 { " needs" } else { ", which needs" };
        message.push_str(&format!("{which} `{}`", steps[*step].needs[*need].value.step));
    }
    let first = places.next().unwrap_or_else(|| steps[ring[0].0].place(&(0..0)));
    let mut mistake = Mistake::new(message, first).help("take out one of these needs");
    mistake.related = places.collect();
    mistake
}
