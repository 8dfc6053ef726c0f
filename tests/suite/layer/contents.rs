//! What is in the zips, and what their programs need of the system.

use std::collections::BTreeSet;

use super::files::{FOREIGN, NATIVE, Packed, sha256, unpacked, zip};

const EXTENSION: &str = "extensions/fluoroscope";
/// What the layer promises to measure at most, in bytes.
const ZIP_PROMISE: u64 = 1_600_000;
const BINARY_PROMISE: usize = 3_200_000;
/// The C library of Amazon Linux 2.
const OLDEST_GLIBC: (u32, u32) = (2, 26);

/// The parts of that library: nothing else is on every image that functions run in.
const OF_GLIBC: [&str; 6] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
];

/// Both zips are judged alike.
#[track_caller]
fn check_contents(arch: &str) -> Packed {
    let path = zip(arch);
    let (mut files, order) = unpacked(&path);
    assert_eq!(order, [EXTENSION, "fluoroscope", "fluoroscope-licenses.txt"]);
    let modes: Vec<u32> = files.values().map(|file| file.mode).collect();
    assert_eq!(modes, [0o755, 0o755, 0o644]);
    assert!(
        !files.values().any(|file| file.is_dated),
        "a time of this build is in it"
    );
    let wrapper = &files["fluoroscope"].content;
    assert!(
        wrapper.starts_with(b"#!/bin/sh\n"),
        "Lambda's runtimes have no other shell"
    );
    let licences = String::from_utf8_lossy(&files["fluoroscope-licenses.txt"].content).into_owned();
    for expected in [
        "Apache License",
        "tokio 1.",
        "ring 0.",
        "webpki-roots 1.",
        "LLVM Exceptions",
        "Zig contributors",
        "GNU C Library",
    ] {
        assert!(licences.contains(expected), "no {expected} among the licences");
    }
    let bytes = std::fs::metadata(path).expect("it is a file").len();
    assert!(bytes <= ZIP_PROMISE, "the zip has {bytes} bytes");
    let extension = files.remove(EXTENSION).expect("it is among the names");
    let binary = extension.content.len();
    assert!(binary <= BINARY_PROMISE, "the program has {binary} bytes");
    extension
}

#[test]
fn the_zip_for_this_machine_holds_what_lambda_expects_and_nothing_else() {
    let extension = check_contents(NATIVE);
    check_program(&extension.content);
}

#[test]
fn the_zip_is_named_by_its_checksum() {
    let path = zip(NATIVE);
    let written = std::fs::read_to_string(path.with_extension("zip.sha256")).expect("it lies beside the zip");
    let zip = std::fs::read(&path).expect("it is there");
    assert_eq!(written, format!("{}  fluoroscope-{NATIVE}.zip\n", sha256(&zip)));
}

/// Runs on Amazon Linux 2 by what it asks of the C library, and tells nothing of where it was built.
#[track_caller]
pub(super) fn check_program(program: &[u8]) {
    let text = String::from_utf8_lossy(program);
    let versions: Vec<(u32, u32)> = text.split("GLIBC_").skip(1).filter_map(version).collect();
    assert!(
        versions.contains(&(2, 2)) || versions.contains(&(2, 17)),
        "no versions were found: {versions:?}"
    );
    let newest = versions.iter().max().copied();
    assert!(newest <= Some(OLDEST_GLIBC), "it needs glibc {newest:?}");
    let libraries: BTreeSet<&str> = text.split('\0').filter(|word| is_library(word)).collect();
    let others: Vec<_> = libraries.iter().filter(|name| !OF_GLIBC.contains(name)).collect();
    assert!(
        libraries.contains("libc.so.6") && others.is_empty(),
        "it needs {libraries:?}"
    );
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME"));
    let places = [
        env!("CARGO_MANIFEST_DIR").trim_end_matches("/tests").to_owned(),
        home.unwrap_or_default(),
    ];
    for place in places.iter().filter(|place| place.len() > 1) {
        assert!(!text.contains(&format!("{place}/")), "{place} is in the program");
    }
}

/// Whether a word of a program's string table is the name of a library that is loaded with it.
fn is_library(word: &str) -> bool {
    word.starts_with("lib") && word.contains(".so") && !word.contains(['/', ' '])
}

/// The first two numbers of a version that a text begins with.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text
        .split(|letter: char| !letter.is_ascii_digit())
        .map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return None;
    };
    Some((major, minor))
}

/// The other architecture's zip, where it can be built.
#[track_caller]
pub(super) fn check_foreign() {
    let extension = check_contents(FOREIGN);
    check_program(&extension.content);
}
