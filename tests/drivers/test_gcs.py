"""The GCS driver held to its contract on an emulator, and set up."""

import pytest

from core.drivers import StorageDriver, create_driver
from core.errors import DriverUnavailable
from tests.contracts.driver import DriverContract, list_names
from tests.drivers.gcs_backdoor import GCSBackdoor

__all__: list[str] = []

pytestmark = pytest.mark.needs("fake-gcs-server")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.drivers.gcs.client._FIRST_PAUSE_SECONDS", 0.02)


class TestGCSDriver(DriverContract):
    @pytest.fixture
    def driver(self, gcs: GCSBackdoor) -> StorageDriver:
        self.backdoor = gcs
        return gcs.driver()

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        return await self.backdoor.read(path)

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        await self.backdoor.write(path, content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        return set(await self.backdoor.everything())


def test_a_bucket_has_to_be_named() -> None:
    with pytest.raises(ValueError, match="needs the name of a bucket"):
        create_driver("gcs", {"bucket": ""})


async def test_a_closed_driver_asks_nobody(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await driver.put("/a", b"")
    await driver.aclose()
    with pytest.raises(DriverUnavailable, match="closed"):
        await driver.get("/a")


async def test_a_bucket_that_is_missing_is_a_fault_of_the_root(fake_gcs: str) -> None:
    driver = create_driver(
        "gcs", {"bucket": "nobodys", "endpoint_url": fake_gcs, "anonymous": True}
    )
    with pytest.raises(DriverUnavailable, match="404 Not Found"):
        await driver.stat("/")
    await driver.aclose()


async def test_two_prefixes_share_a_bucket_and_nothing_else(gcs: GCSBackdoor) -> None:
    one, two = gcs.driver(root_prefix=""), gcs.driver(root_prefix="one")
    await one.put("/a", b"at the root")
    await two.put("/a", b"below")
    assert await one.get("/a") == b"at the root"
    assert await two.get("/a") == b"below"
    assert await list_names(one, "/") == ["a", "one"]
    assert await list_names(two, "/") == ["a"]
