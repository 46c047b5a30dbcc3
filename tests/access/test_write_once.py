"""Tags that may be created, and never moved or removed."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from anyio import CancelScope, create_task_group, sleep

from core.digest import Digest
from core.drivers import MemoryDriver, StorageDriver
from core.errors import DriverUnavailable, TagImmutable
from core.storage import Registry as Store
from core.storage import RepositoryName, Tag
from core.storage.holding import holding
from tests.access.guarded import Client, Registry, guarded, settings_of
from tests.faulty import Call, FaultyDriver

__all__: list[str] = []

_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = b"{}"
_CONFIG_DIGEST = f"sha256:{hashlib.sha256(_CONFIG).hexdigest()}"
NAME = RepositoryName.parse("prod/app")
V1 = Tag.parse("v1")


def manifest(note: str) -> bytes:
    config = {"mediaType": "a/b", "digest": _CONFIG_DIGEST, "size": len(_CONFIG)}
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _TYPE,
            "config": config,
            "layers": [],
            "annotations": {"note": note},
        }
    ).encode()


@pytest.fixture
async def registry(driver: StorageDriver, tmp_path: Path) -> AsyncIterator[Registry]:
    once = [{"tags": ["v*"], "repositories": ["prod/**"]}]
    async with guarded(settings_of(tmp_path, policy={"write_once": once}), driver) as running:
        yield running


@pytest.fixture
async def ann(registry: Registry) -> AsyncIterator[Client]:
    async with registry.client("ann") as client:
        yield client


async def push(
    client: Client, name: str, tag: str, note: str, *, also: str | None = None
) -> httpx.Response:
    await client.push_blob(name, _CONFIG, _CONFIG_DIGEST)
    return await client.put(
        f"/v2/{name}/manifests/{tag}",
        params=None if also is None else {"tag": also},
        content=manifest(note),
        headers={"Content-Type": _TYPE},
    )


async def test_a_tag_is_created_once_and_set_again_to_the_same_and_never_moved(
    ann: Client,
) -> None:
    first = await push(ann, "prod/app", "v1", "one")
    assert first.status_code == 201
    assert (await push(ann, "prod/app", "v1", "one")).status_code == 201
    moved = await push(ann, "prod/app", "v1", "two")
    assert moved.status_code == 403
    error = moved.json()["errors"][0]
    assert error["code"] == "DENIED"
    digest = first.headers["docker-content-digest"]
    assert f"tag v1 is write-once and points to {digest}" in error["message"]
    by_parameter = await push(ann, "prod/app", "latest", "two", also="v1")
    assert by_parameter.status_code == 403
    assert (await ann.get("/v2/prod/app/manifests/v1")).content == manifest("one")
    # Nothing of a push that was refused is there.
    assert (await ann.get("/v2/prod/app/manifests/latest")).status_code == 404


async def test_other_tags_and_other_repositories_move(ann: Client) -> None:
    for name, tag in [("prod/app", "latest"), ("dev/app", "v1")]:
        for note in ("one", "two"):
            assert (await push(ann, name, tag, note)).status_code == 201


async def test_what_would_take_the_tag_is_refused(ann: Client) -> None:
    pushed = await push(ann, "prod/app", "v1", "one")
    digest = pushed.headers["docker-content-digest"]
    for reference in ("v1", digest):
        assert (await ann.delete(f"/v2/prod/app/manifests/{reference}")).status_code == 403
    assert (await ann.get("/v2/prod/app/manifests/v1")).status_code == 200
    other = await push(ann, "prod/app", "latest", "two")
    for reference in ("latest", other.headers["docker-content-digest"]):
        assert (await ann.delete(f"/v2/prod/app/manifests/{reference}")).status_code == 202
    assert (await ann.delete("/v2/prod/app/manifests/v9")).status_code == 404


async def test_of_two_who_create_a_tag_at_once_one_is_refused(driver: StorageDriver) -> None:
    results: list[str] = []
    nodes = [Store(driver), Store(driver)]

    async def create(node: Store, digest: Digest) -> None:
        repository = node.repository(NAME)
        try:
            async with repository.creating_tags([V1, Tag.parse("v0")], digest):
                # Others get every chance to come in between.
                await sleep(0.05)
                await repository.tags.set(V1, digest)
        except TagImmutable:
            results.append("refused")
        else:
            results.append(str(digest))

    digests = [Digest.of(b"one"), Digest.of(b"two"), Digest.of(b"three")]
    async with create_task_group() as tasks:
        for number, digest in enumerate(digests):
            tasks.start_soon(create, nodes[number % 2], digest)
    assert results.count("refused") == 2
    winner = next(result for result in results if result != "refused")
    assert str(await nodes[0].repository(NAME).tags.find(V1)) == winner


async def test_a_manifest_is_not_deleted_while_a_tag_is_created_for_it(
    driver: StorageDriver, registry: Registry, ann: Client
) -> None:
    pushed = await push(ann, "prod/app", "latest", "one")
    digest = Digest.parse(pushed.headers["docker-content-digest"])
    repository = Store(driver).repository(NAME)
    answers: list[int] = []

    async def delete() -> None:
        answer = await ann.delete(f"/v2/prod/app/manifests/{digest}")
        answers.append(answer.status_code)

    async with create_task_group() as tasks, repository.creating_tags([V1], digest):
        tasks.start_soon(delete)
        await sleep(0.2)
        assert answers == []
        await repository.tags.set(V1, digest)
    assert answers == [403]
    assert (await ann.get("/v2/prod/app/manifests/v1")).status_code == 200


async def test_a_tag_that_is_created_while_it_is_deleted_stays(tmp_path: Path) -> None:
    inner, digest = MemoryDriver(), Digest.of(b"one")

    async def create(call: Call) -> None:
        # Between the look whether it is there and the deletion.
        if call.method == "delete" and call.moment == "before":
            await Store(inner).repository(NAME).tags.set(V1, digest)

    store = FaultyDriver(inner, create)
    once = [{"tags": ["v*"], "repositories": ["prod/**"]}]
    settings = settings_of(tmp_path, policy={"write_once": once})
    async with guarded(settings, store) as registry, registry.client("ann") as ann:
        assert (await push(ann, "prod/app", "latest", "one")).status_code == 201
        store.calls.clear()
        assert (await ann.delete("/v2/prod/app/manifests/v1")).status_code == 404
        assert not [call for call in store.calls if call.startswith("delete")]
        await Store(inner).repository(NAME).tags.set(V1, digest)
        assert (await ann.delete("/v2/prod/app/manifests/v1")).status_code == 403
        assert (await ann.delete("/v2/prod/app/manifests/latest")).status_code == 202


async def test_a_push_that_is_cancelled_lets_go_of_the_tag(driver: StorageDriver) -> None:
    repository = Store(driver).repository(NAME)
    with CancelScope() as scope:
        async with repository.creating_tags([V1], Digest.of(b"one")):
            scope.cancel()
            await sleep(1)
    async with repository.creating_tags([V1], Digest.of(b"two")):
        await repository.tags.set(V1, Digest.of(b"two"))
    assert await repository.tags.find(V1) == Digest.of(b"two")


async def test_what_others_do_not_let_go_of_ends_in_an_error(driver: StorageDriver) -> None:
    async with holding(driver, "/held", wait_seconds=1):
        with pytest.raises(DriverUnavailable):
            async with holding(driver, "/held", wait_seconds=0.2):
                pass
    async with holding(driver, "/held", wait_seconds=1):
        pass
    assert [entry.name async for entry in driver.list("/")] == []
