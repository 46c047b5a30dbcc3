"""The S3 driver held to its contract on moto, which lists in the order of keys, as AWS does."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from tests.drivers.s3_contract import S3Contract
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []


class TestS3DriverOnMoto(S3Contract):
    beyond_the_server: ClassVar[Mapping[str, str]] = {
        "test_an_appender_notices_that_its_bytes_were_deleted": "moto answers a part of an upload "
        "that was aborted with an internal error instead of NoSuchUpload",
        "test_an_appender_notices_at_a_flush_that_its_bytes_were_deleted": "as above",
    }

    @pytest.fixture
    def server(self, moto: S3Server) -> S3Server:
        return moto
