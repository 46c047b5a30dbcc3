"""Our protocol around any ASGI application, on an event loop of a thread of the test."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvloop
from uvicorn.server import ServerState

from api.serving.protocol import GuardedConfig, GuardedProtocol
from api.settings.groups import ServerSettings

__all__ = ["LOOPS", "App", "Message", "Receive", "Scope", "Send", "serving_in_thread"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


@contextmanager
def serving_in_thread(app: App, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[int]:
    """Serve `app` on a free port of the loopback address, which is given."""
    ports: list[int] = []
    listening = threading.Event()
    ends: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        ends.append(partial(loop.call_soon_threadsafe, end.set))
        config = GuardedConfig(app, limits=ServerSettings(), lifespan="off", log_config=None)
        config.load()
        state = ServerState()
        server = await loop.create_server(
            lambda: GuardedProtocol(config, state, {}), "127.0.0.1", 0
        )
        ports.append(server.sockets[0].getsockname()[1])
        listening.set()
        await end.wait()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        while state.connections or state.tasks:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert listening.wait(10)
    try:
        yield ports[0]
    finally:
        ends[0]()
        thread.join(10)
        assert not thread.is_alive()
