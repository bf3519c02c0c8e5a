//! The world as the model has it: sources, steps, and what each step makes of what it sees. Knows no file system and no program.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

/// The number of source files in the workspace root.
pub(super) const FILES: usize = 4;

/// Where a step is declared: in the workspace, or in one of its packages.
pub(super) const TABLES: [&str; 3] = ["", "pa", "pb"];

/// What a step makes of what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One file that depends on everything.
    Whole,
    /// One file that depends on everything but comments: a comment upstream is cut off here.
    Cutoff,
    /// Nothing: a check.
    Check,
    /// A named set of files.
    Set,
    /// Files whose number and names depend on what it sees.
    Many,
    /// Directories, an empty one, an executable, a link, two files with the same bytes; and what is now a directory is now a file.
    Tree,
    /// Leaves alone what it finds among its outputs, as an incremental compiler does.
    Incremental,
    /// Writes half of it and fails, depending on what it sees.
    Flaky,
    /// Takes some time between the parts of what it writes.
    Slow,
    /// Two files with the same bytes, others in each run. Nothing needs it.
    Stamp,
}

/// Which files in `g` a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glob {
    Nothing,
    Texts,
    All,
}

/// A step as it is declared.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    /// Which of [`TABLES`] declares it.
    pub(super) table: usize,
    pub(super) files: BTreeSet<usize>,
    pub(super) glob: Glob,
    pub(super) needs: BTreeSet<usize>,
    /// Whether its outputs lie in the tree and not under `{out}`.
    pub(super) in_tree: bool,
    /// A variable that is set for it.
    pub(super) word: u8,
}

/// A file that the user has written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) text: String,
    pub(super) executable: bool,
}

/// Something that a step leaves, by its path among the step's outputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Made {
    File {
        text: String,
        executable: bool,
    },
    /// A link, and what is read through it.
    Link {
        target: String,
        text: String,
    },
    EmptyDirectory,
}

/// The sources and the steps.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) steps: Vec<Step>,
    pub(super) sources: BTreeMap<String, Source>,
}

/// The text of a source file. Those of different values have the same size, as long as both are below 3.
pub(super) fn text_of(value: u8, comment: u8) -> String {
    let more = if value < 3 { "" } else { "one more\n" };
    format!("value {value}\n# comment {comment}\n{more}")
}

impl World {
    pub(super) fn new(mut steps: Vec<Step>) -> Self {
        let kinds: Vec<Kind> = steps.iter().map(|step| step.kind).collect();
        for (index, step) in steps.iter_mut().enumerate() {
            step.needs.retain(|need| *need < index && kinds[*need] != Kind::Stamp);
            if step.kind == Kind::Set {
                step.needs.clear();
            }
            step.in_tree &= step.has_outputs();
        }
        let paths = (0..FILES).map(|file| format!("f{file}.txt"));
        let paths = paths.chain(["g/keep.txt", "pa/own.txt", "pb/own.txt"].map(str::to_owned));
        let source = Source { text: text_of(0, 0), executable: false };
        Self { steps, sources: paths.map(|path| (path, source.clone())).collect() }
    }

    /// The full name of a step.
    pub(super) fn name(&self, index: usize) -> String {
        format!("{}#s{index}", TABLES[self.steps[index].table])
    }

    /// Steps and all that they need.
    pub(super) fn closure(&self, asked: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut closure = asked.clone();
        for index in (0..self.steps.len()).rev() {
            if closure.contains(&index) {
                closure.extend(&self.steps[index].needs);
            }
        }
        closure
    }

    /// The paths of what a step reads, in the order in which its script does.
    fn inputs(&self, index: usize) -> Vec<&str> {
        let step = &self.steps[index];
        let own = format!("{}/own.txt", TABLES[step.table]);
        let (own, _) = self.sources.get_key_value(&own).unzip();
        let files = step.files.iter().map(|file| format!("f{file}.txt"));
        let files = files.filter_map(|path| Some(self.sources.get_key_value(&path)?.0));
        let in_glob = self.sources.keys().filter(|path| match step.glob {
            Glob::Nothing => false,
            Glob::Texts => path.starts_with("g/") && path.ends_with(".txt"),
            Glob::All => path.starts_with("g/"),
        });
        files.chain(own).chain(in_glob).map(String::as_str).collect()
    }

    /// What `tail -v -n +1` prints of the step's inputs.
    fn read_inputs(&self, index: usize) -> String {
        tail(self.inputs(index).into_iter().map(|path| (path, self.sources[path].text.as_str())))
    }

    /// What the step's script reads.
    fn sees(&self, index: usize) -> String {
        let step = &self.steps[index];
        let mut sees = format!("word {}\n{}", step.word, self.read_inputs(index));
        for need in &step.needs {
            if self.steps[*need].kind == Kind::Set {
                sees += &self.read_inputs(*need);
            }
            let made = self.makes(*need);
            sees += &tail(made.iter().filter_map(|(path, made)| match made {
                Made::File { text, .. } | Made::Link { text, .. } => Some((path.as_str(), &**text)),
                Made::EmptyDirectory => None,
            }));
        }
        sees
    }

    /// What `cksum` says of what the step sees.
    fn sum(&self, index: usize) -> (u32, String) {
        let sees = self.sees(index);
        let sees = match self.steps[index].kind {
            Kind::Cutoff => without_comments(&sees),
            _ => sees,
        };
        let sum = cksum(sees.as_bytes());
        (sum, format!("{sum} {}", sees.len()))
    }

    /// What the step leaves if it succeeds, by paths as `find` gives them. Of a stamp nothing is known.
    pub(super) fn makes(&self, index: usize) -> BTreeMap<String, Made> {
        let (sum, line) = self.sum(index);
        let file = |path: &str, text: String| {
            (format!("./{path}"), Made::File { text: text + "\n", executable: false })
        };
        match self.steps[index].kind {
            Kind::Whole | Kind::Cutoff | Kind::Flaky => [file("x", line)].into(),
            Kind::Check | Kind::Set | Kind::Stamp => BTreeMap::new(),
            Kind::Many => (0..=sum % 4)
                .map(|number| {
                    file(&format!("m{}", sum / (number + 1) % 10), format!("{sum} {number}"))
                })
                .collect(),
            Kind::Tree => {
                let dup = Made::File { text: "dup\n".to_owned(), executable: sum % 2 == 1 };
                let (place, target) = if sum % 3 == 0 { ("d", "d") } else { ("d/e/f", "d/e/f") };
                let link = Made::Link { target: target.to_owned(), text: line.clone() + "\n" };
                let mut made = BTreeMap::from([file(place, line), file("b", "dup".to_owned())]);
                made.extend([("./a".to_owned(), dup), ("./l".to_owned(), link)]);
                if sum % 3 != 0 {
                    made.insert("./d/empty".to_owned(), Made::EmptyDirectory);
                }
                made
            }
            Kind::Incremental => {
                [file("state", line.clone()), file("x", line), file("y", (sum % 2).to_string())]
                    .into()
            }
            Kind::Slow => {
                [file("x", ["1", "2", "3"].map(|part| format!("{part} {line}")).join("\n"))].into()
            }
        }
    }

    /// Whether a step fails, or needs one that does.
    pub(super) fn is_broken(&self, index: usize) -> bool {
        let step = &self.steps[index];
        self.fails(index) || step.needs.iter().any(|need| self.is_broken(*need))
    }

    /// Whether a step fails by itself, if it comes so far.
    pub(super) fn fails(&self, index: usize) -> bool {
        self.steps[index].kind == Kind::Flaky && self.sum(index).0.is_multiple_of(5)
    }

    /// Everything that decides on what a step makes: equal if and only if its key is.
    pub(super) fn key(&self, index: usize) -> String {
        let step = &self.steps[index];
        let exports = step.needs.iter().flat_map(|need| {
            let own = format!("need s{need}");
            self.exports(*need).into_iter().map(move |export| named(export, &own))
        });
        let exports: BTreeSet<_> = exports.collect();
        let inputs = self.inputs(index).into_iter();
        let inputs: BTreeSet<_> = inputs.map(|path| (path, &self.sources[path])).collect();
        let (script, word) = (self.script(index), step.word);
        format!("{script} {word} {} {inputs:?} {exports:?}", self.outputs(index))
    }

    /// What those who need a step see of it: root, path and content. The root is empty for the step's own output directory.
    fn exports(&self, index: usize) -> BTreeSet<(String, String, String)> {
        let step = &self.steps[index];
        if step.has_outputs() {
            let root = if step.in_tree { "tree".to_owned() } else { String::new() };
            let place = if step.in_tree { format!("gen/s{index}/") } else { String::new() };
            let export = |(path, made): (String, Made)| {
                let path = format!("{place}{path}");
                (root.clone(), path, format!("{made:?}"))
            };
            return self.makes(index).into_iter().map(export).collect();
        }
        let inputs = self
            .inputs(index)
            .into_iter()
            .map(|path| ("tree".to_owned(), path.to_owned(), format!("{:?}", self.sources[path])));
        let passed_on = step.needs.iter().flat_map(|need| {
            let own = format!("out of s{need}");
            self.exports(*need).into_iter().map(move |export| named(export, &own))
        });
        inputs.chain(passed_on).collect()
    }

    /// The script of a step.
    fn script(&self, index: usize) -> String {
        let step = &self.steps[index];
        let glob = match step.glob {
            Glob::Nothing => "",
            Glob::Texts => " g/*.txt",
            Glob::All => " g/*",
        };
        let literal = |step: &Step| {
            let own = match step.table {
                0 => String::new(),
                table => format!(" {}/own.txt", TABLES[table]),
            };
            step.files.iter().map(|file| format!(" f{file}.txt")).collect::<String>() + &own
        };
        let mut see = format!("echo word $W; tail -v -n +1{}{glob}", literal(step));
        for need in &step.needs {
            let needed = &self.steps[*need];
            see += &match needed.kind {
                Kind::Check => continue,
                Kind::Set => {
                    let glob = match needed.glob {
                        Glob::Nothing => "",
                        Glob::Texts => " g/*.txt",
                        Glob::All => " g/*",
                    };
                    format!("; tail -v -n +1{}{glob}", literal(needed))
                }
                _ => {
                    let dir = if needed.in_tree {
                        format!("gen/s{need}")
                    } else {
                        format!("{{needs.s{need}.out}}")
                    };
                    format!(
                        "; (cd {dir} && find . ! -type d -print0 | LC_ALL=C sort -z | xargs -0 -r tail -v -n +1)"
                    )
                }
            };
        }
        let out = if step.in_tree {
            format!("O=gen/s{index}; mkdir -p $O")
        } else {
            "O={out}".to_owned()
        };
        let filter = if step.kind == Kind::Cutoff { " | sed '/^#/d'" } else { "" };
        let make = match step.kind {
            Kind::Whole | Kind::Cutoff => "echo $c > \"$O/x\"",
            Kind::Check | Kind::Set => "echo $c",
            Kind::Many => {
                "i=0; while [ $i -le $((n % 4)) ]; do echo $n $i > \"$O/m$((n / (i + 1) % 10))\"; i=$((i + 1)); done"
            }
            Kind::Tree => {
                "if [ $((n % 3)) = 0 ]; then echo $c > \"$O/d\"; ln -s d \"$O/l\"; else mkdir -p \"$O/d/e\" \"$O/d/empty\"; echo $c > \"$O/d/e/f\"; ln -s d/e/f \"$O/l\"; fi; echo dup > \"$O/a\"; echo dup > \"$O/b\"; if [ $((n % 2)) = 1 ]; then chmod +x \"$O/a\"; fi"
            }
            Kind::Incremental => {
                "if [ ! -e \"$O/y\" ]; then echo $((n % 2)) > \"$O/y\"; fi; if [ \"$(cat \"$O/state\" 2>/dev/null)\" != \"$c\" ]; then echo $c > \"$O/x\"; echo $c > \"$O/state\"; fi"
            }
            Kind::Flaky => {
                "echo half > \"$O/x\"; if [ $((n % 5)) = 0 ]; then exit 7; fi; echo $c > \"$O/x\""
            }
            Kind::Slow => "for i in 1 2 3; do echo $i $c >> \"$O/x\"; sleep 0.01; done",
            Kind::Stamp => {
                "read -r u < /proc/sys/kernel/random/uuid; echo $u > \"$O/a\"; sleep 0.01; echo $u > \"$O/b\""
            }
        };
        format!(
            "echo s{index} >> \"$LOG\"; {out}; c=$({{ {see}; }}{filter} | cksum); n=${{c% *}}; {make}"
        )
    }

    /// The output patterns of a step.
    fn outputs(&self, index: usize) -> String {
        let step = &self.steps[index];
        match step.kind {
            Kind::Check => "[]".to_owned(),
            _ if step.in_tree => format!("[\"/gen/s{index}\"]"),
            Kind::Whole => "[\"{out}/x\"]".to_owned(),
            Kind::Many => "[\"{out}/m*\"]".to_owned(),
            _ => "[\"{out}\"]".to_owned(),
        }
    }

    /// Where a step's outputs lie, below the workspace root.
    pub(super) fn place(&self, index: usize) -> String {
        let step = &self.steps[index];
        let package = if step.table == 0 { "@workspace" } else { TABLES[step.table] };
        match step.in_tree {
            true => format!("gen/s{index}"),
            false => format!("target/granular/out/{package}/s{index}"),
        }
    }

    fn table(&self, index: usize) -> String {
        let step = &self.steps[index];
        let owner = if step.table == 0 { "workspace" } else { "package" };
        let files = step.files.iter().map(|file| format!("/f{file}.txt"));
        let own = (step.table > 0).then(|| "own.txt".to_owned());
        let glob = match step.glob {
            Glob::Nothing => None,
            Glob::Texts => Some("/g/*.txt".to_owned()),
            Glob::All => Some("/g/**".to_owned()),
        };
        let inputs: Vec<_> = files.chain(own).chain(glob).collect();
        let head = format!("[{owner}.metadata.granular.steps.s{index}]\ninputs = {inputs:?}\n");
        if step.kind == Kind::Set {
            return head;
        }
        let needs: Vec<_> = step.needs.iter().map(|need| self.name(*need)).collect();
        format!(
            "{head}run = {:?}\noutputs = {}\nneeds = {needs:?}\nenv = {{ W = \"{}\" }}\npass-env = [\"LOG\"]\ndir = \"/\"\n",
            self.script(index),
            self.outputs(index),
            step.word,
        )
    }

    /// Everything that lies in a checkout: sources and manifests.
    pub(super) fn files(&self) -> BTreeMap<String, Source> {
        let tables = |table: usize| -> String {
            let declared = (0..self.steps.len()).filter(|index| self.steps[*index].table == table);
            declared.map(|index| self.table(index)).collect()
        };
        let plain = |text: String| Source { text, executable: false };
        let mut files = self.sources.clone();
        let root = "[workspace]\nmembers = [\"pa\", \"pb\"]\nresolver = \"3\"\n".to_owned();
        files.insert("Cargo.toml".to_owned(), plain(root + &tables(0)));
        for table in [1, 2] {
            let package = TABLES[table];
            let head = format!("[package]\nname = \"{package}\"\nversion = \"0.0.0\"\n");
            files.insert(format!("{package}/Cargo.toml"), plain(head + &tables(table)));
            files.insert(format!("{package}/src/lib.rs"), plain(String::new()));
        }
        files
    }
}

impl Step {
    pub(super) fn has_outputs(&self) -> bool {
        !matches!(self.kind, Kind::Check | Kind::Set)
    }
}

fn named(export: (String, String, String), own: &str) -> (String, String, String) {
    if export.0.is_empty() { (own.to_owned(), export.1, export.2) } else { export }
}

/// What `tail -v -n +1` prints of files.
fn tail<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let shown: Vec<_> = files.map(|(path, text)| format!("==> {path} <==\n{text}")).collect();
    shown.join("\n")
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect()
}

/// The checksum of POSIX's `cksum`: the bytes, then their number without leading zeros, its lowest byte first.
fn cksum(bytes: &[u8]) -> u32 {
    let length = iter::successors(Some(bytes.len()), |length| Some(length >> 8));
    let length = length.take_while(|length| *length > 0).map(|length| length as u8);
    let sum = bytes.iter().copied().chain(length).fold(0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| {
            if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 }
        })
    });
    !sum
}

#[test]
fn the_checksum_of_the_model_is_the_one_of_the_command() {
    assert_eq!(cksum(b"a\n"), 2_418_082_923);
    assert_eq!(cksum(b""), 4_294_967_295);
}
