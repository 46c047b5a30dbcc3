"""Stores for the registry's own secrets and records."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.access.state import AccessState
from core.drivers import CheckedDriver, FilesystemDriver, MemoryDriver, StorageDriver

__all__ = ["driver", "state"]


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
