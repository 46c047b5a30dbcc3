"""`Contract`: whether what a service answers is what its contract declares."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx
import jsonschema

__all__ = ["Contract", "Seen"]

_UNDECLARED = {"connection", "content-length", "content-type", "date", "transfer-encoding"}
"""Headers of HTTP itself. OpenAPI declares Content-Type with the body."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an answer turned out to be: an answer of this status to this operation."""

    operation: str
    status: str


class Contract:
    """An OpenAPI document that answers are held against."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._paths = sorted(
            (
                (re.compile(re.sub(r"\\{[a-z_]+\\}", "(.+)", re.escape(path))), operations)
                for path, operations in document["paths"].items()
            ),
            # `/blobs/uploads/...` before `/blobs/...`: the longer text is the narrower pattern.
            key=lambda entry: -len(re.sub(r"\(\.\+\)", "", entry[0].pattern)),
        )

    def check(self, answer: httpx.Response) -> Seen:
        """Fail unless the status, the headers and the body of `answer` are declared."""
        request = answer.request
        operation = self._find(request)
        name = f"{operation['operationId']} {answer.status_code}"
        declared = operation["responses"].get(str(answer.status_code))
        assert declared is not None, f"{name}: the status is not declared"
        self._check_headers(name, answer.headers, declared.get("headers", {}))
        self._check_body(name, request.method, answer, declared.get("content"))
        return Seen(operation["operationId"], str(answer.status_code))

    def name_of(self, request: httpx.Request) -> str:
        """Return the id of the operation that a request asks for."""
        return str(self._find(request)["operationId"])

    def validate(self, value: object, schema: Mapping[str, Any]) -> None:
        """Fail unless `value` is within a schema of the document."""
        whole = {**schema, "components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    def list_seen(self) -> set[Seen]:
        """Return every answer that is declared."""
        return {
            Seen(operation["operationId"], status)
            for operations in self.document["paths"].values()
            for operation in operations.values()
            for status in operation["responses"]
        }

    def _find(self, request: httpx.Request) -> Mapping[str, Any]:
        method, path = request.method, unquote(request.url.path)
        for pattern, operations in self._paths:
            if pattern.fullmatch(path) and method.lower() in operations:
                found: Mapping[str, Any] = operations[method.lower()]
                return found
        raise AssertionError(f"{method} {path} is not in the contract")

    def _check_headers(
        self, name: str, headers: httpx.Headers, declared: Mapping[str, Any]
    ) -> None:
        components = self.document["components"]["headers"]
        known = {
            key.lower(): components[value["$ref"].rpartition("/")[2]]
            for key, value in declared.items()
        }
        for key, value in headers.items():
            if key in _UNDECLARED:
                continue
            assert key in known, f"{name}: the header {key} is not declared"
            schema = known[key]["schema"]
            self.validate(int(value) if schema["type"] == "integer" else value, schema)
        for key, header in known.items():
            assert key in headers or not header["required"], f"{name}: the header {key} is missing"

    def _check_body(
        self,
        name: str,
        method: str,
        answer: httpx.Response,
        declared: Mapping[str, Any] | None,
    ) -> None:
        content = answer.content
        if not declared:
            assert content == b"", f"{name}: a body is not declared"
            return
        assert method != "HEAD", f"{name}: an answer to HEAD has no body"
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in declared, f"{name}: the type {media_type} is not declared"
        schema = declared[media_type]["schema"]
        if schema != {"type": "string", "format": "binary"}:
            self.validate(json.loads(content), schema)
