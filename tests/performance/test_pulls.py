"""What a pull asks of the driver and of the system. A rise here is a slower registry anywhere."""

import gc
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from anyio import sleep

from api.app import create_app
from core.drivers import MemoryDriver, StorageDriver
from tests.faulty import FaultyDriver
from tests.live import Service, running_registry
from tests.performance.pulls import PULLS, PUSHES

__all__: list[str] = []

_COUNT = 300
_LINE = re.compile(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)")

_DRIVER_CALLS = {
    "GET manifest by tag": ["get", "get"],
    "HEAD manifest by tag": ["get", "get"],
    "GET manifest by digest": ["get"],
    "GET blob": ["get", "stat", "redirect_url", "get"],
    "HEAD blob": ["get", "stat", "redirect_url"],
}

_SYSTEM_CALLS = {
    # A link is opened, read and closed; so is the content of a blob.
    "GET manifest by tag": {"openat": 2, "close": 2},
    "HEAD manifest by tag": {"openat": 2, "close": 2},
    "GET manifest by digest": {"openat": 1, "close": 1},
    "GET blob": {"openat": 2, "close": 2},
    "HEAD blob": {"openat": 1, "close": 1},
}
"""At most so many of each for a request, on average over many."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_registry(tmp_path_factory.mktemp("counts")) as running:
        with httpx.Client(base_url=running.url) as client:
            for method, path, content, kind in PUSHES:
                client.request(method, path, content=content, headers={"Content-Type": kind})
        yield running


@asynccontextmanager
async def _client(driver: StorageDriver) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an application that has the image, in this process."""
    app = create_app(driver=driver)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client,
    ):
        for method, path, content, kind in PUSHES:
            await client.request(method, path, content=content, headers={"Content-Type": kind})
        yield client


@pytest.mark.parametrize("title", PULLS)
async def test_a_pull_asks_no_more_of_the_driver_than_it_must(title: str) -> None:
    driver = FaultyDriver(MemoryDriver())
    method, path = PULLS[title]
    async with _client(driver) as client:
        await client.request(method, path)
        driver.calls.clear()
        assert (await client.request(method, path)).status_code == 200
    called = [call.partition(" ")[0] for call in driver.calls]
    assert [name for name in called if not name.startswith("reader.")] == _DRIVER_CALLS[title]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("title", PULLS)
def test_a_pull_asks_no_more_of_the_system_than_it_must(
    title: str, service: Service, tmp_path: Path
) -> None:
    counts = _count_system_calls(service, *PULLS[title], tmp_path / "counts")
    per_request = {name: count / _COUNT for name, count in counts.items()}
    limits = _SYSTEM_CALLS[title] | {
        # The answer leaves in one write, and access lines leave many at once.
        "write": 1.3,
        # No other thread takes part, nothing waits for a disk, and nothing asks for randomness.
        "futex": 0.2,
        "fsync": 0,
        "getrandom": 0.05,
        "rename": 0,
    }
    # A few calls belong to the connection, to timers and to the flushing of lines.
    over = {
        name: per_request[name]
        for name, limit in limits.items()
        if per_request.get(name, 0) > limit + 0.05
    }
    assert over == {}


def _count_system_calls(service: Service, method: str, path: str, log: Path) -> Counter[str]:
    """Return how often each call of the system was made for `_COUNT` requests in a row."""
    with httpx.Client(base_url=service.url) as client:
        client.request(method, path)
        tracer = subprocess.Popen(
            ["strace", "-f", "-c", "-o", str(log), "-p", str(service.process.pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        for _ in range(_COUNT):
            assert client.request(method, path).status_code == 200
        # Lines that wait are written.
        time.sleep(0.3)
        tracer.terminate()
        tracer.communicate(timeout=20)
    matches = filter(None, map(_LINE.match, log.read_text().splitlines()))
    return Counter({match[2]: int(match[1]) for match in matches})


async def test_pulling_again_and_again_takes_no_more_memory() -> None:
    method, path = PULLS["GET manifest by tag"]
    async with _client(MemoryDriver()) as client:
        for _ in range(200):
            await client.request(method, path)
        before = await _count_blocks()
        for _ in range(500):
            await client.request(method, path)
        assert await _count_blocks() - before < 5000


async def _count_blocks() -> int:
    """Return how many blocks of memory are in use once the access lines that wait are written."""
    await sleep(0.3)
    gc.collect()
    return sys.getallocatedblocks()
