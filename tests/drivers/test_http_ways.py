"""The ways to a store: TLS, and proxies."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.drivers.http import Proxy, environment_proxy
from tests.drivers.http_server import MIB, OK, get, pool_of, serving

__all__: list[str] = []


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run all of them on both event loops, whose transports are not the same."""
    return "asyncio", {"use_uvloop": request.param}


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
