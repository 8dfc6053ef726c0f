//! GetSamplingRules and GetSamplingTargets, for samplers of functions that run here.
//!
//! There is one rule, which every account has from the start: the first request of a second, and 5 % of the others.

use std::time::Duration;

use model::time::Timestamp;
use serde_json::{Value, json};

use super::answer::ApiError;
use super::operation::Api;
use crate::limits::SAMPLING_DOCUMENTS_MAX;

const NAME: &str = "Default";
const FIXED_RATE: f64 = 0.05;
const RESERVOIR_SIZE: u32 = 1;
/// Nobody has modified the rule since.
const MODIFIED_AT: u32 = 0;
/// How long a quota holds. Samplers report more often.
const QUOTA_TTL: Duration = Duration::from_secs(300);
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Every rule, on one page.
pub(super) fn rules() -> Value {
    let rule = json!({
        "RuleName": NAME,
        "RuleARN": format!("arn:aws:xray:us-east-1:123456789012:sampling-rule/{NAME}"),
        "ResourceARN": "*",
        "Priority": 10_000,
        "FixedRate": FIXED_RATE,
        "ReservoirSize": RESERVOIR_SIZE,
        "ServiceName": "*",
        "ServiceType": "*",
        "Host": "*",
        "HTTPMethod": "*",
        "URLPath": "*",
        "Version": 1,
        "Attributes": {},
    });
    json!({
        "SamplingRuleRecords": [{ "SamplingRule": rule, "CreatedAt": MODIFIED_AT, "ModifiedAt": MODIFIED_AT }],
    })
}

/// A quota for each rule that a sampler reports of. Each sampler gets the whole reservoir: here runs one function.
pub(super) fn targets(api: &Api, body: &Value) -> Result<Value, ApiError> {
    let documents = body.get("SamplingStatisticsDocuments").and_then(Value::as_array);
    let Some(documents) = documents else {
        return Err(ApiError::invalid(
            "SamplingStatisticsDocuments must be a list of reports",
        ));
    };
    if documents.len() > SAMPLING_DOCUMENTS_MAX {
        return Err(ApiError::invalid(format!(
            "SamplingStatisticsDocuments has {} reports; at most {SAMPLING_DOCUMENTS_MAX} are allowed",
            documents.len()
        )));
    }
    let expires = (api.now)().after(QUOTA_TTL);
    let (mut targets, mut unprocessed) = (Vec::new(), Vec::new());
    for document in documents {
        match document.get("RuleName").and_then(Value::as_str) {
            Some(NAME) => targets.push(target(expires)),
            Some(other) => {
                unprocessed.push(json!({ "RuleName": other, "ErrorCode": "400", "Message": "Unknown rule" }))
            }
            None => {
                return Err(ApiError::invalid(
                    "every element of SamplingStatisticsDocuments must have a RuleName",
                ));
            }
        }
    }
    Ok(json!({
        "SamplingTargetDocuments": targets,
        "LastRuleModification": MODIFIED_AT,
        "UnprocessedStatistics": unprocessed,
    }))
}

fn target(expires: Timestamp) -> Value {
    json!({
        "RuleName": NAME,
        "FixedRate": FIXED_RATE,
        "ReservoirQuota": RESERVOIR_SIZE,
        "ReservoirQuotaTTL": expires.as_millis() / 1000,
        "Interval": REPORT_EVERY.as_secs(),
    })
}
