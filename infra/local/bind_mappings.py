"""Sets the bounds of every event source mapping once more, as numbers.

MiniStack 1.5.33 keeps a `Number` parameter as text when CloudFormation makes a mapping, cannot
compare it, and stops polling; the Rust SDK cannot even read such a mapping. Drop this with the bug.
"""

import boto3

client = boto3.client("lambda")
for mapping in client.get_paginator("list_event_source_mappings").paginate().search("EventSourceMappings[]"):
    bounds = {
        kind: {name: int(value) for name, value in mapping[kind].items()}
        for kind in ("ScalingConfig", "ProvisionedPollerConfig")
        if mapping.get(kind)
    }
    client.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=int(mapping["BatchSize"]), **bounds)
