"""Connections to one server, kept open and used again."""

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from core.drivers.http.connection import AnswerHead, HttpConnection
from core.drivers.http.proxy import Proxy, open_tunnel

__all__ = ["HttpAnswer", "HttpPool"]

_IDLE_SECONDS = 15
"""Servers close what has been idle for longer, and a request may cross that on its way."""


class HttpAnswer:
    """An answer whose content is still to be read, to be closed in any case (`async with`).

    Attributes:
        status: of the answer.
        headers: by their names in lower case.
        length: of the content in bytes, or None if only its end tells.
    """

    def __init__(self, pool: "HttpPool", connection: HttpConnection, head: AnswerHead) -> None:
        self.status = head.status
        self.headers = head.headers
        self.length = head.length
        self._pool = pool
        self._connection: HttpConnection | None = connection

    async def read(self, max_bytes: int) -> bytes | memoryview:
        """Return the next bytes of the content, which nobody changes, or none at its end.

        Raises:
            ConnectionError: the server hung up before the end.
            TimeoutError: it was silent too long.
        """
        if self._connection is None:
            return b""
        return await self._connection.read(max_bytes)

    async def read_all(self) -> bytes:
        """Return all of the content that was not read yet; raises as `read`."""
        pieces = []
        while piece := await self.read(2**20):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back, or close it if there is more to come. May be called again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.take_back(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class HttpPool:
    """Sends requests to one server over at most `max_connections` at once.

    A connection that was idle may turn out to be closed; its request is then sent over a new one,
    so every request has to be one that may arrive twice.
    """

    def __init__(
        self,
        scheme: str,
        host: str,
        *,
        tls: ssl.SSLContext | None,
        proxy: Proxy | None,
        max_connections: int,
        connect_timeout_seconds: float,
        timeout_seconds: float,
    ) -> None:
        """Prepare for a server; nothing is asked of it yet.

        Args:
            scheme: `https` or `http`.
            host: of the server, with its port if that is not the scheme's own.
            tls: how its certificate is checked, where the scheme is `https`.
            proxy: what all connections go through.
            max_connections: how many requests are under way at most; others wait.
            connect_timeout_seconds: the longest that a connection may take to be made.
            timeout_seconds: the longest silence, and the longest that nothing is taken.
        """
        self._name, _, port = host.partition(":") if not host.startswith("[") else _bracketed(host)
        self._port = int(port or {"http": 80, "https": 443}[scheme])
        # A proxy is told the whole address of what is not encrypted.
        self._origin, self._proxy_headers = "", ""
        if proxy is not None and scheme == "http":
            self._origin = f"{scheme}://{host}"
            if proxy.authorization:
                self._proxy_headers = f"proxy-authorization: {proxy.authorization}\r\n"
        self._tls = tls if scheme == "https" else None
        self._proxy = proxy
        self._connect_timeout_seconds = connect_timeout_seconds
        self._timeout_seconds = timeout_seconds
        self._room = asyncio.Semaphore(max_connections)
        self._idle: deque[tuple[HttpConnection, float]] = deque()

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: Iterable[bytes | bytearray] = (),
    ) -> HttpAnswer:
        """Send a request, and return its answer as soon as that begins.

        Args:
            method: of the request.
            target: path and query, encoded.
            headers: all of them, with names in lower case and the content's length.
            content: in pieces, which may be asked for more than once.

        Raises:
            OSError: there is no connection, or the server hung up.
            TimeoutError: it was silent too long.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        text = f"{method} {self._origin}{target} HTTP/1.1\r\n{lines}{self._proxy_headers}\r\n"
        head = text.encode("latin-1")
        await self._room.acquire()
        try:
            while connection := self._find_idle():
                try:
                    return await self._exchange(connection, method, head, content)
                except ConnectionError:
                    if connection.has_answered:
                        raise
            return await self._exchange(await self._connect(), method, head, content)
        except BaseException:
            self._room.release()
            raise

    def take_back(self, connection: HttpConnection) -> None:
        """Keep a connection for another request, or close it if it is of no use for one."""
        self._room.release()
        if connection.is_idle:
            self._idle.append((connection, asyncio.get_running_loop().time()))
        else:
            connection.close()

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._idle:
            self._idle.pop()[0].close()

    async def _exchange(
        self,
        connection: HttpConnection,
        method: str,
        head: bytes,
        content: Iterable[bytes | bytearray],
    ) -> HttpAnswer:
        try:
            answered = await connection.exchange(head, content, without_content=method == "HEAD")
        except BaseException:
            connection.close()
            raise
        return HttpAnswer(self, connection, answered)

    def _find_idle(self) -> HttpConnection | None:
        """Return the connection that was used last, and close those that were not for long."""
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._idle and (self._idle[0][1] < oldest or not self._idle[0][0].is_idle):
            self._idle.popleft()[0].close()
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_idle:
                return connection
            connection.close()
        return None

    async def _connect(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        name, port, tls = self._name, self._port, self._tls
        async with asyncio.timeout(self._connect_timeout_seconds):
            if self._proxy is not None and tls is not None:
                tunnel = await open_tunnel(self._proxy, name, port)
                _, connection = await loop.create_connection(
                    self._make, sock=tunnel, ssl=tls, server_hostname=name
                )
                return connection
            if self._proxy is not None:
                name, port = self._proxy.host, self._proxy.port
            _, connection = await loop.create_connection(self._make, name, port, ssl=tls)
            return connection

    def _make(self) -> HttpConnection:
        return HttpConnection(self._timeout_seconds)


def _bracketed(host: str) -> tuple[str, str, str]:
    name, bracket, port = host[1:].partition("]")
    return name, bracket, port.removeprefix(":")
