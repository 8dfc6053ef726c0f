"""Reads the traces of the last minutes with boto3, and prints them as one JSON object.

The endpoint and the credentials come from the environment, as with any program that uses boto3.
"""

import json
import time

import boto3

xray = boto3.client("xray")
now = time.time()
pages = xray.get_paginator("get_trace_summaries").paginate(StartTime=now - 600, EndTime=now + 60)
summaries = [summary for page in pages for summary in page["TraceSummaries"]]
ids = [summary["Id"] for summary in summaries]
traces = xray.batch_get_traces(TraceIds=ids)["Traces"] if ids else []
print(json.dumps({"summaries": summaries, "traces": traces}, default=str))
