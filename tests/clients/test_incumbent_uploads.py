"""An upload that one registry on a store began, the other goes on with."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.clients.images import random_bytes, sha256
from tests.clients.incumbent import running_incumbent, upload_state
from tests.clients.pushing import connected
from tests.live import running_registry

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("docker-registry"),
]

_OCTETS = {"Content-Type": "application/octet-stream"}
_PARTS = [random_bytes(300_000) for _ in range(3)]
_CONTENT = b"".join(_PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Both registries, running at once on the store at `root`."""

    root: Path
    ours: httpx.Client
    theirs: httpx.Client

    def upload(self, name: str, upload_id: str) -> Path:
        """Give the folder of an upload."""
        return self.root / "docker/registry/v2/repositories" / name / "_uploads" / upload_id

    def location(self, name: str, upload_id: str, *, offset: int) -> httpx.URL:
        """Give where the incumbent takes more of an upload that holds `offset` bytes."""
        started_at = (self.upload(name, upload_id) / "startedat").read_text()
        state = upload_state(name, upload_id, offset=offset, started_at=started_at)
        return httpx.URL(_path(name, upload_id), params={"_state": state})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("uploads")
    root = folder / "store"
    with ExitStack() as stack:
        ours = stack.enter_context(running_registry(folder, root=root))
        theirs = stack.enter_context(running_incumbent(folder, root))
        yield Shared(
            root=root,
            ours=stack.enter_context(connected(ours.url)),
            theirs=stack.enter_context(connected(theirs.url)),
        )


def test_an_upload_that_the_incumbent_began_is_finished_by_the_registry(
    shared: Shared, team: str
) -> None:
    begun = shared.theirs.post(f"/v2/{team}/blobs/uploads/")
    upload_id = begun.headers["Docker-Upload-UUID"]
    added = shared.theirs.patch(begun.headers["Location"], content=_PARTS[0], headers=_OCTETS)
    assert added.status_code == 202
    status = shared.ours.get(_path(team, upload_id))
    assert (status.status_code, status.headers["Range"]) == (204, "0-299999")
    more = shared.ours.patch(status.headers["Location"], content=_PARTS[1], headers=_OCTETS)
    assert (more.status_code, more.headers["Range"]) == (202, "0-599999")
    _finish(shared.ours, more.headers["Location"])
    _assert_whole(shared, team, upload_id)


def test_an_upload_that_the_registry_began_is_finished_by_the_incumbent(
    shared: Shared, team: str
) -> None:
    upload_id = _begin_here(shared, team)
    location = shared.location(team, upload_id, offset=300_000)
    more = shared.theirs.patch(location, content=_PARTS[1], headers=_OCTETS)
    assert (more.status_code, more.headers["Range"]) == (202, "0-599999")
    _finish(shared.theirs, more.headers["Location"])
    _assert_whole(shared, team, upload_id)


def test_an_upload_goes_from_registry_to_registry_with_every_chunk(
    shared: Shared, team: str
) -> None:
    begun = shared.theirs.post(f"/v2/{team}/blobs/uploads/")
    upload_id = begun.headers["Docker-Upload-UUID"]
    first = shared.theirs.patch(begun.headers["Location"], content=_PARTS[0], headers=_OCTETS)
    assert first.status_code == 202
    second = shared.ours.patch(_path(team, upload_id), content=_PARTS[1], headers=_OCTETS)
    assert second.status_code == 202
    _finish(shared.theirs, shared.location(team, upload_id, offset=600_000))
    _assert_whole(shared, team, upload_id)


def test_the_incumbent_refuses_a_wrong_digest_of_an_upload_that_the_registry_began(
    shared: Shared, team: str
) -> None:
    upload_id = _begin_here(shared, team)
    location = shared.location(team, upload_id, offset=300_000)
    done = shared.theirs.put(
        location.copy_merge_params({"digest": sha256(_CONTENT)}), headers=_OCTETS
    )
    assert (done.status_code, done.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")


def test_an_upload_that_the_incumbent_began_is_cancelled_by_the_registry(
    shared: Shared, team: str
) -> None:
    begun = shared.theirs.post(f"/v2/{team}/blobs/uploads/")
    upload_id = begun.headers["Docker-Upload-UUID"]
    assert shared.upload(team, upload_id).exists()
    assert shared.ours.delete(_path(team, upload_id)).status_code == 204
    assert not shared.upload(team, upload_id).exists()
    gone = shared.theirs.patch(begun.headers["Location"], content=_PARTS[0], headers=_OCTETS)
    assert (gone.status_code, gone.json()["errors"][0]["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")


def _begin_here(shared: Shared, name: str) -> str:
    begun = shared.ours.post(f"/v2/{name}/blobs/uploads/")
    added = shared.ours.patch(begun.headers["Location"], content=_PARTS[0], headers=_OCTETS)
    assert added.status_code == 202
    return str(begun.headers["Docker-Upload-UUID"])


def _finish(client: httpx.Client, location: str | httpx.URL) -> None:
    """Send the last part to `location` and see that the whole was published."""
    done = client.put(
        httpx.URL(location).copy_merge_params({"digest": sha256(_CONTENT)}),
        content=_CONTENT[600_000:],
        headers=_OCTETS,
    )
    assert done.status_code == 201, done.text


def _assert_whole(shared: Shared, name: str, upload_id: str) -> None:
    for client in (shared.ours, shared.theirs):
        assert client.get(f"/v2/{name}/blobs/{sha256(_CONTENT)}").content == _CONTENT
        assert client.get(_path(name, upload_id)).status_code == 404
    assert not shared.upload(name, upload_id).exists()


def _path(name: str, upload_id: str) -> str:
    return f"/v2/{name}/blobs/uploads/{upload_id}"
