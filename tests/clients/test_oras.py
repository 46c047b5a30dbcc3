"""oras-py pushes and pulls artifacts; referrers are found, which it cannot ask for itself."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from oras.client import OrasClient
from pydantic_core import to_json

from tests.clients.images import OCI_MANIFEST, random_bytes
from tests.clients.pushing import push_blob, push_image, push_manifest
from tests.clients.traffic import watching
from tests.live import Service

__all__: list[str] = []

pytestmark = pytest.mark.clients

_EMPTY = "application/vnd.oci.empty.v1+json"
_SBOM = "application/vnd.example.sbom.v1+json"
_SIGNATURE = "application/vnd.example.signature.v1+json"


@pytest.fixture
def oras(registry: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OrasClient:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return OrasClient(hostname=registry.host, insecure=True)


def test_an_artifact_of_files_comes_back_as_it_was_pushed(
    registry: Service, team: str, oras: OrasClient, tmp_path: Path
) -> None:
    files = {"report.txt": b"all is well\n", "data.bin": random_bytes(200_000), "empty": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    target = f"{registry.host}/{team}/artifact:1"
    paths = [str(tmp_path / name) for name in files]
    oras.push(target=target, files=paths, disable_path_validation=True)
    assert oras.get_tags(target) == ["1"]
    pulled = oras.pull(target=target, outdir=str(tmp_path / "pulled"))
    assert {Path(path).name: Path(path).read_bytes() for path in pulled} == files


def test_a_blob_that_is_pushed_in_chunks_is_whole(
    registry: Service, team: str, oras: OrasClient, tmp_path: Path
) -> None:
    content = random_bytes(3 << 20)
    (tmp_path / "large.bin").write_bytes(content)
    target = f"{registry.host}/{team}/artifact:chunked"
    with watching(registry) as seen:
        oras.push(
            target=target,
            files=[str(tmp_path / "large.bin")],
            disable_path_validation=True,
            do_chunked=True,
            chunk_size=1 << 20,
        )
    chunks = [request for request in seen if request.method == "PATCH"]
    assert [(chunk.status, chunk.received_bytes) for chunk in chunks] == [(202, 1 << 20)] * 3
    (upload,) = {chunk.path for chunk in chunks}
    ends = [request for request in seen if request.method == "PUT" and request.path == upload]
    assert [(end.status, end.received_bytes) for end in ends] == [(201, 0)]
    (pulled,) = oras.pull(target=target, outdir=str(tmp_path / "pulled"))
    assert Path(pulled).read_bytes() == content


def test_artifacts_with_a_subject_are_found_as_its_referrers(http: httpx.Client, team: str) -> None:
    subject = push_image(http, f"{team}/image", tag="v1", layer=b"an image")
    sbom = _push_artifact(http, f"{team}/image", subject, _SBOM, b"{}", note="first")
    signature = _push_artifact(http, f"{team}/image", subject, _SIGNATURE, b"signed", note="second")

    answer = http.get(f"/v2/{team}/image/referrers/{subject['digest']}")
    assert answer.status_code == 200
    listed = answer.json()["manifests"]
    assert {item["digest"]: item["artifactType"] for item in listed} == {
        sbom["digest"]: _SBOM,
        signature["digest"]: _SIGNATURE,
    }
    assert {item["annotations"]["note"] for item in listed} == {"first", "second"}


def test_referrers_are_filtered_by_the_type_of_the_artifact(http: httpx.Client, team: str) -> None:
    subject = push_image(http, f"{team}/image", tag="v1", layer=b"an image")
    _push_artifact(http, f"{team}/image", subject, _SBOM, b"{}", note="first")
    signature = _push_artifact(http, f"{team}/image", subject, _SIGNATURE, b"signed", note="second")
    answer = http.get(
        f"/v2/{team}/image/referrers/{subject['digest']}", params={"artifactType": _SIGNATURE}
    )
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert [item["digest"] for item in answer.json()["manifests"]] == [signature["digest"]]


def test_an_artifact_found_as_a_referrer_is_pulled_by_its_digest(
    registry: Service, team: str, oras: OrasClient, http: httpx.Client, tmp_path: Path
) -> None:
    subject = push_image(http, f"{team}/image", tag="v1", layer=b"an image")
    _push_artifact(http, f"{team}/image", subject, _SBOM, b'{"parts": []}', note="first")
    (found,) = http.get(f"/v2/{team}/image/referrers/{subject['digest']}").json()["manifests"]
    name = f"{registry.host}/{team}/image@{found['digest']}"
    (pulled,) = oras.pull(target=name, outdir=str(tmp_path / "pulled"))
    assert Path(pulled).read_bytes() == b'{"parts": []}'


def _push_artifact(
    http: httpx.Client,
    repository: str,
    subject: dict[str, Any],
    artifact_type: str,
    content: bytes,
    *,
    note: str,
) -> dict[str, Any]:
    config = push_blob(http, repository, to_json({}), media_type=_EMPTY)
    layer = push_blob(http, repository, content, media_type=artifact_type)
    layer["annotations"] = {"org.opencontainers.image.title": "content"}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": config,
        "layers": [layer],
        "subject": subject,
        "annotations": {"note": note},
    }
    return push_manifest(http, repository, document)
