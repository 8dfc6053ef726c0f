//! Arrows between the layers go one way: model → pipeline → adapters → app → main.

use super::source::Source;

/// A layer and what it must not name.
struct Layer {
    folder: &'static str,
    must_not_name: &'static [&'static [&'static str]],
}

/// What a computation without side effects has no use for.
const OUTSIDE_WORLD: &[&str] = &[
    "std::net",
    "std::env",
    "std::fs",
    "std::io::std",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "tokio",
    "hyper",
    "reqwest",
    "axum",
    "rustix",
    "tracing::",
    "log::",
    "println!",
    "eprintln!",
    "async fn",
];
const ADAPTERS: &[&str] = &["crate::inbound", "crate::outbound", "crate::lambda", "crate::app"];
const EXTENSION_BUT_SETTINGS: &[&str] = &[
    "extension::app",
    "extension::inbound",
    "extension::lambda",
    "extension::logging",
    "extension::memory",
    "extension::outbound",
    "extension::pipeline",
    "extension::proxy",
    "extension::spill",
    "extension::start",
];
const SETTINGS: &[&str] = &["crate::settings"];

const LAYERS: &[Layer] = &[
    Layer {
        folder: "model/src",
        must_not_name: &[OUTSIDE_WORLD],
    },
    Layer {
        folder: "extension/src/limits",
        must_not_name: &[OUTSIDE_WORLD, ADAPTERS, SETTINGS, &["crate::", "super::"]],
    },
    Layer {
        folder: "extension/src/settings",
        must_not_name: &[&["crate::app", "crate::inbound", "crate::lambda"]],
    },
    Layer {
        folder: "extension/src/pipeline",
        must_not_name: &[OUTSIDE_WORLD, ADAPTERS, SETTINGS],
    },
    Layer {
        folder: "extension/src/inbound",
        must_not_name: &[
            &[
                "crate::outbound",
                "crate::lambda",
                "crate::app",
                "pipeline::engine",
            ],
            SETTINGS,
        ],
    },
    Layer {
        folder: "extension/src/proxy",
        must_not_name: &[ADAPTERS, &["pipeline::engine"], SETTINGS],
    },
    Layer {
        folder: "extension/src/outbound",
        must_not_name: &[
            &[
                "crate::inbound",
                "crate::lambda",
                "crate::app",
                "pipeline::engine",
            ],
            SETTINGS,
        ],
    },
    Layer {
        folder: "extension/src/lambda",
        must_not_name: &[
            &[
                "crate::inbound",
                "crate::outbound",
                "crate::app",
                "pipeline::engine",
            ],
            SETTINGS,
        ],
    },
    Layer {
        folder: "extension/src/app",
        must_not_name: &[&["model::wire"]],
    },
    Layer {
        folder: "emulator/src",
        must_not_name: &[&["extension::", "backend::"]],
    },
    // The doctor reads settings as the extension does, in one place; nothing else of the extension is known here.
    Layer {
        folder: "cli/src",
        must_not_name: &[EXTENSION_BUT_SETTINGS],
    },
    Layer {
        folder: "cli/src/doctor/rules",
        must_not_name: &[&["std::fs", "std::env", "std::io", "std::process"]],
    },
    Layer {
        folder: "backend/src",
        must_not_name: &[&["extension::", "emulator::"]],
    },
];

/// Lines that name what their layer must not know.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for layer in LAYERS {
        for source in sources
            .iter()
            .filter(|source| source.is_rust() && source.is_in(layer.folder))
        {
            for (number, line) in source.lines_without_tests() {
                let code = line.split("//").next().unwrap_or(line);
                for word in layer
                    .must_not_name
                    .iter()
                    .copied()
                    .flatten()
                    .filter(|word| names(code, word))
                {
                    breaches.push(format!("{} names `{word}`", source.at(number)));
                }
            }
        }
    }
    breaches
}

/// Whether `word` stands in `code` and not as the tail of a longer name.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipeline_may_not_name_an_adapter_or_read_a_clock() {
        let text = "use crate::limits::Bytes;\nuse crate::outbound::Batch;\nlet now = SystemTime::now();\n";
        assert_eq!(
            breaches(&[Source::made_up("extension/src/pipeline/batch.rs", text)]),
            [
                "extension/src/pipeline/batch.rs:2 names `crate::outbound`",
                "extension/src/pipeline/batch.rs:3 names `SystemTime`",
            ]
        );
        assert!(breaches(&[Source::made_up("extension/src/clock.rs", text)]).is_empty());
    }

    #[test]
    fn comments_tests_and_tails_of_longer_names_are_free() {
        let text = "// tokio\nlet x = dialog::y;\n#[cfg(test)]\nmod tests {\n    use tokio;\n}\n";
        assert!(breaches(&[Source::made_up("model/src/ids.rs", text)]).is_empty());
    }
}
