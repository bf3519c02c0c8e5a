//! Whether a build is one of a pull request, as far as CI systems say. Pure.

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
    event.starts_with("pull_request") || event == "issue_comment"
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

/// The system that says that this is the build of a pull request, and the variable in which it says so.
pub(super) fn pull_request(env: &Map<OsString, OsString>) -> Option<(&'static str, &'static str)> {
    let says = |system: &&System| variable(env, system.variable).is_some_and(system.is_proposal);
    SYSTEMS.iter().find(says).map(|system| (system.name, system.variable))
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
        assert!(!is_one("GITHUB_EVENT_NAME", "push") && !is_one("GITHUB_HEAD_REF", ""));
        assert!(is_one("CI_MERGE_REQUEST_IID", "7"));
        assert!(
            is_one("BUILDKITE_PULL_REQUEST", "7") && !is_one("BUILDKITE_PULL_REQUEST", "false")
        );
        assert!(!is_one("CI", "true"));
    }
}
