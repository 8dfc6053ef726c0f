//! PutTraceSegments and PutTelemetryRecords.

use model::wire::xray_api::{PutTelemetryRecords, PutTraceSegmentsAnswer, UnprocessedTraceSegment};
use serde_json::{Value, json};

use super::answer::ApiError;
use super::operation::Api;
use crate::decode::Refusal;
use crate::delivery::Delivery;

/// Stores the documents. Status 200 even if none was taken.
pub(super) async fn trace_segments(api: &Api, body: &Value) -> Result<Value, ApiError> {
    let Some(elements) = body.get("TraceSegmentDocuments").and_then(Value::as_array) else {
        return Err(ApiError::invalid(
            "TraceSegmentDocuments must be a list of documents",
        ));
    };
    let Some(texts) = elements.iter().map(Value::as_str).collect::<Option<Vec<&str>>>() else {
        return Err(ApiError::invalid(
            "every element of TraceSegmentDocuments must be a string",
        ));
    };
    let plan = api.faults.plan(&texts);
    if let Some(status) = plan.status {
        return Err(ApiError::of_status(status));
    }
    let (code, containing) = plan.unprocessed.clone().unzip();
    let (asked_for, texts): (Vec<&str>, Vec<&str>) = texts.into_iter().partition(|text| {
        let containing = containing.as_deref();
        containing.is_some_and(|containing| text.contains(containing))
    });
    let code = code.unwrap_or_default();
    let mut unprocessed: Vec<_> = asked_for.iter().map(|text| injected(text, &code)).collect();
    let delivery = Delivery::of_documents(texts, api.store.limits());
    unprocessed.extend(api.store.put(delivery, (api.now)()).into_iter().map(refused));
    tokio::time::sleep(plan.delay).await;
    let answer = PutTraceSegmentsAnswer {
        unprocessed_trace_segments: unprocessed,
    };
    serde_json::to_value(answer)
        .map_err(|error| ApiError::invalid(format!("cannot write the answer: {error}")))
}

fn refused(refusal: Refusal) -> UnprocessedTraceSegment {
    UnprocessedTraceSegment {
        id: refusal.id,
        error_code: Some(refusal.code.as_str().to_owned()),
        message: Some(refusal.message),
    }
}

fn injected(text: &str, code: &str) -> UnprocessedTraceSegment {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    UnprocessedTraceSegment {
        id: document.get("id").and_then(Value::as_str).map(str::to_owned),
        error_code: Some(code.to_owned()),
        message: Some(format!("Invalid segment. ErrorCode: {code}")),
    }
}

/// Keeps the records. Members that clients leave out count as zero.
pub(super) fn telemetry_records(api: &Api, body: &Value) -> Result<Value, ApiError> {
    let request: PutTelemetryRecords = serde_json::from_value(body.clone())
        .map_err(|error| ApiError::invalid(format!("cannot read TelemetryRecords: {error}")))?;
    api.store.put_telemetry(request.telemetry_records);
    Ok(json!({}))
}
