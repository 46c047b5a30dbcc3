"""Servers on the event loop of a test, or on one of their own, that no connection outlives."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

__all__ = ["Serve", "closed_after", "listening", "listening_in_thread"]

_LIMIT = 2**16
_WAIT_SECONDS = 10

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is done with one connection, which is closed at its end."""


@asynccontextmanager
async def closed_after(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Send what was written and close, or, where the block fails or is cancelled, close at once.

    No connection may outlive the loop, which cannot be closed while one still has bytes to send.
    """
    try:
        yield
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    finally:
        writer.transport.abort()


@asynccontextmanager
async def listening(
    serve: Serve, tls: ssl.SSLContext | None = None, *, limit: int = _LIMIT
) -> AsyncIterator[int]:
    """Serve connections to a free port of the loopback address, which is given, in a block.

    At its end whoever is still being served is cut off.

    Args:
        serve: one connection.
        tls: is spoken, if there is one.
        limit: of what a reader takes in advance, in bytes.
    """
    serving: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            async with closed_after(writer):
                await serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            serving.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=limit)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        # Those who were let in just now have a task, and it is to be known before all are ended.
        await asyncio.sleep(0)
        for task in list(serving):
            task.cancel()
        while serving:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(serving)
        await server.wait_closed()


@contextmanager
def listening_in_thread(serve: Serve, *, limit: int = _LIMIT) -> Iterator[int]:
    """Do the same as `listening` in a thread, for a test that blocks its own."""
    started: Future[tuple[int, Callable[[], object]]] = Future()

    async def listen() -> None:
        end = asyncio.Event()
        stop = partial(asyncio.get_running_loop().call_soon_threadsafe, end.set)
        async with listening(serve, limit=limit) as port:
            started.set_result((port, stop))
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(listen()), daemon=True)
    thread.start()
    port, stop = started.result(_WAIT_SECONDS)
    try:
        yield port
    finally:
        stop()
        thread.join(_WAIT_SECONDS)
        assert not thread.is_alive()
