"""SeaweedFS, an object store that speaks S3, with one bucket and one user."""

import os
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.process import find_ports, running_process

__all__ = ["S3Server", "client_of", "program", "running_seaweedfs"]

_ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """Where a store is, and who may use it.

    Attributes:
        master_url: where SeaweedFS itself is looked after; empty for other servers.
    """

    endpoint_url: str
    master_url: str = ""
    bucket: str = "registry"
    access_key_id: str = "testkey"
    secret_access_key: str = "testsecret"

    def settings(self, **others: object) -> dict[str, object]:
        """Return the settings of a driver for this store."""
        return {
            "endpoint_url": self.endpoint_url,
            "bucket": self.bucket,
            "region": "us-east-1",
            "path_style": True,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            **others,
        }


@cache
def client_of(server: S3Server) -> Any:  # noqa: ANN401 - it ships no types
    """Return the client of boto3 for a server, which blocks."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
        ),
    )


def program() -> Path:
    """Return where the package for tests has put the server."""
    return Path(sysconfig.get_path("scripts")) / "weed"


@contextmanager
def running_seaweedfs(directory: Path) -> Iterator[S3Server]:
    """Run a server that keeps its files in a directory, until the block ends."""
    # Every port is also used with 10000 added to it.
    first = find_ports(5, below=22768)
    server = S3Server(
        endpoint_url=f"http://{_ADDRESS}:{first + 3}", master_url=f"http://{_ADDRESS}:{first}"
    )
    arguments = [
        str(program()),
        "mini",
        f"-dir={directory}",
        f"-ip={_ADDRESS}",
        f"-ip.bind={_ADDRESS}",
        f"-master.port={first}",
        f"-volume.port={first + 1}",
        f"-filer.port={first + 2}",
        f"-s3.port={first + 3}",
        f"-admin.port={first + 4}",
        f"-bucket={server.bucket}",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
    ]
    env = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
    }

    def is_ready() -> bool:
        # It listens, and says that it is well, before it has made the bucket.
        try:
            client_of(server).head_bucket(Bucket=server.bucket)
        except (BotoCoreError, ClientError):
            return False
        return True

    with running_process(arguments, is_ready=is_ready, log=directory / "log", env=env):
        yield server
