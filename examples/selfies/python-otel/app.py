"""Takes a selfie: fetches the picture, stores it, and adds it to an album that may not be there.

The same as ../python/app.py, instrumented with OpenTelemetry: AWS's distribution sees to the handler, `requests` and boto3.
Nothing in here knows of Fluoroscope.
"""

import os

import boto3
import requests
from botocore.config import Config
from opentelemetry import trace

TABLE = os.environ["SELFIES_TABLE"]
PICTURE_URL = os.environ["SELFIES_PICTURE_URL"]
ALBUMS = f"{TABLE}-albums"
WAIT_SECONDS = 5

tracer = trace.get_tracer("selfies")
dynamodb = boto3.client(
    "dynamodb",
    config=Config(retries={"total_max_attempts": 1}, connect_timeout=WAIT_SECONDS, read_timeout=WAIT_SECONDS),
)


def handler(event, _context):
    person = event.get("person", "nobody")
    with tracer.start_as_current_span("take selfie") as selfie:
        selfie.set_attribute("person", person)
        selfie.set_attribute("smiles", event.get("smiles", 1))
        # X-Ray finds traces by these; other attributes are metadata.
        selfie.set_attribute("aws.xray.annotations", ["person", "smiles"])
        selfie.set_attribute("camera.lens", "wide")
        selfie.set_attribute("camera.flash", False)
        picture = requests.get(PICTURE_URL, timeout=WAIT_SECONDS)
        dynamodb.put_item(
            TableName=TABLE,
            Item={"person": {"S": person}, "bytes": {"N": str(len(picture.content))}},
        )
        in_album = add_to_album(person)
        if event.get("eyes") == "closed":
            raise ValueError(f"{person} blinked")
    return {"person": person, "album": in_album}


def add_to_album(person):
    """Says whether there is an album. That there is none is no reason to fail."""
    try:
        dynamodb.put_item(TableName=ALBUMS, Item={"person": {"S": person}})
    except dynamodb.exceptions.ResourceNotFoundException:
        return False
    return True
