"""Sends the same trace in four ways with OpenTelemetry's SDK, and prints what became of each as one JSON object.

Three are OTLP over HTTP, with each compression that the exporter has. The fourth is that of AWS's distribution, whose
exporter writes datagrams for the daemon; what it wrote goes to X-Ray among segment documents, by boto3.
"""

import json
import os
import socket

import boto3
from amazon.opentelemetry.distro.otlp_udp_exporter import OTLPUdpSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]


def trace():
    """A request that is answered, a piece of its work, and a call that fails."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "orders"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("orders")
    request = {"http.request.method": "POST", "url.full": "https://shop.example/orders", "http.response.status_code": 502}
    with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER, attributes=request):
        with tracer.start_as_current_span("price", attributes={"items": 3}):
            pass
        try:
            attributes = {"peer.service": "cards", "server.address": "cards.example"}
            with tracer.start_as_current_span("charge", kind=SpanKind.CLIENT, attributes=attributes):
                raise ValueError("card refused")
        except ValueError:
            pass
    return memory.get_finished_spans()


def over_http(compression):
    exporter = OTLPSpanExporter(endpoint=f"{ENDPOINT}/v1/traces", compression=compression, timeout=20)
    return exporter.export(trace()).name


def among_documents():
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    daemon.bind(("127.0.0.1", 0))
    daemon.settimeout(20)
    exporter = OTLPUdpSpanExporter(endpoint="127.0.0.1:%d" % daemon.getsockname()[1])
    assert exporter.export(trace()) is SpanExportResult.SUCCESS
    _, document = daemon.recv(65507).decode().split("\n", 1)
    answer = boto3.client("xray").put_trace_segments(TraceSegmentDocuments=[document])
    return answer["UnprocessedTraceSegments"]


told = {compression.name: over_http(compression) for compression in Compression}
told["documents"] = among_documents()
print(json.dumps(told))
