"""What a small answer costs in the interpreter: calls of Python functions, and what is left over.

All of it happens in one process, over a transport that only keeps what is written.
"""

import asyncio
import base64
import gc
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from uvicorn.server import ServerState

from api.app import create_app
from api.serving.protocol import GuardedConfig, GuardedProtocol
from api.settings import Settings
from core.access.passwords.editing import set_password
from core.drivers import create_driver
from tests.performance.pulls import PULLS, PUSHES

__all__: list[str] = []

_COUNT = 200

_CALLS = {
    "GET manifest by tag": 71,
    "HEAD manifest by tag": 71,
    "GET manifest by digest": 64,
    "GET blob": 76,
    "HEAD blob": 67,
}
"""At most so many for a request, from its arrival to its access line."""


_CALLS_WITH_TOKEN = 14
"""At most so many more where a token is shown that was verified a moment ago."""


class _Transport(asyncio.Transport):
    """A connection whose client takes everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.set_result(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing."""

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self) -> None:
        """Do nothing."""


class _Connection:
    """One connection to an application in this process."""

    def __init__(self, config: GuardedConfig) -> None:
        self.transport = _Transport()
        self.protocol = GuardedProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        self.protocol.connection_made(self.transport)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        media_type: str = "",
        authorization: str | None = None,
    ) -> bytes:
        fields = [f"{method} {path} HTTP/1.1", "Host: t", "User-Agent: t", "Accept: */*"]
        if authorization is not None:
            fields.append(f"Authorization: {authorization}")
        if body:
            fields += [f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
        self.transport.written = asyncio.get_running_loop().create_future()
        self.protocol.data_received("\r\n".join([*fields, "", ""]).encode() + body)
        return await self.transport.written


@contextmanager
def _counting_calls() -> Iterator[list[int]]:
    """Count the calls of functions written in Python until the block ends."""
    calls = [0]

    def count(frame: FrameType, event: str, _: object) -> None:
        # What is defined here is not the registry's.
        if event == "call" and frame.f_code.co_filename != __file__:
            calls[0] += 1

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[_Connection]:
    settings = Settings.model_validate({"log": {"access": True}})
    driver = create_driver("filesystem", {"root": tmp_path})
    app = create_app(settings, driver)
    config = GuardedConfig(
        app, limits=settings.server, interface="asgi3", lifespan="off", log_config=None
    )
    config.load()
    async with app.router.lifespan_context(app):
        connection = _Connection(config)
        for method, path, content, kind in PUSHES:
            assert b" 201 " in (await connection.ask(method, path, content, kind))[:16]
        yield connection
        # Lines that wait are written before the next test counts.
        await asyncio.sleep(0.2)
    await driver.aclose()


@pytest.mark.parametrize("title", PULLS)
async def test_a_pull_takes_no_more_calls_of_functions_than_it_must(
    connection: _Connection, title: str
) -> None:
    request = PULLS[title]
    await connection.ask(*request)
    with _counting_calls() as calls:
        for _ in range(_COUNT):
            answer = await connection.ask(*request)
    assert b" 200 " in answer[:16]
    assert _CALLS[title] / 2 < calls[0] // _COUNT <= _CALLS[title]


@pytest.fixture
async def guarded(tmp_path: Path, connection: _Connection) -> AsyncIterator[_Connection]:
    """A second registry over the same store, which asks for tokens."""
    set_password(tmp_path / "users", "ann", "of no worth")
    access = {"controller": "moorage", "htpasswd": {"file": tmp_path / "users"}}
    settings = Settings.model_validate({"access": access})
    driver = create_driver("filesystem", {"root": tmp_path})
    app = create_app(settings, driver)
    config = GuardedConfig(
        app, limits=settings.server, interface="asgi3", lifespan="off", log_config=None
    )
    config.load()
    async with app.router.lifespan_context(app):
        yield _Connection(config)
        await asyncio.sleep(0.2)
    await driver.aclose()


async def test_a_token_takes_no_more_calls_of_functions_than_it_must(guarded: _Connection) -> None:
    title = "GET manifest by tag"
    method, path, *_ = PULLS[title]
    name = path.removeprefix("/v2/").partition("/manifests/")[0]
    basic = base64.b64encode(b"ann:of no worth").decode()
    asked = f"/token?service=moorage&scope=repository:{name}:pull"
    given = await guarded.ask("GET", asked, authorization=f"Basic {basic}")
    token = json.loads(given.partition(b"\r\n\r\n")[2])["token"]
    await guarded.ask(method, path, authorization=f"Bearer {token}")
    with _counting_calls() as calls:
        for _ in range(_COUNT):
            answer = await guarded.ask(method, path, authorization=f"Bearer {token}")
    assert b" 200 " in answer[:16]
    assert calls[0] // _COUNT <= _CALLS[title] + _CALLS_WITH_TOKEN


@pytest.mark.parametrize("title", PULLS)
async def test_a_pull_leaves_nothing_to_the_garbage_collector(
    connection: _Connection, title: str
) -> None:
    request = PULLS[title]
    for _ in range(5):
        await connection.ask(*request)
    gc.collect()
    for _ in range(_COUNT):
        await connection.ask(*request)
    assert gc.collect() < _COUNT / 2
