//! What the files of AWS's command line say of a profile: `~/.aws/credentials` and `~/.aws/config`.

use crate::session::variable;
use granular::ordered::Map;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Ways to credentials that a profile can name and that are not gone here.
const OTHER_WAYS: [&str; 5] =
    ["sso_session", "sso_start_url", "credential_process", "role_arn", "login_session"];

/// A profile.
pub(super) struct Profile {
    name: String,
    settings: Map<String, String>,
}

impl Profile {
    /// The one that is meant. One that does not exist says nothing.
    pub(super) fn read(env: &Map<OsString, OsString>) -> Self {
        let name = variable(env, "AWS_PROFILE").unwrap_or("default").to_owned();
        let file = |named, usual: &str| -> String {
            let named = variable(env, named).map(PathBuf::from);
            let usual = || Some(Path::new(variable(env, "HOME")?).join(".aws").join(usual));
            named.or_else(usual).and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
        };
        let long = format!("profile {name}");
        let mut settings = section(&file("AWS_CONFIG_FILE", "config"), |head| {
            head == long || (head == "default" && name == "default")
        });
        settings.extend(section(&file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), |head| {
            head == name
        }));
        Self { name, settings }
    }

    pub(super) fn get(&self, setting: &str) -> Option<&str> {
        self.settings.get(setting).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Why its credentials cannot be had, if it has some other than keys.
    pub(super) fn is_beyond_us(&self) -> Option<String> {
        let way = OTHER_WAYS.iter().find(|way| self.get(way).is_some())?;
        Some(format!(
            "those of the profile `{}` come by `{way}`, which is not known here (`aws configure export-credentials --format env` puts them into the environment)",
            self.name
        ))
    }
}

/// The settings below the heads that are meant. Indented lines belong to the setting above them, which is of no interest here.
fn section(text: &str, is_meant: impl Fn(&str) -> bool) -> Map<String, String> {
    let mut settings = Map::new();
    let mut is_in = false;
    for line in text.lines() {
        if let Some(head) =
            line.trim_end().strip_prefix('[').and_then(|head| head.strip_suffix(']'))
        {
            is_in = is_meant(head.trim());
        } else if let Some((name, value)) = line.split_once('=')
            && is_in
            && !line.starts_with([' ', '\t', '#', ';'])
        {
            settings.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_its_section_only() {
        let text = "# none\n[default]\naws_access_key_id = A\n[ team ]\nAWS_ACCESS_KEY_ID=B\ns3 =\n  region = nested\n; x = y\nregion = r=1\n";
        let team = section(text, |head| head == "team");
        assert_eq!(team.get("aws_access_key_id").map(String::as_str), Some("B"));
        assert_eq!(team.get("region").map(String::as_str), Some("r=1"));
        assert_eq!(section(text, |head| head == "default").len(), 1);
        assert!(section(text, |head| head == "other").is_empty());
    }
}
