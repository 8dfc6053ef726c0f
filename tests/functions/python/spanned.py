"""A function instrumented with OpenTelemetry's API alone: who sends its spans, and how, is set up elsewhere.

`plain` sets up OpenTelemetry's own SDK with its exporter over HTTP. AWS's distribution sets itself up when the runtime client
is started by `opentelemetry-instrument`, and then sees to the span around the handler as well.

The event says what to do: `endpoint` is where DynamoDB is, `raise` makes the handler raise.
"""

import os

import boto3
from botocore.config import Config
from opentelemetry import trace

CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=5)
tracer = trace.get_tracer(__name__)


def handler(event, _context):
    attributes = {"order": 7, "customer": "büro", "aws.xray.annotations": ["order", "customer"]}
    with tracer.start_as_current_span("take order", attributes=attributes):
        with tracer.start_as_current_span("price"):
            pass
        if "endpoint" in event:
            list_tables(event["endpoint"])
        if event.get("raise"):
            with tracer.start_as_current_span("charge"):
                raise ValueError("card refused")
    return {}


def list_tables(endpoint):
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="secret",
        config=CONFIG,
    )
    client.list_tables()


_plain = []


def plain(event, context):
    if not _plain:
        _plain.append(_set_up())
    from opentelemetry.propagators.aws import AwsXRayPropagator

    carrier = {"X-Amzn-Trace-Id": os.environ["_X_AMZN_TRACE_ID"]}
    token = _attach(AwsXRayPropagator().extract(carrier))
    try:
        return handler(event, context)
    finally:
        _detach(token)
        # The sandbox is frozen after the response: what is not sent by then waits for the next invocation.
        _plain[0].force_flush()


def _attach(context):
    from opentelemetry.context import attach

    return attach(context)


def _detach(token):
    from opentelemetry.context import detach

    detach(token)


def _set_up():
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    BotocoreInstrumentor().instrument()
    return provider
