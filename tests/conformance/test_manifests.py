"""Every kind of manifest of the suite: pushed, listed, pulled by digest and tag, and deleted."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

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
from tests.api.wire import Answer, Wire
from tests.live import Service

__all__: list[str] = []

CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
LAYERS = (b"first layer", b"second layer")
MISSING = "sha256:" + "5" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one data set of the suite consists of, in the order in which it is pushed."""

    manifests: list[tuple[bytes, str]]
    blobs: tuple[bytes, ...] = (CONFIG, EMPTY_JSON, *LAYERS)
    algorithm: str = "sha256"
    subject: str | None = field(default=None)


def plain_image(*, algorithm: str = "sha256", **members: object) -> bytes:
    """Give an image of two layers."""
    return image(
        [describe(layer, LAYER_TYPE, algorithm=algorithm) for layer in LAYERS],
        describe(CONFIG, CONFIG_TYPE, algorithm=algorithm),
        **members,
    )


def platform_image(architecture: str) -> bytes:
    """Give an image that differs from others by an annotation."""
    return plain_image(annotations={"architecture": architecture})


def index_of(*children: tuple[bytes, str], **members: object) -> bytes:
    """Give an index of manifests of the types given."""
    return index([describe(payload, media_type) for payload, media_type in children], **members)


def make_uncompressed() -> Case:
    layers = [describe(layer, "application/vnd.oci.image.layer.v1.tar") for layer in LAYERS]
    return Case(manifests=[(image(layers, describe(CONFIG, CONFIG_TYPE)), MANIFEST_TYPE)])


def make_data_field() -> Case:
    data = base64.b64encode(EMPTY_JSON).decode()
    payload = image(config=describe(EMPTY_JSON, EMPTY_TYPE, data=data))
    return Case(manifests=[(payload, MANIFEST_TYPE)])


def make_custom_fields() -> Case:
    layers = [describe(LAYERS[0], LAYER_TYPE) | {"org.example.custom": [1, None, 2.5]}]
    document = json.loads(image(layers, org_example={"deep": {"er": True}}))
    return Case(manifests=[(json.dumps(document, indent=3).encode() + b"\n\n", MANIFEST_TYPE)])


def make_large() -> Case:
    annotations = {f"org.example.{number}": "x" * 3900 for number in range(1000)}
    payload = plain_image(annotations=annotations)
    assert 3_900_000 < len(payload) < 4 * 1024 * 1024
    return Case(manifests=[(payload, MANIFEST_TYPE)])


def make_index() -> Case:
    children = [(platform_image(name), MANIFEST_TYPE) for name in ("amd64", "arm64")]
    return Case(manifests=[*children, (index_of(*children), INDEX_TYPE)])


def make_nested_index() -> Case:
    child = (platform_image("riscv64"), MANIFEST_TYPE)
    inner = (index_of(child), INDEX_TYPE)
    return Case(manifests=[child, inner, (index_of(inner), INDEX_TYPE)])


def make_artifact() -> Case:
    payload = image([describe(LAYERS[0], "text/plain")], artifactType="application/vnd.example")
    return Case(manifests=[(payload, MANIFEST_TYPE)])


def make_artifact_by_config() -> Case:
    config = describe(EMPTY_JSON, "application/vnd.example.config+json")
    return Case(manifests=[(image([describe(LAYERS[0], "text/plain")], config), MANIFEST_TYPE)])


def make_artifact_without_layers() -> Case:
    payload = image(artifactType="application/vnd.example.bare", annotations={"a": "b"})
    return Case(manifests=[(payload, MANIFEST_TYPE)])


def make_artifact_index() -> Case:
    child = (image(artifactType="application/vnd.example.part"), MANIFEST_TYPE)
    parent = (index_of(child, artifactType="application/vnd.example.whole"), INDEX_TYPE)
    return Case(manifests=[child, parent])


def make_missing_subject() -> Case:
    subject = {"mediaType": MANIFEST_TYPE, "digest": MISSING, "size": 1234}
    payload = image(artifactType="application/vnd.example", subject=subject)
    return Case(manifests=[(payload, MANIFEST_TYPE)], subject=MISSING)


def make_non_distributable() -> Case:
    layer = {
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": MISSING,
        "size": 12345,
        "urls": ["https://example.com/layer"],
    }
    return Case(manifests=[(image([layer]), MANIFEST_TYPE)])


CASES: dict[str, Callable[[], Case]] = {
    "image": lambda: Case(manifests=[(plain_image(), MANIFEST_TYPE)]),
    "image-uncompressed": make_uncompressed,
    "no-layers": lambda: Case(manifests=[(image(), MANIFEST_TYPE)]),
    "data-field": make_data_field,
    "custom-fields": make_custom_fields,
    "large-manifest": make_large,
    "index": make_index,
    "nested-index": make_nested_index,
    "empty-index": lambda: Case(manifests=[(index(), INDEX_TYPE)]),
    "artifact": make_artifact,
    "artifact-by-config": make_artifact_by_config,
    "artifact-without-layers": make_artifact_without_layers,
    "artifact-index": make_artifact_index,
    "missing-subject": make_missing_subject,
    "non-distributable-layers": make_non_distributable,
    "sha512": lambda: Case(
        manifests=[(plain_image(algorithm="sha512"), MANIFEST_TYPE)], algorithm="sha512"
    ),
}


def assert_pulled(answer: Answer, payload: bytes, media_type: str, digest: str) -> None:
    """Make sure that an answer shows the very manifest that was pushed."""
    assert answer.status == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-length"] == str(len(payload))
    assert answer.headers["docker-content-digest"] == digest
    assert answer.body in (payload, b"")


def push(repository: Repository, case: Case) -> Iterator[tuple[str, bytes, str]]:
    """Push all of a case, the last manifest by tag too, and yield what it is pulled by."""
    for blob in case.blobs:
        repository.push_blob(blob, case.algorithm)
    for payload, media_type in case.manifests:
        digest = digest_of(payload, case.algorithm)
        answer = repository.put_manifest(payload, digest, media_type)
        assert (answer.status, answer.body) == (201, b""), answer
        assert answer.headers["content-length"] == "0"
        assert answer.headers["location"] == f"{repository.url}/manifests/{digest}"
        assert answer.headers["docker-content-digest"] == digest
        assert answer.headers.get("oci-subject") == case.subject
        yield digest, payload, media_type


@pytest.mark.parametrize("name", CASES)
def test_a_data_set_is_pushed_pulled_and_deleted(repository: Repository, name: str) -> None:
    """Spec: "Pushing Manifests" (end-7a), "Pulling manifests" (end-3), "Deleting" (end-9, 10)."""
    case = CASES[name]()
    wire = repository.wire
    pushed = list(push(repository, case))
    manifests = f"{repository.url}/manifests"
    accept = {"Accept": f"{INDEX_TYPE}, {MANIFEST_TYPE}"}
    for digest, payload, media_type in pushed:
        assert_pulled(wire.get(f"{manifests}/{digest}", **accept), payload, media_type, digest)
        assert_pulled(wire.head(f"{manifests}/{digest}", **accept), payload, media_type, digest)

    _, payload, media_type = pushed[-1]
    by_tag = repository.put_manifest(payload, "tagged", media_type)
    assert by_tag.status == 201
    # A push by tag names no algorithm; the canonical one is sha256.
    tagged = by_tag.headers["docker-content-digest"]
    assert tagged == digest_of(payload)
    for ask in (wire.get, wire.head):
        assert_pulled(ask(f"{manifests}/tagged", **accept), payload, media_type, tagged)
    tags = wire.get(f"{repository.url}/tags/list")
    assert tags.json() == {"name": repository.name, "tags": ["tagged"]}

    assert wire.delete(f"{manifests}/tagged").status == 202
    assert wire.head(f"{manifests}/tagged").status == 404
    for digest, _, _ in reversed(pushed):
        assert wire.delete(f"{manifests}/{digest}").status == 202
        assert wire.head(f"{manifests}/{digest}").status == 404
        wire.delete(f"{manifests}/{digest}").assert_error(404, "MANIFEST_UNKNOWN")
    for blob in case.blobs:
        target = f"{repository.url}/blobs/{digest_of(blob, case.algorithm)}"
        assert wire.delete(target).status == 202
        assert wire.head(target).status == 404


def test_deleting_a_manifest_takes_its_tags_along_and_no_others(repository: Repository) -> None:
    """Spec: "Deleting Manifests" (end-9)."""
    first = repository.push_image("one", annotations={"n": "1"})
    repository.push_manifest(first, "two")
    repository.push_image("three", annotations={"n": "3"})
    target = f"{repository.url}/manifests/{digest_of(first)}"
    assert repository.wire.delete(target).status == 202
    assert repository.wire.get(f"{repository.url}/tags/list").json()["tags"] == ["three"]
    assert repository.wire.get(f"{repository.url}/manifests/three").status == 200


@pytest.mark.parametrize("name", ["image", "index"])
def test_a_sparse_manifest_is_taken_where_that_is_chosen(
    sparse_service: Service, name: str
) -> None:
    """Spec: "Pushing Manifests" (end-7a): content may be missing, where the registry allows it."""
    sparse = Repository(Wire(sparse_service), f"sparse/{name}")
    case = CASES[name]()
    payload, media_type = case.manifests[-1]
    digest = sparse.push_manifest(payload, None, media_type)
    pulled = sparse.wire.get(f"{sparse.url}/manifests/{digest}")
    assert_pulled(pulled, payload, media_type, digest)


@pytest.mark.parametrize("name", ["image", "index"])
def test_a_sparse_manifest_is_refused_by_default(repository: Repository, name: str) -> None:
    """Spec: "Pushing Manifests": every thing that is missing is named (code-1)."""
    payload, media_type = CASES[name]().manifests[-1]
    answer = repository.put_manifest(payload, "sparse", media_type)
    answer.assert_error(400, "MANIFEST_BLOB_UNKNOWN")
    document = json.loads(payload)
    missing = [*document.get("layers", ()), *document.get("manifests", ())]
    if "config" in document:
        missing.insert(0, document["config"])
    assert [error["detail"]["digest"] for error in answer.errors] == [
        descriptor["digest"] for descriptor in missing
    ]
    assert repository.wire.head(f"{repository.url}/manifests/sparse").status == 404


def test_a_manifest_that_is_not_that_of_its_digest_is_refused(repository: Repository) -> None:
    """Spec: "Pushing Manifests" (end-7a): `<reference>` as a digest is that of the body."""
    payload = repository.push_image()
    digest = digest_of(payload)
    detail = repository.put_manifest(payload + b"  ", digest).assert_error(400, "DIGEST_INVALID")
    assert (detail["expected"], detail["actual"]) == (digest, digest_of(payload + b"  "))


def test_a_reference_that_is_no_digest_is_refused(repository: Repository) -> None:
    """Spec: "Pushing Manifests", "Pulling manifests": an invalid digest format."""
    repository.push_blob(EMPTY_JSON)
    bad = "sha256:baddigeststring"
    repository.put_manifest(image(), bad).assert_error(400, "DIGEST_INVALID")
    for method in ("GET", "DELETE"):
        answer = repository.wire.ask(method, f"{repository.url}/manifests/{bad}")
        detail = answer.assert_error(400, "DIGEST_INVALID")
        assert detail["digest"] == bad
