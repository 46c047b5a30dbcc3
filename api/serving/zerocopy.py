"""Sending files from the page cache straight to a socket, past this process's memory.

The bytes go out beside the transport of the event loop, through a duplicate of its socket: both
event loops refuse to watch a descriptor that belongs to a transport. A sender is therefore used
only while the transport has nothing to write.
"""

import asyncio
import errno
import os
import socket
import threading

from anyio import to_thread

from api.serving.turns import Turns

__all__ = ["CAN_SEND_FILES", "FileEndedError", "FileSender"]

CAN_SEND_FILES = hasattr(os, "sendfile")

_TURN_BYTES = 4 * 1024 * 1024
"""Sent at most before other connections have their turn; sockets mostly take less at once."""

_SHARED_TURN_BYTES = 256 * 1024
"""The same where small requests come in between, which would wait for it. Without them it would be
a third more CPU for each GiB, for nobody."""

_THREAD_BYTES = 4 * 1024 * 1024
"""Sent at most by a thread, where they are not in memory yet, before that is looked at again."""

_PROBE_BYTES = 512 * 1024
"""How far apart the places lie at which a turn is looked at. A part that is missing between two
of them would be read on the event loop, as small files are."""

_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
_MORE = getattr(socket, "MSG_MORE", 0)
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT})


class FileEndedError(Exception):
    """The file has fewer bytes than were to be sent of it."""


class FileSender:
    """Sends one part of a file on the connection of a transport.

    Slow clients are waited for without a thread. What has to be read from a disk first is sent by
    one, so that nobody else waits for the disk.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Use the socket of `transport`, which has nothing to write until `send` has returned."""
        self._transport = transport
        self._loop = loop
        self._writable: asyncio.Future[None] | None = None

    async def send(self, head: bytes, file: int, offset: int, count: int) -> bool:
        """Send `head` and then the bytes `[offset, offset + count)` of the descriptor `file`.

        When this returns True, all of it is with the system. False says that the client is gone,
        or that the connection was closed on this side. A call that fails or is cancelled has sent
        any part of it. The descriptor may be closed as soon as the call has ended.

        Raises:
            FileEndedError: the file is shorter; whatever it has was sent.
            OSError: it could not be read.
        """
        if self._transport.is_closing():
            return False
        part = _Part(_duplicate(self._transport), file, offset, count)
        try:
            with Turns.of(self._loop) as turns:
                return await self._send(head, part, turns)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            self._transport.abort()
            return False
        finally:
            part.close()

    def stop(self) -> None:
        """Let `send` return now if it waits for the client: the connection is lost."""
        _set(self._writable)

    async def _send(self, head: bytes, part: "_Part", turns: Turns) -> bool:
        while head or part.count:
            if not head:
                # Others have their turn, even while this client takes all that it is given.
                await turns.wait()
            if self._transport.is_closing():
                return False
            try:
                if head:
                    head = head[part.send_head(head) :]
                elif part.is_in_memory():
                    part.send_turn(_SHARED_TURN_BYTES if turns.is_shared else _TURN_BYTES)
                else:
                    await to_thread.run_sync(part.read_and_send)
            except BlockingIOError:
                await self._wait_until_writable(part.socket)
        return True

    async def _wait_until_writable(self, descriptor: socket.socket) -> None:
        writable = self._writable = self._loop.create_future()
        self._loop.add_writer(descriptor, _set, writable)
        try:
            await writable
        finally:
            self._loop.remove_writer(descriptor)
            self._writable = None


class _Part:
    """What is left to be sent.

    A task can be cancelled in ways that leave its thread running. Closing waits for that thread:
    the number of a closed descriptor is soon that of another file, or of another client.
    """

    def __init__(self, connection: socket.socket, file: int, offset: int, count: int) -> None:
        self.socket = connection
        self.count = count
        self._file = file
        self._offset = offset
        # Known once a turn of it had to be read: what comes next is not asked about then, as a
        # look at a place further on would make the system read from there.
        self._is_on_disk = False
        self._in_use = threading.Lock()
        self._closed = False

    def send_head(self, head: bytes) -> int:
        return self.socket.send(head, _MORE if self.count else 0)

    def is_in_memory(self) -> bool:
        """Say whether the next turn can be sent without waiting for a disk."""
        if _NOWAIT is None or self._is_on_disk:
            return False
        last = self._offset + min(self.count, _TURN_BYTES) - 1
        buffer = [bytearray(1)]
        try:
            for place in (*range(self._offset, last, _PROBE_BYTES), last):
                os.preadv(self._file, buffer, place, _NOWAIT)
        except OSError as error:
            # Not every file system can say.
            if error.errno in {errno.EAGAIN, errno.EOPNOTSUPP}:
                return False
            raise
        return True

    def send_turn(self, max_bytes: int) -> None:
        count = min(self.count, max_bytes)
        sent = os.sendfile(self.socket.fileno(), self._file, self._offset, count)
        if not sent:
            raise FileEndedError(f"{self.count} bytes are missing")
        self._offset += sent
        self.count -= sent

    def read_and_send(self) -> None:
        """Send as much as is worth a thread of what has to be read first.

        The system is told once what will be needed. Left to itself it takes half the processor
        time, but several pulls at once take a third longer, as it reads less of each at a time.
        """
        with self._in_use:
            if not self._closed and not self._is_on_disk and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._file, self._offset, self.count, os.POSIX_FADV_WILLNEED)
            self._is_on_disk = True
            end = self._offset + min(self.count, _THREAD_BYTES)
            while self._offset < end and not self._closed:
                self.send_turn(_TURN_BYTES)

    def close(self) -> None:
        # Before it is waited for, so that the thread ends with its turn.
        self._closed = True
        with self._in_use:
            self.socket.close()


def _duplicate(transport: asyncio.Transport) -> socket.socket:
    original = transport.get_extra_info("socket")
    # With all three given, the new object asks the system for none of them.
    return socket.socket(
        original.family, original.type, original.proto, fileno=os.dup(original.fileno())
    )


def _set(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
