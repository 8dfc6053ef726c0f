//! What the layer is made of, as CycloneDX: every package with its licence and the checksum of its archive.
//!
//! No time and no serial number: the same content gives the same bytes.

use serde_json::{Value, json};

use super::packages::{Origin, Package};

/// Version of the specification: the newest that scanners read without exception.
const SPECIFICATION: &str = "1.6";

/// The bill of materials of a zip with this name and SHA-256 (in hex).
pub(super) fn bill(packages: &[Package], compiler: &str, zip: (&str, &str)) -> Value {
    let (name, digest) = zip;
    let version = packages
        .iter()
        .find(|package| package.name == "extension")
        .map(|package| package.version.as_str());
    let mut components: Vec<Value> = packages.iter().map(component).collect();
    components.push(json!({
        "type": "library",
        "bom-ref": "rust-std",
        "name": "std",
        "description": "Rust's standard library",
        "version": compiler,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }));
    let mut dependencies: Vec<Value> = packages
        .iter()
        .map(|package| {
            let on: Vec<String> = package
                .depends_on
                .iter()
                .map(|(name, version)| reference(name, version))
                .collect();
            json!({"ref": reference(&package.name, &package.version), "dependsOn": on})
        })
        .collect();
    let top: Vec<Value> = packages
        .iter()
        .filter(|package| package.name == "extension" || package.origin == Origin::Linker)
        .map(|package| json!(reference(&package.name, &package.version)))
        .chain([json!("rust-std")])
        .collect();
    dependencies.push(json!({"ref": name, "dependsOn": top}));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(package: &Package) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(&package.name, &package.version),
        "name": package.name,
        "version": package.version,
        "licenses": [{"expression": package.license}],
    });
    if let Origin::Registry { checksum } = &package.origin
        && let Some(fields) = component.as_object_mut()
    {
        fields.insert(
            "purl".to_owned(),
            json!(reference(&package.name, &package.version)),
        );
        fields.insert(
            "hashes".to_owned(),
            json!([{"alg": "SHA-256", "content": checksum}]),
        );
    }
    component
}

/// A package URL.
fn reference(name: &str, version: &str) -> String {
    // `+` begins a query's blank.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}
