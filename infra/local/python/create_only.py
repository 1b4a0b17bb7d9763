"""Prints what AWS says about resource types, from the resource schemas that cfn-lint brings along.

create_only.py TYPE... prints a JSON object: for each type the properties whose change replaces the
resource, always or sometimes, and the properties that are its name.
"""

import json
import sys

from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

FIELDS = {"replacing": ["createOnlyProperties", "conditionalCreateOnlyProperties"], "name": ["primaryIdentifier"]}

types = {}
for name in sys.argv[1:]:
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", name).schema
    except ResourceNotFoundError:
        continue
    types[name] = {
        field: sorted({pointer.removeprefix("/properties") for known in sources for pointer in schema.get(known, [])})
        for field, sources in FIELDS.items()
    }
json.dump(types, sys.stdout)
