"""deploy/kubernetes/gateway fits the Gateway API's own schemas, where its checkout is at hand:

git clone --depth 1 https://github.com/kubernetes-sigs/gateway-api
GATEWAY_API=$PWD/gateway-api python -m pytest tests/deploy/test_gateway.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
jsonschema = pytest.importorskip("jsonschema")

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes" / "gateway"


def forbid_unknown_fields(schema: Any) -> None:
    """As the API server does when it is asked to be strict."""
    if isinstance(schema, list):
        for part in schema:
            forbid_unknown_fields(part)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            forbid_unknown_fields(part)


@pytest.mark.skipif("GATEWAY_API" not in os.environ, reason="GATEWAY_API names no checkout of the Gateway API")
@pytest.mark.parametrize("name", ["gateway.yaml", "backend-tls.yaml"])
def test_a_manifest_of_the_gateway_fits_the_version_that_is_served(name: str) -> None:
    schemas = {}
    for path in (Path(os.environ["GATEWAY_API"]) / "config" / "crd" / "standard").glob("gateway.networking*.yaml"):
        resource = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in resource["versions"]:
            if version["served"]:
                api = f"{resource['group']}/{version['name']}"
                schemas[resource["names"]["kind"], api] = version["schema"]["openAPIV3Schema"]
    for document in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")):
        schema = schemas[document["kind"], document["apiVersion"]]
        forbid_unknown_fields(schema)
        schema["properties"]["metadata"] = {"type": "object"}
        jsonschema.Draft7Validator(schema).validate(document)
