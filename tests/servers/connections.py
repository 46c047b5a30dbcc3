"""Servers on the event loop of a test, none of whose connections outlives them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

__all__ = ["Serve", "closed_after", "listening"]

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
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections to a free port of the loopback address, which is given, in a block.

    At its end whoever is still being served is cut off.
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

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
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
