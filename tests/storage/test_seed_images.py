"""The images of a store that a registry of 2015 wrote, signatures and all."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from core.digest import Digest
from core.drivers import create_driver
from core.errors import ManifestInvalid
from core.manifest.schema1 import split
from core.storage import Registry, Repository, RepositoryName, Tag
from tests.manifest.schema1.signing import Key, sign
from tests.storage.pushing import read_layer

__all__: list[str] = []

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the store is not here")

FACTS: dict[str, Any] = (
    json.loads((VECTORS / "seed-store.json").read_text()) if VECTORS.is_dir() else {}
)
TAGS = [
    pytest.param(name, tag, facts, id=f"{name}:{tag}")
    for name, tags in FACTS.get("repositories", {}).items()
    for tag, facts in tags.items()
]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    with tarfile.open(VECTORS / "seed-store.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    driver = create_driver("filesystem", {"root": tmp_path, "durability": "relaxed"})
    return Registry(driver, schema1="convert")


def repository_of(registry: Registry, name: str) -> Repository:
    return registry.repository(RepositoryName.parse(name))


@pytest.mark.parametrize(("name", "tag", "facts"), TAGS)
async def test_an_image_is_served_as_the_registry_of_its_time_served_it(
    registry: Registry, name: str, tag: str, facts: dict[str, Any]
) -> None:
    repository = repository_of(registry, name)
    for reference in (Tag.parse(tag), Digest.parse(facts["digest"])):
        found = await repository.manifests.get(reference)
        assert hashlib.sha256(found.payload).hexdigest() == facts["get_sha256"]
        assert str(found.digest) == facts["digest"]
        signed = split(found.payload)
        assert len(signed.payload) == facts["payload_length"]
        assert list(signed.faults()) == []
        assert [one.key.key_id for one in signed.signatures] == facts["kids"]
        sums = [layer["blobSum"] for layer in json.loads(signed.payload)["fsLayers"]]
        assert sums == facts["fsLayers"]
        for one in sums:
            content = await read_layer(repository, Digest.parse(one))
            assert hashlib.sha256(content).hexdigest() == FACTS["layers"][one]["sha256"]


@pytest.mark.parametrize(("name", "tag", "facts"), TAGS)
async def test_another_key_can_sign_an_image_of_that_time(
    registry: Registry, name: str, tag: str, facts: dict[str, Any]
) -> None:
    repository = repository_of(registry, name)
    reference = Tag.parse(tag)
    payload = split((await repository.manifests.get(reference)).payload).payload
    key = Key("EC")
    manifest = await repository.manifests.read_signed(sign(payload, key), reference)
    await repository.manifests.put_signed(manifest, [reference])
    found = split((await repository.manifests.get(reference)).payload)
    assert sorted(one.key.key_id for one in found.signatures) == sorted([*facts["kids"], key.kid])
    assert list(found.faults()) == []


@pytest.mark.parametrize(("name", "tag", "facts"), TAGS)
async def test_an_image_of_that_time_is_converted_if_its_history_is_a_chain(
    registry: Registry, name: str, tag: str, facts: dict[str, Any]
) -> None:
    repository = repository_of(registry, name)
    assert repository.conversions is not None
    signed = await repository.manifests.get(Tag.parse(tag))
    if tag == "both":
        # Its two layers do not know of each other.
        with pytest.raises(ManifestInvalid) as caught:
            await repository.conversions.to_image(signed, "oci")
        assert caught.value.detail["field"] == "history[0].v1Compatibility.parent"
        return
    found = await repository.conversions.to_image(signed, "oci")
    for layer in json.loads(found.payload)["layers"]:
        content = await read_layer(repository, Digest.parse(layer["digest"]))
        assert str(Digest.of(content)) == layer["digest"]
