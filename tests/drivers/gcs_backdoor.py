"""A bucket of Google Cloud Storage seen without the driver."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

from core.drivers import CheckedDriver, StorageDriver, create_driver
from core.drivers.gcs import GCSDriver
from tests.servers.gcs import make_bucket

__all__ = ["PREFIX", "GCSBackdoor", "gcs_of"]

PREFIX = "some/where"


def gcs_of(driver: StorageDriver) -> GCSDriver:
    """Return the driver inside its wrapper."""
    assert isinstance(driver, CheckedDriver)
    assert isinstance(driver.driver, GCSDriver)
    return driver.driver


class GCSBackdoor:
    """A new bucket on a server, with drivers for it and a plain client. Paths have no prefix."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bucket = f"b-{uuid4()}"
        make_bucket(url, self.bucket)
        self._client = httpx.AsyncClient(base_url=url, timeout=10)
        self._drivers: list[StorageDriver] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for driver in self._drivers:
            await driver.aclose()
        await self._client.aclose()

    def driver(self, **settings: object) -> StorageDriver:
        """Return a driver that tries everything twice and has small parts."""
        options: dict[str, object] = {
            "bucket": self.bucket,
            "root_prefix": f"/{PREFIX}/",
            "anonymous": True,
            "endpoint_url": self.url,
            "part_bytes": 300_000,
            "part_concurrency": 3,
            "max_attempts": 2,
        }
        driver = create_driver("gcs", {**options, **settings})
        self._drivers.append(driver)
        return driver

    async def read(self, path: str) -> bytes | None:
        """Return the content of an object, or None if there is none."""
        name = quote(PREFIX + path, safe="")
        url = f"/storage/v1/b/{self.bucket}/o/{name}?alt=media"
        answer = await self._client.get(url)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().content

    async def write(self, path: str, content: bytes, media_type: str = "text/plain") -> None:
        """Store an object."""
        answer = await self._client.post(
            f"/upload/storage/v1/b/{self.bucket}/o",
            params={"uploadType": "media", "name": PREFIX + path},
            headers={"Content-Type": media_type},
            content=content,
        )
        answer.raise_for_status()

    async def remove(self, path: str) -> None:
        """Delete an object."""
        name = quote(PREFIX + path, safe="")
        answer = await self._client.delete(f"/storage/v1/b/{self.bucket}/o/{name}")
        answer.raise_for_status()

    async def everything(self) -> dict[str, dict[str, Any]]:
        """Return what the server knows of all objects of the bucket, by their paths."""
        url = f"/storage/v1/b/{self.bucket}/o"
        answer = await self._client.get(url, params={"maxResults": "100000"})
        items = answer.raise_for_status().json().get("items", [])
        return {item["name"].removeprefix(PREFIX): item for item in items}
