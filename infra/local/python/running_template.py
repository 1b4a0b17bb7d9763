"""Writes a built template whose functions use the stores of the running local cloud.

running_template.py TEMPLATE HOST OUTPUT reads the environment of each deployed function from the
local cloud (AWS_ENDPOINT_URL), writes it into the function of the same name, and puts HOST in the
place of 127.0.0.1. It prints the ports of this machine that the functions then reach under HOST.
"""

import os
import pathlib
import re
import sys

import boto3
from samcli.yamlhelper import yaml_dump, yaml_parse

source, host, output = sys.argv[1:]
template = yaml_parse(pathlib.Path(source).read_text())
region = os.environ["AWS_REGION"]
cloudformation, functions = boto3.client("cloudformation", region), boto3.client("lambda", region)
stack = os.environ["SUMMAREASE_STACK"]
passed = {name: os.environ[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION")}
ports = set()
for name, resource in template["Resources"].items():
    if resource["Type"] != "AWS::Serverless::Function":
        continue
    deployed = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=name)["StackResourceDetail"]
    configuration = functions.get_function_configuration(FunctionName=deployed["PhysicalResourceId"])
    variables = configuration["Environment"]["Variables"] | passed
    if "API_URL" in variables:
        # The host name of an API on AWS does not exist here.
        variables["API_URL"] = os.environ["SUMMAREASE_URL"]
    for value in variables.values():
        ports.update(re.findall(r"127\.0\.0\.1:(\d+)", value))
    properties = resource["Properties"]
    properties["Environment"] = {"Variables": {key: value.replace("127.0.0.1", host) for key, value in variables.items()}}
    properties.pop("VpcConfig", None)
pathlib.Path(output).write_text(yaml_dump(template))
print(*sorted(ports))
