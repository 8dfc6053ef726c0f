"""Asks for sampling rules and targets with boto3, and prints them as one JSON object.

The endpoint and the credentials come from the environment, as with any program that uses boto3.
"""

import json
import time

import boto3

xray = boto3.client("xray")
pages = xray.get_paginator("get_sampling_rules").paginate()
rules = [record["SamplingRule"] for page in pages for record in page["SamplingRuleRecords"]]
names = [rule["RuleName"] for rule in rules] + ["cats"]
reports = [
    {
        "RuleName": name,
        "ClientID": "0123456789abcdef01234567",
        "Timestamp": time.time(),
        "RequestCount": 40,
        "SampledCount": 3,
        "BorrowCount": 1,
    }
    for name in names
]
targets = xray.get_sampling_targets(SamplingStatisticsDocuments=reports)
del targets["ResponseMetadata"]
print(json.dumps({"rules": rules, "targets": targets}, default=lambda time: time.timestamp()))
