//! The layer of this machine's architecture, run.

use super::files::{NATIVE, zip};
use super::local::check_layer;

#[tokio::test]
async fn a_function_runs_with_exactly_the_tree_of_the_zip() {
    check_layer(&zip(NATIVE), |_| ()).await;
}
