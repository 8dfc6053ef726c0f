//! A function instrumented with OpenTelemetry for Rust, whose spans go to the X-Ray daemon's port
//! through the crate `opentelemetry-aws`.
//!
//! The event says what to do: with `raise` the handler returns an error.

use std::collections::HashMap;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_aws::trace::{XrayIdGenerator, XrayPropagator};
use opentelemetry_aws::xray_exporter::XrayExporter;
use opentelemetry_aws::xray_exporter::daemon_client::XrayDaemonClient;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let provider = SdkTracerProvider::builder()
        .with_id_generator(XrayIdGenerator::default())
        .with_batch_exporter(XrayExporter::new(XrayDaemonClient::default()))
        .build();
    // One invocation after another, or several at once where the environment says so.
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Value>| {
        let outcome = take_order(&provider.tracer("orders"), &event);
        let flushed = provider.force_flush();
        async move {
            flushed?;
            outcome
        }
    }))
    .await
}

fn take_order(tracer: &SdkTracer, event: &LambdaEvent<Value>) -> Result<&'static str, Error> {
    let header = event.context.xray_trace_id.clone().unwrap_or_default();
    let carrier = HashMap::from([("x-amzn-trace-id".to_owned(), header)]);
    let invocation = XrayPropagator::default().extract(&carrier);

    let order = tracer
        .span_builder("take order")
        .with_kind(SpanKind::Internal)
        .with_attributes([
            KeyValue::new("annotation.order", 7),
            KeyValue::new("annotation.customer", "büro"),
            KeyValue::new("metadata.basket", "tea, cup"),
        ])
        .start_with_context(tracer, &invocation);
    let order = Context::new().with_span(order);
    tracer.start_with_context("price", &order).end();
    let outcome = if event.payload.get("raise").and_then(Value::as_bool) == Some(true) {
        let error = Error::from("card refused");
        let mut charge = tracer.start_with_context("charge", &order);
        charge.record_error(error.as_ref());
        charge.set_status(Status::error("card refused"));
        charge.end();
        order.span().set_status(Status::error("card refused"));
        Err(error)
    } else {
        Ok("taken")
    };
    order.span().end();
    outcome
}
