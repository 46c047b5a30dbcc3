"""What a test of the Azure driver knows of its store, around the driver."""

import uuid

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient, BlobType, ContainerClient

from core.drivers import CheckedDriver, StorageDriver
from core.drivers.azure import AzureDriver
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY

__all__ = ["PART_BYTES", "Backdoor", "content_of", "driver_of", "settings_of"]

PART_BYTES = 256 * 1024


def settings_of(endpoint_url: str, **others: object) -> dict[str, object]:
    """Return settings with a prefix of their own."""
    return {
        "container": "registry",
        "account_name": ACCOUNT,
        "account_key": ACCOUNT_KEY,
        "endpoint_url": endpoint_url,
        "root_prefix": str(uuid.uuid4()),
        "part_bytes": PART_BYTES,
        **others,
    }


def driver_of(driver: StorageDriver) -> AzureDriver:
    """Return the driver inside its wrapper."""
    assert isinstance(driver, CheckedDriver)
    assert isinstance(driver.driver, AzureDriver)
    return driver.driver


def content_of(size: int, seed: int = 0) -> bytes:
    """Return bytes whose parts are all different."""
    block = bytes((index * 7 + seed) % 251 for index in range(1009))
    return (block * (size // len(block) + 1))[:size]


class Backdoor:
    """The blobs of a driver, by a plain client."""

    def __init__(self, container: ContainerClient, driver: StorageDriver) -> None:
        self._container = container
        self._prefix = driver_of(driver)._store.prefix

    def read(self, path: str) -> bytes | None:
        """Return what is stored at a path, or None."""
        try:
            return self._container.download_blob(self._prefix + path[1:]).readall()
        except ResourceNotFoundError:
            return None

    def write(self, path: str, content: bytes, blob_type: BlobType = BlobType.BLOCKBLOB) -> None:
        """Store content at a path."""
        name = self._prefix + path[1:]
        self._container.upload_blob(name, content, overwrite=True, blob_type=blob_type)

    def append(self, path: str, content: bytes) -> None:
        """Add content to an append blob that is not leased."""
        self._container.get_blob_client(self._prefix + path[1:]).append_block(content)

    def delete(self, path: str) -> None:
        """Delete what is stored at a path."""
        self._container.delete_blob(self._prefix + path[1:])

    def stage(self, path: str, content: bytes) -> None:
        """Leave a block that is not committed, as a process that has died."""
        self._container.get_blob_client(self._prefix + path[1:]).stage_block("00000", content)

    def type_of(self, path: str) -> BlobType:
        """Return of which type a blob is."""
        found = self._container.get_blob_client(self._prefix + path[1:]).get_blob_properties()
        return BlobType(found.blob_type)

    def paths(self) -> set[str]:
        """Return the paths of all blobs."""
        names = self._container.list_blob_names(name_starts_with=self._prefix)
        return {f"/{name.removeprefix(self._prefix)}" for name in names}

    def break_lease(self, path: str) -> None:
        """End the lease of whoever has it."""
        blob = self._container.get_blob_client(self._prefix + path[1:])
        BlobLeaseClient(blob).break_lease(0)
