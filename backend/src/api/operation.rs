//! Finds the operation that a request asks for and runs it.
//!
//! All 38 operations of the API are known by name, so that one that is not there yet says so instead of
//! looking like a wrong address.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, Response};
use model::time::Timestamp;
use model::wire::sampling::{GET_SAMPLING_RULES_PATH, GET_SAMPLING_TARGETS_PATH};
use serde_json::{Value, json};

use super::answer::{ApiError, respond};
use super::{export, put, read, sampling};
use crate::faults::Faults;
use crate::store::Store;

/// Shown to a person who opens the address in a browser.
const GREETING: &str = "Fluoroscope's X-Ray API. Point AWS_ENDPOINT_URL_XRAY here, or \
                        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT at /v1/traces.\n";

/// Operations that are not there yet, by path.
const LATER: [(&str, &str); 32] = [
    ("/ServiceGraph", "GetServiceGraph"),
    ("/TraceGraph", "GetTraceGraph"),
    ("/TimeSeriesServiceStatistics", "GetTimeSeriesServiceStatistics"),
    ("/CreateGroup", "CreateGroup"),
    ("/GetGroup", "GetGroup"),
    ("/Groups", "GetGroups"),
    ("/UpdateGroup", "UpdateGroup"),
    ("/DeleteGroup", "DeleteGroup"),
    ("/Insight", "GetInsight"),
    ("/InsightEvents", "GetInsightEvents"),
    ("/InsightImpactGraph", "GetInsightImpactGraph"),
    ("/InsightSummaries", "GetInsightSummaries"),
    ("/GetTraceSegmentDestination", "GetTraceSegmentDestination"),
    ("/UpdateTraceSegmentDestination", "UpdateTraceSegmentDestination"),
    ("/GetIndexingRules", "GetIndexingRules"),
    ("/UpdateIndexingRule", "UpdateIndexingRule"),
    ("/SamplingStatisticSummaries", "GetSamplingStatisticSummaries"),
    ("/CreateSamplingRule", "CreateSamplingRule"),
    ("/UpdateSamplingRule", "UpdateSamplingRule"),
    ("/DeleteSamplingRule", "DeleteSamplingRule"),
    ("/EncryptionConfig", "GetEncryptionConfig"),
    ("/PutEncryptionConfig", "PutEncryptionConfig"),
    ("/TagResource", "TagResource"),
    ("/UntagResource", "UntagResource"),
    ("/ListTagsForResource", "ListTagsForResource"),
    ("/PutResourcePolicy", "PutResourcePolicy"),
    ("/DeleteResourcePolicy", "DeleteResourcePolicy"),
    ("/ListResourcePolicies", "ListResourcePolicies"),
    ("/StartTraceRetrieval", "StartTraceRetrieval"),
    ("/ListRetrievedTraces", "ListRetrievedTraces"),
    ("/GetRetrievedTracesGraph", "GetRetrievedTracesGraph"),
    ("/CancelTraceRetrieval", "CancelTraceRetrieval"),
];

/// What the operations work on.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    pub(crate) faults: Arc<Faults>,
    /// The clock. Read once for each request.
    pub(crate) now: fn() -> Timestamp,
}

/// Answers one request.
pub(crate) async fn answer(State(api): State<Api>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if request.method() == Method::GET && path.is_empty() {
        return Response::new(Body::from(GREETING));
    }
    if export::is_signal(&path) {
        return export::answer(&api, &path, request).await;
    }
    if request.method() != Method::POST {
        let message = format!("every operation is a POST, not {} {path}", request.method());
        return respond(Err(ApiError::invalid(message)));
    }
    let max_bytes = api.store.limits().body_max_bytes;
    let Ok(body) = axum::body::to_bytes(request.into_body(), max_bytes).await else {
        let message = format!("cannot read a body of at most {max_bytes} bytes for {path}");
        return respond(Err(ApiError::invalid(message)));
    };
    match read_body(&body) {
        Ok(body) => respond(run(&api, &path, &body).await),
        Err(error) => respond(Err(error)),
    }
}

/// An empty body is an object without members.
fn read_body(body: &[u8]) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::invalid("the body is JSON, but no object")),
        Err(error) => Err(ApiError::invalid(format!("the body is not JSON: {error}"))),
    }
}

async fn run(api: &Api, path: &str, body: &Value) -> Result<Value, ApiError> {
    match path {
        "/TraceSegments" => put::trace_segments(api, body).await,
        "/TelemetryRecords" => put::telemetry_records(api, body),
        "/TraceSummaries" => read::trace_summaries(api, body),
        "/Traces" => read::traces(api, body),
        GET_SAMPLING_RULES_PATH => Ok(sampling::rules()),
        GET_SAMPLING_TARGETS_PATH => sampling::targets(api, body),
        _ => Err(match LATER.iter().find(|(later, _)| *later == path) {
            Some((_, name)) => ApiError::invalid(format!("{name} is not there yet")),
            None => ApiError::invalid(format!("no operation of the X-Ray API has the path {path}")),
        }),
    }
}
