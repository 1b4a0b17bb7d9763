"""Makes a template that can be deployed, as `sam build` does, from functions that cargo has built.

assemble.py TEMPLATE BINARIES OUTPUT puts each program into a zip file as `bootstrap`, and writes the
name of that file into the CodeUri of the function.
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
    # Without compression and with a fixed date, so that it is fast and the same program always
    # gives the same file.
    with zipfile.ZipFile(output / f"{name}.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, (binaries / name).read_bytes())
(output / "template.yaml").write_text(yaml_dump(template))
shutil.copytree(source.parent / "infra", output / "infra", dirs_exist_ok=True, ignore=lambda folder, names: {n for n in names if not n.endswith(".yaml")})
