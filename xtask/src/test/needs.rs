//! What single modules of the suite take and nobody else does: installed and built for those that are going to run.
//!
//! A run of all tests installs everything, side by side with the build. With `--only`, the suite itself is asked which of
//! its tests the filters select.

use std::collections::BTreeSet;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::tools::{buildah, frameworks};

/// A module of the suite, and what it takes.
pub(super) struct Need {
    /// The module's path with its colons, as test names begin.
    pub(super) module: &'static str,
    /// Installs or builds it, unless that is current.
    pub(super) install: fn() -> Outcome,
}

/// Every need. The order is the order of installation.
pub(super) const NEEDS: &[Need] = &[
    Need {
        module: "layer::",
        install: crate::layer::for_tests,
    },
    Need {
        module: "layer::foreign::",
        install: crate::layer::foreign_for_tests,
    },
    Need {
        module: "layer::image::as_root::",
        install: buildah::install,
    },
    Need {
        module: "deploy::frameworks::",
        install: frameworks::install,
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
    (need.install)().map_err(|failure| told_for(need.module, &failure))
}

fn told_for(module: &str, failure: &Failure) -> Failure {
    let module = module.trim_end_matches("::");
    Failure::new(format!("what `{module}` takes could not be had: {failure}"))
}

/// The names in what a test program lists: `name: test` each.
fn names(listed: &str) -> BTreeSet<&str> {
    listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect()
}

fn needed<'a>(needs: &'a [Need], names: &BTreeSet<&str>) -> Vec<&'a Need> {
    let is_selected = |need: &&Need| names.iter().any(|name| name.starts_with(need.module));
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
        let need = |module| Need {
            module,
            install: nothing,
        };
        let needs = [need("layer::"), need("template::")];
        let listed =
            "\nlayers::x: test\ntemplate::runs: test\nmemory::layer::x: test\n\n3 tests, 0 benchmarks\n";
        let found = needed(&needs, &names(listed));
        assert_eq!(
            found.iter().map(|need| need.module).collect::<Vec<_>>(),
            ["template::"]
        );
    }

    #[test]
    fn a_need_that_fails_says_whose_it_was_and_keeps_the_mend() {
        fn fail() -> Outcome {
            Err(Failure::new("no zig").mend("install it"))
        }
        let need = Need {
            module: "layer::",
            install: fail,
        };
        let said = install(&need).unwrap_err().to_string();
        assert_eq!(
            said,
            "what `layer` takes could not be had: no zig\n  to mend it: install it"
        );
    }
}
