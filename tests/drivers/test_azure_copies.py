"""Copies on Azure, some of which take their time."""

from collections.abc import Awaitable, Callable

import pytest
from azure.storage.blob import BlobProperties, ContainerClient

from core.drivers import StorageDriver, create_driver
from core.drivers.azure import copies, reader
from core.drivers.azure import driver as driver_module
from core.drivers.azure.published import is_published
from core.errors import DriverUnavailable, PathNotFound
from tests.drivers.azure_backdoor import Backdoor, driver_of, settings_of
from tests.servers.azurite import Azurite

__all__: list[str] = []

pytestmark = pytest.mark.needs("azurite")


@pytest.fixture
def driver(azurite: Azurite) -> StorageDriver:
    return create_driver("azure", settings_of(azurite.endpoint_url))


@pytest.fixture
def backdoor(container: ContainerClient, driver: StorageDriver) -> Backdoor:
    return Backdoor(container, driver)


async def test_what_was_written_after_it_was_copied_is_not_deleted_by_a_move(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    store = driver_of(driver)._store
    await driver.put("/a", b"copied")
    etag = await copies.copy_blob(store, "/a", "/b")
    await driver.put("/a", b"written since")
    await copies.delete_version(store, "/a", etag)
    assert backdoor.read("/a") == b"written since"
    assert backdoor.read("/b") == b"copied"
    await driver.aclose()


async def test_what_is_not_copied_yet_is_not_there(
    driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (reader, driver_module, copies):
        monkeypatch.setattr(module, "is_published", lambda _: False)
    await driver.put("/a", b"half")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: driver.get("/a"),
        lambda: driver.stat("/a"),
        lambda: driver.open_reader("/a", 0, 0),
        lambda: driver.move("/a", "/b"),
    ]
    for call in calls:
        with pytest.raises(PathNotFound):
            await call()
    await driver.aclose()


@pytest.mark.parametrize(
    ("status", "whole"), [(None, True), ("success", True), ("pending", False), ("aborted", False)]
)
def test_only_a_copy_that_has_succeeded_is_whole(status: str | None, whole: bool) -> None:
    assert is_published(status) is whole


class SlowCopy:
    """A blob whose copy goes through the given states, one for each time that it is asked."""

    def __init__(self, *states: tuple[str, str]) -> None:
        self._states = list(states)
        self.aborted = False

    async def get_blob_properties(self) -> BlobProperties:
        status, progress = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        found = BlobProperties()
        found.copy.id, found.copy.status, found.copy.progress = "id", status, progress
        return found

    async def abort_copy(self, copy_id: str) -> None:
        self.aborted = True


async def test_a_copy_that_takes_time_is_waited_for() -> None:
    blob = SlowCopy(("pending", "0/9"), ("pending", "5/9"), ("success", "9/9"))
    await copies._wait_for_copy("/a", blob, "id")  # type: ignore[arg-type]
    assert len(blob._states) == 1


@pytest.mark.parametrize("status", ["failed", "aborted"])
async def test_a_copy_that_fails_is_a_fault(status: str) -> None:
    blob = SlowCopy(("pending", "0/9"), (status, "5/9"))
    with pytest.raises(DriverUnavailable, match=status):
        await copies._wait_for_copy("/a", blob, "id")  # type: ignore[arg-type]


async def test_a_copy_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_STALLED_SECONDS", 0.2)
    blob = SlowCopy(("pending", "3/9"))
    with pytest.raises(DriverUnavailable, match="stalled"):
        await copies._wait_for_copy("/a", blob, "id")  # type: ignore[arg-type]
    assert blob.aborted
