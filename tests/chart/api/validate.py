"""Holds objects against the API schemas of a Kubernetes version.

Reads a JSON list of objects and writes {"errors": ["kind/name: what is wrong"], "unknown": ["group/version/kind"]}. Strict: a member
that the schema does not know is an error.
"""

import importlib.util
import json
import pathlib
import sys

import fastjsonschema


def schemas(version):
    # Found and not imported: only its data are wanted, and what it imports is not installed.
    package = pathlib.Path(importlib.util.find_spec("kubernetes_validate").origin).parent
    root = package / "kubernetes-json-schema"
    directory = root / f"v{version}-local-strict"
    if not directory.is_dir():
        sys.exit(f"there are no schemas of Kubernetes {version}")
    return directory


def main():
    directory = schemas(sys.argv[1])
    definitions = json.loads((directory / "_definitions.json").read_text())["$defs"]
    compiled, errors, unknown = {}, [], set()
    for item in json.load(sys.stdin):
        group, _, version = item["apiVersion"].rpartition("/")
        parts = [item["kind"].lower(), group.split(".")[0], version]
        name = "-".join(part for part in parts if part)
        if name not in compiled:
            file = directory / f"{name}.json"
            compiled[name] = None
            if file.is_file():
                schema = json.loads(file.read_text().replace("/api/_definitions.json#", "#"))
                # Without an address of its own, so that references are to itself.
                schema.pop("$id", None)
                schema["$defs"] = definitions
                compiled[name] = fastjsonschema.compile(
                    schema, use_default=False, use_formats=False, detailed_exceptions=False
                )
        if compiled[name] is None:
            unknown.add(f"{item['apiVersion']}/{item['kind']}")
            continue
        try:
            compiled[name](item)
        except fastjsonschema.JsonSchemaException as error:
            errors.append(f"{item['kind']}/{item['metadata']['name']}: {error.message}")
    json.dump({"errors": errors, "unknown": sorted(unknown)}, sys.stdout)


main()
