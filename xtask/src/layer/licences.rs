//! The licences of everything that is linked into the extension, as one text: each licence once, with whom it is of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::packages::{Origin, Package};
use crate::failure::{Failure, Outcome};
use crate::{files, project};

/// The licence that is taken wherever a package offers it among others: its text is the same for all.
const PREFERRED: &str = "Apache-2.0";
/// How files with a licence begin, in capitals.
const BEGINNINGS: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE"];
const NOTICE: &str = "NOTICE";

/// The text.
pub(super) fn text(packages: &[Package]) -> Outcome<String> {
    let mut preferred = Vec::new();
    let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let label = format!("{} {}", package.name, package.version);
        let mut texts = read_each(&package.folder, &[NOTICE])?;
        if package.origin == Origin::Ours || takes_preferred(&package.license) {
            preferred.push(label.clone());
        } else {
            let found = read_each(&package.folder, &BEGINNINGS)?;
            if found.is_empty() {
                return Err(Failure::new(format!(
                    "{label} ({}) comes without the text of its licence",
                    package.license
                )));
            }
            texts.extend(found);
        }
        for text in texts {
            others.entry(text).or_default().push(label.clone());
        }
    }
    let mut all = String::from(
        "Fluoroscope is made of the packages below and of Rust's standard library (Apache-2.0). Linked into it are LLVM's unwinder, Zig's\n\
         compiler runtime, and start files of the GNU C Library: those are LGPL-2.1-or-later, with the exception in each that they may be\n\
         linked with other programs, and those distributed, without any restriction. Where a package offers several licences, Apache-2.0\n\
         is taken.\n",
    );
    let apache = project::read(Path::new("LICENSE"))?;
    section(&mut all, PREFERRED, &preferred, &apache);
    for (text, labels) in &others {
        section(&mut all, "", labels, text);
    }
    Ok(all)
}

fn section(all: &mut String, title: &str, labels: &[String], text: &str) {
    let rule = "=".repeat(80);
    let title = if title.is_empty() {
        String::new()
    } else {
        format!("{title}: ")
    };
    // Writing to a string cannot fail.
    let _ = write!(
        all,
        "\n{rule}\n{title}{}\n{rule}\n\n{}\n",
        labels.join(", "),
        text.trim_end()
    );
}

/// Whether an SPDX expression lets one take the preferred licence alone.
fn takes_preferred(expression: &str) -> bool {
    !expression.contains(['(', ')']) && expression.split(" OR ").any(|choice| choice == PREFERRED)
}

/// The texts of the files in a package whose names begin so, in the order of their names, without blanks at the lines' ends.
fn read_each(folder: &Path, beginnings: &[&str]) -> Outcome<Vec<String>> {
    let mut paths = files::list(folder)?;
    paths.retain(|path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_uppercase();
        path.is_file() && beginnings.iter().any(|beginning| name.starts_with(beginning))
    });
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).map_err(|error| files::failed("read", path, &error))?;
            Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_licence_is_taken_only_where_it_is_enough() {
        assert!(takes_preferred("MIT OR Apache-2.0"));
        assert!(takes_preferred(
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"
        ));
        assert!(takes_preferred("Apache-2.0"));
        assert!(!takes_preferred("Apache-2.0 AND ISC"));
        assert!(!takes_preferred("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!takes_preferred("MIT"));
    }

    fn package(folder: &Path, name: &str, license: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: license.to_owned(),
            folder: folder.join(name),
            origin: Origin::Linker,
            depends_on: Vec::new(),
        }
    }

    #[test]
    fn a_text_is_there_once_with_all_whose_it_is_and_a_missing_one_is_told() {
        let folder = std::env::temp_dir().join(format!("xtask-licences-{}", std::process::id()));
        for (name, file) in [("a", "LICENSE-MIT"), ("b", "license.txt"), ("c", "README")] {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join(file), "Permission, by X.  \n").unwrap();
        }
        let [a, b, c] =
            [("a", "MIT"), ("b", "MIT"), ("c", "MIT")].map(|(name, license)| package(&folder, name, license));
        let all = text(&[a.clone(), b]).unwrap();
        assert_eq!(all.matches("Permission, by X.").count(), 1, "{all}");
        assert!(all.contains("\na 1.0.0, b 1.0.0\n"), "{all}");
        let failure = text(&[a, c]).unwrap_err().to_string();
        assert_eq!(failure, "c 1.0.0 (MIT) comes without the text of its licence");
        fs::remove_dir_all(&folder).unwrap();
    }
}
