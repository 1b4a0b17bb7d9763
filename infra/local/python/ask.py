"""Makes read-only calls of AWS with the account and the region that `sam deploy` would use.

ask.py CALLS takes a JSON list of calls, each with its service, operation, parameters, region and a
JMESPath query. The first line of JSON that it prints has the usual region and whether there are
credentials, or why botocore refuses the settings of the caller, and then it is the only line. A line
for each call follows, as soon as it is answered: what the query finds in the answer, or the code and
the message of the refusal.
"""

import functools
import json
import os
import sys
from urllib.parse import urlsplit

import boto3
import jmespath
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})
UNREACHABLE = (ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError)
SIGNED_OUT = (CredentialRetrievalError, NoCredentialsError, PartialCredentialsError, SSOError, TokenRetrievalError)


@functools.cache
def client(service, region):
    return boto3.client(service, region_name=region, config=CONFIG)


def ask(call):
    operation = call["operation"]
    if not operation.startswith(("describe_", "get_", "list_")):
        sys.exit(f"{operation} may change something")
    aws = client(call["service"], call["region"])
    if aws.can_paginate(operation):
        answer = aws.get_paginator(operation).paginate(**call["parameters"]).build_full_result()
    else:
        answer = getattr(aws, operation)(**call["parameters"])
    return {"answer": jmespath.search(call["query"], answer)}


def caller():
    """The usual region, and whether there are credentials. botocore may refuse the settings."""
    try:
        session = boto3.Session()
        return {
            # This reads AWS_DEFAULT_REGION and the profile, as SAM does. Other tools read AWS_REGION.
            "region": session.region_name or os.environ.get("AWS_REGION") or None,
            "is_unread": not session.region_name,
            "has_credentials": session.get_credentials() is not None,
        }
    except BotoCoreError as error:
        return {"refused": " ".join(str(error).split())}


first = caller()
print(json.dumps(first), flush=True)
if "refused" in first:
    sys.exit()
for call in json.loads(sys.argv[1]):
    try:
        line = ask(call)
    except ClientError as error:
        line = {"code": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", "")}
    except UNREACHABLE as error:
        url = urlsplit(error.kwargs["endpoint_url"])
        line = {"unreachable": f"{url.scheme}://{url.netloc}"}
    except SIGNED_OUT as error:
        line = {"signed_out": str(error)}
    except ResponseParserError:
        line = {"unasked": "something answered that is not AWS. Check AWS_ENDPOINT_URL and the proxy"}
    # botocore raises a ValueError for an endpoint that is no URL.
    except (BotoCoreError, ValueError) as error:
        line = {"unasked": f"{type(error).__name__}: {error}"}
    print(json.dumps(line, default=str), flush=True)
