"""Does what `sam build` does to the template, with functions that cargo has built already.

assemble.py TEMPLATE BINARIES OUTPUT zips each binary as `bootstrap` and points CodeUri at the zip.
"""

import pathlib
import shutil
import sys
import zipfile

from samcli.yamlhelper import yaml_dump, yaml_parse

source, binaries, output = map(pathlib.Path, sys.argv[1:])
template = yaml_parse(source.read_text())
template["Globals"]["Function"].pop("CodeUri")
output.mkdir(parents=True, exist_ok=True)
for resource in template["Resources"].values():
    if resource["Type"] != "AWS::Serverless::Function":
        continue
    name = resource["Metadata"]["BuildProperties"]["Binary"]
    resource["Properties"]["CodeUri"] = f"{name}.zip"
    entry = zipfile.ZipInfo("bootstrap", date_time=(2026, 1, 1, 0, 0, 0))
    entry.external_attr = 0o755 << 16
    # Stored, not deflated, and without a date: the same binary is the same zip, made in no time.
    with zipfile.ZipFile(output / f"{name}.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, (binaries / name).read_bytes())
(output / "template.yaml").write_text(yaml_dump(template))
shutil.copytree(source.parent / "infra", output / "infra", dirs_exist_ok=True, ignore=lambda folder, names: {n for n in names if not n.endswith(".yaml")})
