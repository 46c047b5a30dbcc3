"""Documents that programs of the time signed, and what those programs said of them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ManifestInvalid, ManifestUnverified, RegistryError
from core.manifest.schema1 import join, split

__all__: list[str] = []

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "schema1"

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the vectors are not here")

DECIDED = {
    "extra-member-after.json": (ManifestInvalid, "tag"),
    "signatures-empty.json": (ManifestUnverified, "signatures"),
    "signatures-null.json": (ManifestUnverified, "signatures"),
}
"""What Go let pass by accident, and what is said of it here, with its place."""

NO_LIBTRUST = {
    "jwk-extra.json",
    "length-float.json",
    "length-zero.json",
    "protected-no-time.json",
    "rs512.json",
    "sig-padded.json",
    "sig-space-moved.json",
    "two-unsorted.json",
}
"""Good documents of other forms than that in which libtrust writes them."""


def read_vectors() -> list[Any]:
    if not VECTORS.is_dir():
        return []
    vectors: list[Any] = json.loads((VECTORS / "schema1.json").read_text())
    return vectors


@pytest.mark.parametrize("vector", read_vectors(), ids=lambda vector: vector["file"])
def test_a_document_of_the_vectors_has_the_verdict_of_its_time(vector: dict[str, Any]) -> None:
    document = (VECTORS / vector["file"]).read_bytes()
    if vector["file"] in DECIDED:
        kind, field = DECIDED[vector["file"]]
        with pytest.raises(RegistryError) as caught:
            split(document)
        assert (type(caught.value), caught.value.detail["field"]) == (kind, field)
        return
    try:
        signed = split(document)
    except (ManifestInvalid, ManifestUnverified):
        # A missing signature is told when it is looked for, not when it is verified.
        assert vector["payload_sha256"] is None or vector["file"] == "sig-missing.json"
        assert not vector["verifies"]
        return
    assert len(signed.payload) == vector["payload_length"]
    assert hashlib.sha256(signed.payload).hexdigest() == vector["payload_sha256"]
    faults = list(signed.faults())
    assert (not faults) == vector["verifies"]
    if not faults:
        assert [signature.key.key_id for signature in signed.signatures] == vector["kids"]
        assert (join(signed.payload, signed.signatures) == document) == (
            vector["file"] not in NO_LIBTRUST
        )


def test_there_are_as_many_vectors_as_there_should_be() -> None:
    vectors = read_vectors()
    assert len(vectors) == 44
    # Two of them have no signature at all, which Go let pass.
    assert sum(vector["verifies"] for vector in vectors) == 23
