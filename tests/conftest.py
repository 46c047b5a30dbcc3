"""Fixtures of every test."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

__all__ = ["anyio_backend", "logs", "pytest_plugins"]

pytest_plugins = ["tests.parts", "tests.servers.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Runs asynchronous tests on the loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What is logged during the test, in this process."""
    with capture_logs() as lines:
        yield lines
