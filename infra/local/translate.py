"""Prints a SAM template as the CloudFormation that AWS makes of it, without asking AWS.

translate.py TEMPLATE, with the region in AWS_DEFAULT_REGION
"""

import json
import pathlib
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """The template names its managed policies by ARN, so none has to be looked up."""

    def load(self):
        return {}


template = yaml_parse(pathlib.Path(sys.argv[1]).read_text())
# What `sam package` would put there.
template["Globals"]["Function"]["CodeUri"] = {"Bucket": "artifacts", "Key": "code.zip"}
json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout, indent=1, default=str)
