"""The contract: what the OpenAPI document says about the protocol beyond the routes' own types.

Routes name their answers with these values; `build` puts them together. A code of an error is
never written here: it comes from the table that the service itself answers from.
"""

from api.contract.answers import (
    Answers,
    answer,
    answers,
    binary,
    blob_body,
    document,
    errors,
    manifest,
    manifest_body,
    not_modified,
)
from api.contract.build import build_contract

__all__ = [
    "Answers",
    "answer",
    "answers",
    "binary",
    "blob_body",
    "build_contract",
    "document",
    "errors",
    "manifest",
    "manifest_body",
    "not_modified",
]
