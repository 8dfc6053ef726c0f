//! The packages that are compiled into the extension, as cargo resolves them for one architecture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::arch::Arch;
use crate::failure::{Failure, Outcome};
use crate::{process, project};

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) license: String,
    /// Where its sources lie.
    pub(super) folder: PathBuf,
    /// Where it comes from.
    pub(super) origin: Origin,
    /// Names and versions of what it depends on, itself.
    pub(super) depends_on: Vec<(String, String)>,
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// This project.
    Ours,
    /// The registry of packages, with the SHA-256 of its archive, in hex.
    Registry { checksum: String },
    /// What the linker adds to any program.
    Linker,
}

/// Every package that is linked into the extension, by name and version. Build scripts' and macros' own are not.
pub(super) fn of_extension(arch: Arch) -> Outcome<Vec<Package>> {
    let target = arch.target();
    let mut tree = process::cargo();
    tree.args([
        "tree",
        "--locked",
        "-p",
        "extension",
        "-e",
        "normal,no-proc-macro",
        "--target",
        &target,
    ])
    .args(["--prefix", "depth", "--format", "|{p}|{l}"]);
    let tree = process::answer(&mut tree)?;
    let mut metadata = process::cargo();
    metadata.args([
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        &target,
    ]);
    let folders = folders(&process::answer(&mut metadata)?)?;
    let checksums = checksums(&project::read(Path::new("Cargo.lock"))?);

    let mut packages: BTreeMap<Id, Package> = BTreeMap::new();
    for (id, (license, depends_on)) in graph(&tree)? {
        let folder = folders.get(&id).cloned();
        let folder = folder.ok_or_else(|| Failure::new(format!("cargo does not say where {id:?} lies")))?;
        let origin = match checksums.get(&id).cloned() {
            Some(checksum) => Origin::Registry { checksum },
            None => Origin::Ours,
        };
        let (name, version) = id.clone();
        packages.insert(
            id,
            Package {
                name,
                version,
                license,
                folder,
                origin,
                depends_on,
            },
        );
    }
    Ok(packages.into_values().collect())
}

/// Name and version.
type Id = (String, String);

/// What `cargo tree` says of each package: its licence and what it depends on.
fn graph(tree: &str) -> Outcome<BTreeMap<Id, (String, Vec<Id>)>> {
    let mut graph: BTreeMap<Id, (String, Vec<Id>)> = BTreeMap::new();
    let mut ancestors: Vec<Id> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let unread = || Failure::new(format!("`cargo tree` wrote a line that cannot be read: {line}"));
        let mut parts = line.splitn(3, '|');
        let (depth, package, license) = (parts.next(), parts.next(), parts.next());
        let depth: usize = depth.and_then(|text| text.parse().ok()).ok_or_else(unread)?;
        let mut words = package.ok_or_else(unread)?.split(' ');
        let name = words.next().ok_or_else(unread)?.to_owned();
        let version = words
            .next()
            .and_then(|word| word.strip_prefix('v'))
            .ok_or_else(unread)?;
        let id = (name, version.to_owned());
        // ` (*)` marks a package whose dependencies were written before.
        let license = license.ok_or_else(unread)?.trim_end_matches(" (*)");
        graph
            .entry(id.clone())
            .or_insert_with(|| (license.to_owned(), Vec::new()));
        ancestors.truncate(depth);
        if let Some((_, depends_on)) = ancestors.last().and_then(|parent| graph.get_mut(parent))
            && !depends_on.contains(&id)
        {
            depends_on.push(id.clone());
        }
        ancestors.push(id);
    }
    Ok(graph)
}

fn folders(metadata: &str) -> Outcome<BTreeMap<Id, PathBuf>> {
    let unread = |why: &str| Failure::new(format!("`cargo metadata` cannot be read: {why}"));
    let read: Value = serde_json::from_str(metadata).map_err(|error| unread(&error.to_string()))?;
    let packages = read.get("packages").and_then(Value::as_array);
    let text = |package: &Value, field: &str| package.get(field).and_then(Value::as_str).map(str::to_owned);
    let folder = |package: &Value| {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let id = (text(package, "name")?, text(package, "version")?);
        Some((id, manifest.parent()?.to_owned()))
    };
    let packages = packages.ok_or_else(|| unread("it has no packages"))?;
    Ok(packages.iter().filter_map(folder).collect())
}

/// The checksums in a lock file.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let field = |block: &str, name: &str| {
        let value = block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
        Some(value.trim_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]");
    blocks
        .filter_map(|block| {
            Some((
                (field(block, "name")?, field(block, "version")?),
                field(block, "checksum")?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        (name.to_owned(), "1.0.0".to_owned())
    }

    #[test]
    fn a_tree_becomes_a_graph_and_marks_of_repetition_are_dropped() {
        let tree = "0|a v1.0.0 (/x y)|MIT\n1|b v1.0.0|Apache-2.0 OR MIT\n2|c v1.0.0|ISC\n1|d v1.0.0|MIT\n2|b v1.0.0|Apache-2.0 OR MIT (*)\n";
        let graph = graph(tree).unwrap();
        assert_eq!(graph[&id("a")].1, [id("b"), id("d")]);
        assert_eq!(graph[&id("b")], ("Apache-2.0 OR MIT".to_owned(), vec![id("c")]));
        assert_eq!(graph[&id("d")].1, [id("b")]);
        assert!(super::graph("?").is_err());
    }

    #[test]
    fn checksums_are_read_from_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"s\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"ours\"\nversion = \"1.0.0\"\n";
        let found = checksums(lock);
        assert_eq!(found.get(&id("a")).map(String::as_str), Some("00ff"));
        assert_eq!(found.len(), 1);
    }
}
