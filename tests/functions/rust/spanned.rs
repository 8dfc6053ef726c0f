//! A function instrumented with OpenTelemetry for Rust, whose spans leave over OTLP/HTTP by its own exporter.
//!
//! The event says what to do: with `raise` the handler returns an error.

use std::collections::HashMap;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value as Attribute};
use opentelemetry_aws::trace::XrayPropagator;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Which cryptography reqwest has is the program's choice, even where nothing is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder().with_http().build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let outcome = take_order(&provider.tracer("orders"), &event);
        // The sandbox is frozen after the response: what is not sent by then waits for the next invocation.
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

    let annotations = ["order", "customer"].map(StringValue::from).to_vec();
    let order = tracer.span_builder("take order").with_attributes([
        KeyValue::new("order", 7),
        KeyValue::new("customer", "büro"),
        KeyValue::new(
            "aws.xray.annotations",
            Attribute::Array(Array::String(annotations)),
        ),
    ]);
    let order = order.start_with_context(tracer, &invocation);
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
