"""Makes three workers with their mappings in moto, for a test: `pollers.py ENDPOINT REGION`.

The mapping of the express lane has provisioned pollers, which MiniStack does not know.
"""

import io
import json
import sys
import zipfile

import boto3

endpoint, region = sys.argv[1:]
known = {"endpoint_url": endpoint, "region_name": region, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
trust = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
role = boto3.client("iam", **known).create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("bootstrap", "#!/bin/sh\n")
functions, queues = boto3.client("lambda", **known), boto3.client("sqs", **known)
for lane in ("express", "standard", "bulk"):
    functions.create_function(
        FunctionName=lane, Runtime="provided.al2023", Role=role, Handler="bootstrap", Code={"ZipFile": code.getvalue()}
    )
    url = queues.create_queue(QueueName=lane)["QueueUrl"]
    queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bound = (
        {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 10}}
        if lane == "express"
        else {"ScalingConfig": {"MaximumConcurrency": 2}}
    )
    functions.create_event_source_mapping(FunctionName=lane, EventSourceArn=queue, **bound)
