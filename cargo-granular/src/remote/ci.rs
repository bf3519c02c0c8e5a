//! What CI systems say of a build: whether it is one of a pull request and of which, of what commit, and where people see it. Pure.

use crate::session::variable;
use granular::ordered::Map;
use std::ffi::OsString;

/// A system, and how it says that what it builds is somebody's proposal.
struct System {
    name: &'static str,
    variable: &'static str,
    is_proposal: fn(&str) -> bool,
}

fn any(_: &str) -> bool {
    true
}

fn not_false(value: &str) -> bool {
    value != "false"
}

/// Whoever can open a pull request decides on what runs there, whatever rights the run has.
fn github(event: &str) -> bool {
    // A run that follows another one has main's rights, and builds what that one was about.
    event.starts_with("pull_request") || matches!(event, "issue_comment" | "workflow_run")
}

const SYSTEMS: [System; 13] = [
    System { name: "GitHub Actions", variable: "GITHUB_EVENT_NAME", is_proposal: github },
    System { name: "GitHub Actions", variable: "GITHUB_HEAD_REF", is_proposal: any },
    System { name: "GitLab CI", variable: "CI_MERGE_REQUEST_IID", is_proposal: any },
    System { name: "GitLab CI", variable: "CI_EXTERNAL_PULL_REQUEST_IID", is_proposal: any },
    System {
        name: "Azure Pipelines",
        variable: "SYSTEM_PULLREQUEST_PULLREQUESTID",
        is_proposal: any,
    },
    System { name: "Bitbucket Pipelines", variable: "BITBUCKET_PR_ID", is_proposal: any },
    System { name: "Buildkite", variable: "BUILDKITE_PULL_REQUEST", is_proposal: not_false },
    System { name: "CircleCI", variable: "CIRCLE_PULL_REQUEST", is_proposal: any },
    System { name: "Cirrus CI", variable: "CIRRUS_PR", is_proposal: any },
    System { name: "Drone", variable: "DRONE_PULL_REQUEST", is_proposal: any },
    System { name: "Jenkins", variable: "CHANGE_ID", is_proposal: any },
    System { name: "Travis CI", variable: "TRAVIS_PULL_REQUEST", is_proposal: not_false },
    System { name: "Woodpecker CI", variable: "CI_COMMIT_PULL_REQUEST", is_proposal: any },
];

/// A build of a pull request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PullRequest {
    /// The system that says so.
    pub(super) system: &'static str,
    /// The variable in which it says so.
    pub(super) variable: &'static str,
    /// Which one it is, where the system has a number for it.
    pub(super) number: Option<u64>,
}

/// The variables in which a number stands, or a path or URL with one: the first that has one. GitHub has none of its own for it; `refs/pull/7/merge` is of
/// the events that run what is proposed.
const NUMBERS: [&str; 12] = [
    "CI_MERGE_REQUEST_IID",
    "CI_EXTERNAL_PULL_REQUEST_IID",
    "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER",
    "SYSTEM_PULLREQUEST_PULLREQUESTID",
    "BITBUCKET_PR_ID",
    "BUILDKITE_PULL_REQUEST",
    "CIRCLE_PULL_REQUEST",
    "CIRRUS_PR",
    "DRONE_PULL_REQUEST",
    "CHANGE_ID",
    "TRAVIS_PULL_REQUEST",
    "CI_COMMIT_PULL_REQUEST",
];

/// The pull request that this is the build of, if a system says so.
pub(super) fn pull_request(env: &Map<OsString, OsString>) -> Option<PullRequest> {
    let says = |system: &&System| variable(env, system.variable).is_some_and(system.is_proposal);
    let System { name, variable: said, .. } = *SYSTEMS.iter().find(says)?;
    let github = variable(env, "GITHUB_REF").and_then(|text| text.strip_prefix("refs/pull/"));
    let texts = github.into_iter().chain(NUMBERS.iter().filter_map(|name| variable(env, name)));
    let number = texts.filter_map(number).next();
    Some(PullRequest { system: name, variable: said, number })
}

/// The last part of a path or URL that is a number.
fn number(text: &str) -> Option<u64> {
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.rsplit('/').find(is_number)?.parse().ok()
}

/// The variables with the commit that is built.
const COMMITS: [&str; 10] = [
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BUILD_SOURCEVERSION",
    "BITBUCKET_COMMIT",
    "BUILDKITE_COMMIT",
    "CIRCLE_SHA1",
    "CIRRUS_CHANGE_IN_REPO",
    "DRONE_COMMIT_SHA",
    "GIT_COMMIT",
    "TRAVIS_COMMIT",
];

/// The commit that is built, if a system says so.
pub(super) fn commit(env: &Map<OsString, OsString>) -> Option<String> {
    let commits = COMMITS.iter().filter_map(|name| variable(env, name));
    commits.map(str::to_owned).find(|text| is_commit(text))
}

/// Whether git could call a commit so.
pub(super) fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The variables with the URL of the run.
const RUNS: [&str; 7] = [
    "CI_JOB_URL",
    "CI_PIPELINE_URL",
    "BUILDKITE_BUILD_URL",
    "CIRCLE_BUILD_URL",
    "TRAVIS_BUILD_WEB_URL",
    "DRONE_BUILD_LINK",
    "BUILD_URL",
];

/// The variables that such a URL is made of where there is none, with what stands in front of each.
const MADE_RUNS: [&[(&str, &str)]; 4] = [
    &[("", "GITHUB_SERVER_URL"), ("/", "GITHUB_REPOSITORY"), ("/actions/runs/", "GITHUB_RUN_ID")],
    &[
        ("", "SYSTEM_COLLECTIONURI"),
        ("", "SYSTEM_TEAMPROJECT"),
        ("/_build/results?buildId=", "BUILD_BUILDID"),
    ],
    &[
        ("https://bitbucket.org/", "BITBUCKET_REPO_FULL_NAME"),
        ("/pipelines/results/", "BITBUCKET_BUILD_NUMBER"),
    ],
    &[("https://cirrus-ci.com/build/", "CIRRUS_BUILD_ID")],
];

/// Where people see the run, if a system says so.
pub(super) fn run(env: &Map<OsString, OsString>) -> Option<String> {
    let made = MADE_RUNS.iter().filter_map(|parts| {
        let part =
            |(before, name): &(&str, &str)| Some(format!("{before}{}", variable(env, name)?));
        parts.iter().map(part).collect::<Option<String>>()
    });
    let told = RUNS.iter().filter_map(|name| variable(env, name)).map(str::to_owned);
    made.chain(told).find(|url| is_public(url))
}

/// Whether a URL is one that can be shown to everybody: without a user or password in it.
fn is_public(url: &str) -> bool {
    let is_plain = url.chars().all(|char| char.is_ascii_graphic() && char != '@');
    (url.starts_with("https://") || url.starts_with("http://")) && is_plain && url.len() <= 500
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_requests_are_known_and_pushes_are_none() {
        let is_one = |name: &str, value: &str| {
            pull_request(&Map::from([(name.into(), value.into())])).is_some()
        };
        assert!(is_one("GITHUB_EVENT_NAME", "pull_request"));
        assert!(is_one("GITHUB_EVENT_NAME", "pull_request_target"));
        assert!(is_one("GITHUB_EVENT_NAME", "workflow_run"));
        assert!(!is_one("GITHUB_EVENT_NAME", "push") && !is_one("GITHUB_HEAD_REF", ""));
        assert!(is_one("CI_MERGE_REQUEST_IID", "7"));
        assert!(
            is_one("BUILDKITE_PULL_REQUEST", "7") && !is_one("BUILDKITE_PULL_REQUEST", "false")
        );
        assert!(!is_one("CI", "true"));
    }

    fn env(pairs: &[(&str, &str)]) -> Map<OsString, OsString> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_number_of_a_pull_request_is_found_in_numbers_paths_and_urls() {
        let number = |pairs: &[(&str, &str)]| pull_request(&env(pairs)).unwrap().number;
        let github = ("GITHUB_EVENT_NAME", "pull_request");
        assert_eq!(number(&[github, ("GITHUB_REF", "refs/pull/7/merge")]), Some(7));
        assert_eq!(number(&[github, ("GITHUB_REF", "refs/heads/7")]), None);
        let circle = "https://github.com/team/repository/pull/12";
        assert_eq!(number(&[("CIRCLE_PULL_REQUEST", circle)]), Some(12));
        assert_eq!(number(&[("CI_MERGE_REQUEST_IID", "3")]), Some(3));
        assert_eq!(number(&[("CHANGE_ID", "x")]), None);
    }

    #[test]
    fn the_run_and_the_commit_are_what_the_system_says_and_have_no_password_in_them() {
        let github = [
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "team/project"),
            ("GITHUB_RUN_ID", "99"),
            ("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567"),
        ];
        let url = "https://github.com/team/project/actions/runs/99";
        assert_eq!(run(&env(&github)).as_deref(), Some(url));
        assert_eq!(commit(&env(&github)).as_deref(), Some(github[3].1));
        assert_eq!(
            run(&env(&[("CI_JOB_URL", "https://gitlab.example/j/1")])).as_deref(),
            Some("https://gitlab.example/j/1")
        );
        assert_eq!(run(&env(&[("BUILD_URL", "https://me:secret@jenkins.example/1")])), None);
        assert_eq!(commit(&env(&[("GIT_COMMIT", "HEAD")])), None);
        assert_eq!((run(&env(&[])), commit(&env(&[]))), (None, None));
    }
}
