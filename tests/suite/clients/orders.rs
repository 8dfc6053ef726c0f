//! What every language's `orders` function leaves behind, whatever its SDK.
//!
//! The function takes an order: a subsegment `take order` with annotations, in it `price`, in it, on
//! demand, `charge`, which fails.

use tests::tree::Tree;

const FUNCTION: &str = "AWS::Lambda > AWS::Lambda::Function";

/// The tree has the platform's elements, `sdk` under the function, and nothing else.
#[track_caller]
pub(crate) fn assert_paths(tree: &Tree, platform: &[&str], sdk: &[&str]) {
    let mut expected = vec!["AWS::Lambda".to_owned(), FUNCTION.to_owned()];
    expected.extend(
        platform
            .iter()
            .chain(sdk)
            .map(|path| format!("{FUNCTION} > {path}")),
    );
    expected.sort();
    assert_eq!(tree.paths(), expected, "\n{tree}");
}

/// What the platform adds to the first invocation of an environment.
pub(crate) const COLD: &[&str] = &["Initialization", "Invocation", "Overhead", "ExtensionOverhead"];
/// What it adds to later ones.
pub(crate) const WARM: &[&str] = &["Invocation", "Overhead", "ExtensionOverhead"];

/// `take order` has its annotations, as numbers and text, and nothing is marked.
#[track_caller]
pub(crate) fn assert_taken(tree: &Tree) {
    let order = tree.named("take order");
    assert_eq!(order["annotations"]["order"], 7, "{order}");
    assert_eq!(order["annotations"]["customer"], "büro", "{order}");
    for name in ["AWS::Lambda", "AWS::Lambda::Function", "take order", "price"] {
        let element = tree.named(name);
        assert!(
            element.get("fault").is_none_or(|fault| fault == false),
            "{element}"
        );
        assert!(element["end_time"].is_number(), "{element}");
    }
}

/// `charge` failed with a cause, and what is around it is marked, up to the function.
#[track_caller]
pub(crate) fn assert_charge_failed(tree: &Tree) {
    for name in ["AWS::Lambda::Function", "take order", "charge"] {
        assert_eq!(tree.named(name)["fault"], true, "{}", tree.named(name));
    }
    let exceptions = &tree.named("charge")["cause"]["exceptions"];
    assert_eq!(exceptions[0]["message"], "card refused", "{exceptions}");
    assert!(
        tree.named("price")
            .get("fault")
            .is_none_or(|fault| fault == false)
    );
}
