"""An S3 bucket seen without the driver."""

from collections.abc import Callable

from anyio import to_thread

from core.drivers import CheckedDriver, StorageDriver
from core.drivers.http import HttpAnswer
from core.drivers.s3 import S3Driver
from core.drivers.s3.transport import Request
from tests.servers.seaweedfs import S3Server, client_of

__all__ = ["Backdoor", "record_requests", "s3_of", "watch_requests"]


def s3_of(driver: StorageDriver) -> S3Driver:
    """Return the driver inside its wrapper."""
    assert isinstance(driver, CheckedDriver)
    assert isinstance(driver.driver, S3Driver)
    return driver.driver


async def watch_requests(driver: StorageDriver, see: Callable[[Request], None]) -> None:
    """Show each request that the driver sends from now on, also those that it sends again."""
    async with s3_of(driver)._connection.call("/") as bucket:
        transport = bucket._transport
    send = transport._send

    async def watched(request: Request) -> HttpAnswer:
        see(request)
        return await send(request)

    transport._send = watched  # type: ignore[method-assign]


async def record_requests(driver: StorageDriver) -> list[str]:
    """Return a list that grows by the operation of each request that the driver sends."""
    requests: list[str] = []
    await watch_requests(driver, lambda request: requests.append(request.operation))
    return requests


class Backdoor:
    """A plain client of one server, which any number of tests may use.

    Attributes:
        client: that of boto3, which blocks.
    """

    def __init__(self, server: S3Server) -> None:
        self.bucket = server.bucket
        self.client = client_of(server)

    async def read(self, key: str) -> bytes | None:
        """Return the content of an object, or None."""

        def read() -> bytes | None:
            try:
                found = self.client.get_object(Bucket=self.bucket, Key=key)
            except self.client.exceptions.NoSuchKey:
                return None
            content = found["Body"].read()
            assert isinstance(content, bytes)
            return content

        return await to_thread.run_sync(read)

    async def write(self, key: str, content: bytes) -> None:
        """Store an object."""
        await to_thread.run_sync(
            lambda: self.client.put_object(Bucket=self.bucket, Key=key, Body=content)
        )

    async def keys(self, prefix: str) -> set[str]:
        """Return the keys of all objects below a prefix, without it."""

        def keys() -> set[str]:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            return {
                item["Key"].removeprefix(prefix)
                for page in pages
                for item in page.get("Contents", ())
            }

        return await to_thread.run_sync(keys)

    async def uploads(self, prefix: str) -> list[tuple[str, str]]:
        """Return the key, without the prefix, and the id of each unfinished multipart upload."""

        def uploads() -> list[tuple[str, str]]:
            found = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=prefix)
            return [
                (item["Key"].removeprefix(prefix), item["UploadId"])
                for item in found.get("Uploads", ())
            ]

        return await to_thread.run_sync(uploads)

    async def everything(self, prefix: str) -> set[str]:
        """Return the keys of all objects and unfinished uploads below a prefix, without it.

        A tail object whose upload is there is taken for a part of it.
        """
        keys = await self.keys(prefix)
        uploading = {key for key, _ in await self.uploads(prefix)}
        tails = {f"{key}~tail" for key in uploading}
        return (keys - tails) | uploading
