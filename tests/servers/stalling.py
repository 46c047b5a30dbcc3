"""A proxy that lets everything pass, and holds one answer back for a while."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.servers.connections import closed_after, listening_in_thread

__all__ = ["running_stalling_proxy"]

_PIECE = 64 * 1024


class _Proxy:
    def __init__(self, port: int, begins: bytes, seconds: float) -> None:
        self._upstream = port
        self._begins = begins
        self._seconds = seconds
        self._held: asyncio.StreamReader | None = None
        self.has_stalled = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, into = await asyncio.open_connection("127.0.0.1", self._upstream)
        async with closed_after(into):
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pass_requests(reader, into, above))
                    tasks.create_task(self._pass_answers(above, writer))
            except* OSError:
                # One side is gone, and takes the other with it.
                pass

    async def _pass_requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
    ) -> None:
        while piece := await reader.read(_PIECE):
            if piece.startswith(self._begins) and self._held is None:
                self._held = answers
            writer.write(piece)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def _pass_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(_PIECE):
            if reader is self._held and not self.has_stalled:
                self.has_stalled = True
                await asyncio.sleep(self._seconds)
            writer.write(piece)
            await writer.drain()
        writer.close()


@contextmanager
def running_stalling_proxy(port: int, *, begins: bytes, seconds: float) -> Iterator[str]:
    """Run a proxy before a server of this host, and give its address as `host:port`.

    Args:
        port: of the server.
        begins: with what the request begins whose answer is held back, the first of its kind.
        seconds: for how long.
    """
    proxy = _Proxy(port, begins, seconds)
    with listening_in_thread(proxy.serve) as own_port:
        yield f"127.0.0.1:{own_port}"
        assert proxy.has_stalled, "nothing was held back"
