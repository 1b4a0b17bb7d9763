"""Sets the bounds of a stack's event source mappings once more, as numbers: `bind_mappings.py STACK`.

MiniStack 1.5.33 keeps a `Number` parameter as text when CloudFormation makes a mapping, cannot
compare it, and stops polling; the Rust SDK cannot even read such a mapping, and boto3 does not
tell text from numbers. Drop this with the bug.
"""

import sys

import boto3

client = boto3.client("lambda")
resources = boto3.client("cloudformation").describe_stack_resources(StackName=sys.argv[1])["StackResources"]
for resource in resources:
    if resource["ResourceType"] != "AWS::Lambda::EventSourceMapping":
        continue
    mapping = client.get_event_source_mapping(UUID=resource["PhysicalResourceId"])
    bounds = {
        kind: {name: int(value) for name, value in mapping[kind].items()}
        for kind in ("ScalingConfig", "ProvisionedPollerConfig")
        if mapping.get(kind)
    }
    client.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=int(mapping["BatchSize"]), **bounds)
