"""Keys, robots, the secret and write-once tags on real object stores, where nodes begin at once."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from anyio import sleep

from core.access.robots.robots import RobotExists, Robots, RobotUnknown
from core.access.state import AccessState
from core.access.tokens.server import create_signing_keys
from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import TagImmutable
from core.storage import Registry, Repository, RepositoryName, Tag
from tests.access.nodes import all_at_once
from tests.access.token_nodes import PASSWORD, TEAM, Clock, Node
from tests.stores.conftest import ObjectStore

__all__: list[str] = []

pytestmark = pytest.mark.timeout(90)

_NODES = 3


@pytest.fixture
async def drivers(object_store: ObjectStore, tmp_path: Path) -> AsyncIterator[list[StorageDriver]]:
    """One store, as so many nodes open it."""
    opened = [object_store.make_driver(tmp_path) for _ in range(_NODES)]
    yield opened
    for driver in opened:
        await driver.aclose()


async def test_nodes_that_begin_at_once_end_with_the_same_secret_and_keys(
    drivers: list[StorageDriver],
) -> None:
    states = [AccessState(driver) for driver in drivers]
    made = await all_at_once(*(state.secret for state in states))
    assert len(set(made)) == 1
    keys = [
        create_signing_keys(state, key_rotation_days=30, access_token_seconds=300)
        for state in states
    ]
    current = await all_at_once(*(key.current for key in keys))
    assert len({key.kid for key in current}) == 1
    assert len({await key.certificate() for key in keys}) == 1
    rotated = await keys[0].rotate()
    assert await keys[1].find(rotated.kid) is not None
    # Nobody holds the claim, and nothing of it is left.
    assert [entry async for entry in drivers[0].list_unfinished("/")] == []


async def test_a_robot_is_added_once_and_revoked_for_all(
    drivers: list[StorageDriver],
) -> None:
    clock = Clock()
    nodes = [Node(driver, clock) for driver in drivers]

    async def add(robots: Robots) -> str | None:
        try:
            return (await robots.add("ci", [TEAM]))[1]
        except RobotExists:
            return None

    secrets = await all_at_once(*(partial(add, node.robots) for node in nodes))
    (secret,) = [secret for secret in secrets if secret is not None]
    token = await nodes[0].token("robot+ci", secret)
    assert (await nodes[1].bearer(token)).subject == "robot:ci"
    assert (await nodes[2].bearer(await nodes[1].token("ann", PASSWORD))).subject == "user:ann"
    await nodes[0].server.use.write()
    ((robot, used_at),) = await nodes[2].robots.list_all()
    assert (robot.name, used_at is None) == ("ci", False)
    await nodes[2].robots.revoke("ci")
    with pytest.raises(RobotUnknown):
        await nodes[1].robots.revoke("ci")
    assert await nodes[0].robots.list_all() == []


async def test_of_nodes_that_create_a_write_once_tag_at_once_one_succeeds(
    drivers: list[StorageDriver],
) -> None:
    name, tag = RepositoryName.parse("prod/app"), Tag.parse("v1")
    repositories = [Registry(driver).repository(name) for driver in drivers]

    async def create(repository: Repository, digest: Digest) -> Digest | None:
        try:
            async with repository.creating_tags([tag], digest):
                await sleep(0.05)
                await repository.tags.set(tag, digest)
        except TagImmutable:
            return None
        return digest

    digests = [Digest.of(bytes([number])) for number in range(_NODES)]
    made = await all_at_once(
        *(
            partial(create, repository, digest)
            for repository, digest in zip(repositories, digests, strict=True)
        )
    )
    (winner,) = [digest for digest in made if digest is not None]
    for repository in repositories:
        assert await repository.tags.find(tag) == winner
    assert [entry async for entry in drivers[0].list_unfinished("/")] == []
