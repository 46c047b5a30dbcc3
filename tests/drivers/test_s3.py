"""The S3 driver held to its contract on SeaweedFS, which keeps its objects on disk."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from tests.drivers.s3_contract import S3Contract
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []


class TestS3DriverOnSeaweedFS(S3Contract):
    beyond_the_server: ClassVar[Mapping[str, str]] = {
        "test_an_upload_cannot_begin_at_a_directory_or_below_a_file[/a]": "SeaweedFS keeps files, "
        "and cannot complete a multipart upload whose key is that of a directory"
    }

    @pytest.fixture
    def server(self, seaweedfs: S3Server) -> S3Server:
        return seaweedfs
