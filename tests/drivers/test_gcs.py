"""The driver for Google Cloud Storage over a real server."""

import os
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from core.drivers import CheckedDriver, StorageDriver
from core.drivers.gcs import GCSDriver
from tests.contracts.driver import DriverContract
from tests.servers.gcs import find_program, make_bucket, running_gcs

__all__: list[str] = []

PREFIX = "some/where"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if find_program() is None:
        reason = "missing: fake-gcs-server, which only has a wheel for Linux on x86-64"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with running_gcs(tmp_path_factory.mktemp("gcs")) as url:
        yield url


class Store:
    """A bucket, and the back doors to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bucket = f"b-{uuid4()}"
        make_bucket(url, self.bucket)
        self.client = httpx.AsyncClient(base_url=f"{url}/storage/v1/b/{self.bucket}", timeout=10)

    def driver(self, **settings: object) -> GCSDriver:
        options = {"bucket": self.bucket, "root_prefix": PREFIX, "anonymous": True, **settings}
        return GCSDriver(endpoint_url=self.url, **options)  # type: ignore[arg-type]

    async def read(self, path: str) -> bytes | None:
        answer = await self.client.get(f"/o/{quote(PREFIX + path, safe='')}?alt=media")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().content

    async def plant(self, path: str, content: bytes, media_type: str = "text/plain") -> None:
        url = f"{self.url}/upload/storage/v1/b/{self.bucket}/o"
        params = {"uploadType": "media", "name": PREFIX + path}
        headers = {"Content-Type": media_type}
        answer = await self.client.post(url, params=params, headers=headers, content=content)
        answer.raise_for_status()

    async def paths(self) -> set[str]:
        answer = await self.client.get("/o", params={"maxResults": "100000"})
        items = answer.raise_for_status().json().get("items", [])
        return {item["name"].removeprefix(PREFIX) for item in items}


@pytest.fixture
async def store(server: str) -> AsyncIterator[Store]:
    store = Store(server)
    async with store.client:
        yield store


def with_store(driver: StorageDriver) -> Store:
    assert isinstance(driver, CheckedDriver)
    store: Store = driver.driver.store  # type: ignore[attr-defined]
    return store


class TestGCSDriver(DriverContract):
    @pytest.fixture
    def driver(self, store: Store) -> StorageDriver:
        driver = store.driver(part_bytes=300_000, part_concurrency=3, max_attempts=2)
        driver.store = store  # type: ignore[attr-defined]
        return CheckedDriver(driver)

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        return await with_store(driver).read(path)

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        await with_store(driver).plant(path, content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        return await with_store(driver).paths()
