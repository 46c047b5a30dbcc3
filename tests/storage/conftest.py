"""Every test here runs over both drivers."""

from pathlib import Path

import pytest

from core.drivers import StorageDriver, create_driver
from core.storage import Registry, Repository
from tests.storage.pushing import R

__all__: list[str] = []


@pytest.fixture(params=["memory", "filesystem"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    if request.param == "memory":
        return create_driver("memory", {})
    # What syncs are for is tested with the driver.
    return create_driver("filesystem", {"root": tmp_path / "root", "durability": "relaxed"})


@pytest.fixture
def registry(driver: StorageDriver) -> Registry:
    return Registry(driver)


@pytest.fixture
def repository(registry: Registry) -> Repository:
    return registry.repository(R)
