"""Checks objects against the API of given Kubernetes versions, without a cluster.

    validate.py VERSION... < objects.json

Reads a JSON list of objects and prints one JSON line per mistake. What Kubernetes knows is checked strictly
with the schemas of the package kubernetes-validate; custom resources with the schema beside this file that is
named after their kind, which allows only what is used here. A kind that neither knows is a mistake, too.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
from kubernetes_validate import utils

FOLDER = pathlib.Path(__file__).parent

# The package reads every file anew for each object.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def custom(kind):
    path = FOLDER / f"{kind.lower()}.json"
    return json.loads(path.read_text()) if path.exists() else None


def mistakes(thing, versions):
    schema = custom(thing["kind"])
    if schema is not None:
        validator = jsonschema.Draft202012Validator(schema)
        for error in validator.iter_errors(thing):
            yield "own schema", error
        return
    for version in versions:
        try:
            found = kubernetes_validate.validate(thing, version, strict=True)
            if found != version:
                yield version, f"no schema for this version, only for {found}"
        except kubernetes_validate.ValidationError as error:
            yield version, error
        except kubernetes_validate.SchemaNotFoundError as error:
            yield version, error.message


def main():
    versions = sys.argv[1:]
    for thing in json.load(sys.stdin):
        name = f"{thing['kind']}/{thing['metadata']['name']}"
        for version, error in mistakes(thing, versions):
            if isinstance(error, jsonschema.ValidationError) or hasattr(error, "absolute_path"):
                place = "/".join(str(part) for part in error.absolute_path)
                problem = f"/{place}: {error.message}"
            else:
                problem = str(error)
            print(json.dumps({"object": name, "problem": f"{version}: {problem}"}))


main()
