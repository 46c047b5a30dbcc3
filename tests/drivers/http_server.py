"""A server that says what a test has it say, and the pool that talks to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from core.drivers.http import HttpAnswer, HttpPool
from tests.servers.connections import Serve, listening

__all__ = ["CHUNKED", "MIB", "OK", "Server", "get", "pool_of", "serving"]

MIB = 1024 * 1024
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "e"\r\n\r\nok'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """A server that says what a test has it say.

    Attributes:
        port: of the loopback address.
        requests: the heads of all requests, with what followed them.
        connections: how many were made.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request, of which the length is known, or nothing at the end."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request


@asynccontextmanager
async def serving(
    talk: Serve | Sequence[bytes], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Run a server that talks so, or gives these answers one after the other."""
    server = Server()
    answers = list(talk) if isinstance(talk, Sequence) else []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if isinstance(talk, Sequence):
                while answers and await server.take(reader):
                    writer.write(answers.pop(0))
                    await writer.drain()
            else:
                await talk(reader, writer)

    async with listening(connected, tls) as server.port:
        yield server


@asynccontextmanager
async def pool_of(server: Server, **settings: object) -> AsyncIterator[HttpPool]:
    given: dict[str, object] = {
        "scheme": "http",
        "host": f"127.0.0.1:{server.port}",
        "tls": None,
        "proxy": None,
        "max_connections": 4,
        "connect_timeout_seconds": 5,
        "timeout_seconds": 5,
        **settings,
    }
    pool = HttpPool(**given)  # type: ignore[arg-type]
    yield pool
    pool.close()


async def get(pool: HttpPool, method: str = "GET") -> tuple[HttpAnswer, bytes]:
    async with await pool.send(method, "/a?b", {"host": "h"}) as answer:
        return answer, await answer.read_all()
