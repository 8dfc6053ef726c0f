"""moto, whose Lambda tells a function's revision and refuses an update of another one, as AWS does and moto does not yet.

usage: moto_with_revisions.py [WORD OF moto_server ...]
"""

import hashlib
import json
import sys

from moto.awslambda.exceptions import PreconditionFailedException
from moto.awslambda.models import LambdaFunction
from moto.server import main

told = LambdaFunction.get_configuration
changed = LambdaFunction.update_configuration


def revision(function):
    return hashlib.sha256(json.dumps(told(function), sort_keys=True, default=str).encode()).hexdigest()


def with_revision(function, *words, **named):
    return {**told(function, *words, **named), "RevisionId": revision(function)}


def of_the_revision(function, updates):
    if updates.get("RevisionId", revision(function)) != revision(function):
        raise PreconditionFailedException("The RevisionId provided does not match the latest RevisionId")
    return changed(function, updates)


LambdaFunction.get_configuration = with_revision
LambdaFunction.update_configuration = of_the_revision
main(sys.argv[1:])
