"""A proxy before an HTTP server that loses answers, breaks them off, or refuses, as it is told."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.servers.connections import closed_after, listening

__all__ = ["Answer", "CutAfter", "Instead", "LossyProxy", "Lost", "refused", "running_lossy_proxy"]

_HEAD = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (/\S*) HTTP/1\.1\r\n")


@dataclass(frozen=True, slots=True)
class Lost:
    """The server does what it is asked, and its answer is never seen."""


@dataclass(frozen=True, slots=True)
class CutAfter:
    """The connection breaks after so many bytes of the answer."""

    size: int


@dataclass(frozen=True, slots=True)
class Instead:
    """This is answered, and the server never sees the request."""

    status: int
    body: str


def refused(status: int, code: str) -> Instead:
    """Return the refusal of a store that speaks S3."""
    return Instead(status, f"<Error><Code>{code}</Code><Message>told to</Message></Error>")


Answer = Lost | CutAfter | Instead


class LossyProxy:
    """What the proxy has seen, and what it does.

    Attributes:
        endpoint_url: where it listens.
        requests: the method and target of every request, in the order of their coming.
        plan: says what becomes of a request, by its method and target; None lets it pass.
    """

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._host, self._port = address.hostname, address.port
        self.endpoint_url = ""
        self.requests: list[tuple[str, str]] = []
        self.plan: Callable[[str, str], Answer | None] = lambda *_: None

    def once(self, method: str, part: str, *answers: Answer) -> None:
        """Treat the first requests of a kind so, one after the other, and let all others pass."""
        left = list(answers)

        def plan(seen: str, target: str) -> Answer | None:
            return left.pop(0) if left and seen == method and part in target else None

        self.plan = plan

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        async with closed_after(up_writer):
            treated: list[Answer] = []
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._answers(up_reader, writer, treated))
                    tasks.create_task(self._forward(reader, writer, up_writer, treated))
            except* OSError:
                pass

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: asyncio.StreamWriter,
        treated: list[Answer],
    ) -> None:
        while chunk := await reader.read(65536):
            head = _HEAD.match(chunk)
            if head is not None:
                method, target = head[1].decode(), head[2].decode()
                self.requests.append((method, target))
                match self.plan(method, target):
                    case Instead(status, body):
                        writer.write(
                            f"HTTP/1.1 {status} told to\r\nContent-Length: {len(body)}\r\n"
                            f"Connection: close\r\n\r\n{body}".encode()
                        )
                        await writer.drain()
                        raise ConnectionAbortedError
                    case None:
                        pass
                    case answer:
                        treated.append(answer)
            upstream.write(chunk)
            await upstream.drain()
        raise ConnectionAbortedError

    async def _answers(
        self,
        upstream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        treated: list[Answer],
    ) -> None:
        while chunk := await upstream.read(65536):
            match treated:
                case [Lost(), *_]:
                    break
                case [CutAfter(size), *_]:
                    writer.write(chunk[:size])
                    await writer.drain()
                    treated[0] = CutAfter(size - len(chunk))
                    if size <= len(chunk):
                        break
                case _:
                    writer.write(chunk)
                    await writer.drain()
        raise ConnectionAbortedError


@asynccontextmanager
async def running_lossy_proxy(upstream: str) -> AsyncIterator[LossyProxy]:
    """Run a proxy for one server until the block ends."""
    proxy = LossyProxy(upstream)
    async with listening(proxy.serve) as port:
        proxy.endpoint_url = f"http://127.0.0.1:{port}"
        yield proxy
