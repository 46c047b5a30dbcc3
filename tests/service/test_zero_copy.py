"""Files that go from the page cache to a socket, and what can come in between."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from api.serving.cycle import ZERO_COPY, Cycle
from api.serving.zerocopy import FileEndedError, FileSender
from tests.service.running import Service, read_answer, running_service

__all__: list[str] = []

MIB = 1024 * 1024
CONTENT = os.urandom(1 * MIB) * 24

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zerocopy")
    (folder / "file").write_bytes(CONTENT)
    return folder


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("log"), root=str(root)) as running:
        yield running


def _get(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: t", *headers, "", "")
    return "\r\n".join(lines).encode()


def _sockets(service: Service) -> int:
    return _count_sockets(service.process.pid)


def _count_sockets(pid: int) -> int:
    return sum(entry.is_socket() for entry in Path(f"/proc/{pid}/fd").iterdir())


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(MIB):
            received += piece
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize(
    "parts",
    [[(0, 1)], [(5, 0)], [(7, 100_000)], [(0, len(CONTENT))], [(3, 5 * MIB), (0, 9), (MIB, MIB)]],
)
def test_parts_of_a_file_are_sent_and_the_connection_goes_on(
    service: Service, parts: list[tuple[int, int]]
) -> None:
    path = "/file/" + "/".join(f"{offset}-{count}" for offset, count in parts)
    with service.connect() as connection:
        for _ in range(3):
            connection.sendall(_get(path))
            status, headers, body = read_answer(connection)
            assert status == 200
            assert "transfer-encoding" not in headers
            assert body == b"".join(CONTENT[offset : offset + count] for offset, count in parts)
        connection.sendall(_get("/"))
        assert read_answer(connection)[2] == b"hello"


def test_pipelined_requests_around_a_file_are_answered_in_order(service: Service) -> None:
    """What a slow client has not taken of one answer goes out before the next."""
    before = _get("/slow/1000/0") * 8
    file = _get(f"/file/0-{len(CONTENT)}")
    with service.connect() as connection:
        connection.sendall(before + file + _get("/") + file + _get("/", "Connection: close"))
        time.sleep(0.5)
        received = _read_all(connection)
    for _ in range(8):
        _, _, received = received.partition(b"\r\n\r\n")
        assert received.startswith(b"x" * 1_000_000)
        received = received[1_000_000:]
    for _ in range(2):
        _, _, received = received.partition(b"\r\n\r\n")
        assert received.startswith(CONTENT)
        received = received[len(CONTENT) :]
        _, _, received = received.partition(b"\r\n\r\n")
        assert received.startswith(b"hello")
        received = received[5:]
    assert received == b""


def test_slow_readers_keep_nobody_waiting_and_get_everything(service: Service) -> None:
    slow = [service.connect() for _ in range(4)]
    for connection in slow:
        connection.sendall(_get(f"/file/0-{len(CONTENT)}"))
    time.sleep(0.2)
    started = time.monotonic()
    for _ in range(20):
        assert service.ask(_get("/"))[2] == b"hello"
    assert time.monotonic() - started < 5
    for connection in slow:
        with connection:
            assert read_answer(connection)[2] == CONTENT


def test_what_is_not_in_memory_is_read_first(service: Service, root: Path) -> None:
    descriptor = os.open(root / "file", os.O_RDWR)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    assert service.ask(_get(f"/file/0-{len(CONTENT)}"))[2] == CONTENT


def test_a_client_that_hangs_up_leaves_no_socket_open(service: Service) -> None:
    service.ask(_get("/"))
    before = _sockets(service)
    for rest in (b"", _get("/")):
        # With a further request that waits, the server does not read, and is not told.
        for _ in range(5):
            with service.connect() as connection:
                connection.sendall(_get(f"/file/0-{len(CONTENT)}") + rest)
                connection.recv(1000)
    deadline = time.monotonic() + 5
    while _sockets(service) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _sockets(service) <= before
    assert service.ask(_get("/"))[2] == b"hello"


def test_a_file_that_is_too_short_cuts_the_connection(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(_get(f"/file/100-{len(CONTENT)}", "X-Request-Id: short") + _get("/"))
        received = _read_all(connection)
    assert received.partition(b"\r\n\r\n")[2] == CONTENT[100:]
    line = service.wait_for_log("request", request_id="short")
    assert line["cut"] is True


@pytest.mark.parametrize("length", [b"4", b"6"])
def test_a_file_that_is_not_as_long_as_was_said_cuts_the_connection(
    service: Service, length: bytes
) -> None:
    with service.connect() as connection:
        connection.sendall(_get(f"/file/0-5?{length.decode()}") + _get("/"))
        assert len(_read_all(connection).partition(b"\r\n\r\n")[2]) <= 5


def test_it_is_not_offered_where_no_body_is_sent(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(_get("/file/0-5", method="HEAD") + _get("/"))
        stream = connection.makefile("rb")
        while line := stream.readline().strip():
            assert line != b"content-length: 5"


def test_what_was_sent_is_counted(service: Service) -> None:
    service.ask(_get("/file/0-5000/7-100000", "X-Request-Id: counted"))
    line = service.wait_for_log("request", request_id="counted")
    assert (line["sent_bytes"], line["status"]) == (105_000, 200)
    assert "cut" not in line


def _run_on_uvloop(main: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_awaited(main))


def _run_on_asyncio(main: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner() as runner:
        runner.run(_awaited(main))


async def _awaited(main: Callable[[], Awaitable[None]]) -> None:
    await main()


_LOOPS = pytest.mark.parametrize("run", [_run_on_uvloop, _run_on_asyncio])


async def _begin(near: socket.socket) -> tuple[asyncio.Transport, FileSender]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
    return transport, FileSender(transport, loop)


@_LOOPS
def test_both_event_loops_send_to_a_slow_reader(run: Run, root: Path) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        transport, sender = await _begin(near)
        with (root / "file").open("rb") as file, far:
            sending = asyncio.create_task(sender.send(b"head", file.fileno(), 0, 3 * MIB))
            received = b""
            far.settimeout(0)
            while len(received) < 3 * MIB + 4:
                await asyncio.sleep(0.001)
                received += await asyncio.get_running_loop().sock_recv(far, 50_000)
            assert await sending
        assert received == b"head" + CONTENT[: 3 * MIB]
        transport.close()

    run(main)


@_LOOPS
@pytest.mark.parametrize("ending", ["cancel", "stop", "hang up"])
def test_a_sender_that_waits_ends_and_frees_its_socket(run: Run, root: Path, ending: str) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        transport, sender = await _begin(near)
        open_before = _count_sockets(os.getpid())
        with (root / "file").open("rb") as file, far:
            sending = asyncio.create_task(sender.send(b"", file.fileno(), 0, 9 * MIB))
            await asyncio.sleep(0.05)
            assert not sending.done()
            if ending == "cancel":
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
            elif ending == "stop":
                transport.abort()
                sender.stop()
                assert await sending is False
            else:
                far.close()
                assert await sending is False
                assert transport.is_closing()
        transport.abort()
        await asyncio.sleep(0.05)
        assert _count_sockets(os.getpid()) < open_before

    run(main)


@_LOOPS
def test_a_file_that_ends_is_told(run: Run, root: Path) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        transport, sender = await _begin(near)
        with (root / "file").open("rb") as file, far:
            with pytest.raises(FileEndedError):
                await sender.send(b"", file.fileno(), len(CONTENT) - 5, 6)
            assert far.recv(100) == CONTENT[-5:]
        transport.close()

    run(main)


class _Writing(asyncio.Protocol):
    """Tells a flow, as uvicorn's protocol does, whether more may be written."""

    transport: asyncio.Transport
    flow: FlowControl
    logger = logging.getLogger()
    server_state = ServerState()

    def on_response_complete(self) -> None:
        """Do nothing: no other request comes."""

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()


@_LOOPS
def test_what_the_transport_has_not_written_goes_before_the_file(run: Run, root: Path) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport, protocol = await loop.create_connection(_Writing, sock=near)
        protocol.transport, protocol.flow = transport, FlowControl(transport)
        cycle = Cycle(
            protocol,
            {"method": "GET", "extensions": {ZERO_COPY: {}}},
            expects_continue=False,
            keep_alive=True,
        )
        earlier = b"x" * 30_000
        transport.write(earlier)
        assert transport.get_write_buffer_size() > 0
        headers = [(b"content-length", b"100000")]
        await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
        with (root / "file").open("rb") as file, far:
            message = {"type": ZERO_COPY, "file": file, "offset": 0, "count": 100_000}
            sending = asyncio.create_task(cycle.send(message))
            far.settimeout(0)
            received = b""
            while not received.endswith(CONTENT[99_900:100_000]):
                received += await loop.sock_recv(far, 5000)
            await sending
        assert received.startswith(earlier + b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\n\r\n" + CONTENT[:100_000])
        transport.close()

    run(main)
