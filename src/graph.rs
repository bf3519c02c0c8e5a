//! All actions of a workspace and what each needs. Pure: knows no files.

mod order;
mod outputs;
mod overlaps;
mod reads;

use crate::action::{Action, ActionId, ActionName, GoPackages, Need};
use crate::matrix::{self, Expanded};
use crate::mistake::Mistake;
use crate::ordered::Map;
use crate::path::RelPath;
use crate::step::{Run, Step, StepName};
use crate::template::Template;
use std::collections::HashMap;
use std::ops::{Index, Range};

/// All actions, without cycles. The order is a topological one: an action stands behind all that it needs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    actions: Vec<Action>,
    dependents: Vec<Vec<ActionId>>,
    twins: Vec<ActionId>,
    by_step: Map<StepName, Range<usize>>,
}

/// The actions while they are tied. Steps and actions are known by their places.
#[derive(Debug)]
struct Draft<'a> {
    steps: &'a [Step],
    /// In topological order, if there is one; those of one step stand together.
    actions: Vec<Expanded>,
    /// The step of each action.
    step_of: Vec<usize>,
    /// The actions of each step.
    actions_of: Vec<Range<usize>>,
    /// The first action of the same step with an equal definition.
    twins: Vec<usize>,
}

/// Expands `steps` to actions and ties them. Finds cycles (told in full), overlapping outputs, inputs inside another step's
/// outputs without a need on it, and what only shows once a matrix is expanded. Where there are mistakes the graph is of no use.
pub fn build(steps: &[Step]) -> (Graph, Vec<Mistake>) {
    let edges = order::edges(steps);
    let mut mistakes = Vec::new();
    let mut expanded = Vec::new();
    for step in steps {
        let (actions, mut found) = matrix::expand(step);
        expanded.push(actions);
        mistakes.append(&mut found);
    }
    let cycles = order::cycles(steps, &edges);
    let mut draft = Draft::new(steps, expanded, &order::topological(&edges));
    mistakes.extend(draft.tie(&edges));
    draft.find_twins();
    let outputs = outputs::Outputs::new(&draft);
    mistakes.extend(overlaps::find(&draft, &outputs));
    if cycles.is_empty() {
        mistakes.extend(reads::find(&draft, &outputs));
    }
    mistakes.splice(0..0, cycles);
    (draft.finish(), mistakes)
}

impl Graph {
    /// The ids of all actions, in topological order.
    pub fn ids(&self) -> impl Iterator<Item = ActionId> + use<> {
        (0..self.actions.len()).map(ActionId)
    }

    /// All actions, in topological order; the place of an action is its id.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// What `id` needs, as declared. Empty for an id of another graph.
    pub fn needs(&self, id: ActionId) -> &[Need] {
        self.actions.get(id.0).map_or(&[], |action| &action.needs)
    }

    /// The actions that need `id` directly, in topological order. Empty for an id of another graph.
    pub fn dependents(&self, id: ActionId) -> &[ActionId] {
        self.dependents.get(id.0).map_or(&[], Vec::as_slice)
    }

    /// The first action of the same step that is defined as `id` is: itself, unless a matrix has variables that `id` does
    /// not use. Both come out the same, and may own the same outputs.
    pub fn twin(&self, id: ActionId) -> ActionId {
        self.twins.get(id.0).copied().unwrap_or(id)
    }

    /// The actions of a step; none if there is no such step.
    pub fn of_step(&self, step: &StepName) -> impl Iterator<Item = ActionId> + use<> {
        self.by_step.get(step).cloned().unwrap_or_default().map(ActionId)
    }

    /// The action of that name.
    pub fn find(&self, name: &ActionName) -> Option<ActionId> {
        self.of_step(&name.step).find(|id| self[*id].name == *name)
    }
}

impl Index<ActionId> for Graph {
    type Output = Action;
    fn index(&self, id: ActionId) -> &Action {
        &self.actions[id.0]
    }
}

/// Everything that two actions of one step can differ in.
type Definition<'a> = (
    Option<&'a Run>,
    &'a Map<String, Template>,
    &'a [String],
    Vec<&'a str>,
    Vec<(&'a str, usize)>,
    (Option<&'a GoPackages>, &'a [RelPath]),
);

impl<'a> Draft<'a> {
    fn new(steps: &'a [Step], mut expanded: Vec<Vec<Expanded>>, order: &[usize]) -> Self {
        let mut draft = Self {
            steps,
            actions: Vec::new(),
            step_of: Vec::new(),
            actions_of: vec![0..0; steps.len()],
            twins: Vec::new(),
        };
        for &step in order {
            let start = draft.actions.len();
            draft.actions.append(&mut expanded[step]);
            draft.step_of.resize(draft.actions.len(), step);
            draft.actions_of[step] = start..draft.actions.len();
        }
        draft
    }

    /// The step of an action.
    fn step(&self, action: usize) -> &'a Step {
        &self.steps[self.step_of[action]]
    }

    /// Gives every action its needs.
    fn tie(&mut self, edges: &[Vec<(usize, usize)>]) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (step, edges) in edges.iter().enumerate() {
            for &(needed, place) in edges {
                mistakes.extend(self.tie_steps(step, needed, place));
            }
        }
        mistakes
    }

    /// Ties the actions of `step` to those of `needed`, its need at `place`, that agree in all variables that both have.
    fn tie_steps(&mut self, step: usize, needed: usize, place: usize) -> Option<Mistake> {
        let shared: Vec<&String> = self.steps[step]
            .matrix
            .keys()
            .filter(|name| self.steps[needed].matrix.contains_key(*name))
            .collect();
        let values = |draft: &Self, action: usize| -> Vec<String> {
            let cell = &draft.actions[action].action.name.cell;
            shared.iter().filter_map(|name| cell.get(*name).cloned()).collect()
        };
        let needed_actions = self.actions_of[needed].clone();
        let by_values = Map::grouped(needed_actions.map(|action| (values(self, action), action)));
        let mut lonely = None;
        for action in self.actions_of[step].clone() {
            match by_values.get(&values(self, action)) {
                Some(found) => self.add_needs(action, found, place),
                None => lonely = lonely.or(Some(action)),
            }
        }
        lonely
            .filter(|_| !by_values.is_empty())
            .map(|action| self.no_agreeing_action(action, needed, place, &shared))
    }

    fn add_needs(&mut self, action: usize, needed: &[usize], place: usize) {
        let name = &self.step(action).needs[place].value.name;
        let named = |id: usize| match needed.len() {
            1 => name.clone(),
            _ => format!("{name}[{}]", self.actions[id].action.name.cell_text()),
        };
        let needs: Vec<Need> =
            needed.iter().map(|id| Need { name: named(*id), action: ActionId(*id) }).collect();
        self.actions[action].action.needs.extend(needs);
    }

    fn no_agreeing_action(
        &self,
        action: usize,
        needed: usize,
        place: usize,
        shared: &[&String],
    ) -> Mistake {
        let (step, name) = (self.step(action), &self.actions[action].action.name);
        let needed = &self.steps[needed];
        let variables: Vec<String> = shared.iter().map(|name| format!("`{name}`")).collect();
        let place =
            step.place(&step.needs[place].span).label("the variables that both have must agree");
        Mistake::new(
            format!("`{name}` needs `{}`, which has no action that agrees with it", needed.name),
            place,
        )
        .related(needed.place(&needed.span).label("the step that is needed"))
        .help(format!(
            "give both steps the same values of {}, or take combinations out with `matrix-exclude`",
            variables.join(" and ")
        ))
    }

    /// Needs come first in the order, so theirs are known when they are asked for.
    fn find_twins(&mut self) {
        let mut twins: Vec<usize> = (0..self.actions.len()).collect();
        for actions in &self.actions_of {
            let mut first: HashMap<Definition<'_>, usize> = HashMap::new();
            if actions.len() > 1 {
                for action in actions.clone() {
                    twins[action] =
                        *first.entry(definition(&self.actions[action], &twins)).or_insert(action);
                }
            }
        }
        self.twins = twins;
    }

    fn finish(self) -> Graph {
        let mut dependents = vec![Vec::new(); self.actions.len()];
        for (action, expanded) in self.actions.iter().enumerate() {
            for need in &expanded.action.needs {
                dependents[need.action.0].push(ActionId(action));
            }
        }
        let by_step = self
            .steps
            .iter()
            .zip(self.actions_of)
            .map(|(step, actions)| (step.name.clone(), actions));
        Graph {
            by_step: by_step.collect(),
            dependents,
            twins: self.twins.into_iter().map(ActionId).collect(),
            actions: self.actions.into_iter().map(|expanded| expanded.action).collect(),
        }
    }
}

fn definition<'a>(expanded: &'a Expanded, twins: &[usize]) -> Definition<'a> {
    let action = &expanded.action;
    let outputs = action.outputs.iter().map(|output| output.text()).collect();
    let needs = action
        .needs
        .iter()
        .map(|need| (need.name.split('[').next().unwrap_or_default(), twins[need.action.0]))
        .collect();
    let found = (action.discover.as_ref(), action.depfiles.as_slice());
    (action.run.as_ref(), &action.env, &expanded.input_texts, outputs, needs, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::drawing::draw;
    use crate::mistake::Place;
    use crate::step::{DeclaredNeed, Spanned};
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use std::path::Path;

    fn name(text: &str) -> StepName {
        let (package, step) = text.split_once('#').unwrap_or(("", text));
        StepName {
            package: (!package.is_empty()).then(|| package.to_owned()),
            step: step.to_owned(),
        }
    }

    fn templates(texts: &[&str]) -> Vec<Spanned<Template>> {
        let spanned = |(at, text): (usize, &&str)| Spanned {
            value: Template::parse(text).unwrap(),
            span: at..at,
        };
        texts.iter().enumerate().map(spanned).collect()
    }

    /// A check that reads nothing.
    fn step(text: &str) -> Step {
        Step {
            name: name(text),
            manifest: "/Cargo.toml".into(),
            span: 0..0,
            base: RelPath::root(),
            run: Some(Run::Program(vec![Template::text(text)])),
            run_span: 0..0,
            inputs: Some(Vec::new()),
            outputs: Vec::new(),
            discover: None,
            depfiles: Vec::new(),
            needs: Vec::new(),
            env: Map::new(),
            track_env: Default::default(),
            pass_env: Default::default(),
            tools: Vec::new(),
            matrix: Map::new(),
            matrix_exclude: Vec::new(),
            test: false,
            default: true,
            dir: RelPath::root(),
            timeout: None,
            retries: 0,
            jobs: 1,
            any_platform: false,
            portable: false,
            incremental: false,
            cargo: Vec::new(),
            fallback: Default::default(),
        }
    }

    impl Step {
        fn with_needs(mut self, needs: &[&str]) -> Self {
            let declared = |text: &str| DeclaredNeed { step: name(text), name: name(text).step };
            self.needs =
                needs.iter().map(|text| Spanned { value: declared(text), span: 0..0 }).collect();
            self
        }

        fn with_inputs(mut self, texts: &[&str]) -> Self {
            self.inputs = Some(templates(texts));
            self
        }

        fn with_outputs(mut self, texts: &[&str]) -> Self {
            self.outputs = templates(texts);
            self
        }

        fn with_matrix(mut self, variable: &str, values: &[&str]) -> Self {
            self.matrix.insert(
                variable.to_owned(),
                values.iter().map(|value| (*value).to_owned()).collect(),
            );
            self
        }
    }

    fn good(steps: &[Step]) -> Graph {
        let (graph, mistakes) = build(steps);
        assert_eq!(mistakes, []);
        graph
    }

    fn messages(steps: &[Step]) -> Vec<String> {
        build(steps).1.into_iter().map(|mistake| mistake.message).collect()
    }

    fn names(graph: &Graph) -> Vec<String> {
        graph.actions().iter().map(|action| action.name.to_string()).collect()
    }

    /// What each action needs, by the names that it has for them.
    fn needs(graph: &Graph) -> Vec<String> {
        let told = |id: ActionId| {
            let needs: Vec<String> = graph
                .needs(id)
                .iter()
                .map(|need| format!("{}={}", need.name, graph[need.action].name))
                .collect();
            format!("{} needs [{}]", graph[id].name, needs.join(" "))
        };
        graph.ids().map(told).collect()
    }

    #[test]
    fn needs_come_first_and_the_rest_stays_as_declared() {
        let steps = [
            step("c").with_needs(&["d"]),
            step("a"),
            step("b").with_needs(&["c"]),
            step("d"),
            step("e"),
        ];
        let graph = good(&steps);
        assert_eq!(names(&graph), ["#a", "#d", "#c", "#b", "#e"]);
        let d = graph.find(&ActionName { step: name("d"), cell: Map::new() }).unwrap();
        let dependents: Vec<_> =
            graph.dependents(d).iter().map(|id| graph[*id].name.to_string()).collect();
        assert_eq!(dependents, ["#c"]);
        assert_eq!(graph.of_step(&name("x")).count(), 0);
    }

    #[test]
    fn a_matrix_gives_one_action_for_each_combination_that_is_left() {
        let mut api = step("api").with_matrix("os", &["l", "w"]).with_matrix("arch", &["x", "a"]);
        api.run =
            Some(Run::Shell(Template::parse("go {matrix.os} > {out}/{matrix.arch}").unwrap()));
        api.matrix_exclude =
            vec![Map::from([("os".into(), "w".into()), ("arch".into(), "a".into())])];
        let graph = good(&[api]);
        assert_eq!(names(&graph), ["#api[arch=x,os=l]", "#api[arch=x,os=w]", "#api[arch=a,os=l]"]);
        let Some(Run::Shell(line)) = &graph.actions()[2].run else { panic!() };
        assert_eq!(line.source(), "go l > {out}/a");
    }

    #[test]
    fn actions_need_those_that_agree_in_what_both_have() {
        let steps = [
            step("gen"),
            step("build")
                .with_matrix("os", &["l", "w"])
                .with_matrix("mode", &["d", "r"])
                .with_needs(&["gen"]),
            step("pack").with_matrix("os", &["l", "w"]).with_needs(&["build", "lint"]),
            step("lint").with_matrix("os", &["l", "w"]),
            step("all").with_needs(&["lint"]),
        ];
        assert_snapshot!(needs(&good(&steps)).join("\n"), @"
        #gen needs []
        #build[mode=d,os=l] needs [gen=#gen]
        #build[mode=d,os=w] needs [gen=#gen]
        #build[mode=r,os=l] needs [gen=#gen]
        #build[mode=r,os=w] needs [gen=#gen]
        #lint[os=l] needs []
        #lint[os=w] needs []
        #pack[os=l] needs [build[mode=d,os=l]=#build[mode=d,os=l] build[mode=r,os=l]=#build[mode=r,os=l] lint=#lint[os=l]]
        #pack[os=w] needs [build[mode=d,os=w]=#build[mode=d,os=w] build[mode=r,os=w]=#build[mode=r,os=w] lint=#lint[os=w]]
        #all needs [lint[os=l]=#lint[os=l] lint[os=w]=#lint[os=w]]
        ");
    }

    #[test]
    fn actions_that_come_out_the_same_are_twins_and_share_their_outputs() {
        let mut gen_step = step("gen").with_matrix("os", &["l", "w"]).with_outputs(&["gen"]);
        gen_step.run = Some(Run::Shell(Template::text("gen")));
        let user = step("user")
            .with_matrix("os", &["l", "w"])
            .with_needs(&["gen"])
            .with_outputs(&["user"]);
        let mut other = step("other").with_matrix("os", &["l", "w"]).with_needs(&["gen"]);
        other.env.insert("OS".into(), Template::parse("{matrix.os}").unwrap());
        let graph = good(&[gen_step, user, other]);
        let twins: Vec<usize> = graph.ids().map(|id| graph.twin(id).0).collect();
        assert_eq!(twins, [0, 0, 2, 2, 4, 5]);
    }

    #[test]
    fn actions_of_one_step_cannot_leave_different_things_in_one_place() {
        let mut gen_step = step("gen").with_matrix("os", &["l", "w", "m"]).with_outputs(&["gen/x"]);
        gen_step.env.insert("OS".into(), Template::parse("{matrix.os}").unwrap());
        assert_eq!(messages(&[gen_step]), ["`#gen[os=l]` and `#gen[os=w]` both own `gen/x`"]);
    }

    #[test]
    fn outputs_overlap_in_the_tree_only() {
        let out = [step("a").with_outputs(&["{out}/x"]), step("b").with_outputs(&["{out}/x"])];
        assert_eq!(messages(&out), [] as [String; 0]);
        let within = [step("a").with_outputs(&["gen", "gen/x"])];
        assert_eq!(messages(&within), [] as [String; 0]);
        let nested = [
            step("a").with_outputs(&["gen/a/x"]),
            step("b").with_outputs(&["gen/a"]),
            step("c").with_outputs(&["gen/ab"]),
        ];
        assert_eq!(messages(&nested), ["`#a` and `#b` both own `gen/a/x`"]);
    }

    #[test]
    fn what_another_step_leaves_is_read_by_those_that_need_it() {
        let gen_step = || step("gen").with_outputs(&["gen/x.txt", "dist"]);
        let files = || {
            let mut files = step("files").with_needs(&["gen"]);
            (files.run, files.inputs) = (None, Some(templates(&["src/*"])));
            files
        };
        let reader =
            |needs: &[&str], inputs: &[&str]| step("reader").with_needs(needs).with_inputs(inputs);
        for needs in [&["gen"][..], &["files"]] {
            for inputs in ["gen/x.txt", "gen/*.txt", "dist/a/b", "dist/**", "/gen/*"] {
                good(&[gen_step(), files(), reader(needs, &[inputs])]);
            }
        }
        for (inputs, path) in [
            ("gen/x.txt", "gen/x.txt"),
            ("*/x.txt", "gen/x.txt"),
            ("dist/a/b", "dist/a/b"),
            ("dist/**", "dist"),
        ] {
            let found = messages(&[gen_step(), files(), reader(&[], &[inputs])]);
            assert_eq!(
                found,
                [format!("`#reader` reads `{path}`, an output of `#gen`, without needing it")],
                "{inputs}"
            );
        }
        good(&[gen_step(), files(), reader(&[], &["gen/*", "!gen/x.txt", "genx/**", "distx"])]);
        let mut everything = reader(&[], &[]);
        everything.inputs = None;
        good(&[gen_step(), files(), everything]);
    }

    #[test]
    fn a_step_with_outputs_does_not_pass_on_what_it_needs() {
        let gen_step = || step("gen").with_outputs(&["gen"]);
        let mid = |outputs: &[&str]| step("mid").with_needs(&["gen"]).with_outputs(outputs);
        let last = || step("last").with_needs(&["mid"]).with_inputs(&["gen/x"]);
        good(&[gen_step(), mid(&[]), last()]);
        for outputs in ["mid", "{out}/mid"] {
            assert_eq!(
                messages(&[gen_step(), mid(&[outputs]), last()]),
                ["`#last` reads `gen/x`, an output of `#gen`, without needing it"]
            );
        }
        good(&[gen_step(), mid(&["mid"]), last().with_needs(&["mid", "gen"])]);
    }

    #[test]
    fn a_wildcard_that_can_reach_an_output_is_no_way_around_a_need() {
        let found = |output: &str, inputs: &[&str]| {
            let writer = step("gen").with_outputs(&[output]);
            let reader = |needs: &[&str]| step("r").with_inputs(inputs).with_needs(needs);
            good(&[writer.clone(), reader(&["gen"])]);
            build(&[writer, reader(&[])]).1.pop().map(|mistake| mistake.help.unwrap())
        };
        for (output, inputs, way_out) in [
            ("gen", &["**/*.go"][..], "!gen/**"),
            ("gen", &["*/x.go"], "!gen/**"),
            ("gen", &["**"], "!gen/**"),
            ("gen", &["gen/"], "!gen/**"),
            ("a/gen", &["a"], "!a/gen/**"),
            ("a/*.pb.go", &["a"], "!a/*.pb.go"),
            ("a/*.pb.go", &["a/*.go"], "!a/*.pb.go"),
            ("a/v*/b", &["**/b/*"], "!a/**"),
            ("a/x.go", &["**/*.go"], "!a/x.go"),
            // Each of these takes out a part only.
            ("gen", &["**/*.go", "!gen/*"], "!gen/**"),
            ("gen", &["**/*.go", "!*"], "!gen/**"),
            ("gen", &["**", "!gen/a/**", "!gen/**/*.go"], "!gen/**"),
            ("gen", &["!gen/**", "**/*.go"], "!gen/**"),
            ("gen", &["**", "!gen/**", "gen/x.go"], "!gen/**"),
            ("x.go", &["**/*.txt", "!**/*.go"], "!x.go"),
        ] {
            let told = found(output, inputs);
            let expected = format!(
                "add `needs = [\"gen\"]`, or take it out of the inputs with `\"{way_out}\"`"
            );
            assert_eq!(told.as_deref(), Some(expected.as_str()), "{output} {inputs:?}");
            assert_eq!(found(output, &[inputs, &[way_out]].concat()), None, "{output} {inputs:?}");
        }
        for (output, inputs) in [
            ("gen", &["**/*.go", "!gen/**"][..]),
            ("gen", &["**/*.go", "!/gen"]),
            ("gen", &["**/*.go", "!gen/"]),
            ("gen", &["**/*.go", "!gen/**/*.go"]),
            ("gen", &["**/*.go", "!**/gen/**"]),
            ("gen", &["**/*.go", "!**"]),
            ("a/gen", &["**/*.go", "!{a,b}/gen"]),
            ("a/x.go", &["**/*.go", "!a/*.go"]),
            ("a/x_gen.go", &["**/*.go", "!**/*_gen.go"]),
            ("gen", &["src/**/*.go", "*.go", "genx/*"]),
            ("a/gen", &["*/*.go", "b/**"]),
            ("a/*.pb.go", &["a/b/*.go"]),
        ] {
            assert_eq!(found(output, inputs), None, "{output} {inputs:?}");
        }
    }

    #[test]
    fn a_wildcard_reads_no_other_cell_and_may_read_a_twin() {
        let cells = |output: &str| {
            step("a").with_matrix("os", &["l", "w"]).with_outputs(&[output]).with_inputs(&["**"])
        };
        assert_eq!(messages(&[cells("gen/{matrix.os}")]).len(), 1);
        good(&[cells("gen")]);
        let reader = step("r").with_matrix("os", &["l", "w"]).with_needs(&["a"]);
        good(&[cells("gen"), reader.with_inputs(&["gen/x"])]);
    }

    #[test]
    fn a_step_does_not_read_what_it_leaves() {
        let reader =
            |input: &str| step("a").with_outputs(&["gen", "src/x.rs"]).with_inputs(&[input]);
        assert_eq!(messages(&[reader("gen/x")]), ["`#a` reads its own output `gen/x`"]);
        assert_eq!(messages(&[reader("gen/*")]), ["`#a` reads its own output `gen`"]);
        assert_eq!(messages(&[reader("src/x.rs")]), ["`#a` reads its own output `src/x.rs`"]);
        good(&[reader("src/*.rs")]);
    }

    #[test]
    fn an_action_reads_its_own_cell_of_a_needed_matrix() {
        let gen_step =
            || step("gen").with_matrix("os", &["l", "w"]).with_outputs(&["gen/{matrix.os}"]);
        let reader = |input: &str| {
            step("r").with_matrix("os", &["l", "w"]).with_needs(&["gen"]).with_inputs(&[input])
        };
        good(&[gen_step(), reader("gen/{matrix.os}/x")]);
        assert_eq!(
            messages(&[gen_step(), reader("gen/l/x")]),
            ["`#r` reads `gen/l/x`, an output of `#gen`, without needing it"]
        );
    }

    #[test]
    fn every_cycle_is_told_once_and_in_full() {
        let mut steps = [
            step("a").with_needs(&["b"]),
            step("b").with_needs(&["c", "d"]),
            step("c").with_needs(&["a"]),
            step("d").with_needs(&["d"]),
            step("e").with_needs(&["a"]),
        ];
        for (number, step) in steps.iter_mut().enumerate() {
            for need in &mut step.needs {
                need.span = number..number;
            }
        }
        let (_, mistakes) = build(&steps);
        assert_snapshot!(draw(&mistakes, Path::new("/")), @"
        `#a` needs `#b`, which needs `#c`, which needs `#a`
          --> Cargo.toml:1:1 []: `#a` needs `#b`
          ::: Cargo.toml:1:1 [?]: `#b` needs `#c`
          ::: Cargo.toml:1:1 [?]: `#c` needs `#a`
          = help: take out one of these needs
        `#d` needs `#d`
          --> Cargo.toml:1:1 [?]: `#d` needs `#d`
          = help: take out one of these needs
        ");
    }

    #[test]
    fn a_long_chain_is_no_deep_stack() {
        let numbered = |number: usize| format!("s{number}");
        let chain = |length: usize| -> Vec<Step> {
            (0..length)
                .map(|number| match number {
                    0 => step("s0").with_outputs(&["gen/s0"]),
                    _ => step(&numbered(number)).with_needs(&[&numbered(number - 1)]),
                })
                .collect()
        };
        let mut steps = chain(10_000);
        steps.push(step("last").with_needs(&["s9999"]).with_inputs(&["gen/s0"]));
        steps.reverse();
        assert_eq!(names(&good(&steps))[..2], ["#s0", "#s1"]);
        let mut ring = chain(10_000);
        ring[0] = step("s0").with_needs(&["s9999"]);
        let found = messages(&ring);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].matches("which needs").count(), 9_999);
    }

    #[test]
    fn many_actions_with_outputs_are_tied_in_no_time() {
        let steps: Vec<Step> = (0..5_000)
            .map(|number| {
                let step =
                    step(&format!("s{number}")).with_outputs(&[&format!("gen/{number}/x.txt")]);
                match number {
                    0 => step,
                    _ => step
                        .with_needs(&[&format!("s{}", number / 2)])
                        .with_inputs(&[&format!("gen/{}/x.txt", number / 2)]),
                }
            })
            .collect();
        let start = std::time::Instant::now();
        good(&steps);
        let limit = std::time::Duration::from_secs(20);
        assert!(start.elapsed() < limit, "{:?}", start.elapsed());
    }

    #[test]
    fn many_actions_with_wildcards_are_judged_in_no_time() {
        let start = std::time::Instant::now();
        let steps: Vec<Step> = (0..5_000)
            .map(|number| {
                step(&format!("s{number}"))
                    .with_outputs(&[&format!("gen/{number}")])
                    .with_inputs(&["**/*.go", "!gen/**"])
            })
            .collect();
        good(&steps);
        let limit = std::time::Duration::from_secs(20);
        assert!(start.elapsed() < limit, "{:?}", start.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_order_is_a_topological_one_or_there_is_a_cycle(edges in proptest::collection::vec((0..12usize, 0..12usize), 0..24)) {
            let steps: Vec<Step> = (0..12)
                .map(|number| {
                    let mut needs: Vec<String> = edges.iter().filter(|(from, _)| *from == number).map(|(_, to)| format!("s{to}")).collect();
                    needs.sort();
                    needs.dedup();
                    let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                    step(&format!("s{number}")).with_needs(&needs)
                })
                .collect();
            let (graph, mistakes) = build(&steps);
            prop_assert_eq!(graph.actions().len(), 12);
            let in_order = graph.ids().all(|id| graph.needs(id).iter().all(|need| need.action < id));
            prop_assert_eq!(in_order, mistakes.is_empty());
            for mistake in &mistakes {
                let places: Vec<&Place> = std::iter::once(&mistake.place).chain(&mistake.related).collect();
                let next = |place: &Place| place.label.split("needs ").nth(1).unwrap_or_default().to_owned();
                let ring = places.iter().zip(places.iter().cycle().skip(1));
                prop_assert!(ring.into_iter().all(|(place, after)| after.label.starts_with(&next(place))));
            }
        }
    }
}
