//! Paths as keys and results know them: relative, UTF-8, `/` between components. Knows no file system.

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};

/// A path below some root: components separated by `/`, none of them empty, `.` or `..`, no NUL.
/// The empty path is the root itself. Since it cannot leave its root, a `RelPath` read from a stranger's file is safe to join.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(String);

/// The two roots that outputs lie under.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Base {
    /// The workspace root.
    Tree,
    /// The action's own output directory, `{out}`.
    Out,
}

/// Where an output lies, without any absolute path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OutputPath {
    /// The root it lies under.
    pub base: Base,
    /// The path below that root.
    pub path: RelPath,
}

impl RelPath {
    /// Takes `text` if it is such a path; nothing is normalised.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let ok = text.is_empty() || text.split('/').all(is_component);
        ok.then_some(Self(text))
    }

    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The text of the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// `self/below`.
    pub fn join(&self, below: &RelPath) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, below.0)),
        }
    }

    /// `self/name`, if `name` is one good component.
    pub fn child(&self, name: &str) -> Option<Self> {
        (is_component(name) && !name.contains('/')).then(|| self.join(&Self(name.to_owned())))
    }

    /// Resolves `text`, which may contain `.` and `..`, against `self`; `None` if it leaves the root or is absolute.
    pub fn resolve(&self, text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return None;
        }
        let mut parts: Vec<&str> = self.components().collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                part if is_component(part) => parts.push(part),
                _ => return None,
            }
        }
        Some(Self(parts.join("/")))
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The last component; `None` for the root.
    pub fn name(&self) -> Option<&str> {
        self.components().last()
    }

    /// The path without its last component; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned())))
    }

    /// True if `self` is `other` or lies below it.
    pub fn is_within(&self, other: &RelPath) -> bool {
        self.below(other).is_some()
    }

    /// The rest of `self` below `other`, empty if they are the same; `None` if it does not lie there.
    pub fn below(&self, other: &RelPath) -> Option<&str> {
        if other.is_root() {
            return Some(&self.0);
        }
        match self.0.strip_prefix(&other.0)? {
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        }
    }

    /// The path of the file system below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        let mut path = root.to_path_buf();
        path.extend(self.components());
        path
    }
}

fn is_component(part: &str) -> bool {
    let portable = !cfg!(windows) || !part.contains(['\\', ':']);
    portable && !part.is_empty() && part != "." && part != ".." && !part.contains('\0')
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for OutputPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.base, self.path.is_root()) {
            (Base::Tree, true) => f.write_str("."),
            (Base::Tree, false) => self.path.fmt(f),
            (Base::Out, true) => f.write_str("{out}"),
            (Base::Out, false) => write!(f, "{{out}}/{}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_its_root() {
        for bad in ["/etc/passwd", "..", "a/../b", "a//b", "./a", "a/", "nul\0"] {
            assert_eq!(RelPath::new(bad), None, "{bad:?}");
        }
        let base = RelPath::new("web/app").unwrap();
        assert_eq!(base.resolve("../lib").unwrap().as_str(), "web/lib");
        assert_eq!(base.resolve("../../.."), None);
        assert_eq!(base.resolve("/etc"), None);
    }

    #[test]
    fn a_path_lies_below_its_parents_but_not_below_a_namesake() {
        let path = RelPath::new("gen/api/x.go").unwrap();
        assert_eq!(path.below(&RelPath::new("gen").unwrap()), Some("api/x.go"));
        assert_eq!(path.below(&RelPath::root()), Some("gen/api/x.go"));
        assert!(!RelPath::new("generated").unwrap().is_within(&RelPath::new("gen").unwrap()));
    }
}
