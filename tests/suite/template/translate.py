"""Prints a SAM template as CloudFormation will have it: `AWS::Serverless` transformed, with the transformer of the SAM CLI.

usage: translate.py TEMPLATE ... [PARAMETER=VALUE ...]
Prints a list: starting this takes longer than any template does.
"""

import json
import sys

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """A policy that the template names without its ARN is an error, not a question to an account."""

    def load(self):
        return {}


LOCAL = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def translated(path, parameters):
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        place = LOCAL.get(resource["Type"])
        properties = resource.get("Properties", {})
        # The transformer wants what `sam package` uploads. What was packaged has it.
        if place and not str(properties.get(place)).startswith("s3://"):
            properties[place] = f"s3://not-uploaded/{place}"
    return transform(template, parameters, NoManagedPolicies())


parameters = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
print(json.dumps([translated(path, parameters) for path in sys.argv[1:] if "=" not in path]))
