"""A function instrumented with the Tracer of Powertools for AWS Lambda (Python)."""

from aws_lambda_powertools import Tracer

tracer = Tracer(service="orders")


@tracer.capture_method
def price(item):
    tracer.put_annotation(key="item", value=item)
    return {"item": item, "cents": 250}


@tracer.capture_method
def charge():
    raise ValueError("card refused")


@tracer.capture_lambda_handler
def handler(event, _context):
    priced = price("tea")
    tracer.put_metadata(key="priced", value=priced)
    if event.get("raise"):
        charge()
    return priced
