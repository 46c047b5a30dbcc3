"""Robots: added once, revoked at once, never readable, and noted without anybody waiting."""

import hashlib
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from core.access import Asker, CredentialsInvalid, Grant, RepositoryPattern
from core.access.robots.record import Robot, find_robot_name
from core.access.robots.robots import RobotExists, Robots, RobotUnknown
from core.access.robots.use import RobotUse
from core.access.state import AccessState
from core.drivers import CheckedDriver, FilesystemDriver, StorageDriver
from core.errors import AccessUnavailable
from tests.access.nodes import all_at_once, crashes_everywhere, put_calls
from tests.access.token_nodes import TEAM, Clock, Node, basic
from tests.faulty import FaultyDriver, failing

__all__: list[str] = []


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_robot_logs_in_with_its_secret_and_gets_what_it_was_granted(
    driver: StorageDriver, clock: Clock
) -> None:
    node = Node(driver, clock)
    robot, secret = await node.robots.add("ci", [TEAM], description="builds")
    assert re.fullmatch(r"moorage_robot_[A-Za-z0-9_-]{43}", secret)
    for user in ("robot+ci", "robot$ci"):
        asker = Asker(authorization=basic(user, secret))
        principal = await node.server.controller.identify(asker)
        assert (principal.subject, principal.grants) == ("robot:ci", (TEAM,))
    assert [entry for entry, _ in await node.robots.list_all()] == [robot]


async def test_the_secret_is_nowhere_in_the_store(driver: StorageDriver, clock: Clock) -> None:
    node = Node(driver, clock)
    _, secret = await node.robots.add("ci", [TEAM])
    kept = await driver.get(node.state.paths.robot("ci"))
    assert secret.encode() not in kept
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    assert secret not in repr((await node.robots.list_all())[0])


async def test_of_two_that_add_a_robot_at_once_one_is_told_that_it_exists(
    driver: StorageDriver, clock: Clock
) -> None:
    async def add(robots: Robots) -> str | None:
        try:
            return (await robots.add("ci", [TEAM]))[1]
        except RobotExists:
            return None

    nodes = [Node(driver, clock) for _ in range(4)]
    secrets = await all_at_once(*(partial(add, node.robots) for node in nodes))
    (secret,) = [secret for secret in secrets if secret is not None]
    found = await nodes[0].robots.look("ci")
    assert found is not None
    assert found[0].has_secret(secret)


@pytest.mark.parametrize(
    "name",
    ["", "CI", "../x", "a/b", "a\n", "-a", "a--b", "a" * 65, "a" * 60_000, "ä", "a.", "secret\0"],
)
async def test_a_name_outside_the_grammar_is_refused_everywhere(
    driver: StorageDriver, clock: Clock, name: str
) -> None:
    node = Node(driver, clock)
    with pytest.raises(ValueError, match="name of a robot"):
        await node.robots.add(name, [TEAM])
    for method in (node.robots.revoke, node.robots.rotate):
        with pytest.raises(RobotUnknown):
            await method(name)
    assert await node.robots.look(name) is None
    with pytest.raises(CredentialsInvalid):
        await node.server.service.log_in(f"robot+{name}", "x", None)


async def test_a_robot_that_may_do_nothing_or_what_nobody_knows_is_refused(
    driver: StorageDriver, clock: Clock
) -> None:
    robots = Node(driver, clock).robots
    everything = RepositoryPattern("**")
    for grants in ([], [TEAM] * 101, [Grant(everything, frozenset())]):
        with pytest.raises(ValueError):  # noqa: PT011 - there are several reasons
            await robots.add("ci", grants)
    with pytest.raises(ValueError, match="action"):
        await robots.add("ci", [Grant(everything, frozenset({"fly"}))])
    with pytest.raises(ValueError, match="description"):
        await robots.add("ci", [TEAM], description="x" * 1001)
    assert await robots.list_all() == []


async def test_a_robot_with_its_record_reads_back_as_it_was(clock: Clock) -> None:
    created_at = datetime.fromtimestamp(clock(), UTC)
    robot = Robot(
        name="ci",
        id="1",
        secret_hash="2",
        grants=(TEAM, Grant(RepositoryPattern("base/*"), frozenset({"pull"}))),
        created_at=created_at,
        expires_at=created_at + timedelta(days=1),
        description="Zürich",
    )
    assert Robot.parse(robot.to_json()) == robot


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"name": "ci"}', b"\xff", b"[" * 100_000, b'{"grants": 1}']
)
async def test_a_damaged_record_is_nobody_and_can_be_revoked(
    driver: StorageDriver, clock: Clock, content: bytes
) -> None:
    node = Node(driver, clock)
    await node.robots.add("good", [TEAM])
    await driver.put(node.state.paths.robot("ci"), content)
    with pytest.raises(AccessUnavailable, match="damaged"):
        await node.server.service.log_in("robot+ci", "x", None)
    assert [robot.name for robot, _ in await node.robots.list_all()] == ["good"]
    await node.robots.revoke("ci")
    assert await node.robots.look("ci") is None


async def test_a_robots_tokens_end_on_another_node_within_a_second_of_its_end(
    driver: StorageDriver, clock: Clock
) -> None:
    here, there = Node(driver, clock), Node(driver, clock)
    _, secret = await here.robots.add("ci", [TEAM])
    token = await there.token("robot+ci", secret)
    principal = await there.bearer(token)
    assert principal.subject == "robot:ci"
    await here.robots.revoke("ci")
    # Whoever remembers the principal asks again when it is due.
    assert principal.valid_until <= clock.now + 1
    clock.now += 1
    with pytest.raises(CredentialsInvalid, match="ended"):
        await there.bearer(token)
    with pytest.raises(CredentialsInvalid):
        await there.token("robot+ci", secret)


async def test_a_guess_at_a_robot_asks_the_store_as_often_as_one_at_nobody(
    driver: StorageDriver, clock: Clock
) -> None:
    store = FaultyDriver(driver)
    node = Node(store, clock)
    _, secret = await node.robots.add("ci", [TEAM])

    async def asked(name: str, secret: str = "wrong") -> int:
        store.calls.clear()
        with suppress(CredentialsInvalid):
            await node.server.service.log_in(f"robot+{name}", secret, None)
        return len(store.calls)

    assert await asked("nobody") == 1
    assert await asked("ci") == 1
    # As long as it is known, whether it has logged in or was guessed at.
    assert await asked("ci") == 1
    assert await asked("ci", secret) == 0
    clock.now += 1
    assert await asked("ci") == 1


async def test_another_robot_of_the_same_name_does_not_revive_tokens(
    driver: StorageDriver, clock: Clock
) -> None:
    node = Node(driver, clock)
    _, secret = await node.robots.add("ci", [TEAM])
    token = await node.token("robot+ci", secret)
    await node.robots.revoke("ci")
    await node.robots.add("ci", [TEAM])
    clock.now += 1
    with pytest.raises(CredentialsInvalid, match="ended"):
        await node.bearer(token)


async def test_a_new_secret_ends_the_old_one_and_its_tokens(
    driver: StorageDriver, clock: Clock
) -> None:
    node = Node(driver, clock)
    _, old = await node.robots.add("ci", [TEAM], description="kept")
    token, refresh = await node.token("robot+ci", old), await node.refresh_token("robot+ci", old)
    assert refresh is not None
    robot, new = await node.robots.rotate("ci")
    assert robot.description == "kept"
    assert (await node.bearer(await node.token("robot+ci", new))).name == "ci"
    with pytest.raises(CredentialsInvalid):
        await node.token("robot+ci", old)
    with pytest.raises(CredentialsInvalid):
        await node.bearer(token)
    with pytest.raises(CredentialsInvalid):
        await node.server.service.log_in_again(refresh, "moorage")


async def test_a_robot_that_has_expired_is_nobody_and_no_token_outlives_it(
    driver: StorageDriver, clock: Clock
) -> None:
    node = Node(driver, clock)
    expires_at = datetime.fromtimestamp(clock.now + 100, UTC)
    _, secret = await node.robots.add("ci", [TEAM], expires_at=expires_at)
    identity = await node.server.service.log_in("robot+ci", secret, None)
    issued = await node.server.service.issue(identity, "moorage", (), offline=False)
    assert issued.access.expires_in == 100
    clock.now += 99.5
    assert (await node.bearer(issued.access.text)).valid_until <= clock.now + 0.5
    clock.now += 0.5
    with pytest.raises(CredentialsInvalid):
        await node.bearer(issued.access.text)
    with pytest.raises(CredentialsInvalid):
        await node.token("robot+ci", secret)


async def test_a_use_is_written_later_and_once_for_many(
    driver: StorageDriver, clock: Clock
) -> None:
    paths: list[str] = []
    node = Node(FaultyDriver(driver, put_calls(paths)), clock)
    _, secret = await node.robots.add("ci", [TEAM])
    token = await node.token("robot+ci", secret)
    paths.clear()
    for _ in range(20):
        await node.bearer(token)
    assert paths == []
    ((_, used_at),) = await node.robots.list_all()
    assert used_at is None
    await node.server.use.write()
    await node.server.use.write()
    assert paths == [node.state.paths.used("ci")]
    ((_, used_at),) = await node.robots.list_all()
    assert used_at == datetime.fromtimestamp(clock.now, UTC)


async def test_a_use_that_cannot_be_written_ends_nothing(
    driver: StorageDriver, clock: Clock
) -> None:
    waits = 0

    class Enough(Exception):
        pass

    async def wait(seconds: float) -> None:
        nonlocal waits
        waits += 1
        assert seconds == 60
        use.note("ci")
        if waits == 3:
            raise Enough

    use = RobotUse(AccessState(FaultyDriver(driver, failing("put"))), now=clock, wait=wait)
    with pytest.raises(Enough):
        await use.run()
    assert waits == 3


async def test_a_late_use_of_an_earlier_robot_is_not_that_of_the_next(
    driver: StorageDriver, clock: Clock
) -> None:
    node = Node(driver, clock)
    use = RobotUse(node.state, now=clock)
    use.note("ci")
    clock.now += 60
    await node.robots.add("ci", [TEAM])
    await use.write()
    assert [used_at for _, used_at in await node.robots.list_all()] == [None]


@pytest.mark.parametrize("change", ["add", "rotate", "revoke"])
async def test_a_change_that_crashes_midway_has_happened_whole_or_not_at_all(
    tmp_path: Path, clock: Clock, change: str
) -> None:
    stores = iter(range(100))

    def open_driver() -> StorageDriver:
        return CheckedDriver(FilesystemDriver(tmp_path / str(next(stores))))

    async def work(state: AccessState) -> None:
        robots = Robots(state, now=clock)
        if change == "add":
            await robots.add("new", [TEAM])
        else:
            await robots.add("old", [TEAM])
            use = RobotUse(state, now=clock)
            use.note("old")
            await use.write()
            await (robots.rotate("old") if change == "rotate" else robots.revoke("old"))

    async for state in crashes_everywhere(open_driver, work):
        robots = Robots(state, now=clock)
        for robot, _ in await robots.list_all():
            assert robot.grants == (TEAM,)
            await robots.revoke(robot.name)
        assert await robots.list_all() == []
        await robots.add("new", [TEAM])


def test_only_what_begins_as_a_robot_does_is_one() -> None:
    assert find_robot_name("robot+ci") == "ci"
    assert find_robot_name("robot$ci") == "ci"
    for user in ("robot", "robot+", "robots", "robot-ci", "xrobot+ci", "ann"):
        assert find_robot_name(user) is None
