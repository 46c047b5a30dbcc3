"""Stores for the registry's own secrets and records."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from core.access.state import AccessState
from core.drivers import CheckedDriver, FilesystemDriver, MemoryDriver, StorageDriver

__all__ = ["driver", "logs", "state"]


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What is logged during the test, in this process."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture(params=["memory", "filesystem"])
async def driver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StorageDriver]:
    """An empty store."""
    made = MemoryDriver() if request.param == "memory" else FilesystemDriver(tmp_path / "store")
    checked = CheckedDriver(made)
    yield checked
    await checked.aclose()


@pytest.fixture
def state(driver: StorageDriver) -> AccessState:
    """What one node knows of the store."""
    return AccessState(driver)
