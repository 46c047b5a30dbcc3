"""The incumbent and the registry on one bucket: images, and uploads that both go on with."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from tests.clients.images import random_bytes, sha256
from tests.clients.incumbent import incumbent_in_bucket, running_incumbent, upload_state
from tests.clients.pushing import connected, push_blob, push_image
from tests.drivers.s3_backdoor import Backdoor
from tests.live import running_registry
from tests.servers.seaweedfs import S3Server
from tests.stores.environment import s3_environment

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("docker-registry"),
    pytest.mark.timeout(90),
]

_MIB = 1024 * 1024
_OCTETS = {"Content-Type": "application/octet-stream"}
_ORDERS = pytest.mark.parametrize(("giver", "taker"), [("ours", "theirs"), ("theirs", "ours")])
# Parts of less than 5 MiB cannot be followed by others, and each registry has its own way there.
_SIZES = pytest.mark.parametrize("size", [300_000, 6 * _MIB], ids=["small", "parts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Both registries, running at once on the store below `prefix`."""

    clients: dict[str, httpx.Client]
    backdoor: Backdoor
    prefix: str

    def go_on(self, who: str, team: str, upload_id: str, chunk: bytes, *, offset: int) -> str:
        """Send a chunk to one of them, and return where it wants the next."""
        path = self.location(who, team, upload_id, offset=offset)
        added = self.clients[who].patch(path, content=chunk, headers=_OCTETS)
        assert added.status_code == 202, added.text
        assert added.headers["Range"] == f"0-{offset + len(chunk) - 1}"
        return str(added.headers["Location"])

    def location(self, who: str, team: str, upload_id: str, *, offset: int) -> httpx.URL:
        """Give where one of them takes more of an upload that holds `offset` bytes."""
        path = f"/v2/{team}/blobs/uploads/{upload_id}"
        if who == "ours":
            return httpx.URL(path)
        key = f"docker/registry/v2/repositories/{team}/_uploads/{upload_id}/startedat"
        found = self.backdoor.client.get_object(
            Bucket=self.backdoor.bucket, Key=f"{self.prefix}/{key}"
        )
        started_at = found["Body"].read().decode("ascii")
        state = upload_state(team, upload_id, offset=offset, started_at=started_at)
        return httpx.URL(path, params={"_state": state})


@pytest.fixture(scope="module")
def shared(seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("bucket")
    prefix = f"shared-{uuid.uuid4().hex}"
    variables = s3_environment(seaweedfs, root_prefix=prefix, redirect="false")
    with ExitStack() as stack:
        ours = stack.enter_context(running_registry(folder, root=None, **variables))
        theirs = stack.enter_context(
            running_incumbent(folder, incumbent_in_bucket(seaweedfs, prefix))
        )
        clients = {
            "ours": stack.enter_context(connected(ours.url)),
            "theirs": stack.enter_context(connected(theirs.url)),
        }
        yield Shared(clients=clients, backdoor=Backdoor(seaweedfs), prefix=prefix)


@_ORDERS
def test_an_image_given_to_one_is_served_and_deleted_by_the_other(
    shared: Shared, team: str, giver: str, taker: str
) -> None:
    layer = random_bytes(12 * _MIB)
    image = push_image(shared.clients[giver], team, tag="v1", layer=layer)
    other = shared.clients[taker]

    pulled = other.get(f"/v2/{team}/manifests/v1", headers={"Accept": image["mediaType"]})
    assert pulled.headers["Docker-Content-Digest"] == image["digest"]
    assert other.get(f"/v2/{team}/blobs/{sha256(layer)}").content == layer
    assert other.get(f"/v2/{team}/tags/list").json()["tags"] == ["v1"]
    assert team in other.get("/v2/_catalog", params={"n": 1000}).json()["repositories"]

    assert other.delete(f"/v2/{team}/manifests/{image['digest']}").status_code == 202
    gone = shared.clients[giver].get(f"/v2/{team}/manifests/{image['digest']}")
    assert gone.status_code == 404


@_SIZES
@_ORDERS
def test_an_upload_that_one_began_is_finished_by_the_other(
    shared: Shared, team: str, giver: str, taker: str, size: int
) -> None:
    parts = [random_bytes(size) for _ in range(3)]
    begun = shared.clients[giver].post(f"/v2/{team}/blobs/uploads/")
    upload_id = begun.headers["Docker-Upload-UUID"]
    shared.go_on(giver, team, upload_id, parts[0], offset=0)
    shared.go_on(taker, team, upload_id, parts[1], offset=size)
    _finish(shared, taker, team, upload_id, parts)


@_SIZES
@_ORDERS
def test_an_upload_that_one_began_and_has_no_bytes_of_is_finished_by_the_other(
    shared: Shared, team: str, giver: str, taker: str, size: int
) -> None:
    begun = shared.clients[giver].post(f"/v2/{team}/blobs/uploads/")
    _finish(shared, taker, team, begun.headers["Docker-Upload-UUID"], [random_bytes(size)])


@_SIZES
def test_an_upload_goes_from_one_to_the_other_with_every_chunk(
    shared: Shared, team: str, size: int
) -> None:
    parts = [random_bytes(size) for _ in range(5)]
    begun = shared.clients["theirs"].post(f"/v2/{team}/blobs/uploads/")
    upload_id = begun.headers["Docker-Upload-UUID"]
    for number, part in enumerate(parts[:-1]):
        who = ("theirs", "ours")[number % 2]
        shared.go_on(who, team, upload_id, part, offset=number * size)
    _finish(shared, "theirs", team, upload_id, parts)


def test_an_upload_that_the_incumbent_began_is_cancelled_with_its_parts(
    shared: Shared, team: str
) -> None:
    begun = shared.clients["theirs"].post(f"/v2/{team}/blobs/uploads/")
    upload_id = begun.headers["Docker-Upload-UUID"]
    shared.go_on("theirs", team, upload_id, random_bytes(300_000), offset=0)
    path = f"/v2/{team}/blobs/uploads/{upload_id}"
    assert shared.clients["ours"].delete(path).status_code == 204
    _assert_nothing_is_left(shared, team, upload_id)


def test_content_is_mounted_by_the_other(shared: Shared, team: str) -> None:
    blob = push_blob(shared.clients["theirs"], f"{team}/a", b"blob of " + team.encode())
    path = f"/v2/{team}/b/blobs/uploads/?mount={blob['digest']}&from={team}/a"
    assert shared.clients["ours"].post(path).status_code == 201
    assert shared.clients["theirs"].head(f"/v2/{team}/b/blobs/{blob['digest']}").status_code == 200


def _finish(shared: Shared, who: str, team: str, upload_id: str, parts: list[bytes]) -> None:
    """Send the last part to one of them, and see that both have the whole, and nothing else."""
    content = b"".join(parts)
    offset = len(content) - len(parts[-1])
    end = shared.location(who, team, upload_id, offset=offset)
    done = shared.clients[who].put(
        end.copy_merge_params({"digest": sha256(content)}), content=parts[-1], headers=_OCTETS
    )
    assert done.status_code == 201, done.text
    for client in shared.clients.values():
        assert client.get(f"/v2/{team}/blobs/{sha256(content)}").content == content
    if who == "ours":
        _assert_nothing_is_left(shared, team, upload_id)


def _assert_nothing_is_left(shared: Shared, team: str, upload_id: str) -> None:
    own = f"{shared.prefix}/docker/registry/v2/repositories/{team}/_uploads/{upload_id}"
    bucket, client = shared.backdoor.bucket, shared.backdoor.client
    assert client.list_objects_v2(Bucket=bucket, Prefix=own).get("Contents", []) == []
    assert client.list_multipart_uploads(Bucket=bucket, Prefix=own).get("Uploads", []) == []
