"""How objects are stored: every one is encrypted as the settings say, and of the class they name.

The server is moto, as it tells how each object is stored.
"""

from collections.abc import AsyncIterator

import pytest

from core.drivers import StorageDriver, create_driver
from tests.drivers.s3_backdoor import Backdoor
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []

MIB = 1024 * 1024
KEY = "arn:aws:kms:us-east-1:123456789012:key/0d5dd8c1-6a1a-4a3e-9d8c-6b5e0f9a7c11"
KINDS = {
    "AES256": {"encryption": "AES256"},
    "the key of the account": {"encryption": "aws:kms"},
    "a key of its own": {"encryption": "aws:kms", "kms_key_id": KEY},
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(request.param)


@pytest.fixture
async def encrypting(
    moto: S3Server, prefix: str, kind: dict[str, str]
) -> AsyncIterator[StorageDriver]:
    settings = moto.settings(
        root_prefix=prefix,
        storage_class="STANDARD_IA",
        part_bytes=5 * MIB,
        copy_threshold_bytes=6 * MIB,
        copy_part_bytes=5 * MIB,
        **kind,
    )
    driver = create_driver("s3", settings)
    yield driver
    await driver.aclose()


async def write(driver: StorageDriver, path: str, size: int) -> None:
    async with await driver.open_writer(path) as writer:
        await writer.write(b"x" * size)
        await writer.commit()


async def test_every_object_is_encrypted_and_of_its_class(
    encrypting: StorageDriver, moto: S3Server, prefix: str, kind: dict[str, str]
) -> None:
    await encrypting.put("/put", b"x")
    await write(encrypting, "/small", 1)
    await write(encrypting, "/large", 11 * MIB)
    await encrypting.copy("/small", "/small-copy")
    await encrypting.copy("/large", "/large-copy")
    await encrypting.create_upload("/upload")
    async with await encrypting.open_appender("/upload") as appender:
        await appender.write(b"x" * 6 * MIB)
        await appender.flush()
        await appender.write(b"x" * 3)
        await appender.flush()
        # The claim is there, and the tail.
        found = await stored(moto, prefix)
        await appender.commit()
    found |= await stored(moto, prefix)

    assert set(found) == {
        *("/put", "/small", "/small-copy", "/large", "/large-copy"),
        *("/upload", "/upload~claim", "/upload~tail"),
    }
    for path, told in found.items():
        assert told["ServerSideEncryption"] == kind["encryption"], path
        if "kms_key_id" in kind:
            assert told["SSEKMSKeyId"] == KEY, path
        # A class for what is seldom read would charge a month for what lasts for minutes.
        expected = None if path.endswith(("~claim", "~tail")) else "STANDARD_IA"
        assert told.get("StorageClass") == expected, path


async def test_an_upload_goes_on_under_encryption(
    encrypting: StorageDriver, moto: S3Server, prefix: str
) -> None:
    await encrypting.create_upload("/upload")
    content = b""
    for size in (300, 6 * MIB, 3, 2 * MIB, 0):
        async with await encrypting.open_appender("/upload") as appender:
            assert appender.size == len(content)
            await appender.write(bytes([size % 251]) * size)
            content += bytes([size % 251]) * size
    async with await encrypting.open_appender("/upload") as appender:
        await appender.commit()

    assert await encrypting.get("/upload") == content
    assert await Backdoor(moto).everything(prefix) == {"/upload"}


async def stored(server: S3Server, prefix: str) -> dict[str, dict[str, str]]:
    """Return what the server tells of each object, by its path."""
    backdoor = Backdoor(server)
    return {
        path: backdoor.client.head_object(Bucket=server.bucket, Key=prefix + path)
        for path in await backdoor.keys(prefix)
    }
