//! Tells programs: one object a line on standard output, `reason` first. Fields may be added, none renamed.

use super::Reporter;
use crate::draw;
use crate::remote::{Origin, Origins};
use crate::trouble::Trouble;
use crate::wording;
use granular::action::ActionName;
use granular::event::{Difference, Event, Failure, Finished, Reproduction, Skip, Status, Summary};
use granular::execute::Ending;
use granular::mistake::{Mistake, Place};
use granular::reason::DirtyReason;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

/// Writes one object a line. Who does not listen any more misses the rest; a build goes on.
pub(crate) struct Json<W> {
    to: W,
    /// Where results came from that were restored.
    origins: Option<Origins>,
}

impl<W: Write> Json<W> {
    /// Writes to `to`.
    pub(crate) fn new(to: W) -> Self {
        Self { to, origins: None }
    }

    /// Tells of each restored result where it came from, if that is known there.
    pub(crate) fn with(self, origins: Option<Origins>) -> Self {
        Self { origins, ..self }
    }

    fn write(&mut self, object: &Value) {
        let _ = self.to.write_all(line(object).as_bytes()).and_then(|()| self.to.flush());
    }

    /// Tells why there is no answer; with `is_build` also that the build is over.
    pub(crate) fn trouble(&mut self, trouble: &Trouble, is_build: bool) {
        match trouble {
            Trouble::Mistakes(mistakes) => {
                mistakes.iter().for_each(|found| self.write(&mistake(found)))
            }
            trouble => {
                if let Some((message, help)) = trouble.words() {
                    self.write(
                        &json!({"reason": "granular-error", "message": message, "help": help}),
                    );
                }
            }
        }
        if is_build {
            self.write(&build_finished(&Summary::default(), false));
        }
    }
}

impl<W: Write> Reporter for Json<W> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { action } => self.write(&json!({
                "reason": "granular-step-started",
                "step": action.step.to_string(),
                "action": action.to_string(),
            })),
            Event::Finished(finished) => {
                let mut object = step_finished(finished);
                if let Some(origin) = self.origins.as_ref().and_then(|it| it.of_restored(finished))
                {
                    object["origin"] = self::origin(&origin);
                }
                self.write(&object);
            }
            Event::Warning { message } => {
                self.write(&json!({"reason": "granular-warning", "message": message}));
            }
            Event::Verified { action, came } => {
                let mut object = names("granular-step-verified", action);
                describe(&mut object, came);
                self.write(&object);
            }
            Event::Waiting { .. }
            | Event::Planned { .. }
            | Event::Compiling { .. }
            | Event::Restoring { .. }
            | Event::Verifying { .. } => {}
        }
    }

    fn summary(&mut self, summary: &Summary) {
        self.write(&build_finished(summary, summary.success()));
    }
}

/// An object on a line, in which GitHub Actions finds nothing to obey: of the older form of its commands it looks for the begin anywhere in a line.
pub(crate) fn line(object: &Value) -> String {
    let text = object.to_string();
    // Outside of strings there is no such thing.
    format!("{}\n", text.replace("##[", "#\\u0023["))
}

/// Where a result came from.
pub(crate) fn origin(origin: &Origin) -> Value {
    json!({
        "remote": origin.remote,
        "domain": origin.domain.as_str(),
        "signer": origin.signer,
        "key": origin.key.map(|key| key.to_string()),
        "commit": origin.commit,
        "run": origin.run,
        "platform": origin.platform,
        "signed_at": origin.time.and_then(|seconds| time(seconds.saturating_mul(1000))),
    })
}

/// For programs: RFC 3339.
pub(crate) fn time(ms: u64) -> Option<String> {
    let time = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(time.to_string())
}

fn step_finished(finished: &Finished) -> Value {
    let (status, source, bytes) = match &finished.status {
        Status::Fresh => ("fresh", None, None),
        Status::Restored { source, bytes } => ("restored", Some(source), Some(bytes)),
        Status::Ran => ("ran", None, None),
        Status::Failed(_) => ("failed", None, None),
        Status::Skipped(_) => ("skipped", None, None),
    };
    let mut object = json!({
        "reason": "granular-step-finished",
        "step": finished.action.step.to_string(),
        "action": finished.action.to_string(),
        "status": status,
        "key": finished.key.map(|key| key.to_string()),
        "duration_ms": milliseconds(finished.duration),
        "saved_ms": milliseconds(finished.saved),
        "source": source,
        "dirty": dirty(&finished.reasons),
        "log": finished.log.as_deref().map(|log| log.to_string_lossy()),
    });
    if let Some(bytes) = bytes {
        object["bytes"] = json!(bytes);
    }
    match &finished.status {
        Status::Failed(why) => object["failure"] = failure(why, finished.duration),
        Status::Skipped(why) => object["skip"] = skip(why),
        _ => {}
    }
    object
}

/// Why an action failed.
pub(crate) fn failure(failure: &Failure, duration: Duration) -> Value {
    match failure {
        Failure::Command { ending, repeat } => {
            let mut object = json!({
                "kind": "command",
                "message": wording::ending(*ending, duration),
                "repeat": repeat,
            });
            match ending {
                Ending::Exited(code) => object["exit_code"] = json!(code),
                Ending::Signal(signal) => object["signal"] = json!(signal),
                Ending::TimedOut => object["timed_out"] = json!(true),
                Ending::Stopped => object["stopped"] = json!(true),
            }
            object
        }
        Failure::Outputs { faults, repeat } => json!({
            "kind": "outputs",
            "message": faults.join("; "),
            "repeat": repeat,
            "faults": faults,
        }),
        Failure::Inputs { message, hint } => {
            json!({"kind": "inputs", "message": message, "help": hint})
        }
        Failure::Finding { message, hint } => {
            json!({"kind": "finding", "message": message, "help": hint})
        }
        Failure::Environment { message, hint } => {
            json!({"kind": "environment", "message": message, "help": hint})
        }
    }
}

fn skip(skip: &Skip) -> Value {
    match skip {
        Skip::Need(need) => json!({"kind": "need", "action": need.to_string()}),
        Skip::AfterFailure => json!({"kind": "after-failure"}),
        Skip::Stopped => json!({"kind": "stopped"}),
        Skip::Unavailable(why) => json!({"kind": "unavailable", "message": why}),
    }
}

/// Adds what came of running an action twice.
pub(crate) fn describe(object: &mut Value, came: &Reproduction) {
    match came {
        Reproduction::Same { outputs, bytes } => {
            object["status"] = json!("same");
            object["outputs"] = json!(outputs);
            object["bytes"] = json!(bytes);
        }
        Reproduction::Different(differences) => {
            object["status"] = json!("different");
            let entry =
                |found: &Difference| json!({"path": found.path.to_string(), "how": found.how});
            object["differences"] = json!(differences.iter().map(entry).collect::<Vec<_>>());
        }
        Reproduction::Failed(why) => {
            object["status"] = json!("failed");
            object["failure"] = failure(why, Duration::ZERO);
        }
        Reproduction::Unfinished => object["status"] = json!("unfinished"),
    }
}

/// Reasons for programs, in the order that they are given in.
pub(crate) fn dirty(reasons: &[DirtyReason]) -> Vec<Value> {
    reasons.iter().map(dirty_reason).collect()
}

fn dirty_reason(reason: &DirtyReason) -> Value {
    let mut object = json!({"kind": reason.kind()});
    if let (Some(kind), Some(subject)) = (reason.subject_kind(), reason.subject()) {
        object[kind] = json!(subject);
    }
    match reason {
        DirtyReason::NeedChanged { need: Some(need), .. } => object["need"] = json!(need),
        DirtyReason::ToolChanged { versions: Some((then, now)), .. } => {
            object["from"] = json!(then);
            object["to"] = json!(now);
        }
        DirtyReason::Found(finder, _) => object["found_by"] = json!(finder.to_string()),
        _ => {}
    }
    object
}

fn build_finished(summary: &Summary, success: bool) -> Value {
    json!({
        "reason": "build-finished",
        "success": success,
        "fresh": summary.fresh,
        "restored": summary.restored,
        "ran": summary.ran,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "duration_ms": milliseconds(summary.duration),
        "saved_ms": milliseconds(summary.saved),
        "interrupted": summary.stopped,
    })
}

fn mistake(mistake: &Mistake) -> Value {
    let mut object = json!({"reason": "granular-mistake", "message": mistake.message});
    locate(&mut object, &mistake.place);
    object["help"] = json!(mistake.help);
    let related = mistake.related.iter().map(|place| {
        let mut object = json!({});
        locate(&mut object, place);
        object
    });
    object["related"] = related.collect();
    object
}

/// Adds where a place is, and what is said of it.
fn locate(object: &mut Value, place: &Place) {
    let (line, column) = draw::line_and_column(place);
    object["file"] = json!(place.file.to_string_lossy());
    object["line"] = json!(line);
    object["column"] = json!(column);
    object["label"] = json!(place.label);
}

/// The names of an action, as every object on one has them.
pub(crate) fn names(reason: &str, action: &ActionName) -> Value {
    json!({"reason": reason, "step": action.step.to_string(), "action": action.to_string()})
}

/// Whole milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up::{self, Logs};

    fn written(tell: impl FnOnce(&mut Json<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        tell(&mut Json::new(&mut bytes));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_line_is_an_object_and_each_planned_action_is_finished_once() {
        let logs = Logs::new("json");
        let (events, summary) = made_up::build(&logs);
        let text = written(|json| {
            events.iter().for_each(|event| json.event(event));
            json.summary(&summary);
        });
        let objects: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let finished = objects.iter().filter(|object| object["reason"] == "granular-step-finished");
        assert_eq!(finished.count(), 7);
        let key = granular::digest::Hash::of(b"key").to_string();
        insta::assert_snapshot!(logs.hide(&text).replace(&key, "[KEY]"), @r##"
        {"reason":"granular-step-finished","step":"#models","action":"#models","status":"fresh","key":"[KEY]","duration_ms":1820,"saved_ms":0,"source":null,"dirty":[],"log":null}
        {"reason":"granular-step-started","step":"web#bundle","action":"web#bundle[os=linux]"}
        {"reason":"granular-step-finished","step":"#lint","action":"#lint","status":"restored","key":"[KEY]","duration_ms":1820,"saved_ms":2130,"source":"local cache","dirty":[{"kind":"input-changed","path":"a.go"}],"log":"[LOGS]/lint","bytes":9541000}
        {"reason":"granular-warning","message":"the result of \u001b[2J was not kept"}
        {"reason":"granular-step-finished","step":"web#bundle","action":"web#bundle[os=linux]","status":"ran","key":"[KEY]","duration_ms":1820,"saved_ms":0,"source":null,"dirty":[{"kind":"input-changed","path":"web/src/a.ts"},{"kind":"input-changed","path":"web/src/b.ts"},{"kind":"input-changed","path":"web/src/c.ts"}],"log":"[LOGS]/bundle"}
        {"reason":"granular-step-started","step":"#api","action":"#api"}
        {"reason":"granular-step-started","step":"#worker","action":"#worker"}
        {"reason":"granular-step-finished","step":"#api","action":"#api","status":"failed","key":"[KEY]","duration_ms":1820,"saved_ms":0,"source":null,"dirty":[{"kind":"input-changed","path":"services/api/main.go"}],"log":"[LOGS]/api","failure":{"kind":"command","message":"exit code 3","repeat":"cd services/api && CGO_ENABLED=0 go build ./...","exit_code":3}}
        {"reason":"granular-step-finished","step":"#worker","action":"#worker","status":"failed","key":"[KEY]","duration_ms":1820,"saved_ms":0,"source":null,"dirty":[{"kind":"never-ran"}],"log":"[LOGS]/worker","failure":{"kind":"outputs","message":"`{out}/worker` is not there","repeat":"cd services/worker && true","faults":["`{out}/worker` is not there"]}}
        {"reason":"granular-step-finished","step":"#image","action":"#image","status":"skipped","key":null,"duration_ms":1820,"saved_ms":0,"source":null,"dirty":[],"log":null,"skip":{"kind":"need","action":"#api"}}
        {"reason":"granular-step-finished","step":"#e2e","action":"#e2e","status":"failed","key":null,"duration_ms":0,"saved_ms":0,"source":null,"dirty":[],"log":null,"failure":{"kind":"environment","message":"there is no program `podman` in PATH","help":"install it, or name another in `tools`"}}
        {"reason":"build-finished","success":false,"fresh":1,"restored":1,"ran":1,"failed":3,"skipped":1,"duration_ms":1900,"saved_ms":2130,"interrupted":false}
        "##);
    }

    #[test]
    fn a_stream_ends_with_the_build_also_after_mistakes() {
        let logs = Logs::new("mistakes");
        let file = logs.file("mistake.toml", "# ß\nrnu = 1\n");
        let mistakes = vec![
            Mistake::new("unknown key `rnu`", Place::new(&file, 5..8)).help("write `run`"),
            Mistake::new("the file cannot be read", Place::new("/no/such/Cargo.toml", 7..9))
                .related(Place::new(&file, 0..1).label("see here")),
        ];
        let text = written(|json| json.trouble(&Trouble::Mistakes(mistakes), true));
        insta::assert_snapshot!(logs.hide(&text), @r#"
        {"reason":"granular-mistake","message":"unknown key `rnu`","file":"[LOGS]/mistake.toml","line":2,"column":1,"label":"","help":"write `run`","related":[]}
        {"reason":"granular-mistake","message":"the file cannot be read","file":"/no/such/Cargo.toml","line":null,"column":null,"label":"","help":null,"related":[{"file":"[LOGS]/mistake.toml","line":1,"column":1,"label":"see here"}]}
        {"reason":"build-finished","success":false,"fresh":0,"restored":0,"ran":0,"failed":0,"skipped":0,"duration_ms":0,"saved_ms":0,"interrupted":false}
        "#);
    }

    #[test]
    fn other_trouble_is_told_in_one_object() {
        let trouble = Trouble::Usage {
            message: "no step `x`".to_owned(),
            help: Some("it is `y`".to_owned()),
        };
        insta::assert_snapshot!(written(|json| json.trouble(&trouble, false)), @r#"{"reason":"granular-error","message":"no step `x`","help":"it is `y`"}"#);
    }

    #[test]
    fn reasons_name_what_they_are_about() {
        let reasons = [
            DirtyReason::Forced,
            DirtyReason::InputAdded("a.go".to_owned()),
            DirtyReason::TrackedEnvChanged("GOOS".to_owned()),
            DirtyReason::ToolChanged {
                tool: "go".to_owned(),
                versions: Some(("1.24".to_owned(), "1.25".to_owned())),
            },
            DirtyReason::NeedChanged {
                need: Some("#api".to_owned()),
                path: "{out}/api".to_owned(),
            },
        ];
        let lines: Vec<_> = dirty(&reasons).iter().map(Value::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r##"
        {"kind":"forced"}
        {"kind":"input-added","path":"a.go"}
        {"kind":"tracked-env-changed","variable":"GOOS"}
        {"kind":"tool-changed","tool":"go","from":"1.24","to":"1.25"}
        {"kind":"need-changed","path":"{out}/api","need":"#api"}
        "##);
    }
}
