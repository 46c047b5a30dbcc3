"""Signed images of schema 1 over HTTP: refused by default, and answered with their own digest."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.manifest.schema1 import split
from tests.api.content import Repository, digest_of
from tests.api.wire import Wire
from tests.live import Service, running_registry
from tests.manifest.schema1.signing import ES, image, sign

__all__: list[str] = []

SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
UNSIGNED = "application/vnd.docker.distribution.manifest.v1+json"
LAYER = b"a layer of old"
TYPES = [
    SIGNED,
    UNSIGNED,
    f"{SIGNED}; charset=utf-8",
    "application/json",
    "application/octet-stream",
]


@pytest.fixture(scope="module")
def accepting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("accepting")
    with running_registry(folder, MOORAGE_MANIFESTS__SCHEMA1="accept") as service:
        yield service


@pytest.fixture
def open_repository(accepting: Service, repository: Repository) -> Repository:
    """A repository of a registry that takes such images, with their layer."""
    found = Repository(Wire(accepting), repository.name)
    found.push_blob(LAYER)
    return found


def payload(repository: Repository, **members: object) -> bytes:
    layers = [{"blobSum": digest_of(LAYER)}]
    return image(3, **{"name": repository.name, "fsLayers": layers, **members})


@pytest.mark.parametrize("media_type", TYPES)
def test_an_image_is_pushed_under_any_of_its_types_and_pulled_as_it_was(
    open_repository: Repository, media_type: str
) -> None:
    body = payload(open_repository)
    document = sign(body)
    digest = digest_of(body)
    answer = open_repository.put_manifest(document, "1.0", media_type)
    assert (answer.status, answer.headers["docker-content-digest"]) == (201, digest)
    assert answer.headers["location"].endswith(f"/manifests/{digest}")
    for reference in ("1.0", digest):
        found = open_repository.wire.get(f"{open_repository.url}/manifests/{reference}")
        assert (found.status, found.body) == (200, document)
        head = open_repository.wire.ask("HEAD", f"{open_repository.url}/manifests/{reference}")
        for headers in (found.headers, head.headers):
            assert headers["content-type"] == SIGNED
            assert headers["docker-content-digest"] == digest
            assert headers["etag"] == f'"{digest}"'
            assert headers["content-length"] == str(len(document))
    known = open_repository.wire.ask(
        "GET", f"{open_repository.url}/manifests/1.0", headers={"If-None-Match": f'"{digest}"'}
    )
    assert (known.status, known.headers["etag"]) == (304, f'"{digest}"')


@pytest.mark.parametrize("media_type", TYPES)
def test_by_default_a_push_is_refused_and_the_setting_named(
    repository: Repository, media_type: str
) -> None:
    document = sign(payload(repository))
    answer = repository.put_manifest(document, "1.0", media_type)
    detail = answer.assert_error(400, "MANIFEST_INVALID")
    assert "manifests.schema1" in detail["reason"]


@pytest.mark.parametrize("indent", [3, None])
def test_every_fault_has_a_code_of_its_own(open_repository: Repository, indent: int | None) -> None:
    body = payload(
        open_repository,
        name="other/name",
        tag="2.0",
        fsLayers=[{"blobSum": digest_of(b"missing")}] * 2,
    )
    document = json.loads(sign(body, ES))
    document["signatures"][0]["signature"] = "A" * 86
    # In another form the document is not what was signed, but still shows what it is.
    changed = json.dumps(document, indent=indent).encode()
    answer = open_repository.put_manifest(changed, "1.0", SIGNED)
    assert answer.status == 400
    assert {error["code"] for error in answer.errors} == {
        "MANIFEST_UNVERIFIED",
        "NAME_INVALID",
        "TAG_INVALID",
        "MANIFEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
    }
    unknown = answer.errors[-1]
    assert unknown["detail"]["digest"] == digest_of(b"missing")


def test_an_image_is_deleted_by_its_digest(open_repository: Repository) -> None:
    body = payload(open_repository)
    assert open_repository.put_manifest(sign(body), "1.0", SIGNED).status == 201
    url = f"{open_repository.url}/manifests/{digest_of(body)}"
    assert open_repository.wire.ask("DELETE", url).status == 202
    assert open_repository.wire.get(url).status == 404


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"junk", "not a private key"),
        (None, "cannot be read"),
    ],
)
def test_a_key_file_that_is_none_keeps_the_registry_from_starting(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    with (
        pytest.raises(AssertionError),
        running_registry(tmp_path, MOORAGE_MANIFESTS__SCHEMA1_KEY_FILE=str(file)),
    ):
        pass
    log = (tmp_path / "registry.log").read_text()
    assert f"manifests.schema1_key_file: {file}" in log
    assert said in log
    assert "Traceback" not in log


def test_all_workers_sign_alike_with_a_key_that_one_of_them_makes(tmp_path: Path) -> None:
    with running_registry(
        tmp_path, MOORAGE_MANIFESTS__SCHEMA1="accept", MOORAGE_SERVER__WORKERS="3"
    ) as service:
        repository = Repository(Wire(service), "team/app")
        repository.push_blob(LAYER)
        body = payload(repository)
        assert repository.put_manifest(sign(body), "1.0", SIGNED).status == 201
        [kept] = (tmp_path / "data").rglob("signatures")
        # As registries leave it that keep none.
        shutil.rmtree(kept)
        url = f"{repository.url}/manifests/1.0"
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(repository.wire.get, [url] * 36))
    assert {answer.status for answer in answers} == {200}
    [document] = {answer.body for answer in answers}
    assert split(document).payload == body
    assert list(split(document).faults()) == []
