//! `cargo xtask release`: whether a tag fits the version and the changelog, and what is new in it.
//!
//! The version is written once, in the workspace's Cargo.toml. The changelog has the form of Keep a Changelog 1.1.0.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::files::{self, READABLE};
use crate::project;

const EXAMPLES: &str = "\
Examples:
  cargo xtask release --tag v1.2.3                      fails unless Cargo.toml and CHANGELOG.md have that version
  cargo xtask release --tag v1.2.3 --notes notes.md     and writes what the changelog says of it";

/// Checks a tag against the version and the changelog, and takes the release's notes out of that.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The tag: `v` and the version.
    #[arg(long, value_name = "TAG")]
    tag: String,
    /// Where to write the notes.
    #[arg(long, value_name = "FILE")]
    notes: Option<PathBuf>,
}

const CHANGELOG: &str = "CHANGELOG.md";

/// Checks, and writes the notes.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    if arguments.tag.strip_prefix('v') != Some(version) {
        return Err(
            Failure::new(format!("the tag is {}, the version {version}", arguments.tag))
                .mend("set `version` in Cargo.toml's [workspace.package], and tag the commit that has it"),
        );
    }
    let notes = notes(&project::read(Path::new(CHANGELOG))?, version)?;
    if let Some(file) = &arguments.notes {
        files::write(file, &notes, READABLE)?;
    }
    println!(
        "{version} has a date and {} lines in {CHANGELOG}",
        notes.lines().count()
    );
    Ok(())
}

/// What a changelog says of a version.
fn notes(changelog: &str, version: &str) -> Outcome<String> {
    let heading = format!("## [{version}] - ");
    let mut lines = changelog.lines().skip_while(|line| !line.starts_with(&heading));
    let first = lines.next().and_then(|line| line.strip_prefix(&heading));
    if !first.is_some_and(is_date) {
        return Err(
            Failure::new(format!("{CHANGELOG} has no heading `{heading}YYYY-MM-DD`"))
                .mend("give what is below `## [Unreleased]` that heading"),
        );
    }
    let notes: Vec<&str> = lines
        .take_while(|line| !line.starts_with("## ") && !is_link(line))
        .collect();
    let notes = notes.join("\n").trim().to_owned();
    match notes.is_empty() {
        true => Err(Failure::new(format!("{CHANGELOG} says nothing of {version}"))),
        false => Ok(notes + "\n"),
    }
}

fn is_link(line: &str) -> bool {
    line.starts_with('[') && line.contains("]: ")
}

/// `YYYY-MM-DD`.
pub(crate) fn is_date(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    shape == "0000-00-00"
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n### Added\n\n- A thing.\n\n## [1.2.2] - 2026-01-01\n\n### Fixed\n\n- Another.\n\n[1.2.3]: https://x\n";

    #[test]
    fn the_notes_of_a_version_end_where_the_next_begins() {
        assert_eq!(notes(CHANGELOG, "1.2.3").unwrap(), "### Added\n\n- A thing.\n");
        assert_eq!(notes(CHANGELOG, "1.2.2").unwrap(), "### Fixed\n\n- Another.\n");
    }

    #[test]
    fn a_version_without_date_or_words_is_refused() {
        assert!(notes(CHANGELOG, "1.2.4").is_err());
        assert!(notes(&CHANGELOG.replace("2026-01-02", "soon"), "1.2.3").is_err());
        assert!(notes("## [1.0.0] - 2026-01-02\n\n## [0.9.0] - 2026-01-01\n- x", "1.0.0").is_err());
    }

    #[test]
    fn a_tag_of_another_version_is_refused_with_the_mend() {
        let arguments = Arguments {
            tag: "v99.0.0".to_owned(),
            notes: None,
        };
        let said = run(&arguments).unwrap_err().to_string();
        assert!(
            said.contains("v99.0.0") && said.contains("[workspace.package]"),
            "{said}"
        );
    }
}
