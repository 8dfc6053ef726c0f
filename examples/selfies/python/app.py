"""Takes a selfie: fetches the picture, stores it, and adds it to an album that may not be there.

Instrumented with the X-Ray SDK for Python; nothing in here knows of Fluoroscope.
"""

import os

import boto3
import requests
from aws_xray_sdk.core import patch, xray_recorder
from botocore.config import Config

patch(("boto3", "requests"))

TABLE = os.environ["SELFIES_TABLE"]
PICTURE_URL = os.environ["SELFIES_PICTURE_URL"]
ALBUMS = f"{TABLE}-albums"
WAIT_SECONDS = 5

dynamodb = boto3.client(
    "dynamodb",
    config=Config(retries={"total_max_attempts": 1}, connect_timeout=WAIT_SECONDS, read_timeout=WAIT_SECONDS),
)


def handler(event, _context):
    person = event.get("person", "nobody")
    with xray_recorder.in_subsegment("take selfie") as selfie:
        selfie.put_annotation("person", person)
        selfie.put_annotation("smiles", event.get("smiles", 1))
        selfie.put_metadata("camera", {"lens": "wide", "flash": False}, "selfies")
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
