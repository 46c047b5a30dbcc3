"""What is answered to those who may not: every operation declares it, and answers no other."""

import json
from pathlib import Path

import pytest

from api.openapi import render_contract
from tests.access.guarded import guarded, settings_of
from tests.contract.checker import Contract, Seen

__all__: list[str] = []

_DOCUMENT = json.loads(render_contract())
_CONTRACT = Contract(_DOCUMENT)
_DIGEST = f"sha256:{'0' * 64}"
_VALUES = {
    "name": "team/app",
    "reference": "1.0",
    "digest": _DIGEST,
    "upload_id": "7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5",
}
_OPERATIONS = [
    (method.upper(), path.format(**_VALUES))
    for path, operations in _DOCUMENT["paths"].items()
    if path.startswith("/v2/")
    for method in operations
]


async def _ask_all(folder: Path, user: str | None) -> set[Seen]:
    rules = [
        {"subjects": ["user:ann"], "repositories": ["other/*"], "actions": ["*"]},
    ]
    async with guarded(settings_of(folder, rules)) as registry, registry.client(user) as client:
        return {_CONTRACT.check(await client.request(method, path)) for method, path in _OPERATIONS}


@pytest.mark.parametrize(("user", "status"), [(None, "401"), ("ann", "403")])
async def test_every_refusal_is_as_declared_and_every_declared_one_is_answered(
    tmp_path: Path, user: str | None, status: str
) -> None:
    seen = {found for found in await _ask_all(tmp_path, user) if found.status == status}
    assert seen == {
        found
        for found in _CONTRACT.list_seen()
        if found.status == status and found.operation != "getToken"
    }


def test_the_contract_tells_the_ways_to_prove_who_one_is() -> None:
    schemes = _DOCUMENT["components"]["securitySchemes"]
    assert {name: scheme["scheme"] for name, scheme in schemes.items()} == {
        "password": "basic",
        "token": "bearer",
    }
    assert {name for way in _DOCUMENT["security"] for name in way} == set(schemes)
