//! `layer/publish` against moto, which keeps layers, their hashes and whom they are shared with, region by region.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::clients::desk::{Desk, Said, finish};
use crate::clients::moto::Moto;

const EU: &str = "eu-west-1";
const US: &str = "us-east-1";
/// Of the right form, and nowhere: moto answers it with 500.
const NOWHERE: &str = "eu-nowhere-1";
const BOTH: &str = "eu-west-1,us-east-1";
const ORGANIZATION: &str = "o-a1b2c3d4e5";

/// A desk with two zips on it, and a moto.
struct Shop {
    desk: Desk,
    _moto: Moto,
}

impl Shop {
    async fn open(name: &str) -> Self {
        let moto = Moto::start().await;
        let desk = Desk::new(name, moto.url());
        desk.folder("zips");
        let shop = Self { desk, _moto: moto };
        shop.pack("x86_64", "one zip").await;
        shop.pack("arm64", "another zip").await;
        shop
    }

    /// Puts a zip where `layer/publish` looks for it.
    async fn pack(&self, architecture: &str, content: &str) {
        let name = format!("zips/fluoroscope-{architecture}.zip");
        self.desk.zip(&name, content).await;
    }

    /// Runs `layer/publish`, which is to end with `code`.
    async fn publish(&self, code: i32, words: &[&str]) -> Said {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../layer/publish");
        let mut command = self.desk.program(script);
        let said = finish(command.args(["--zips", "zips"]).args(words)).await;
        said.with_code(code)
    }

    /// Versions that are there, newest first.
    async fn versions(&self, region: &str, layer: &str) -> Vec<Value> {
        let words = [
            "lambda",
            "list-layer-versions",
            "--region",
            region,
            "--layer-name",
            layer,
        ];
        let listed = self.desk.aws(&words).await;
        let versions = listed["LayerVersions"].as_array().cloned().unwrap_or_default();
        versions
            .iter()
            .map(|version| version["Version"].clone())
            .collect()
    }

    /// Statements that share a version.
    async fn statements(&self, layer: &str, version: &str) -> Vec<Value> {
        let words = [
            "lambda",
            "get-layer-version-policy",
            "--region",
            EU,
            "--layer-name",
            layer,
        ];
        let said = self
            .desk
            .aws(&[&words[..], &["--version-number", version]].concat())
            .await;
        let policy = said["Policy"].as_str().expect("a policy is a text");
        let policy: Value = serde_json::from_str(policy).expect("a policy is JSON");
        policy["Statement"].as_array().cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let shop = Shop::open("dry").await;
    let said = shop
        .publish(0, &["--regions", BOTH, "--public", "--json", "layers.json"])
        .await;
    for line in [
        "eu-west-1  fluoroscope-x86_64  publish fluoroscope-x86_64.zip (there is none yet); share: public",
        "us-east-1  fluoroscope-arm64   publish fluoroscope-arm64.zip (there is none yet); share: public",
        "Nothing was changed: this was a dry run. --execute does it.",
    ] {
        assert!(said.output.contains(line), "{line}\n{}", said.output);
    }
    for region in [EU, US] {
        assert!(shop.versions(region, "fluoroscope-x86_64").await.is_empty());
        assert!(shop.versions(region, "fluoroscope-arm64").await.is_empty());
    }
    assert!(!shop.desk.path("layers.json").exists());
}

#[tokio::test]
async fn the_first_run_publishes_the_second_skips_and_a_changed_zip_makes_a_new_version() {
    let shop = Shop::open("versions").await;
    let lists = ["--json", "layers.json", "--markdown", "layers.md", "--execute"];
    let words = [&["--regions", BOTH][..], &lists].concat();
    shop.publish(0, &words).await;
    for (region, layer) in [(EU, "fluoroscope-x86_64"), (US, "fluoroscope-arm64")] {
        assert_eq!(
            shop.versions(region, layer).await,
            [json!(1)],
            "{layer} in {region}"
        );
    }
    let first: Value = serde_json::from_str(&shop.desk.read("layers.json")).expect("JSON");
    let arns: BTreeSet<&str> = layers(&first)
        .iter()
        .filter_map(|layer| layer["arn"].as_str())
        .collect();
    let arn = |region, architecture| {
        format!("arn:aws:lambda:{region}:123456789012:layer:fluoroscope-{architecture}:1")
    };
    let all = [
        arn(EU, "x86_64"),
        arn(EU, "arm64"),
        arn(US, "x86_64"),
        arn(US, "arm64"),
    ];
    assert_eq!(arns, all.iter().map(String::as_str).collect());
    let markdown = shop.desk.read("layers.md");
    assert!(
        markdown.contains(&format!("| us-east-1 | arm64 | `{}` |", arn(US, "arm64"))),
        "{markdown}"
    );

    let second = shop.publish(0, &words).await;
    assert!(
        second
            .output
            .contains("keep version 1 (same content, shared with: nobody else)"),
        "{}",
        second.output
    );
    assert_eq!(shop.versions(EU, "fluoroscope-x86_64").await, [json!(1)]);
    let again: Value = serde_json::from_str(&shop.desk.read("layers.json")).expect("JSON");
    assert_eq!(first, again, "what is there already is listed too");

    shop.pack("arm64", "a newer zip").await;
    let third = shop.publish(0, &["--regions", EU, "--execute"]).await;
    assert!(
        third.output.contains("(version 1 has another content)"),
        "{}",
        third.output
    );
    assert_eq!(shop.versions(EU, "fluoroscope-arm64").await, [json!(2), json!(1)]);
    assert_eq!(shop.versions(EU, "fluoroscope-x86_64").await, [json!(1)]);
}

#[tokio::test]
async fn what_is_published_is_the_zip_with_its_architecture_licence_and_version() {
    let shop = Shop::open("content").await;
    let one = ["--regions", EU, "--architectures", "arm64", "--execute"];
    shop.publish(0, &one).await;
    assert!(shop.versions(EU, "fluoroscope-x86_64").await.is_empty());
    let words = ["lambda", "get-layer-version", "--layer-name", "fluoroscope-arm64"];
    let version = shop
        .desk
        .aws(&[&words[..], &["--version-number", "1"]].concat())
        .await;
    let program = "import base64, hashlib, sys; print(base64.b64encode(hashlib.sha256(open(sys.argv[1], 'rb').read()).digest()).decode())";
    let sha256 = shop.desk.python(program, &["zips/fluoroscope-arm64.zip"]).await;
    assert_eq!(version["Content"]["CodeSha256"], sha256.trim());
    assert_eq!(version["CompatibleArchitectures"], json!(["arm64"]));
    assert_eq!(version["LicenseInfo"], "Apache-2.0");
    let described = format!("Fluoroscope {}: tracing extension", env!("CARGO_PKG_VERSION"));
    assert_eq!(version["Description"], Value::String(described));
    let runtimes = version["CompatibleRuntimes"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    assert!(
        (1..=15).contains(&runtimes.len()),
        "AWS takes 15 at most: {version}"
    );
    assert_eq!(runtimes, runtimes_of_the_template());
}

/// What template.yaml shows beside the layer that it makes.
fn runtimes_of_the_template() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(path).expect("the template is there");
    let (_, list) = template
        .split_once("CompatibleRuntimes:\n")
        .expect("its layer has them");
    let items = list.lines().map_while(|line| line.trim().strip_prefix("- "));
    items.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_version_is_shared_as_asked_for_and_only_where_that_is_missing() {
    let shop = Shop::open("shares").await;
    let one = ["--regions", EU, "--architectures", "x86_64", "--execute"];
    let accounts = ["--organization", ORGANIZATION, "--accounts", "111122223333"];
    shop.publish(0, &[&one[..], &["--accounts", "111122223333"]].concat())
        .await;
    let said = shop.publish(0, &[&one[..], &accounts].concat()).await;
    assert!(
        said.output.contains("shared: organization-o-a1b2c3d4e5"),
        "{}",
        said.output
    );
    assert!(
        !said.output.contains("shared: account-"),
        "it was there: {}",
        said.output
    );
    shop.publish(0, &[&one[..], &accounts].concat()).await;
    shop.publish(0, &[&one[..], &["--public"]].concat()).await;

    let statements = shop.statements("fluoroscope-x86_64", "1").await;
    let told: Vec<_> = statements
        .iter()
        .map(|statement| (&statement["Sid"], &statement["Principal"]))
        .collect();
    let (account, everybody) = (json!("111122223333"), json!("*"));
    assert_eq!(
        told,
        [
            (&json!("account-111122223333"), &account),
            (&json!("organization-o-a1b2c3d4e5"), &everybody),
            (&json!("public"), &everybody),
        ]
    );
    assert!(
        statements
            .iter()
            .all(|statement| statement["Action"] == "lambda:GetLayerVersion")
    );
    // As moto keeps it; without it the layer would be everybody's.
    assert_eq!(statements[1]["OrganizationId"], ORGANIZATION);
}

#[tokio::test]
async fn whom_a_version_is_shared_with_already_is_told_whatever_is_asked_for() {
    let shop = Shop::open("wider").await;
    let one = ["--regions", EU, "--architectures", "x86_64"];
    let fresh = shop.publish(0, &one).await;
    assert!(
        fresh.output.contains("to share with: nobody else"),
        "{}",
        fresh.output
    );
    let shared = ["--organization", ORGANIZATION, "--accounts", "111122223333"];
    shop.publish(0, &[&one[..], &shared, &["--execute"]].concat())
        .await;
    // By hand, under a name that says nothing.
    let words = ["lambda", "add-layer-version-permission", "--region", EU];
    let which = ["--layer-name", "fluoroscope-x86_64", "--version-number", "1"];
    let what = [
        "--statement-id",
        "trial",
        "--action",
        "lambda:GetLayerVersion",
        "--principal",
        "*",
    ];
    shop.desk.aws(&[&words[..], &which, &what].concat()).await;

    let told = "shared with: account 111122223333, organization o-a1b2c3d4e5, EVERYBODY";
    for asked in [&[][..], &["--accounts", "444455556666"]] {
        let said = shop.publish(0, &[&one[..], asked].concat()).await;
        assert!(said.output.contains(told), "{asked:?}\n{}", said.output);
    }
}

/// How AWS writes a policy, which moto does not: accounts as ARNs, organizations as conditions.
#[tokio::test]
async fn statements_as_aws_writes_them_are_understood() {
    let desk = Desk::new("statements", "http://127.0.0.1:9");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../layer/publish");
    let organization = json!({"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}});
    let elsewhere = json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}});
    let statements = json!([
        {"Principal": "*"},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
        {"Principal": "*", "Condition": organization},
        {"Principal": "*", "Condition": elsewhere},
    ]);
    let program = "import json, runpy, sys; words = runpy.run_path(sys.argv[1])['words_of']; print([words(it) for it in json.loads(sys.argv[2])])";
    let words = [script.to_string_lossy().into_owned(), statements.to_string()];
    let said = desk.python(program, &[&words[0], &words[1]]).await;
    let told = "['EVERYBODY', 'EVERYBODY', 'account 111122223333', 'organization o-a1b2c3d4e5', '* under conditions']";
    assert_eq!(said.trim(), told);
}

#[tokio::test]
async fn a_region_that_fails_is_told_of_and_the_others_are_done() {
    let shop = Shop::open("nowhere").await;
    let regions = format!("{NOWHERE},{EU}");
    let words = [
        "--regions",
        &regions,
        "--architectures",
        "x86_64",
        "--json",
        "layers.json",
    ];
    shop.publish(1, &words).await;
    let said = shop.publish(1, &[&words[..], &["--execute"]].concat()).await;
    assert!(said.errors.contains("1 of 2 failed"), "{}", said.errors);
    assert_eq!(shop.versions(EU, "fluoroscope-x86_64").await, [json!(1)]);
    let list: Value = serde_json::from_str(&shop.desk.read("layers.json")).expect("JSON");
    assert_eq!(layers(&list).len(), 1, "{list}");
    assert_eq!(list["failed"][0]["region"], NOWHERE);
}

#[tokio::test]
async fn every_region_that_the_account_has_is_found() {
    let shop = Shop::open("all").await;
    let said = shop
        .publish(0, &["--regions", "all", "--architectures", "x86_64"])
        .await;
    let found = said.output.matches("there is none yet").count();
    assert!(found > 10, "{}", said.output);
}

#[tokio::test]
async fn what_is_missing_is_named_with_its_mend() {
    let shop = Shop::open("missing").await;
    let said = shop.publish(2, &["--regions", EU, "--zips", "."]).await;
    assert!(
        said.errors.contains("cargo xtask layer --arch x86_64"),
        "{}",
        said.errors
    );

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../layer/publish");
    let mut without_keys = shop.desk.program(script);
    without_keys.args(["--zips", "zips", "--regions", EU]);
    without_keys
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let said = finish(&mut without_keys).await;
    assert_eq!(said.code, Some(2), "{}", said.errors);
    assert!(
        said.errors.contains("no credentials") && said.errors.contains("aws configure sso"),
        "{}",
        said.errors
    );

    for (words, complaint) in [
        (["--regions", "Ireland"], "'Ireland' is no region"),
        (["--regions", ","], "names no region"),
        (["--accounts", "12"], "expected 12 digits"),
        (["--organization", "acme"], "expected an id such as o-"),
        (["--architectures", "riscv"], "expected x86_64 or arm64"),
    ] {
        let said = shop.publish(2, &[&["--regions", EU][..], &words].concat()).await;
        assert!(said.errors.contains(complaint), "{complaint}: {}", said.errors);
    }
}

fn layers(list: &Value) -> &[Value] {
    list["layers"].as_array().map_or(&[], Vec::as_slice)
}
