"""The client of HTTP that talks to stores, before servers that do not behave."""

import asyncio

import pytest

from tests.drivers.http_server import CHUNKED, MIB, OK, get, pool_of, serving

__all__: list[str] = []


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run all of them on both event loops, whose transports are not the same."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        CHUNKED + b"5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(200_000),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
)
async def test_what_breaks_off_or_is_not_http_is_a_broken_connection(answer: bytes) -> None:
    async with serving([answer]) as server, pool_of(server) as pool:
        with pytest.raises(ConnectionError):
            await get(pool)


async def test_what_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    async with serving([OK + OK.replace(b"2", b"1"), OK]) as server, pool_of(server) as pool:
        answer, body = await get(pool)
        assert (answer.headers["content-length"], body) == ("2", b"ok")
        assert (await get(pool))[1] == b"ok"
        assert server.connections == 2


async def test_a_silent_server_is_not_waited_for_without_end() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.take(reader)
        writer.write(OK[:-1])
        await reader.read()

    async with serving(silent) as server, pool_of(server, timeout_seconds=0.2) as pool:
        with pytest.raises(TimeoutError):
            await get(pool)


async def test_a_server_that_takes_nothing_is_not_waited_for_without_end() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)

    async with serving(deaf) as server, pool_of(server, timeout_seconds=0.2) as pool:
        headers = {"host": "h", "content-length": str(64 * MIB)}
        with pytest.raises(TimeoutError):
            await pool.send("PUT", "/", headers, [bytes(MIB)] * 64)


async def test_an_idle_connection_that_was_closed_costs_no_request() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.take(reader)
        writer.write(OK)

    async with serving(once) as server, pool_of(server) as pool:
        for _ in range(3):
            assert (await get(pool))[1] == b"ok"
        assert server.connections == 3


async def test_an_idle_connection_that_closes_at_the_next_request_is_replaced() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.take(reader)
        writer.write(OK)
        if server.connections == 1:
            # It hangs up without a word to the second request.
            await server.take(reader)

    async with serving(closing) as server, pool_of(server) as pool:
        assert (await get(pool))[1] == b"ok"
        assert (await get(pool))[1] == b"ok"
        assert server.connections == 2
        assert len(server.requests) == 3


async def test_an_answer_before_the_request_has_ended_is_given_and_ends_the_connection() -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal if server.connections == 1 else OK)
        await writer.drain()
        await asyncio.sleep(1)

    async with serving(refuse) as server, pool_of(server) as pool:
        headers = {"host": "h", "content-length": str(64 * MIB)}
        async with await pool.send("PUT", "/", headers, [bytes(MIB)] * 64) as answer:
            assert (answer.status, await answer.read_all()) == (403, b"no")
        assert (await get(pool))[1] == b"ok"
        assert server.connections == 2


async def test_a_server_that_is_not_there_is_a_refused_connection() -> None:
    async with serving([]) as server:
        pass
    async with pool_of(server) as pool:
        with pytest.raises(ConnectionRefusedError):
            await get(pool)
