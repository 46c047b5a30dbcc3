"""What servers store in: a directory for each, or a prefix for each in a bucket of SeaweedFS."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.request import urlopen

import boto3

from tests.servers.seaweedfs import S3Server, program, running_seaweedfs

__all__ = ["FilesystemStore", "S3Store", "Store", "StoreKind", "can_run", "opened_stores"]

StoreKind = Literal["filesystem", "s3"]
# The share of a volume from which on it is worth the while; by default 0.3, and rarely looked at.
_GARBAGE = 0.05
_REGION = "us-east-1"
_BLOBS = "docker/registry/v2/blobs"


class Store(ABC):
    """Where one server keeps what it is given."""

    @abstractmethod
    def moorage_settings(self, *, redirect: bool) -> dict[str, str]:
        """Return what tells Moorage of it: environment variables.

        Args:
            redirect: whether clients shall fetch blobs from the store itself, if it can.
        """

    @abstractmethod
    def incumbent_settings(self, *, redirect: bool) -> dict[str, Any]:
        """Return what tells docker-registry of it: entries of `storage` in its configuration."""

    @abstractmethod
    def forget(self, digest: str) -> None:
        """Delete a blob that nobody asks for any more, behind the server's back."""


class FilesystemStore(Store):
    """A directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def moorage_settings(self, *, redirect: bool) -> dict[str, str]:
        """Return the driver and its directory."""
        del redirect
        return {
            "MOORAGE_STORAGE__DRIVER": "filesystem",
            "MOORAGE_STORAGE__FILESYSTEM__ROOT": str(self._root),
        }

    def incumbent_settings(self, *, redirect: bool) -> dict[str, Any]:
        """Return the driver and its directory."""
        del redirect
        return {"filesystem": {"rootdirectory": str(self._root)}}

    def forget(self, digest: str) -> None:
        """Remove the directory of the blob."""
        shutil.rmtree(self._root / _blob_path(digest))


class S3Store(Store):
    """The keys of a bucket that begin alike."""

    def __init__(self, server: S3Server, delete: Callable[[str], object], prefix: str) -> None:
        """Take the server, what deletes an object of the bucket by its key, and the prefix."""
        self._server = server
        self._delete = delete
        self._prefix = prefix

    def moorage_settings(self, *, redirect: bool) -> dict[str, str]:
        """Return the driver and its options."""
        options = {
            "BUCKET": self._server.bucket,
            "ROOT_PREFIX": self._prefix,
            "ENDPOINT_URL": self._server.endpoint_url,
            "REGION": _REGION,
            "ACCESS_KEY_ID": self._server.access_key_id,
            "SECRET_ACCESS_KEY": self._server.secret_access_key,
            "PATH_STYLE": "true",
            "REDIRECT": str(redirect).lower(),
        }
        return {
            "MOORAGE_STORAGE__DRIVER": "s3",
            **{f"MOORAGE_STORAGE__S3__{name}": value for name, value in options.items()},
        }

    def incumbent_settings(self, *, redirect: bool) -> dict[str, Any]:
        """Return the driver and its options."""
        return {
            "s3": {
                "bucket": self._server.bucket,
                "rootdirectory": f"/{self._prefix}",
                "regionendpoint": self._server.endpoint_url,
                "region": _REGION,
                "accesskey": self._server.access_key_id,
                "secretkey": self._server.secret_access_key,
                "secure": False,
                "v4auth": True,
            },
            "redirect": {"disable": not redirect},
        }

    def forget(self, digest: str) -> None:
        """Delete the object, and have the store free the disk of what was deleted until now."""
        self._delete(f"{self._prefix}/{_blob_path(digest)}/data")
        with urlopen(f"{self._server.master_url}/vol/vacuum?garbageThreshold={_GARBAGE}"):
            pass


def can_run(kind: StoreKind) -> bool:
    """Say whether what stores of this kind need is installed."""
    return kind == "filesystem" or program().exists()


@contextmanager
def opened_stores(kind: StoreKind, folder: Path) -> Iterator[Callable[[str], Store]]:
    """Give what makes the store of a server, by its name; they last until the block ends."""
    if kind == "filesystem":
        yield lambda name: FilesystemStore(folder / name / "store")
        return
    directory = folder / "seaweedfs"
    directory.mkdir()
    with running_seaweedfs(directory) as server:
        bucket = boto3.resource(
            "s3",
            region_name=_REGION,
            endpoint_url=server.endpoint_url,
            aws_access_key_id=server.access_key_id,
            aws_secret_access_key=server.secret_access_key,
        ).Bucket(server.bucket)
        yield lambda name: S3Store(server, lambda key: bucket.Object(key).delete(), name)


def _blob_path(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return f"{_BLOBS}/{algorithm}/{encoded[:2]}/{encoded}"
