"""What every driver does with several changes, unless it knows better: one by one."""

from structlog.testing import capture_logs

from core.drivers import Barrier, CleanUp, MemoryDriver, Put
from core.errors import DriverUnavailable

__all__: list[str] = []


class Undeletable(MemoryDriver):
    """Files that stay."""

    async def delete(self, path: str) -> None:
        raise DriverUnavailable(path, "told to fail")


async def test_leftovers_that_cannot_be_deleted_are_logged_and_the_rest_is_done() -> None:
    driver = Undeletable()
    await driver.put("/a", b"left")
    with capture_logs() as lines:
        await driver.apply([CleanUp("/a"), Barrier(), Put("/b", b"new")])
    assert await driver.get("/b") == b"new"
    assert [line["event"] for line in lines] == ["leftovers were not deleted"]
