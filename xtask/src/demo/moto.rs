//! A moto server with the table that the function writes to.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::child::{Program, http};
use crate::failure::{Failure, Outcome};

/// The table that is there; the function also writes to one that is not.
pub(super) const TABLE: &str = "selfies";
/// Where the table is.
pub(super) const REGION: &str = "eu-west-1";
/// What moto prints in front of its address.
const RUNNING_ON: &str = "Running on ";

/// A moto server.
pub(super) struct Moto {
    url: String,
    _program: Program,
}

impl Moto {
    /// Starts it on a free port and makes the table.
    pub(super) fn start(venv: &Path, interrupted: &AtomicBool) -> Outcome<Self> {
        let mut program = Program::start("moto", &venv.join("bin/moto_server"), |command| {
            command.args(["-H", "127.0.0.1", "-p", "0"]);
        })?;
        let address = |line: &str| line.split_once(RUNNING_ON).map(|(_, url)| url.trim().to_owned());
        let url = program.wait_until("listening", interrupted, |lines| lines.find_last(address))?;
        make_table(&url)?;
        Ok(Self {
            url,
            _program: program,
        })
    }

    /// Its endpoint, for every AWS service it plays.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A page to fetch over HTTP.
    pub(super) fn page(&self) -> String {
        format!("{}/moto-api/", self.url)
    }
}

/// Moto reads the service and the region from the signature's scope and nothing else of it.
fn make_table(url: &str) -> Outcome {
    let scope = format!("demo/20250101/{REGION}/dynamodb/aws4_request");
    let table = json!({
        "TableName": TABLE,
        "KeySchema": [{"AttributeName": "person", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "person", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let answer = http()
        .post(url)
        .header(
            "Authorization",
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
        )
        .header("X-Amz-Target", "DynamoDB_20120810.CreateTable")
        .header("Content-Type", "application/x-amz-json-1.0")
        .send(table.to_string());
    let body = answer.and_then(|mut answer| answer.body_mut().read_to_string());
    match body {
        Ok(body) if body.contains("TableDescription") => Ok(()),
        Ok(body) => Err(Failure::new(format!(
            "moto did not make the table {TABLE}: {body}"
        ))),
        Err(error) => Err(Failure::new(format!(
            "moto did not make the table {TABLE}: {error}"
        ))),
    }
}
