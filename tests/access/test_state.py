"""The shared secret, and changes one at a time, over nodes that come, go and crash."""

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from anyio import sleep

from core.access.state import SECRET_BYTES, AccessState
from core.drivers import CheckedDriver, FilesystemDriver, StorageDriver
from core.errors import AccessUnavailable
from tests.access.nodes import all_at_once, crashes_everywhere
from tests.drivers.child import ROOT, command

__all__: list[str] = []

_PRINT_SECRET = """
from core.access.state import AccessState
print((await AccessState(driver).secret()).hex())
"""


async def test_a_secret_is_made_once_and_found_by_every_node(driver: StorageDriver) -> None:
    nodes = [AccessState(driver) for _ in range(8)]
    made = await all_at_once(*(node.secret for node in nodes))
    assert len(set(made)) == 1
    assert len(made[0]) == SECRET_BYTES
    assert await AccessState(driver).secret() == made[0]


def test_processes_that_make_the_secret_at_once_have_the_same(tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            command(_PRINT_SECRET, tmp_path), cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    printed = [process.communicate(timeout=20)[0] for process in running]
    assert len(set(printed)) == 1
    assert len(printed[0].strip()) == 2 * SECRET_BYTES


async def test_changes_are_made_one_at_a_time(driver: StorageDriver) -> None:
    nodes = [AccessState(driver) for _ in range(4)]
    await driver.put("/number", b"0")

    def counting(node: AccessState) -> Callable[[], Awaitable[None]]:
        async def count() -> None:
            for _ in range(3):
                async with node.changing():
                    number = int(await driver.get("/number"))
                    await sleep(0.001)
                    await driver.put("/number", str(number + 1).encode())

        return count

    await all_at_once(*(counting(node) for node in nodes))
    assert await driver.get("/number") == b"12"


async def test_a_node_that_crashes_while_it_makes_the_secret_harms_nobody(tmp_path: Path) -> None:
    stores = iter(range(100))

    def open_driver() -> StorageDriver:
        return CheckedDriver(FilesystemDriver(tmp_path / str(next(stores))))

    outcomes = set()
    async for state in crashes_everywhere(open_driver, AccessState.secret):
        outcomes.add(await state.find(state.paths.secret) is not None)
        secret = await state.secret()
        assert secret == await AccessState(state.driver).secret()
    assert outcomes == {True, False}


@pytest.mark.parametrize("content", [b"", b"abc", b"x" * 64, b"0" * 63])
async def test_a_damaged_secret_is_not_replaced(
    driver: StorageDriver, state: AccessState, content: bytes
) -> None:
    await driver.put(state.paths.secret, content)
    with pytest.raises(AccessUnavailable, match="damaged"):
        await state.secret()
    assert await driver.get(state.paths.secret) == content


async def test_what_is_kept_is_where_the_incumbent_never_looks(
    driver: StorageDriver, state: AccessState
) -> None:
    await state.secret()
    assert await driver.get("/docker/registry/v2/_moorage/access/secret")
