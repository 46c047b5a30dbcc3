"""The S3 driver held to its contract on moto, which lists in the order of keys, as AWS does."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from tests.drivers import test_s3
from tests.drivers.s3_contract import S3Contract
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []


_ABORTED = (
    "moto answers a part of an upload that was aborted with an internal error, not NoSuchUpload"
)


class TestS3DriverOnMoto(S3Contract):
    beyond_the_server: ClassVar[Mapping[str, str]] = {
        "test_an_appender_notices_that_its_bytes_were_deleted": _ABORTED,
        "test_an_appender_notices_at_a_flush_that_its_bytes_were_deleted": _ABORTED,
        "test_an_appender_that_writes_durably_notices_that_its_bytes_were_deleted": _ABORTED,
    }

    @pytest.fixture
    def server(self, moto: S3Server) -> S3Server:
        return moto


def test_what_one_server_cannot_show_the_other_does() -> None:
    excused = TestS3DriverOnMoto.beyond_the_server.keys()
    assert excused.isdisjoint(test_s3.TestS3DriverOnSeaweedFS.beyond_the_server)
