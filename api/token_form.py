"""The form with which OAuth2 asks for a token. Spec: RFC 6749, section 4.3.2 and appendix B."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request

from api.serving.streaming import read_body
from core.errors import ManifestTooLarge, TokenRequestInvalid

__all__ = ["form_body", "read_form", "required"]

_FORM = "application/x-www-form-urlencoded"

_MAX_BYTES = 64 * 1024
_MAX_FIELDS = 32

_FIELDS = {
    "grant_type": "`password`, `refresh_token`, or that of RFC 8693.",
    "service": "Who the token is for, as the challenge says.",
    "scope": "What it is to be good for, with spaces between the parts.",
    "client_id": "Ignored: the name of the program.",
    "access_type": "`offline` asks for a refresh token too.",
    "username": "With `password`.",
    "password": "With `username`.",
    "refresh_token": "Of an earlier answer.",
    "subject_token": "The ID token that is exchanged.",
    "subject_token_type": "Of it: `urn:ietf:params:oauth:token-type:id_token`.",
}


def form_body() -> dict[str, Any]:
    """Return what an operation says of a body that is such a form."""
    properties = {name: {"type": "string", "description": text} for name, text in _FIELDS.items()}
    schema = {"type": "object", "required": ["grant_type"], "properties": properties}
    example = {"grant_type": "password", "username": "ann", "password": "secret"}
    content = {_FORM: {"schema": schema, "example": example}}
    return {"requestBody": {"description": "The form.", "required": True, "content": content}}


async def read_form(request: Request, timeout_seconds: float) -> Mapping[str, str]:
    """Return the fields of a form; those without a value are left out.

    Raises:
        TokenRequestInvalid: it is no form, is too long, or has a field twice.
        ClientDisconnect, BodyOverdue: it did not come.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise TokenRequestInvalid("invalid_request", f"the body is not of the type {_FORM}")
    try:
        body = await read_body(request, _MAX_BYTES, timeout_seconds)
    except ManifestTooLarge:
        raise TokenRequestInvalid(
            "invalid_request", f"the form has more than {_MAX_BYTES} bytes"
        ) from None
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise TokenRequestInvalid("invalid_request", "the body is not such a form") from None
    found = dict(fields)
    if len(found) != len(fields):
        raise TokenRequestInvalid("invalid_request", "the form has a field twice")
    return found


def required(form: Mapping[str, str], name: str) -> str:
    """Return a field.

    Raises:
        TokenRequestInvalid: there is none of this name.
    """
    value = form.get(name)
    if value is None:
        raise TokenRequestInvalid("invalid_request", f"the form has no {name}")
    return value
