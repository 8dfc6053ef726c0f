//! moto: a second X-Ray, which checks signatures as AWS does.

use std::collections::BTreeSet;

use emulator::Config;
use serde_json::{Value, json};
use tests::lab::Lab;

use crate::clients::moto::Moto as Server;
use crate::clients::orders::{COLD, assert_paths};
use crate::clients::program::{ANY_KEYS, aws, python};
use crate::clients::readers::{orders, tree_of};
use crate::clients::stage::succeed;

/// Calls that moto lets pass before it checks signatures: user, policy and key are made with them.
const FREE_CALLS: &str = "3";
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// A running moto with one user who may do everything.
struct Moto {
    /// Ended when this is dropped.
    _server: Server,
    url: String,
    key: String,
    secret: String,
}

impl Moto {
    async fn start() -> Self {
        let server = Server::that_checks_signatures(FREE_CALLS).await;
        let url = server.url().to_owned();

        aws(&["iam", "create-user", "--user-name", "function"], &url, ANY_KEYS).await;
        let policy = ["--policy-name", "all", "--policy-document", EVERYTHING];
        aws(
            &[
                &["iam", "put-user-policy", "--user-name", "function"],
                &policy[..],
            ]
            .concat(),
            &url,
            ANY_KEYS,
        )
        .await;
        let made = aws(
            &["iam", "create-access-key", "--user-name", "function"],
            &url,
            ANY_KEYS,
        )
        .await;
        let text = |name: &str| {
            made["AccessKey"][name]
                .as_str()
                .expect("the key was made")
                .to_owned()
        };
        Self {
            _server: server,
            key: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            url,
        }
    }

    /// The function, which signs with this secret.
    fn function(&self, secret: &str, config: &mut Config) {
        orders(config, &self.url);
        config.credentials.access_key_id.clone_from(&self.key);
        config.credentials.secret_access_key = secret.to_owned();
        config.credentials.session_token = None;
    }
}

#[tokio::test]
async fn documents_signed_with_the_right_secret_are_accepted() {
    let moto = Moto::start().await;
    let lab = Lab::with(|config| moto.function(&moto.secret, config)).await;
    succeed(&lab, &json!({})).await;
    let finished = lab.finish().await;
    assert_eq!(
        finished.tally["sent"], finished.tally["received"]["total"],
        "{}",
        finished.tally
    );

    let mut read = python("read_trace.py", &[], &moto.url, (&moto.key, &moto.secret)).await;
    // A call whose answer came too late was made again: X-Ray tells repeats by their id, moto keeps them.
    let mut ids = BTreeSet::new();
    let segments = read["traces"][0]["Segments"]
        .as_array_mut()
        .expect("the trace has segments");
    segments.retain(|segment| ids.insert(segment["Id"].to_string()));
    let tree = tree_of(&read["traces"][0]);
    assert_paths(&tree, COLD, &["take order", "take order > price"]);
}

#[tokio::test]
async fn a_wrong_secret_costs_one_clear_line_and_no_invocation() {
    let moto = Moto::start().await;
    let lab = Lab::with(|config| moto.function("not the secret", config)).await;
    succeed(&lab, &json!({})).await;
    succeed(&lab, &json!({})).await;
    let finished = lab.finish().await;

    assert_eq!(finished.tally["sent"], 0, "{}", finished.tally);
    assert_eq!(
        finished.tally["held"], finished.tally["received"]["total"],
        "{}",
        finished.tally
    );
    let refusals: Vec<&Value> = finished
        .lines
        .iter()
        .filter(|line| line.to_string().contains("403"))
        .collect();
    assert_eq!(
        refusals.len(),
        1,
        "one line, however many calls were refused: {:?}",
        finished.lines
    );
    let line = refusals[0].to_string();
    assert!(line.contains("SignatureDoesNotMatch"), "{line}");
}
