"""Fixtures of every test."""

import pytest

__all__ = ["anyio_backend", "pytest_plugins"]

pytest_plugins = ["tests.parts", "tests.servers.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Runs asynchronous tests on the loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}
