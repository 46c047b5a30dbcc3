"""Signed addresses of the S3 driver, used by a client that knows nothing else."""

from urllib.parse import urlsplit

import httpx
import pytest

from core.drivers import StorageDriver, create_driver
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []


@pytest.fixture
async def content(s3_driver: StorageDriver) -> bytes:
    await s3_driver.put("/a/b", b"0123456789")
    return b"0123456789"


async def test_anyone_can_read_a_signed_address_in_any_range(
    s3_driver: StorageDriver, content: bytes
) -> None:
    url = await s3_driver.redirect_url("/a/b", "GET")
    assert url is not None
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).content == content
        partly = await client.get(url, headers={"Range": "bytes=2-4"})
        assert (partly.status_code, partly.content) == (206, b"234")
        changed = url[:-1] + ("0" if url[-1] != "0" else "1")
        assert (await client.get(changed)).status_code == 403
        assert (await client.get(url.replace("/a/b", "/a/c"))).status_code == 403
        assert (await client.put(url, content=b"other")).status_code == 403


async def test_an_address_is_good_for_one_method(s3_driver: StorageDriver, content: bytes) -> None:
    head = await s3_driver.redirect_url("/a/b", "HEAD")
    assert head is not None
    async with httpx.AsyncClient() as client:
        found = await client.head(head)
        assert (found.status_code, found.headers["Content-Length"]) == (200, str(len(content)))
        assert (await client.get(head)).status_code == 403


async def test_an_address_has_its_own_host_and_lifetime(seaweedfs: S3Server) -> None:
    settings = seaweedfs.settings(
        redirect_endpoint_url="https://blobs.example", redirect_seconds=77, root_prefix="some/root"
    )
    driver = create_driver("s3", settings)
    url = await driver.redirect_url("/a/b", "GET")
    await driver.aclose()
    assert url is not None
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "blobs.example")
    assert parts.path == f"/{seaweedfs.bucket}/some/root/a/b"
    assert "X-Amz-Expires=77" in parts.query


async def test_without_redirects_there_is_no_address(seaweedfs: S3Server) -> None:
    driver = create_driver("s3", seaweedfs.settings(redirect=False))
    assert await driver.redirect_url("/a/b", "GET") is None
    await driver.aclose()
