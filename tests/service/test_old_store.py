"""A store of the time of tarsums, opened by the registry as users run it."""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.content import Repository, digest_of
from tests.api.wire import Wire
from tests.live import running_registry

__all__: list[str] = []

FOLDER = Path(__file__).parents[3] / "shared" / "vectors"
LIST = FOLDER / "seed-store.json"
FACTS: dict[str, Any] = json.loads(LIST.read_text()) if LIST.is_file() else {}

pytestmark = pytest.mark.skipif(not FACTS, reason=f"there is no {LIST}")


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """A client of a registry over what a registry of the time has stored."""
    with tarfile.open(FOLDER / "seed-store.tar") as archive:
        archive.extractall(tmp_path / "data", filter="data")
    with running_registry(tmp_path) as service:
        yield Wire(service)


def test_every_repository_tag_and_layer_is_served(wire: Wire) -> None:
    listed = wire.ask("GET", "/v2/_catalog").json()["repositories"]
    assert listed == sorted(FACTS["repositories"])
    for name, tags in FACTS["repositories"].items():
        assert wire.ask("GET", f"/v2/{name}/tags/list").json()["tags"] == sorted(tags)
        for tag, facts in tags.items():
            pulled = wire.ask("GET", f"/v2/{name}/manifests/{tag}")
            assert (pulled.status, pulled.headers["docker-content-digest"]) == (
                200,
                facts["digest"],
            )
            for digest in facts["fsLayers"]:
                layer, url = FACTS["layers"][digest], f"/v2/{name}/blobs/{digest}"
                asked = wire.ask("HEAD", url)
                assert (asked.status, asked.headers["content-length"]) == (200, str(layer["size"]))
                content = wire.ask("GET", url).body
                assert hashlib.sha256(content).hexdigest() == layer["sha256"]
                part = wire.ask("GET", url, headers={"Range": "bytes=100-611"})
                assert (part.status, part.body) == (206, content[100:612])


def test_old_layers_are_deleted_and_new_ones_pushed_beside_them(wire: Wire) -> None:
    repository = Repository(wire, "single")
    facts = FACTS["repositories"]["single"]
    gone, stays = facts["both"]["fsLayers"]
    kept = wire.ask("GET", f"{repository.url}/blobs/{stays}").body
    assert wire.ask("DELETE", f"{repository.url}/blobs/{gone}").status == 202
    wire.ask("GET", f"{repository.url}/blobs/{gone}").assert_error(404, "BLOB_UNKNOWN")
    # The same layer is pushed again, as a client of the time would.
    created = wire.ask(
        "PUT", f"{repository.start()}&digest={gone.replace('+', '%2B')}", bytes(1024)
    )
    assert created.headers["docker-content-digest"] == digest_of(bytes(1024))
    assert wire.ask("GET", f"{repository.url}/blobs/{gone}").body == bytes(1024)
    repository.push_image("new")
    assert wire.ask("GET", f"{repository.url}/tags/list").json()["tags"] == [
        "both",
        "new",
        "stable",
    ]
    assert wire.ask("GET", f"{repository.url}/blobs/{stays}").body == kept
    # An upload that was begun then and has no bytes cannot be gone on with.
    upload = "d4758142-2a71-4f04-8251-4832ae6c6476"
    answer = wire.ask("GET", f"{repository.url}/blobs/uploads/{upload}")
    answer.assert_error(404, "BLOB_UPLOAD_UNKNOWN")
