"""A client that a generator made from the contract, and nobody touched, against the registry.

What it is made of is imported by name, as it does not exist before the test runs.
"""

import hashlib
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import pytest

from api.openapi import CONTRACT_FILE
from core.manifest import OCI_MANIFEST
from tests.clients.guarded import running_guarded
from tests.live import Service, running_registry

__all__: list[str] = []

pytestmark = pytest.mark.clients

_PACKAGE = "moorage_client"
_GUIDE = Path(__file__).parents[2] / "docs" / "contract.md"
_DOCUMENTED_URL = "http://127.0.0.1:5000"
_NAME = "team/app"
_CONFIG = b'{"architecture": "amd64", "os": "linux"}'
_SMALL_LAYER = b"small" * 1000
_LARGE_LAYER = bytes(range(256)) * 4096


class _Answer(Protocol):
    """What the functions of the client return."""

    status_code: int
    content: bytes
    headers: dict[str, str]
    parsed: Any


@dataclass(frozen=True, slots=True)
class _Client:
    """The client, and its connection to a registry."""

    package: ModuleType
    connection: object

    def call(self, operation: str, *arguments: str, expected: int, **options: object) -> _Answer:
        """Call an operation, such as `tags.list_tags`, and return the detailed answer."""
        module = importlib.import_module(f"{_PACKAGE}.api.{operation}")
        answer: _Answer = module.sync_detailed(*arguments, client=self.connection, **options)
        assert answer.status_code == expected, answer.content
        return answer

    def file(self, content: bytes) -> object:
        """Return a body of these bytes."""
        return importlib.import_module(f"{_PACKAGE}.types").File(payload=BytesIO(content))

    def model(self, name: str) -> type[Any]:
        """Return a model that was made from a schema."""
        found: type[Any] = getattr(importlib.import_module(f"{_PACKAGE}.models"), name)
        return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Iterator[_Client]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "config.yml").write_text("post_hooks: []\n")
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate"),
            *("--path", str(CONTRACT_FILE), "--meta", "none", "--fail-on-warning"),
            *("--output-path", str(folder / _PACKAGE), "--config", str(folder / "config.yml")),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        package = importlib.import_module(_PACKAGE)
        with package.Client(base_url=service.url) as connection:
            yield _Client(package, connection)


def test_the_client_pushes_an_image_and_pulls_it_back(client: _Client) -> None:
    image = _make_image()
    assert _push_in_one_request(client, _CONFIG) == _digest(_CONFIG)
    assert _push_by_post_and_put(client, _SMALL_LAYER) == _digest(_SMALL_LAYER)
    assert _push_in_chunks(client, _LARGE_LAYER, 300_000) == _digest(_LARGE_LAYER)
    pushed = client.call(
        "manifests.put_manifest",
        _NAME,
        "1.0",
        body=client.file(image),
        tag=["latest"],
        expected=201,
    )
    assert pushed.headers["docker-content-digest"] == _digest(image)
    assert pushed.headers["oci-tag"] == "latest"

    pulled = client.call("manifests.get_manifest", _NAME, "1.0", expected=200)
    assert pulled.content == image
    assert pulled.headers["content-type"] == OCI_MANIFEST
    manifest = pulled.parsed
    assert isinstance(manifest, client.model("ImageManifest"))
    blobs = [
        client.call("blobs.get_blob", _NAME, descriptor.digest, expected=200).parsed.payload.read()
        for descriptor in (manifest.config, *manifest.layers)
    ]
    assert blobs == [_CONFIG, _SMALL_LAYER, _LARGE_LAYER]
    tags = client.call("tags.list_tags", _NAME, expected=200).parsed
    assert (tags.name, tags.tags) == (_NAME, ["1.0", "latest"])


def test_the_client_pulls_a_part_of_a_blob(client: _Client) -> None:
    digest = _push_in_one_request(client, _SMALL_LAYER)
    answer = client.call("blobs.get_blob", _NAME, digest, range_="bytes=5-9", expected=206)
    assert answer.content == b"small"
    assert answer.headers["content-range"] == f"bytes 5-9/{len(_SMALL_LAYER)}"
    etag = answer.headers["etag"]
    client.call("blobs.get_blob", _NAME, digest, if_none_match=etag, expected=304)
    head = client.call("blobs.head_blob", _NAME, digest, expected=200)
    assert head.headers["content-length"] == str(len(_SMALL_LAYER))


def test_the_client_reads_what_refers_to_a_manifest(client: _Client) -> None:
    """The manifest that refers is made as a model, and the client writes it down."""
    config = _push_in_one_request(client, b"{}", "team/signed")
    kind = "application/vnd.example.signature.v1"
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": {"mediaType": "application/json", "digest": config, "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": _digest(b"subject"), "size": 7},
    }
    manifest = client.model("ImageManifest").from_dict(document)
    pushed = client.call(
        "manifests.put_manifest", "team/signed", "signature", body=manifest, expected=201
    )
    assert pushed.headers["oci-subject"] == _digest(b"subject")
    listed = client.call(
        *("referrers.list_referrers", "team/signed", _digest(b"subject")),
        artifact_type=kind,
        expected=200,
    )
    assert listed.headers["oci-filters-applied"] == "artifactType"
    (referrer,) = listed.parsed.manifests
    assert referrer.digest == pushed.headers["docker-content-digest"]
    assert referrer.artifact_type == kind


def test_the_client_gets_a_typed_error(client: _Client) -> None:
    answer = client.call("manifests.get_manifest", _NAME, "unknown", expected=404)
    assert isinstance(answer.parsed, client.model("ErrorList"))
    (fault,) = answer.parsed.errors
    assert fault.code == "MANIFEST_UNKNOWN"
    assert fault.detail.to_dict() == {"name": _NAME, "reference": "unknown"}


def test_the_client_deletes_what_it_pushed(client: _Client) -> None:
    digest = _push_in_one_request(client, b"to be deleted")
    client.call("blobs.delete_blob", _NAME, digest, expected=202)
    client.call("blobs.head_blob", _NAME, digest, expected=404)


def test_the_documented_example_runs_as_it_is_written(client: _Client, service: Service) -> None:
    example, _ = _examples()
    pushed, *_, last = _run(client, example, service.url)
    assert pushed.startswith("sha256:")
    assert last == "MANIFEST_UNKNOWN"


def test_the_client_logs_in(client: _Client, tmp_path: Path) -> None:
    _, example = _examples()
    settings = '[access]\ncontroller = "moorage"\nhtpasswd.file = "{folder}/users"\n'
    with running_guarded(tmp_path, settings) as guarded:
        guarded.moorage("users", "add", "ann", "--password-stdin", entered="correct horse\n")
        guarded.service.wait_for_log("passwords changed")
        assert "NAME_UNKNOWN" in "".join(_run(client, example, guarded.service.url))
        wrong = example.replace("correct horse", "wrong")
        assert "UNAUTHORIZED" in "".join(_run(client, wrong, guarded.service.url))


def _examples() -> list[str]:
    text = _GUIDE.read_text(encoding="utf-8")
    return re.findall(r"```python\n(.+?)```", text, flags=re.DOTALL)


def _run(client: _Client, code: str, url: str) -> list[str]:
    """Run an example of the guide against another registry, and return what it prints."""
    assert _DOCUMENTED_URL in code
    assert client.package.__file__
    finished = subprocess.run(
        [sys.executable, "-c", code.replace(_DOCUMENTED_URL, url)],
        cwd=Path(client.package.__file__).parents[1],
        capture_output=True,
        check=False,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def _push_in_one_request(client: _Client, content: bytes, name: str = _NAME) -> str:
    answer = client.call(
        "uploads.start_upload",
        name,
        body=client.file(content),
        digest=_digest(content),
        expected=201,
    )
    return answer.headers["docker-content-digest"]


def _push_by_post_and_put(client: _Client, content: bytes) -> str:
    started = client.call("uploads.start_upload", _NAME, expected=202)
    upload_id, offset = _read_location(started)
    finished = client.call(
        *("uploads.finish_upload", _NAME, upload_id),
        body=client.file(content),
        digest=_digest(content),
        offset=offset,
        expected=201,
    )
    return finished.headers["docker-content-digest"]


def _push_in_chunks(client: _Client, content: bytes, size: int) -> str:
    answer = client.call("uploads.start_upload", _NAME, expected=202)
    for start in range(0, len(content), size):
        chunk = content[start : start + size]
        upload_id, offset = _read_location(answer)
        answer = client.call(
            *("uploads.patch_upload", _NAME, upload_id),
            body=client.file(chunk),
            offset=offset,
            content_range=f"{start}-{start + len(chunk) - 1}",
            expected=202,
        )
    upload_id, offset = _read_location(answer)
    assert offset == len(content)
    finished = client.call(
        *("uploads.finish_upload", _NAME, upload_id),
        digest=_digest(content),
        offset=offset,
        expected=201,
    )
    return finished.headers["docker-content-digest"]


def _read_location(answer: _Answer) -> tuple[str, int]:
    """Return the id and the offset of an upload, as its Location has them."""
    location = urlsplit(answer.headers["location"])
    upload_id = location.path.rpartition("/")[2]
    assert upload_id == answer.headers["docker-upload-uuid"]
    (offset,) = parse_qs(location.query)["offset"]
    return upload_id, int(offset)


def _make_image() -> bytes:
    """Return a manifest whose bytes no JSON library would write like this."""
    layers = [_describe(_SMALL_LAYER), _describe(_LARGE_LAYER)]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _describe(_CONFIG),
        "layers": layers,
    }
    return json.dumps(document, indent=3).encode() + b"\n\n"


def _describe(content: bytes) -> dict[str, object]:
    return {
        "mediaType": "application/octet-stream",
        "digest": _digest(content),
        "size": len(content),
    }


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
