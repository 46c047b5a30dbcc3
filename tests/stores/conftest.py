"""One object store for all tests of a process, each with a prefix of its own."""

from collections.abc import Iterator

import pytest

from tests.servers.seaweedfs import S3Server, running_seaweedfs

__all__: list[str] = []


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server
