"""The client of HTTP that talks to stores, before servers that behave and servers that do not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.drivers.http import HttpAnswer, HttpPool, Proxy, environment_proxy

__all__: list[str] = []

MIB = 1024 * 1024
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "e"\r\n\r\nok'

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run all of them on both event loops, whose transports are not the same."""
    return "asyncio", {"use_uvloop": request.param}


class Server:
    """A server that says what a test has it say.

    Attributes:
        port: of the loopback address.
        requests: the heads of all requests, with what followed them.
        connections: how many were made.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request, of which the length is known, or nothing at the end."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request


@asynccontextmanager
async def serving(
    talk: Talk | Sequence[bytes], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Run a server that talks so, or gives these answers one after the other."""
    server = Server()
    answers = list(talk) if isinstance(talk, Sequence) else []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            if isinstance(talk, Sequence):
                while answers and await server.take(reader):
                    writer.write(answers.pop(0))
                    await writer.drain()
            else:
                await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = running.sockets[0].getsockname()[1]
    async with running:
        yield server


@asynccontextmanager
async def pool_of(server: Server, **settings: object) -> AsyncIterator[HttpPool]:
    given: dict[str, object] = {
        "scheme": "http",
        "host": f"127.0.0.1:{server.port}",
        "tls": None,
        "proxy": None,
        "max_connections": 4,
        "connect_timeout_seconds": 5,
        "timeout_seconds": 5,
        **settings,
    }
    pool = HttpPool(**given)  # type: ignore[arg-type]
    yield pool
    pool.close()


async def get(pool: HttpPool, method: str = "GET") -> tuple[HttpAnswer, bytes]:
    async with await pool.send(method, "/a?b", {"host": "h"}) as answer:
        return answer, await answer.read_all()


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


async def test_a_server_that_is_not_there_is_a_refused_connection() -> None:
    async with serving([]) as server:
        pass
    async with pool_of(server) as pool:
        with pytest.raises(ConnectionRefusedError):
            await get(pool)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and the key that belongs to it, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
    )
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_is_checked(certificate: Path) -> None:
    content = bytes(3 * MIB)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with serving([OK, head + content], server_tls(certificate)) as server:
        host = f"localhost:{server.port}"
        async with pool_of(server, scheme="https", host=host, tls=trusting) as pool:
            assert (await get(pool))[1] == b"ok"
            assert (await get(pool))[1] == content
        wary = ssl.create_default_context()
        async with pool_of(server, scheme="https", host=host, tls=wary) as pool:
            with pytest.raises(ssl.SSLCertVerificationError):
                await get(pool)
        named = f"127.0.0.1:{server.port}"
        async with pool_of(server, scheme="https", host=named, tls=trusting) as pool:
            with pytest.raises(ssl.SSLCertVerificationError):
                await get(pool)


async def test_a_proxy_is_asked_for_whole_addresses() -> None:
    async with serving([OK]) as server:
        proxy = Proxy(host="127.0.0.1", port=server.port, authorization="Basic dTpw")
        async with pool_of(server, host="store.example:9000", proxy=proxy) as pool:
            assert (await get(pool))[1] == b"ok"
        assert server.requests[0].startswith(b"GET http://store.example:9000/a?b HTTP/1.1\r\n")
        assert b"\r\nproxy-authorization: Basic dTpw\r\n" in server.requests[0]


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_is_encrypted_goes_through_a_tunnel(certificate: Path, *, refuses: bool) -> None:
    async with serving([OK, OK], server_tls(certificate)) as server:

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await proxy_server.take(reader)
            if refuses:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            there, back = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\n")

            async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while piece := await source.read(65536):
                    sink.write(piece)
                sink.close()

            try:
                await asyncio.gather(pump(reader, back), pump(there, writer))
            finally:
                back.close()

        async with serving(tunnel) as proxy_server:
            async with pool_of(
                server,
                scheme="https",
                host=f"localhost:{server.port}",
                tls=ssl.create_default_context(cafile=str(certificate)),
                proxy=Proxy(host="127.0.0.1", port=proxy_server.port, authorization="Basic dTpw"),
            ) as pool:
                if refuses:
                    with pytest.raises(ConnectionError, match="the proxy refuses"):
                        await get(pool)
                else:
                    assert (await get(pool))[1] == b"ok"
                    assert (await get(pool))[1] == b"ok"
            expected = f"CONNECT localhost:{server.port} HTTP/1.1\r\n".encode()
            assert proxy_server.requests[0].startswith(expected)
            assert b"proxy-authorization: Basic dTpw" in proxy_server.requests[0]


def test_the_environment_tells_of_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:p%40ss@proxy.example:3128")
    monkeypatch.setenv("no_proxy", "store.example")
    expected = Proxy(host="proxy.example", port=3128, authorization="Basic dXNlcjpwQHNz")
    assert environment_proxy("https", "other.example") == expected
    assert environment_proxy("https", "store.example") is None
    monkeypatch.delenv("https_proxy")
    assert environment_proxy("https", "other.example") is None
