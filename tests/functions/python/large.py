"""Lets the X-Ray SDK make a subsegment that no datagram carries, and puts it with boto3 at the daemon's port."""

import os

import boto3
from aws_xray_sdk.core import xray_recorder

# In Lambda the SDK sends each subsegment as soon as it ends; this function sends the tree itself.
xray_recorder.streaming_threshold = 1_000


def handler(event, _context):
    with xray_recorder.in_subsegment("outer") as outer:
        outer.put_annotation("order", 7)
        for number in range(20):
            with xray_recorder.in_subsegment(f"inner {number}") as inner:
                inner.namespace = "aws"
                inner.put_metadata("rows", "r" * 10_000, "shop")
    xray = boto3.client("xray", endpoint_url=f"http://{os.environ['AWS_XRAY_DAEMON_ADDRESS']}")
    answer = xray.put_trace_segments(TraceSegmentDocuments=[outer.serialize()])
    return answer["UnprocessedTraceSegments"]
