//! GetTraceSummaries and BatchGetTraces.

use model::time::Timestamp;
use serde_json::{Value, json};

use super::answer::ApiError;
use super::operation::Api;
use crate::assemble::Compiled;
use crate::decode::read_trace_id;
use crate::store::{Position, StoredTrace};
use crate::time_range::TimeRange;

/// The newest traces of a window, page by page. `Sampling` asks for a subset; all of them are one.
pub(super) fn trace_summaries(api: &Api, body: &Value) -> Result<Value, ApiError> {
    if text(body, "FilterExpression").is_some() {
        return Err(ApiError::invalid(
            "FilterExpression: filter expressions are not there yet",
        ));
    }
    let window_max = api.store.limits().summaries_window_max;
    let range = TimeRange::read(body, window_max).map_err(|error| ApiError::invalid(error.to_string()))?;
    let from = text(body, "NextToken").map(read_token).transpose()?;
    let page = api.store.summaries(&range, from);
    let mut answer = json!({
        "TraceSummaries": page.summaries,
        "ApproximateTime": page.starts,
        "TracesProcessedCount": page.processed,
    });
    if let (Some(next), Some(answer)) = (page.next, answer.as_object_mut()) {
        answer.insert("NextToken".into(), token(next).into());
    }
    Ok(answer)
}

/// The compiled documents of a few traces.
pub(super) fn traces(api: &Api, body: &Value) -> Result<Value, ApiError> {
    let Some(ids) = body.get("TraceIds").and_then(Value::as_array) else {
        return Err(ApiError::invalid("TraceIds must be a list of trace ids"));
    };
    let max = api.store.limits().trace_ids_per_call_max;
    if ids.len() > max {
        return Err(ApiError::invalid(format!(
            "TraceIds has {} ids; at most {max} are allowed",
            ids.len()
        )));
    }
    let (mut traces, mut unprocessed) = (Vec::new(), Vec::new());
    for id in ids {
        let trace = id
            .as_str()
            .and_then(read_trace_id)
            .and_then(|id| api.store.trace(id));
        match (trace, id.as_str()) {
            (Some(trace), _) => traces.push(trace_to_json(&trace)),
            (None, Some(id)) => unprocessed.push(id),
            (None, None) => return Err(ApiError::invalid("every element of TraceIds must be a string")),
        }
    }
    Ok(json!({"Traces": traces, "UnprocessedTraceIds": unprocessed}))
}

fn trace_to_json(trace: &StoredTrace) -> Value {
    let segment =
        |entry: &Compiled| json!({"Id": entry.id.to_string(), "Document": entry.document.to_string()});
    json!({
        "Id": trace.id.to_string(),
        "Duration": trace.duration_seconds,
        "LimitExceeded": trace.limit_exceeded,
        "Segments": trace.segments.iter().map(segment).collect::<Vec<Value>>(),
    })
}

/// A member that is there and says something.
fn text<'a>(body: &'a Value, member: &str) -> Option<&'a str> {
    body.get(member)
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
}

fn token(position: Position) -> String {
    format!("{}/{}", position.start.as_micros(), position.trace_id)
}

fn read_token(token: &str) -> Result<Position, ApiError> {
    let read = || {
        let (start, trace_id) = token.split_once('/')?;
        Some(Position {
            start: Timestamp::from_micros(start.parse().ok()?),
            trace_id: trace_id.parse().ok()?,
        })
    };
    read().ok_or_else(|| ApiError::invalid("NextToken is not one of this backend's"))
}
