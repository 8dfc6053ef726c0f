//! The AWS CLI's snippets, run by a shell with the real CLI against moto.

use serde_json::{Value, json};

use super::judge::{WRAPPER, actions_of_the_page, lay_out_function, xray_actions};
use super::snippets::{publish_lines, snippet};
use crate::clients::desk::{Desk, finish};
use crate::clients::moto::Moto;

const OTHER: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:other:1";
const FIRST: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:fluoroscope-x86_64:1";
const SECOND: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:fluoroscope-x86_64:2";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// An account with the function `orders`.
struct Account {
    desk: Desk,
    _moto: Moto,
}

impl Account {
    async fn open(name: &str) -> Self {
        let teacher = concat!(env!("CARGO_MANIFEST_DIR"), "/suite/deploy/moto_with_revisions.py");
        let moto = Moto::taught_by(teacher).await;
        let desk = Desk::new(name, moto.url());
        lay_out_function(&desk).await;
        desk.zip("orders.zip", "the function").await;
        let role = ["iam", "create-role", "--role-name", "orders-role"];
        let role = desk
            .aws(&[&role[..], &["--assume-role-policy-document", TRUST]].concat())
            .await;
        let role = role["Role"]["Arn"].as_str().expect("a role was made").to_owned();
        let function = ["lambda", "create-function", "--function-name", "orders"];
        let code = ["--zip-file", "fileb://orders.zip", "--handler", "app.handler"];
        let kind = ["--runtime", "python3.13", "--role", &role];
        desk.aws(&[&function[..], &code, &kind].concat()).await;
        Self { desk, _moto: moto }
    }

    /// Pastes blocks of the page into one shell.
    async fn paste(&self, blocks: &[&str]) {
        let script: String = blocks.iter().map(|block| snippet(block)).collect();
        let mut shell = self.desk.program("bash");
        let said = finish(shell.args(["-euo", "pipefail", "-c", &script])).await;
        assert_eq!(said.code, Some(0), "{blocks:?}: {}", said.errors);
    }

    /// The function's layers and variables.
    async fn function(&self) -> (Vec<Value>, Value) {
        let words = [
            "lambda",
            "get-function-configuration",
            "--function-name",
            "orders",
        ];
        let now = self.desk.aws(&words).await;
        let layers = now["Layers"].as_array().into_iter().flatten();
        let layers = layers.map(|layer| layer["Arn"].clone()).collect();
        (layers, now["Environment"]["Variables"].clone())
    }

    /// How tracing was asked for: moto takes it with an update and forgets it.
    fn tracing(&self) -> Vec<String> {
        let updates = self.desk.calls().into_iter();
        let updates = updates.filter(|call| call.iter().any(|word| word == "update-function-configuration"));
        let modes = updates.filter_map(|call| {
            let flag = call
                .iter()
                .position(|word| word.starts_with("--tracing-config") || word == "--cli-input-json")?;
            let value = call.get(flag + 1)?;
            match serde_json::from_str::<Value>(value) {
                Ok(update) => update["TracingConfig"]["Mode"].as_str().map(str::to_owned),
                Err(_) => value.strip_prefix("Mode=").map(str::to_owned),
            }
        });
        modes.collect()
    }
}

#[tokio::test]
async fn a_function_without_layers_and_variables_is_attached_and_permitted() {
    let account = Account::open("first").await;
    account
        .paste(&["publish.sh", "permit.sh", "attach-first.sh"])
        .await;
    let attached = (vec![json!(FIRST)], json!({WRAPPER.0: WRAPPER.1}));
    assert_eq!(account.function().await, attached);
    assert_eq!(account.tracing(), ["Active"]);
    let words = ["iam", "get-role-policy", "--role-name", "orders-role"];
    let words = [&words[..], &["--policy-name", "fluoroscope"]].concat();
    let policy = account.desk.aws(&words).await;
    assert_eq!(xray_actions(&policy["PolicyDocument"]), actions_of_the_page());
}

#[tokio::test]
async fn the_careful_way_does_for_a_function_without_layers_and_variables_too() {
    let account = Account::open("bare").await;
    account.paste(&["publish.sh", "attach.sh"]).await;
    let attached = (vec![json!(FIRST)], json!({WRAPPER.0: WRAPPER.1}));
    assert_eq!(account.function().await, attached);
    assert_eq!(account.tracing(), ["Active"]);
}

#[tokio::test]
async fn layers_and_variables_that_are_there_stay_when_the_layer_comes_and_when_it_goes() {
    let account = Account::open("kept").await;
    let other = ["lambda", "publish-layer-version", "--layer-name", "other"];
    let other = [&other[..], &["--zip-file", "fileb://orders.zip"]].concat();
    account.desk.aws(&other).await;
    let update = [
        "lambda",
        "update-function-configuration",
        "--function-name",
        "orders",
    ];
    let own = ["--layers", OTHER, "--environment", "Variables={TABLE=orders}"];
    account.desk.aws(&[&update[..], &own].concat()).await;

    account.paste(&["publish.sh", "attach.sh"]).await;
    let (layers, variables) = account.function().await;
    assert_eq!(layers, [OTHER, FIRST]);
    let both = json!({"TABLE": "orders", WRAPPER.0: WRAPPER.1});
    assert_eq!(variables, both);
    assert_eq!(account.tracing(), ["Active"]);

    account.desk.zip("fluoroscope-x86_64.zip", "a newer layer").await;
    account.paste(&["publish.sh", "attach.sh"]).await;
    let (layers, variables) = account.function().await;
    assert_eq!(layers, [OTHER, SECOND], "the newer in the place of the older");
    assert_eq!(variables, both);

    account
        .desk
        .write("detach.sh", format!("FUNCTION=orders\n{}", snippet("detach.sh")));
    let mut shell = account.desk.program("bash");
    let said = finish(shell.args(["-euo", "pipefail", "detach.sh"])).await;
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let (layers, variables) = account.function().await;
    assert_eq!(layers, [OTHER]);
    assert_eq!(variables, json!({"TABLE": "orders"}));
}

#[tokio::test]
async fn a_change_between_the_reading_and_the_update_is_not_lost() {
    let account = Account::open("between").await;
    let prelude = format!("FUNCTION=orders\nLAYER={FIRST}\n");
    let update = "aws lambda update-function-configuration";
    let other = format!("{update} --function-name orders --environment 'Variables={{TABLE=orders}}'\n");
    for block in ["attach.sh", "detach.sh"] {
        let right = snippet(block);
        let waits = "aws lambda wait function-updated-v2 --function-name \"$FUNCTION\"\n";
        assert!(
            right.starts_with(waits),
            "{block}: what is pending is waited for first"
        );
        let between = right.replace(&format!("{update} --cli"), &format!("{other}{update} --cli"));
        assert_ne!(between, right, "{block}");
        let mut shell = account.desk.program("bash");
        let said = finish(shell.args(["-euo", "pipefail", "-c", &(prelude.clone() + &between)])).await;
        assert_ne!(said.code, Some(0), "{block}: {}", said.output);
        assert!(
            said.errors.contains("PreconditionFailedException"),
            "{block}: {}",
            said.errors
        );
        let (layers, variables) = account.function().await;
        assert!(layers.is_empty(), "{block}: {layers:?}");
        assert_eq!(variables, json!({"TABLE": "orders"}), "{block}");
        let reset = [
            "lambda",
            "update-function-configuration",
            "--function-name",
            "orders",
        ];
        let reset = [&reset[..], &["--environment", "Variables={}"]].concat();
        account.desk.aws(&reset).await;
    }
}

#[tokio::test]
async fn the_lines_of_layer_publish_do_what_they_say() {
    let account = Account::open("lines").await;
    let lines = publish_lines();
    assert!(lines.len() > 2, "{lines:?}");
    for line in lines {
        // moto has some 20 regions: one of them stands for all.
        let line = line.replace("--regions all", "--regions eu-west-1");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../layer/publish");
        let mut publish = account.desk.program(script);
        let said = finish(
            publish
                .args(["--zips", ".", "--architectures", "x86_64"])
                .args(line.split_whitespace()),
        )
        .await;
        assert_eq!(said.code, Some(0), "{line}\n{}\n{}", said.output, said.errors);
        let is_dry = said.output.contains("this was a dry run");
        assert_eq!(is_dry, !line.contains("--execute"), "{line}\n{}", said.output);
    }
}
