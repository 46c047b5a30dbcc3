"""The load generator: many connections, one thread, nothing parsed that need not be."""

import hashlib
import select
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.content import MIB
from bench.operations import Operation, Outcome, Pushed, Steps
from bench.wire import Answer, LoadError, Request

__all__ = ["LoadResult", "LoadSpec", "run_load"]

_TIMEOUT_SECONDS = 120
_DISCARD = socket.MSG_TRUNC if sys.platform == "linux" else 0
"""Of what nobody looks at, Linux counts the bytes of a connection without copying them (tcp(7))."""

_HEAD_BYTES = 64 * 1024
_buffer = memoryview(bytearray(MIB))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """What to do to a server.

    Attributes:
        port: of the loopback address.
        operations: one for each connection.
        seconds: after which no operation is begun any more.
        repeats: after which a connection begins none any more.
    """

    port: int
    operations: tuple[Operation, ...]
    seconds: float | None = None
    repeats: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What was done.

    Attributes:
        elapsed_seconds: from the first request to the last answer.
        latencies_seconds: of each operation, in no order.
        moved_bytes: of content.
        pushed: whatever is in the store now.
    """

    elapsed_seconds: float
    latencies_seconds: list[float]
    moved_bytes: int
    pushed: list[Pushed]


def run_load(spec: LoadSpec) -> LoadResult:
    """Do what `spec` says, until every operation that was begun is over.

    Raises:
        LoadError: an answer was not what it has to be.
        OSError: the server is not there.
    """
    for operation in spec.operations:
        operation.prepare()
    began = time.perf_counter()
    deadline = began + spec.seconds if spec.seconds is not None else float("inf")

    def goes_on(done: int) -> bool:
        if spec.repeats is not None and done >= spec.repeats:
            return False
        return time.perf_counter() < deadline

    lanes: list[_Lane] = []
    owners: dict[int, _Lane] = {}
    with select.epoll() as poll:
        try:
            lanes += [
                _Lane(spec.port, operation, poll, owners, goes_on) for operation in spec.operations
            ]
            began = time.perf_counter()
            for lane in lanes:
                lane.begin()
            _drive(len(lanes), owners, poll)
            elapsed = time.perf_counter() - began
        finally:
            for lane in lanes:
                lane.close()
    outcomes = [outcome for lane in lanes for outcome in lane.outcomes]
    return LoadResult(
        elapsed_seconds=elapsed,
        latencies_seconds=[latency for lane in lanes for latency in lane.latencies],
        moved_bytes=sum(outcome.moved_bytes for outcome in outcomes),
        pushed=[item for outcome in outcomes for item in outcome.pushed],
    )


def _drive(running: int, owners: dict[int, "_Lane"], poll: select.epoll) -> None:
    while running:
        events = poll.poll(_TIMEOUT_SECONDS)
        if not events:
            raise LoadError(f"no answer for {_TIMEOUT_SECONDS} seconds")
        for descriptor, event in events:
            lane = owners[descriptor]
            if event & ~select.EPOLLOUT:
                lane.receive(descriptor)
                running -= lane.is_over
            elif event:
                lane.send()


class _Lane:
    """One connection, which does its operation again and again.

    Where that leads to other ports, it has a connection to each of them too, and uses one at a
    time.
    """

    def __init__(
        self,
        port: int,
        operation: Operation,
        poll: select.epoll,
        owners: "dict[int, _Lane]",
        goes_on: Callable[[int], bool],
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.latencies: list[float] = []
        self.is_over = False
        self._operation = operation
        self._poll = poll
        self._owners = owners
        self._goes_on = goes_on
        self._port = port
        self._sockets: dict[int, socket.socket] = {}
        self._socket = self._connected(port)
        self._started = 0.0
        self._steps: Steps
        self._request: Request
        self._answer: Answer | None = None
        self._head = b""
        # Of the answer's body, what is still to come.
        self._left = 0
        self._hasher = hashlib.sha256()
        # Of the request, what is still to be sent.
        self._outgoing = memoryview(b"")
        self._sent_content = 0
        self._watches_output = False

    def begin(self) -> None:
        """Begin the operation once more."""
        self._steps = self._operation.steps()
        self._started = time.perf_counter()
        self._ask(next(self._steps))

    def close(self) -> None:
        """Close the connections."""
        for connection in self._sockets.values():
            connection.close()

    def send(self) -> None:
        """Send until all is sent, or the socket takes no more."""
        content = self._request.content
        try:
            while True:
                while self._outgoing:
                    self._outgoing = self._outgoing[self._socket.send(self._outgoing) :]
                if content is None or self._sent_content >= content.size:
                    break
                self._outgoing = content.piece(self._sent_content)
                self._sent_content += len(self._outgoing)
        except BlockingIOError:
            self._watch_output(on=True)
            return
        self._watch_output(on=False)

    def receive(self, descriptor: int) -> None:
        """Take in what has come, and go on where that ends an answer.

        Raises:
            LoadError: it is not what it has to be.
        """
        if descriptor != self._socket.fileno():
            raise LoadError("a connection ended, or was written to, while nothing was asked")
        wanted = _HEAD_BYTES if self._answer is None else min(self._left, MIB)
        is_discarded = self._answer is not None and self._request.digest is None
        count = self._socket.recv_into(_buffer, wanted, _DISCARD if is_discarded else 0)
        if count == 0:
            raise LoadError(f"the server closed the connection after {self._request.head[:200]!r}")
        if self._answer is not None:
            self._take_body(_buffer[:count])
        else:
            self._head += _buffer[:count]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._take_head(Answer(self._head[:end]), self._head[end + 4 :])
        if self._left == 0:
            self._go_on()

    def _ask(self, request: Request) -> None:
        self._request = request
        self._socket = self._connected(request.port or self._port)
        self._answer, self._head, self._left = None, b"", 0
        self._outgoing, self._sent_content = memoryview(request.head), 0
        self.send()

    def _take_head(self, answer: Answer, rest: bytes) -> None:
        request = self._request
        length = answer.length
        if answer.status != request.status or request.length not in (None, length):
            raise LoadError(
                f"expected {request.status} with {request.length} bytes, "
                f"got {answer.head!r} {rest!r} for {request.head[:200]!r}"
            )
        self._answer = answer
        self._left = length if request.has_answer_body else 0
        if request.digest is not None:
            self._hasher = hashlib.sha256()
        self._take_body(rest)

    def _take_body(self, piece: bytes | memoryview) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise LoadError(f"{-self._left} bytes too many after {self._request.head[:200]!r}")
        if self._request.digest is not None:
            self._hasher.update(piece)
            if self._left == 0 and self._request.digest != f"sha256:{self._hasher.hexdigest()}":
                raise LoadError(f"wrong content after {self._request.head[:200]!r}")

    def _go_on(self) -> None:
        assert self._answer is not None
        try:
            request = self._steps.send(self._answer)
        except StopIteration as end:
            self.outcomes.append(end.value)
            self.latencies.append(time.perf_counter() - self._started)
            if self._goes_on(len(self.latencies)):
                self.begin()
            else:
                for connection in self._sockets.values():
                    self._poll.unregister(connection)
                self.is_over = True
        else:
            self._ask(request)

    def _connected(self, port: int) -> socket.socket:
        connection = self._sockets.get(port)
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
            self._sockets[port] = connection
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)  # noqa: FBT003 - it takes no keyword
            self._owners[connection.fileno()] = self
            self._poll.register(connection, select.EPOLLIN)
        return connection

    def _watch_output(self, *, on: bool) -> None:
        if on is not self._watches_output:
            self._watches_output = on
            events = select.EPOLLIN | select.EPOLLOUT if on else select.EPOLLIN
            self._poll.modify(self._socket, events)
