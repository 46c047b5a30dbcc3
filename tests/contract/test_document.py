"""The contract as a document, before anybody asks the service anything."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.app import create_app
from api.contract.examples import NAME
from api.contract.headers import FIELDS, HeaderField
from api.errors import ERROR_TABLE
from api.openapi import CONTRACT_FILE, render_contract
from api.routes import router
from core.digest import Digest
from core.drivers.memory import MemoryDriver
from core.manifest import DOCKER_MANIFEST_V1, MANIFEST_MODELS, parse_manifest
from core.manifest.schema1 import read_signed_manifest
from tests.contract.checker import Contract

__all__: list[str] = []

_DOCUMENT: dict[str, Any] = json.loads(render_contract())
_OPERATIONS = [
    pytest.param(method, operation, id=operation["operationId"])
    for operations in _DOCUMENT["paths"].values()
    for method, operation in operations.items()
]
_OTHER_SPELLINGS = {"/v2", "/v2/{name}/blobs/uploads"}
"""Paths without their last slash, which the service answers too."""


def test_the_committed_contract_is_that_of_the_code() -> None:
    committed = CONTRACT_FILE.read_text(encoding="utf-8")
    assert committed == render_contract(), "run `make openapi` and commit what it writes"


async def test_the_service_publishes_the_contract() -> None:
    app = create_app(driver=MemoryDriver())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://registry"
    ) as client:
        answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == _DOCUMENT


def test_it_is_a_valid_document_of_openapi_3_1() -> None:
    assert _DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(_DOCUMENT).iter_errors()) == []


def test_every_route_of_the_protocol_is_in_it() -> None:
    routes = {
        (method.lower(), path)
        for method, path in _list_routes(router)
        if path.startswith(("/v2", "/token")) and path not in _OTHER_SPELLINGS
    }
    declared = {
        (method, path) for path, operations in _DOCUMENT["paths"].items() for method in operations
    }
    assert len(declared) >= 18
    assert declared == routes


def _list_routes(router: APIRouter) -> Iterator[tuple[str, str]]:
    for context in iter_route_contexts(router.routes):
        assert context.methods
        assert context.path_format
        for method in context.methods:
            yield method, context.path_format


def test_operation_ids_are_unique() -> None:
    ids = [str(parameter.id) for parameter in _OPERATIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("method", "operation"), _OPERATIONS)
def test_an_operation_tells_what_it_does_and_how_it_fails(
    method: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert "pec" in operation["description"]
    (tag,) = operation["tags"]
    assert tag in {known["name"] for known in _DOCUMENT["tags"]}
    errors = {
        status: response
        for status, response in operation["responses"].items()
        if status == "default" or int(status) >= 400
    }
    assert {"500", "default"} <= errors.keys()
    assert "422" not in errors
    for response in errors.values():
        if method == "head":
            assert "content" not in response
            continue
        content = response["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorList"}
        assert content["examples"]


@pytest.mark.parametrize(("method", "operation"), _OPERATIONS)
def test_a_parameter_has_a_description_an_example_and_never_null(
    method: str, operation: dict[str, Any]
) -> None:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        assert parameter["description"]
        assert schema["type"] in {"string", "integer", "array"}
        for example in schema["examples"]:
            jsonschema.validate(example, schema)


def test_the_digest_that_ends_an_upload_is_required() -> None:
    operation = _DOCUMENT["paths"]["/v2/{name}/blobs/uploads/{upload_id}"]["put"]
    (digest,) = [item for item in operation["parameters"] if item["name"] == "digest"]
    assert digest["required"] is True


def test_every_error_that_can_be_answered_is_declared_somewhere() -> None:
    declared = {
        (status, code)
        for operations in _DOCUMENT["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        for code in content.get("examples", {})
    }
    known = {(str(kind.status), kind.code) for kind in ERROR_TABLE.values()}
    assert known <= declared


def test_every_example_of_an_error_is_an_error_list() -> None:
    contract = Contract(_DOCUMENT)
    examples = [
        example["value"]
        for operations in _DOCUMENT["paths"].values()
        for operation in operations.values()
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for example in content.get("examples", {}).values()
    ]
    assert len(examples) > 50
    for example in examples:
        contract.validate(example, {"$ref": "#/components/schemas/ErrorList"})


def test_the_example_of_a_signed_image_can_be_pushed() -> None:
    body = _DOCUMENT["paths"]["/v2/{name}/manifests/{reference}"]["put"]["requestBody"]
    content = body["content"][DOCKER_MANIFEST_V1]
    Contract(_DOCUMENT).validate(content["example"], content["schema"])
    payload = json.dumps(content["example"], indent=3).encode()
    assert read_signed_manifest(payload, name=NAME, tag="1.0").faults == ()


@pytest.mark.parametrize("media_type", MANIFEST_MODELS)
def test_an_example_of_a_manifest_can_be_pushed(media_type: str) -> None:
    """It is within the schema of its type, and the registry itself finds no fault in it."""
    body = _DOCUMENT["paths"]["/v2/{name}/manifests/{reference}"]["put"]["requestBody"]
    content = body["content"][media_type]
    Contract(_DOCUMENT).validate(content["example"], content["schema"])
    payload = json.dumps(content["example"]).encode()
    assert parse_manifest(payload, media_type, Digest.of(payload)).media_type == media_type


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.key)
def test_an_example_of_a_header_is_within_its_pattern(field: HeaderField) -> None:
    assert field.pattern is None or re.search(field.pattern, str(field.example))
