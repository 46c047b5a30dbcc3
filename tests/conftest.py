"""Fixtures of every test."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

__all__ = [
    "anyio_backend",
    "logs",
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_plugins",
]

pytest_plugins = ["tests.parts", "tests.servers.fixtures"]

_NOBODY = Path(__file__).parent / "servers" / "nobody.pem"
"""The certificate of an authority whose key nobody has."""


def pytest_configure() -> None:
    """Has programs trust that authority alone by default: all that they talk to is on loopback.

    Reading the authorities of the world takes a client some 30 ms, and tests make thousands.
    """
    os.environ["SSL_CERT_FILE"] = str(_NOBODY)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Looks for no garbage among modules and tests, which stay: neither now nor between tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that wait for time and for other programs.

    Otherwise they, which have few tests and take the longest, would come last, and one worker would
    wait for the other.
    """
    marks = ("slow", "clients")
    first = {item.path for item in items if any(map(item.get_closest_marker, marks))}
    items.sort(key=lambda item: item.path not in first)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Runs asynchronous tests on the loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What is logged during the test, in this process."""
    with capture_logs() as lines:
        yield lines
