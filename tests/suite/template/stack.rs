//! The stack that the built template becomes, in a moto that plays CloudFormation, Lambda, IAM, S3 and DynamoDB.
//!
//! Packed by `sam package`. moto's CloudFormation knows no `AWS::Serverless`, so the transform is applied by the SAM CLI's
//! own transformer, where AWS applies it in the account.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::artifacts::built_template;
use super::translated::translate;
use crate::clients::desk::{Desk, finish};
use crate::clients::moto::Moto;
use crate::clients::tools;

const NAME: &str = "selfies";
const BUCKET: &str = "artifacts";

/// A stack.
pub(super) struct Stack {
    /// From where it was made.
    pub(super) desk: Desk,
    /// Who plays AWS.
    pub(super) moto: Moto,
    /// What CloudFormation was given.
    pub(super) template: Value,
    /// What it says of the stack.
    pub(super) description: Value,
    /// Every resource's physical id, by its name in the template.
    pub(super) ids: BTreeMap<String, String>,
}

impl Stack {
    /// Packs, transforms and creates.
    pub(super) async fn create() -> Self {
        let moto = Moto::start().await;
        let desk = Desk::new("stack", moto.url());
        desk.aws(&["s3", "mb", &format!("s3://{BUCKET}")]).await;
        let packaged = package(&desk).await;
        let architecture = format!("Architecture={}", architecture());
        let template = translate(&desk, &packaged, &[&architecture]).await;
        desk.write("stack.json", template.to_string());
        let parameter = format!(
            "ParameterKey=Architecture,ParameterValue={}",
            self::architecture()
        );
        let create = [
            "cloudformation",
            "create-stack",
            "--stack-name",
            NAME,
            "--parameters",
            &parameter,
        ];
        let body = [
            "--template-body",
            "file://stack.json",
            "--capabilities",
            "CAPABILITY_IAM",
        ];
        desk.aws(&[&create[..], &body].concat()).await;
        let described = desk
            .aws(&["cloudformation", "describe-stacks", "--stack-name", NAME])
            .await;
        let resources = desk
            .aws(&["cloudformation", "describe-stack-resources", "--stack-name", NAME])
            .await;
        Self {
            ids: ids(&resources),
            description: described["Stacks"][0].clone(),
            template,
            desk,
            moto,
        }
    }

    /// An output, by its name.
    #[track_caller]
    pub(super) fn output(&self, name: &str) -> &str {
        let outputs = self.description["Outputs"].as_array().into_iter().flatten();
        let mut values = outputs.filter(|output| output["OutputKey"] == name);
        let value = values.next().and_then(|output| output["OutputValue"].as_str());
        value.unwrap_or_else(|| panic!("no output {name}: {}", self.description))
    }

    /// The zip that a function's code or a layer's content was uploaded as.
    pub(super) async fn uploaded(&self, resource: &str) -> PathBuf {
        let properties = &self.template["Resources"][resource]["Properties"];
        let place = properties.get("Content").unwrap_or(&properties["Code"]);
        assert_eq!(place["S3Bucket"], BUCKET, "{properties}");
        let key = place["S3Key"].as_str().unwrap_or_default();
        let zip = format!("{resource}.zip");
        self.desk
            .aws(&["s3", "cp", &format!("s3://{BUCKET}/{key}"), &zip])
            .await;
        self.desk.path(&zip)
    }
}

/// Lambda's name for this machine's architecture: what was built is run here.
pub(super) fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x86_64"
    }
}

/// Uploads what was built. The template that says where it lies.
async fn package(desk: &Desk) -> PathBuf {
    let packaged = desk.path("packaged.yaml");
    let mut sam = desk.program(tools::sam_environment("python"));
    sam.args([
        "-m",
        "samcli",
        "package",
        "--s3-bucket",
        BUCKET,
        "--template-file",
    ]);
    sam.arg(built_template())
        .arg("--output-template-file")
        .arg(&packaged);
    let said = finish(sam.env("SAM_CLI_TELEMETRY", "0")).await;
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);
    packaged
}

fn ids(resources: &Value) -> BTreeMap<String, String> {
    let resources = resources["StackResources"].as_array().into_iter().flatten();
    let id = |resource: &Value| {
        assert_eq!(resource["ResourceStatus"], json!("CREATE_COMPLETE"), "{resource}");
        let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
        (text("LogicalResourceId"), text("PhysicalResourceId"))
    };
    resources.map(id).collect()
}
