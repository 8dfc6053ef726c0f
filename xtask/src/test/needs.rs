//! What single modules of the suite take and nobody else does: installed and built for those that are going to run.
//!
//! A run of all tests installs everything, side by side with the build. With `--only`, the suite itself is asked which of
//! its tests the filters select.

use std::collections::BTreeSet;

use crate::failure::{Failure, Outcome};
use crate::tools::{buildah, frameworks, rie, sam, template};
use crate::{layer, process};

/// Modules of the suite, and what they take.
pub(super) struct Need {
    /// The modules' paths with their colons, as test names begin.
    pub(super) modules: &'static [&'static str],
    /// Installs or builds it, unless that is current.
    pub(super) install: fn() -> Outcome,
}

/// Every need. The order is the order of installation.
pub(super) const NEEDS: &[Need] = &[
    Need {
        modules: &["environments::rie::"],
        install: rie::install,
    },
    Need {
        modules: &["layer::", "template::"],
        install: layer::for_tests,
    },
    Need {
        modules: &["layer::foreign::"],
        install: layer::foreign_for_tests,
    },
    Need {
        modules: &["layer::image::as_root::"],
        install: buildah::install,
    },
    Need {
        modules: &["deploy::sam::"],
        install: sam::install,
    },
    Need {
        modules: &["deploy::frameworks::"],
        install: frameworks::install,
    },
    Need {
        modules: &["template::"],
        install: template::build,
    },
];

/// Installs what any test takes.
pub(super) fn install_all() -> Outcome {
    NEEDS.iter().try_for_each(install)
}

/// Installs what the tests take that `filters` select. Needs the suite to be built.
pub(super) fn install_selected(filters: &[String], features: &[String]) -> Outcome {
    // The whole workspace, as it was built: for one package alone, shared crates have other features and are built once more.
    let mut list = process::cargo();
    list.args(["test", "--quiet", "--workspace", "--test", "suite"])
        .args(features)
        .args(["--", "--list", "--format", "terse"])
        .args(filters);
    let listed = process::answer(&mut list)?;
    needed(NEEDS, &names(&listed)).into_iter().try_for_each(install)
}

fn install(need: &Need) -> Outcome {
    (need.install)().map_err(|failure| told_for(need.modules, &failure))
}

fn told_for(modules: &[&str], failure: &Failure) -> Failure {
    let modules: Vec<&str> = modules
        .iter()
        .map(|module| module.trim_end_matches("::"))
        .collect();
    Failure::new(format!(
        "what `{}` takes could not be had: {failure}",
        modules.join("`, `")
    ))
}

/// The names in what a test program lists: `name: test` each.
fn names(listed: &str) -> BTreeSet<&str> {
    listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect()
}

fn needed<'a>(needs: &'a [Need], names: &BTreeSet<&str>) -> Vec<&'a Need> {
    let takes_it = |need: &Need, name: &str| need.modules.iter().any(|module| name.starts_with(module));
    let is_selected = |need: &&Need| names.iter().any(|name| takes_it(need, name));
    needs.iter().filter(is_selected).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Outcome {
        Ok(())
    }

    #[test]
    fn only_selected_modules_have_needs() {
        let need = |modules| Need {
            modules,
            install: nothing,
        };
        let needs = [
            need(&["layer::"][..]),
            need(&["environments::rie::", "template::"]),
        ];
        let listed =
            "\nlayers::x: test\ntemplate::runs: test\nmemory::layer::x: test\n\n3 tests, 0 benchmarks\n";
        let found = needed(&needs, &names(listed));
        assert_eq!(
            found.iter().map(|need| need.modules).collect::<Vec<_>>(),
            [["environments::rie::", "template::"]]
        );
    }

    #[test]
    fn a_need_that_fails_says_whose_it_was_and_keeps_the_mend() {
        fn fail() -> Outcome {
            Err(Failure::new("no zig").mend("install it"))
        }
        let need = Need {
            modules: &["layer::", "template::"],
            install: fail,
        };
        let said = install(&need).unwrap_err().to_string();
        assert_eq!(
            said,
            "what `layer`, `template` takes could not be had: no zig\n  to mend it: install it"
        );
    }
}
