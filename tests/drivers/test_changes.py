"""What every driver does with several changes, unless it knows better: one by one."""

import pytest

from core.drivers import Barrier, CleanUp, MemoryDriver, Put
from core.errors import DriverUnavailable

__all__: list[str] = []


class Undeletable(MemoryDriver):
    """Files that stay."""

    async def delete(self, path: str) -> None:
        raise DriverUnavailable(path, "told to fail")


async def test_leftovers_that_cannot_be_deleted_are_logged_and_the_rest_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    driver = Undeletable()
    await driver.put("/a", b"left")
    await driver.apply([CleanUp("/a"), Barrier(), Put("/b", b"new")])
    assert await driver.get("/b") == b"new"
    assert "leftovers were not deleted" in capsys.readouterr().out
