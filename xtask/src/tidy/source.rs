//! A file of the project as the rules see it.

use std::path::{Path, PathBuf};

use crate::failure::Outcome;
use crate::project;

/// A text file under version control.
pub(crate) struct Source {
    /// Relative to the project's root.
    pub(crate) path: PathBuf,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// Every text file of the project.
    pub(crate) fn all() -> Outcome<Vec<Self>> {
        let mut sources = Vec::new();
        for path in project::files()? {
            let bytes = std::fs::read(project::root().join(&path)).unwrap_or_default();
            if let Ok(text) = String::from_utf8(bytes) {
                sources.push(Self { path, text });
            }
        }
        Ok(sources)
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// Whether it lies in `folder` or is `folder` with `.rs` behind it.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder) || self.path == Path::new(&format!("{folder}.rs"))
    }

    /// Whether it holds a module's tests and nothing else.
    pub(crate) fn is_tests(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    /// Its lines with their numbers, less the tests at its end.
    pub(crate) fn lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| match pair {
            [attribute, module] => *attribute == "#[cfg(test)]" && module.starts_with("mod tests {"),
            _ => false,
        });
        let end = tests.unwrap_or(lines.len());
        lines
            .into_iter()
            .take(end)
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// How a rule names a line of it.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

#[cfg(test)]
impl Source {
    /// A file made up by a test.
    pub(crate) fn made_up(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.to_owned(),
        }
    }
}
