"""Prints the CloudFormation template that AWS makes of a SAM template. It does not need AWS for that.

translate.py TEMPLATE [PARAMETERS] takes parameter values as a JSON object, and the region from
AWS_DEFAULT_REGION.
"""

import json
import pathlib
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """The template names its managed policies by ARN, so no name has to be looked up."""

    def load(self):
        return {}


template = yaml_parse(pathlib.Path(sys.argv[1]).read_text())
parameters = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
if "Globals" in template:
    # What `sam package` would put there and in nested stacks.
    template["Globals"]["Function"]["CodeUri"] = {"Bucket": "artifacts", "Key": "code.zip"}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            name = pathlib.Path(resource["Properties"]["TemplateURL"]).name
            resource["Properties"]["TemplateURL"] = f"https://artifacts.s3.amazonaws.com/{name}"
    template = transform(template, parameters, NoManagedPolicies())
json.dump(template, sys.stdout, indent=1, default=str)
