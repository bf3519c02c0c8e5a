//! From `-p`, `--workspace`, `--exclude` and the directory to packages, as Cargo does it. Pure.

use crate::trouble::{Result, Trouble};
use crate::wording;
use globset::{Glob, GlobMatcher};
use granular::workspace::Workspace;

/// What the user said of packages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked<'a> {
    /// `-p`: names or patterns.
    pub(crate) package: &'a [String],
    /// `--workspace`.
    pub(crate) workspace: bool,
    /// `--exclude`: names or patterns.
    pub(crate) exclude: &'a [String],
}

/// The packages whose steps are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Their names, in the order of the workspace.
    pub(crate) packages: Vec<String>,
    /// Whether the workspace's own steps are meant as well.
    pub(crate) workspace_steps: bool,
    /// What to warn of.
    pub(crate) warnings: Vec<String>,
}

impl Asked<'_> {
    /// Whether the user said nothing of packages.
    pub(crate) fn is_nothing(&self) -> bool {
        self.package.is_empty() && !self.workspace
    }
}

/// Chooses, where `current` is the package whose directory this is; `None` at the root of the workspace.
pub(crate) fn choose(
    workspace: &Workspace,
    current: Option<&str>,
    asked: &Asked<'_>,
) -> Result<Chosen> {
    if asked.workspace {
        return everything(workspace, asked.exclude);
    }
    if !asked.package.is_empty() {
        return named(workspace, asked.package);
    }
    Ok(match current {
        Some(package) => Chosen { packages: vec![package.to_owned()], ..Chosen::default() },
        None => Chosen {
            packages: workspace.default_members.clone(),
            workspace_steps: true,
            ..Chosen::default()
        },
    })
}

fn everything(workspace: &Workspace, exclude: &[String]) -> Result<Chosen> {
    let patterns = exclude.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>>>()?;
    let idle =
        patterns.iter().filter(|pattern| !names(workspace).any(|name| pattern.matches(name)));
    let warnings = idle
        .map(|pattern| format!("`--exclude {}` matches no package of the workspace", pattern.text))
        .collect();
    let kept = |name: &&str| !patterns.iter().any(|pattern| pattern.matches(name));
    let packages = names(workspace).filter(kept).map(str::to_owned).collect();
    Ok(Chosen { packages, workspace_steps: true, warnings })
}

fn named(workspace: &Workspace, package: &[String]) -> Result<Chosen> {
    let patterns = package.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>>>()?;
    if let Some(idle) =
        patterns.iter().find(|pattern| !names(workspace).any(|name| pattern.matches(name)))
    {
        return Err(no_package(workspace, idle.text));
    }
    let wanted = |name: &&str| patterns.iter().any(|pattern| pattern.matches(name));
    let packages = names(workspace).filter(wanted).map(str::to_owned).collect();
    Ok(Chosen { packages, ..Chosen::default() })
}

fn no_package(workspace: &Workspace, text: &str) -> Trouble {
    let help = match wording::similar(text, names(workspace)) {
        Some(name) => format!("a package with a similar name exists: `{name}`"),
        None if workspace.packages.is_empty() => {
            "the workspace has no packages, only steps of its own".to_owned()
        }
        None => {
            let names: Vec<_> = names(workspace).map(str::to_owned).collect();
            format!("the workspace has {}", wording::some(&names, 8))
        }
    };
    let message = format!("`{text}` matches no package of the workspace");
    Trouble::Usage { message: wording::one_line(&message), help: Some(help) }
}

fn names(workspace: &Workspace) -> impl Iterator<Item = &str> {
    workspace.packages.iter().map(|package| package.name.as_str())
}

/// A name or a pattern of names. A name is found as it stands, so that nothing in it needs escaping.
struct Pattern<'a> {
    text: &'a str,
    glob: GlobMatcher,
}

impl<'a> Pattern<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let glob = Glob::new(text)
            .map_err(|error| Trouble::usage(format!("`{text}` is no pattern: {}", error.kind())))?;
        Ok(Self { text, glob: glob.compile_matcher() })
    }

    fn matches(&self, name: &str) -> bool {
        self.text == name || self.glob.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::workspace::Package;

    fn workspace() -> Workspace {
        let package = |name: &str| Package {
            name: name.to_owned(),
            manifest: format!("/w/{name}/Cargo.toml").into(),
        };
        Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            packages: ["api", "web", "web-ui"].map(package).to_vec(),
            default_members: vec!["api".to_owned()],
        }
    }

    fn chosen(
        current: Option<&str>,
        package: &[&str],
        all: bool,
        exclude: &[&str],
    ) -> Result<String, String> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (package, exclude) = (own(package), own(exclude));
        let asked = Asked { package: &package, workspace: all, exclude: &exclude };
        match choose(&workspace(), current, &asked) {
            Ok(chosen) => Ok(format!(
                "{}{}{}",
                chosen.packages.join(" "),
                if chosen.workspace_steps { " #" } else { "" },
                chosen.warnings.iter().map(|warning| format!("; {warning}")).collect::<String>(),
            )),
            Err(trouble) => {
                let (message, help) = trouble.words().unwrap_or_default();
                Err(format!("{message}; {}", help.unwrap_or("-")))
            }
        }
    }

    #[test]
    fn at_the_root_the_default_members_and_the_workspaces_own_steps_are_meant() {
        assert_eq!(chosen(None, &[], false, &[]).unwrap(), "api #");
    }

    #[test]
    fn in_the_directory_of_a_member_that_package_is_meant() {
        assert_eq!(chosen(Some("web"), &[], false, &[]).unwrap(), "web");
    }

    #[test]
    fn what_is_named_counts_wherever_one_stands() {
        assert_eq!(chosen(Some("web"), &["api"], false, &[]).unwrap(), "api");
        assert_eq!(chosen(None, &["web*", "api"], false, &[]).unwrap(), "api web web-ui");
    }

    #[test]
    fn the_whole_workspace_has_its_own_steps_as_well() {
        assert_eq!(chosen(Some("web"), &[], true, &[]).unwrap(), "api web web-ui #");
        assert_eq!(chosen(None, &["api"], true, &[]).unwrap(), "api web web-ui #", "as in Cargo");
    }

    #[test]
    fn what_is_excluded_is_left_out_and_a_useless_exclusion_is_told() {
        assert_eq!(chosen(None, &[], true, &["web*"]).unwrap(), "api #");
        assert_eq!(
            chosen(None, &[], true, &["wbe"]).unwrap(),
            "api web web-ui #; `--exclude wbe` matches no package of the workspace"
        );
    }

    #[test]
    fn a_package_that_does_not_exist_is_refused_with_a_suggestion() {
        assert_eq!(
            chosen(None, &["wbe"], false, &[]).unwrap_err(),
            "`wbe` matches no package of the workspace; a package with a similar name exists: `web`"
        );
        assert_eq!(
            chosen(None, &["zebra*"], false, &[]).unwrap_err(),
            "`zebra*` matches no package of the workspace; the workspace has api, web, web-ui"
        );
        assert!(chosen(None, &["["], false, &[]).unwrap_err().contains("is no pattern"));
        let none = Workspace { packages: Vec::new(), ..workspace() };
        let trouble = no_package(&none, "api");
        assert_eq!(
            trouble.words().unwrap().1,
            Some("the workspace has no packages, only steps of its own")
        );
    }
}
