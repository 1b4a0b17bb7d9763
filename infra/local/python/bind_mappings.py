"""Sets the limits of a stack's event source mappings again, as numbers: `bind_mappings.py STACK`.

When CloudFormation makes a mapping in MiniStack 1.5.33, a parameter of the type `Number` is kept as
text. MiniStack cannot compare text with a number and stops polling. The Rust SDK cannot read such a
mapping, but boto3 can, so this is a Python script. It can be deleted when the defect is mended.
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
