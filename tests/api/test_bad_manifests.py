"""Manifests over HTTP that are none, and what is damaged on the disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.content import (
    CONFIG_TYPE,
    EMPTY_JSON,
    EMPTY_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    Repository,
    describe,
    digest_of,
    image,
    index,
)
from tests.api.stored import read_store

__all__: list[str] = []

OTHER = digest_of(b"other")


@pytest.fixture
def unchanged(repository: Repository, store: Path) -> Iterator[None]:
    """Makes sure that the test, which starts with an image in the repository, changes no file."""
    repository.push_image("kept")
    before = read_store(store)
    yield
    assert read_store(store) == before


# Manifests.


CONFIG = describe(EMPTY_JSON, EMPTY_TYPE)
DEEP = 5000

BAD_MANIFESTS: dict[str, tuple[bytes, str, str | None]] = {
    "nothing": (b"", MANIFEST_TYPE, None),
    "no JSON": (b"{", MANIFEST_TYPE, None),
    "no UTF-8": (b'{"\xff":1}', MANIFEST_TYPE, None),
    "no object": (b"[]", MANIFEST_TYPE, None),
    "too deep": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, MANIFEST_TYPE, None),
    "too deep below": (
        image().replace(b"[]", b"[" * DEEP + b"]" * DEEP),
        MANIFEST_TYPE,
        None,
    ),
    "of another type": (image(), INDEX_TYPE, "mediaType"),
    "an index as image": (index(), MANIFEST_TYPE, "mediaType"),
    "of an unknown type": (image(), "text/plain", "mediaType"),
    "of an old type": (
        b'{"schemaVersion":1}',
        "application/vnd.docker.distribution.manifest.v1+json",
        "mediaType",
    ),
    "of another schema": (image(schemaVersion=3), MANIFEST_TYPE, "schemaVersion"),
    "both image and index": (image(manifests=[]), MANIFEST_TYPE, "manifests"),
    "a negative size": (image((), CONFIG | {"size": -1}), MANIFEST_TYPE, "config.size"),
    "a huge size": (image((), CONFIG | {"size": 10**40}), MANIFEST_TYPE, "config.size"),
    "a size in text": (image((), CONFIG | {"size": "2"}), MANIFEST_TYPE, "config.size"),
    "layers that are none": (image().replace(b"[]", b"5"), MANIFEST_TYPE, "layers"),
    "a URL of another scheme": (
        image([CONFIG | {"urls": ["file:///etc/passwd"]}]),
        MANIFEST_TYPE,
        "layers[0].urls[0]",
    ),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_manifest_that_is_none_is_refused_with_the_place_of_its_fault(
    repository: Repository, name: str
) -> None:
    payload, media_type, field = BAD_MANIFESTS[name]
    for reference in ("tag", digest_of(payload)):
        answer = repository.put_manifest(payload, reference, media_type)
        detail = answer.assert_error(400, "MANIFEST_INVALID")
        assert detail["reason"]
        assert detail.get("field") == field


@pytest.mark.usefixtures("unchanged")
def test_every_fault_of_a_manifest_is_told_at_once(repository: Repository) -> None:
    layers = [
        describe(b"missing", LAYER_TYPE),
        describe(EMPTY_JSON, LAYER_TYPE) | {"size": 99},
        describe(b"missing too", LAYER_TYPE),
    ]
    payload = image(layers, describe(b"no config", CONFIG_TYPE))
    answer = repository.put_manifest(payload, "tag")
    assert answer.status == 400
    assert [(error["code"], error["detail"]["field"]) for error in answer.errors] == [
        ("MANIFEST_BLOB_UNKNOWN", "config"),
        ("MANIFEST_BLOB_UNKNOWN", "layers[0]"),
        ("SIZE_INVALID", "layers[1].size"),
        ("MANIFEST_BLOB_UNKNOWN", "layers[2]"),
    ]
    assert answer.errors[2]["detail"]["expected"] == len(EMPTY_JSON)


@pytest.mark.usefixtures("unchanged")
def test_an_index_of_what_is_not_there_or_of_another_size_is_refused(
    repository: Repository,
) -> None:
    kept = repository.wire.get(f"{repository.url}/manifests/kept").body
    children = [
        describe(b"missing", MANIFEST_TYPE),
        describe(kept, MANIFEST_TYPE) | {"size": 1},
        # A blob is no manifest, although both are content by digest.
        describe(EMPTY_JSON, MANIFEST_TYPE),
    ]
    answer = repository.put_manifest(index(children), "tag", INDEX_TYPE)
    assert [(error["code"], error["detail"]["digest"]) for error in answer.errors] == [
        ("MANIFEST_BLOB_UNKNOWN", digest_of(b"missing")),
        ("SIZE_INVALID", digest_of(kept)),
        ("MANIFEST_BLOB_UNKNOWN", digest_of(EMPTY_JSON)),
    ]


def test_a_blob_is_not_pulled_as_a_manifest_nor_a_manifest_as_a_blob(
    repository: Repository,
) -> None:
    payload = repository.push_image("tag")
    wire = repository.wire
    manifest = f"{repository.url}/manifests/{digest_of(EMPTY_JSON)}"
    wire.get(manifest).assert_error(404, "MANIFEST_UNKNOWN")
    blob = f"{repository.url}/blobs/{digest_of(payload)}"
    wire.get(blob).assert_error(404, "BLOB_UNKNOWN")


# Links that are damaged on the disk.


DAMAGES = {"empty": b"", "junk": b"\xffjunk", "of another": OTHER.encode()}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
@pytest.mark.parametrize("kind", ["_layers", "revisions", "current"])
def test_a_damaged_link_is_as_none_and_logged_and_healed_by_a_push(
    repository: Repository, store: Path, kind: str, damage: bytes
) -> None:
    payload = repository.push_image("tag")
    root = store / "docker/registry/v2/repositories" / repository.name
    blob, manifest = digest_of(EMPTY_JSON), digest_of(payload)
    link, target, code = {
        "_layers": (
            root / "_layers" / blob.replace(":", "/") / "link",
            f"{repository.url}/blobs/{blob}",
            "BLOB_UNKNOWN",
        ),
        "revisions": (
            root / "_manifests/revisions" / manifest.replace(":", "/") / "link",
            f"{repository.url}/manifests/{manifest}",
            "MANIFEST_UNKNOWN",
        ),
        "current": (
            root / "_manifests/tags/tag/current/link",
            f"{repository.url}/manifests/tag",
            "MANIFEST_UNKNOWN",
        ),
    }[kind]
    assert repository.wire.get(target).status == 200
    link.write_bytes(damage)
    repository.wire.get(target).assert_error(404, code)
    assert repository.wire.head(target).status == 404
    if not (kind == "current" and damage == OTHER.encode()):
        # A tag may point to any digest: only what is no digest at all is a fault of its link.
        repository.wire.service.wait_for_log("link is damaged", level="error")
    repository.push_image("tag")
    assert repository.wire.get(target).status == 200


def test_a_damaged_manifest_is_not_served_and_healed_by_a_push(
    repository: Repository, store: Path
) -> None:
    # Bytes that nobody has pulled yet, so that they are in no cache.
    payload = repository.push_image("tag", annotations={"a": repository.url})
    encoded = digest_of(payload).partition(":")[2]
    data = store / f"docker/registry/v2/blobs/sha256/{encoded[:2]}/{encoded}/data"
    document = json.loads(payload)
    data.write_bytes(json.dumps(document | {"annotations": {"a": "forged"}}).encode())
    target = f"{repository.url}/manifests/tag"
    repository.wire.get(target).assert_error(404, "MANIFEST_UNKNOWN")
    repository.wire.service.wait_for_log("content is damaged", level="error")
    repository.push_image("tag", annotations={"a": repository.url})
    assert repository.wire.get(target).body == payload
