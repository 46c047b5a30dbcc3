"""Stores for the registry's own secrets and records, and a registry that asks who one is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.settings import Settings
from core.access.state import AccessState
from core.drivers import CheckedDriver, FilesystemDriver, MemoryDriver, StorageDriver
from tests.access.guarded import RULES, Client, Registry, guarded, settings_of

__all__ = ["ann", "bob", "driver", "nobody", "registry", "settings", "state"]


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


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Rules for two users, a group and everybody."""
    return settings_of(tmp_path, RULES, policy={"groups": {"dev": ["bob"]}})


@pytest.fixture
async def registry(settings: Settings) -> AsyncIterator[Registry]:
    """A registry with these settings."""
    async with guarded(settings) as running:
        yield running


@pytest.fixture
async def ann(registry: Registry) -> AsyncIterator[Client]:
    """Who may do everything."""
    async with registry.client("ann") as client:
        yield client


@pytest.fixture
async def bob(registry: Registry) -> AsyncIterator[Client]:
    """Who may do some things."""
    async with registry.client("bob") as client:
        yield client


@pytest.fixture
async def nobody(registry: Registry) -> AsyncIterator[Client]:
    """Who has no password."""
    async with registry.client() as client:
        yield client
