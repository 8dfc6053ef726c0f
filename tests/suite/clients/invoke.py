"""Invokes the function with boto3, and prints what came back as one JSON object.

    python invoke.py <endpoint> <function> <event>
"""

import base64
import json
import sys

import boto3

endpoint, function, event = sys.argv[1:]
answer = boto3.client("lambda", endpoint_url=endpoint).invoke(
    FunctionName=function, Payload=event, LogType="Tail"
)
print(
    json.dumps(
        {
            "status": answer["StatusCode"],
            "error": answer.get("FunctionError"),
            "payload": json.load(answer["Payload"]),
            "log": base64.b64decode(answer.get("LogResult", "")).decode(),
        }
    )
)
