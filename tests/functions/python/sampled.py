"""Functions that decide by X-Ray's sampling rules: with AWS's distribution of OpenTelemetry, and with X-Ray's own SDK.

The event says of which `path` a `burst` of requests comes, and `until` how many of a burst are sampled: bursts come until
so many are. One more function asks for the rules itself, twice as it starts and once for each event.
"""

import os
import time
import urllib.request

DAEMON = os.environ["AWS_XRAY_DAEMON_ADDRESS"]
PATIENCE_S = 20
# Quotas are so many a second, from the last report on: bursts must not keep step with those.
PAUSE_S = 0.73


def bursts(event, is_sampled):
    fewest, most = event["until"]
    began = time.monotonic()
    while True:
        sampled = sum(is_sampled(event["path"]) for _ in range(event["burst"]))
        if fewest <= sampled <= most:
            return {"sampled": sampled}
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError(f"{sampled} of the last {event['burst']} were sampled")
        time.sleep(PAUSE_S)


def opentelemetry(event, _context):
    return bursts(event, _opentelemetry().is_sampled)


def xray_sdk(event, _context):
    return bursts(event, _xray_sdk)


class _OpenTelemetry:
    def __init__(self):
        from amazon.opentelemetry.distro.sampler import aws_xray_remote_sampler as remote
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        # The first report leaves after a moment instead of ten seconds; the next ones when X-Ray says so.
        remote.DEFAULT_TARGET_POLLING_INTERVAL_SECONDS = 0.2
        resource = Resource({"service.name": "orders"})
        sampler = remote.AwsXRayRemoteSampler(resource, endpoint=f"http://{DAEMON}")
        self._tracer = TracerProvider(sampler=sampler, resource=resource).get_tracer(__name__)

    def is_sampled(self, path):
        from opentelemetry.context import Context

        attributes = {"url.path": path, "http.request.method": "GET"}
        span = self._tracer.start_span("request", context=Context(), attributes=attributes)
        span.end()
        return span.get_span_context().trace_flags.sampled


_made = []


def _opentelemetry():
    if not _made:
        _made.append(_OpenTelemetry())
    return _made[0]


def _xray_sdk(path):
    from aws_xray_sdk.core.context import Context
    from aws_xray_sdk.core.daemon_config import DaemonConfig
    from aws_xray_sdk.core.sampling.sampler import DefaultSampler

    if not _made:
        # What the recorder has outside Lambda; inside, the header decides.
        sampler = DefaultSampler()
        sampler.load_settings(DaemonConfig(DAEMON), Context())
        _made.append(sampler)
    request = {"service": "orders", "host": "shop", "method": "GET", "path": path}
    return bool(_made[0].should_trace(request))


def _ask():
    request = urllib.request.Request(f"http://{DAEMON}/GetSamplingRules", data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.status


ASKED_AT_START = [_ask(), _ask()] if os.environ["_HANDLER"].endswith("by_itself") else []


def by_itself(_event, _context):
    return {"asked": [*ASKED_AT_START, _ask()]}
