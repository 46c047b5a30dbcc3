"""A proxy that lets everything pass, and holds one answer back for a while."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
        try:
            await asyncio.gather(
                self._pass_requests(reader, into, above), self._pass_answers(above, writer)
            )
        except OSError:
            # One side is gone, and takes the other with it.
            pass
        finally:
            into.close()
            writer.close()

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
    loop = asyncio.new_event_loop()
    proxy = _Proxy(port, begins, seconds)
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert proxy.has_stalled, "nothing was held back"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
