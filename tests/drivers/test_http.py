"""The client of HTTP that talks to stores, before servers that behave."""

import asyncio

import pytest

from tests.drivers.http_server import CHUNKED, MIB, OK, get, pool_of, serving

__all__: list[str] = []


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run all of them on both event loops, whose transports are not the same."""
    return "asyncio", {"use_uvloop": request.param}


async def test_requests_share_a_connection() -> None:
    async with serving([OK, OK, OK]) as server, pool_of(server) as pool:
        for _ in range(3):
            answer, body = await get(pool)
            assert (answer.status, answer.headers["etag"], body) == (200, '"e"', b"ok")
        assert server.connections == 1
        assert server.requests[0] == b"GET /a?b HTTP/1.1\r\nhost: h\r\n\r\n"


async def test_content_is_sent_whole_behind_its_head() -> None:
    pieces: list[bytes | bytearray] = [b"x" * 3 * MIB, bytearray(b"y" * 5), b"z" * MIB]
    content = b"".join(pieces)
    async with serving([OK, OK]) as server, pool_of(server) as pool:
        for _ in range(2):
            headers = {"host": "h", "content-length": str(len(content))}
            async with await pool.send("PUT", "/", headers, pieces) as answer:
                assert answer.status == 200
                await answer.read_all()
        assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == [content] * 2
        assert server.connections == 1


@pytest.mark.parametrize(
    ("method", "answer", "status", "body"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("DELETE", b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 404, b"gone"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", 200, b""),
        (
            "GET",
            CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\nETag: late\r\n\r\n",
            200,
            b"abcde",
        ),
        ("PUT", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
    ],
)
async def test_each_kind_of_answer_ends_where_it_ends(
    method: str, answer: bytes, status: int, body: bytes
) -> None:
    async with serving([answer, OK]) as server, pool_of(server) as pool:
        found, content = await get(pool, method)
        assert (found.status, content) == (status, body)
        assert (await get(pool))[1] == b"ok"
        assert server.connections == 1


async def test_an_answer_in_single_bytes_is_the_same() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.take(reader)
        for position in range(len(OK)):
            writer.write(OK[position : position + 1])
            await writer.drain()
            await asyncio.sleep(0.001)

    async with serving(talk) as server, pool_of(server) as pool:
        answer, body = await get(pool)
        assert (answer.headers, body) == ({"content-length": "2", "etag": '"e"'}, b"ok")


@pytest.mark.parametrize("size", [64 * 1024, 3 * MIB + 17])
@pytest.mark.parametrize("most", [1000, 300_000, 4 * MIB])
async def test_large_content_comes_whole_in_pieces_of_any_size(size: int, most: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"!" * (size % 256)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
    async with serving([head + content, OK]) as server, pool_of(server) as pool:
        async with await pool.send("GET", "/", {"host": "h"}) as answer:
            assert answer.length == size
            received = b""
            while piece := await answer.read(most):
                assert len(piece) <= most
                received += piece
        assert received == content
        assert (await get(pool))[1] == b"ok"
        assert server.connections == 1


async def test_what_is_not_read_keeps_the_server_waiting() -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await server.take(reader)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {100 * MIB}\r\n\r\n".encode())
        while sent < 100:
            writer.write(bytes(MIB))
            await writer.drain()
            sent += 1

    async with serving(talk) as server, pool_of(server) as pool:
        async with await pool.send("GET", "/", {"host": "h"}) as answer:
            await answer.read(1)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.2)
            # Some of it is in the buffers of the system.
            assert sent < 20
            connection = answer._connection
            assert connection is not None
            assert connection._ready_bytes < 2 * MIB
            size = 1
            while piece := await answer.read(MIB):
                size += len(piece)
        assert size == 100 * MIB


async def test_content_without_a_length_ends_with_the_connection() -> None:
    async with serving([b"HTTP/1.1 200 OK\r\n\r\nsome"]) as server, pool_of(server) as pool:
        assert (await get(pool))[1] == b"some"


async def test_a_cancelled_request_leaves_its_connection_to_nobody() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.take(reader)
        if server.connections == 1:
            await asyncio.sleep(0.3)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale")
        writer.write(OK)

    async with serving(slow) as server, pool_of(server, max_connections=1) as pool:
        request = asyncio.create_task(get(pool))
        await asyncio.sleep(0.1)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert (await get(pool))[1] == b"ok"
        assert server.connections == 2


async def test_an_answer_that_is_closed_before_its_end_is_not_mixed_with_the_next() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {MIB}\r\n\r\n".encode()
    async with serving([head + bytes(MIB), OK]) as server, pool_of(server) as pool:
        async with await pool.send("GET", "/", {"host": "h"}) as answer:
            await answer.read(10)
        assert await answer.read(10) == b""
        assert (await get(pool))[1] == b"ok"
        assert server.connections == 2


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    running = most = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        while await server.take(reader):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            writer.write(OK)

    async with serving(count) as server, pool_of(server, max_connections=3) as pool:
        await asyncio.gather(*[get(pool) for _ in range(30)])
        assert most == 3
        assert server.connections == 3
