"""Those who send large files take turns, and smaller ones while others have something to do."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from anyio import to_thread

from api.serving.cycle import ZERO_COPY
from api.serving.turns import Turns
from api.serving.zerocopy import FileSender
from tests.service.in_thread import LOOPS, Receive, Scope, Send, serving_in_thread

__all__: list[str] = []

MIB = 1024 * 1024

NewLoop = Callable[[], asyncio.AbstractEventLoop]
_LOOPS = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)


@_LOOPS
def test_in_each_round_of_the_loop_one_sender_goes_on(new_loop: NewLoop) -> None:
    rounds = 0
    went_on: list[tuple[int, str]] = []

    async def count_rounds() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def send(name: str, turns: Turns) -> None:
        with turns:
            for _ in range(5):
                await turns.wait()
                went_on.append((rounds, name))

    async def main() -> None:
        turns = Turns.of(asyncio.get_running_loop())
        assert Turns.of(asyncio.get_running_loop()) is turns
        counting = asyncio.create_task(count_rounds())
        await asyncio.wait_for(asyncio.gather(*(send(name, turns) for name in "abc")), 10)
        assert turns.senders == 0
        counting.cancel()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
    # When the others are done, the last one needs no turns.
    shared = went_on[:12]
    assert len({number for number, _ in shared}) == len(shared)
    assert "".join(name for _, name in shared) == "abc" * 4


@_LOOPS
def test_a_sender_that_is_cancelled_keeps_nobody_waiting(new_loop: NewLoop) -> None:
    async def wait(turns: Turns) -> None:
        with turns:
            for _ in range(10):
                await turns.wait()

    async def main() -> None:
        turns = Turns.of(asyncio.get_running_loop())
        tasks = [asyncio.create_task(wait(turns)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in tasks[:3]:
            task.cancel()
        await asyncio.wait_for(tasks[3], 10)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


@_LOOPS
def test_no_two_files_are_sent_from_in_one_round_of_the_loop(
    new_loop: NewLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(bytes(8 * MIB))
    rounds = 0
    sent: dict[int, set[int]] = {}
    sendfile = os.sendfile

    def record(out: int, file: int, offset: int, count: int) -> int:
        sent.setdefault(rounds, set()).add(out)
        return sendfile(out, file, offset, count)

    monkeypatch.setattr(os, "sendfile", record)

    async def count_rounds() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def send(file: int) -> None:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
        reader, writer = await asyncio.open_connection(sock=far)
        sending = asyncio.create_task(FileSender(transport, loop).send(b"", file, 0, 8 * MIB))
        await reader.readexactly(8 * MIB)
        assert await sending
        writer.close()
        transport.close()

    async def main() -> None:
        counting = asyncio.create_task(count_rounds())
        with (tmp_path / "file").open("rb") as file:
            await asyncio.gather(*(send(file.fileno()) for _ in range(3)))
        counting.cancel()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
    assert {len(senders) for senders in sent.values()} == {1}
    assert len(set.union(*sent.values())) == 3


@pytest.mark.parametrize("is_shared", [False, True])
def test_turns_are_small_where_small_requests_come_in_between(
    is_shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(bytes(6 * MIB))
    asked: list[int] = []
    sendfile = os.sendfile

    def record(out: int, file: int, offset: int, count: int) -> int:
        asked.append(count)
        return sendfile(out, file, offset, count)

    monkeypatch.setattr(os, "sendfile", record)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
        reader, writer = await asyncio.open_connection(sock=far)
        turns = Turns.of(loop)
        if is_shared:
            turns.notice_answer()
        with (tmp_path / "file").open("rb") as file:
            sending = asyncio.create_task(
                FileSender(transport, loop).send(b"", file.fileno(), 0, 6 * MIB)
            )
            await reader.readexactly(6 * MIB)
            assert await sending
        writer.close()
        transport.close()

    asyncio.run(main())
    assert max(asked) == (MIB // 4 if is_shared else 4 * MIB)


def test_an_answer_without_a_file_tells_that_others_are_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    told: list[tuple[str, int, bool]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        turns = Turns.of(asyncio.get_running_loop())
        with ExitStack() as stack:
            if path != "/alone":
                stack.enter_context(turns)
            file = stack.enter_context((tmp_path / "file").open("rb"))
            headers = [(b"content-length", b"7")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if path == "/file":
                await send({"type": ZERO_COPY, "file": file, "offset": 0, "count": 7})
            else:
                await send({"type": "http.response.body", "body": b"content"})
            told.append((path, turns.senders, turns.is_shared))

    with (
        serving_in_thread(app, LOOPS["uvloop"]) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
    ):
        for path in ("/alone", "/file", "/small"):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            received = b""
            while not received.endswith(b"content"):
                received += connection.recv(4096)
    assert told == [("/alone", 0, False), ("/file", 1, False), ("/small", 1, True)]


def test_what_is_on_the_disk_is_looked_for_once_and_goes_out_in_few_trips_to_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(bytes(8 * MIB))
    looks: list[int] = []
    told: list[tuple[int, int, int]] = []
    threads: list[object] = []
    run_sync = to_thread.run_sync

    def is_on_disk(_: int, __: object, offset: int, flags: int) -> int:
        looks.append(offset)
        raise BlockingIOError(errno.EAGAIN, "not in memory")

    def advise(_: int, offset: int, count: int, advice: int) -> None:
        told.append((offset, count, advice))

    async def record_trip(function: Callable[[], None]) -> None:
        threads.append(function)
        await run_sync(function)

    monkeypatch.setattr(os, "preadv", is_on_disk)
    monkeypatch.setattr(os, "posix_fadvise", advise)
    monkeypatch.setattr(to_thread, "run_sync", record_trip)

    async def main() -> None:
        near, far = socket.socketpair()
        # A thread has to wait for nobody but the disk.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * MIB)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
        reader, writer = await asyncio.open_connection(sock=far, limit=32 * MIB)
        with (tmp_path / "file").open("rb") as file:
            sending = asyncio.create_task(
                FileSender(transport, loop).send(b"", file.fileno(), 0, 8 * MIB)
            )
            assert await reader.readexactly(8 * MIB) == bytes(8 * MIB)
            assert await sending
        writer.close()
        transport.close()

    asyncio.run(main())
    assert looks == [0]
    assert told == [(0, 8 * MIB, os.POSIX_FADV_WILLNEED)]
    # A socket that is full ends a trip early.
    assert 2 <= len(threads) < 64
