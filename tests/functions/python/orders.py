"""A function instrumented with the X-Ray SDK for Python, run by the real runtime client.

The event says what to do: `endpoint` is where DynamoDB is, `raise` makes the handler raise.
"""

import boto3
from aws_xray_sdk.core import patch, xray_recorder
from botocore.config import Config

patch(("botocore",))

CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=5)


def handler(event, _context):
    with xray_recorder.in_subsegment("take order") as order:
        order.put_annotation("order", 7)
        order.put_annotation("customer", "büro")
        order.put_metadata("basket", {"items": ["tea", "cup"]}, "shop")
        with xray_recorder.in_subsegment("price"):
            pass
        if "endpoint" in event:
            list_tables(event["endpoint"])
        if event.get("raise"):
            with xray_recorder.in_subsegment("charge"):
                raise ValueError("card refused")
    return {"trace": xray_recorder.current_segment().trace_id}


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
