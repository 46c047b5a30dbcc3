"""A registry that moves takes its keys, secrets and robots along."""

from pathlib import Path

import pytest

from core.access import CredentialsInvalid
from core.access.copying import copy_state
from core.access.state import AccessState
from core.drivers import CheckedDriver, FilesystemDriver, MemoryDriver, StorageDriver
from core.storage.signing_key import SigningKey, copy_signing_key
from tests.access.nodes import crashes_everywhere
from tests.access.token_nodes import PASSWORD, TEAM, Clock, Node
from tests.storage.pushing import all_files

__all__: list[str] = []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def elsewhere() -> StorageDriver:
    return CheckedDriver(MemoryDriver())


async def test_tokens_logins_and_robots_of_the_source_are_good_at_the_destination(
    driver: StorageDriver, elsewhere: StorageDriver, clock: Clock
) -> None:
    old = Node(driver, clock)
    _, secret = await old.robots.add("ci", [TEAM])
    token = await old.token("ann", PASSWORD)
    refresh = await old.refresh_token("ann")
    assert refresh is not None
    await old.token("robot+ci", secret)
    await old.server.use.write()
    assert await copy_state(AccessState(driver), AccessState(elsewhere)) > 0
    assert await all_files(elsewhere) == await all_files(driver)
    new = Node(elsewhere, clock)
    assert (await new.bearer(token)).subject == "user:ann"
    assert (
        await new.server.service.log_in_again(refresh, "moorage")
    ).principal.subject == "user:ann"
    assert (await new.bearer(await new.token("robot+ci", secret))).subject == "robot:ci"
    ((_, used_at),) = await new.robots.list_all()
    assert used_at is not None
    assert await copy_state(AccessState(driver), AccessState(elsewhere)) == 0


async def test_a_robot_that_was_revoked_since_does_not_stay_at_the_destination(
    driver: StorageDriver, elsewhere: StorageDriver, clock: Clock
) -> None:
    old = Node(driver, clock)
    _, secret = await old.robots.add("ci", [TEAM])
    await copy_state(AccessState(driver), AccessState(elsewhere))
    await old.robots.revoke("ci")
    await copy_state(AccessState(driver), AccessState(elsewhere))
    with pytest.raises(CredentialsInvalid):
        await Node(elsewhere, clock).token("robot+ci", secret)


async def test_a_dry_run_counts_what_would_change_and_writes_nothing(
    driver: StorageDriver, elsewhere: StorageDriver, clock: Clock
) -> None:
    await Node(driver, clock).robots.add("ci", [TEAM])
    await Node(elsewhere, clock).robots.add("other", [TEAM])
    before = await all_files(elsewhere)
    states = AccessState(driver), AccessState(elsewhere)
    counted = await copy_state(*states, dry_run=True)
    assert await all_files(elsewhere) == before
    assert await copy_state(*states) == counted > 0
    assert await all_files(elsewhere) == await all_files(driver)


async def test_a_copy_that_was_cut_off_is_finished_by_the_next_one(
    elsewhere: StorageDriver, clock: Clock, tmp_path: Path
) -> None:
    await Node(elsewhere, clock).robots.add("ci", [TEAM])
    wanted = await all_files(elsewhere)
    folders = (tmp_path / str(number) for number in range(1000))

    def open_driver() -> StorageDriver:
        return CheckedDriver(FilesystemDriver(next(folders)))

    async def copy(state: AccessState) -> None:
        await copy_state(AccessState(elsewhere), state)

    async for state in crashes_everywhere(open_driver, copy):
        await copy(state)
        assert await all_files(state.driver) == wanted


async def test_the_key_of_schema_1_goes_along(
    driver: StorageDriver, elsewhere: StorageDriver
) -> None:
    assert not await copy_signing_key(driver, elsewhere)
    key = await SigningKey(driver).get()
    assert await copy_signing_key(driver, elsewhere, dry_run=True)
    assert await all_files(elsewhere) == {}
    assert await copy_signing_key(driver, elsewhere)
    assert (await SigningKey(elsewhere).get()).dump() == key.dump()
    assert not await copy_signing_key(driver, elsewhere)
