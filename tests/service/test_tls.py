"""The service over TLS: handshakes, headers, large bodies, and clients that mean no good."""

import hashlib
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live import running_registry_over_tls
from tests.service.authority import Authority, Pair, tls_variables
from tests.service.running import (
    Service,
    read_answer,
    running_service,
    running_service_over_tls,
)

__all__: list[str] = []

_HSTS = "max-age=31536000"
_SECONDS = 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("service")


@pytest.fixture(scope="module")
def service(
    authority: Authority, pair: Pair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with running_service_over_tls(
        tmp_path_factory.mktemp("tls"),
        authority.client(),
        MOORAGE_SERVER__HEADER_TIMEOUT_SECONDS=str(_SECONDS),
        **pair.variables(),
        **tls_variables(handshake_timeout_seconds=str(_SECONDS)),
    ) as running:
        yield running


def _plain(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=15)


def _get(path: str = "/", *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: t", *headers, "", "")).encode()


def test_a_client_is_answered_over_tls_and_told_to_stay_with_it(service: Service) -> None:
    assert service.tls is not None
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cadata=_authority_of(service.tls))
        context.minimum_version = context.maximum_version = version
        with httpx.Client(verify=context, base_url=service.url) as client:
            answer = client.get("/")
            assert (answer.text, answer.headers["strict-transport-security"]) == ("hello", _HSTS)
            assert client.get("/tls").json()["tls_version"] == version.value


def _authority_of(context: ssl.SSLContext) -> bytes:
    return context.get_ca_certs(binary_form=True)[0]


def test_http_1_1_is_what_clients_of_http_2_are_told_to_speak(service: Service) -> None:
    assert service.tls is not None
    context = ssl.create_default_context(cadata=_authority_of(service.tls))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(_plain(service), server_hostname="127.0.0.1") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert connection.compression() is None


def test_an_answer_of_no_application_is_told_to_stay_with_tls_too(service: Service) -> None:
    for request, status in ((b"GARBAGE\r\n\r\n", 400), (_get("/raise"), 500)):
        with service.connect() as connection:
            connection.sendall(request)
            found, headers, _ = read_answer(connection)
            assert (found, headers["strict-transport-security"]) == (status, _HSTS)


@pytest.mark.parametrize(
    "opening",
    [
        _get(),
        os.urandom(1000),
        b"\x16\x03\x01\xff\xff" + os.urandom(5000),
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"",
    ],
    ids=["plain http", "noise", "a record too long", "a hello without content", "nothing"],
)
def test_what_is_no_handshake_ends_the_connection_and_nothing_else(
    service: Service, opening: bytes
) -> None:
    lines = len(service.log_lines())
    started = time.monotonic()
    with _plain(service) as connection:
        connection.sendall(opening)
        try:
            while piece := connection.recv(1000):
                assert b"hello" not in piece
        except ConnectionResetError:
            pass
    assert time.monotonic() - started < _SECONDS + 4
    assert service.ask(_get())[2] == b"hello"
    logged = service.log_lines()[lines:]
    assert {line["level"] for line in logged} <= {"info"}


def test_a_handshake_that_stops_half_way_is_cut_in_time(service: Service) -> None:
    assert service.tls is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = service.tls.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    hello = outgoing.read()
    for sent in (hello[:20], hello):
        started = time.monotonic()
        with _plain(service) as connection:
            connection.sendall(sent)
            while connection.recv(10_000):
                pass
        assert _SECONDS * 0.9 < time.monotonic() - started < _SECONDS + 4


def test_the_guards_of_the_header_stand_behind_the_handshake_too(service: Service) -> None:
    with service.connect() as connection:
        assert connection.recv(1) == b""
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHos")
        assert read_answer(connection)[0] == 408
    with service.connect() as connection:
        connection.sendall(_get("/", "X: " + "a" * 70_000))
        assert read_answer(connection)[0] == 431


def test_no_file_is_offered_to_be_sent_past_the_encryption(service: Service) -> None:
    assert service.ask(_get("/file/0-1"))[2] == b"not offered"


def test_plain_connections_are_told_nothing_of_tls(tmp_path: Path) -> None:
    with running_service(tmp_path) as plain:
        _, headers, body = plain.ask(_get("/tls"))
        assert json.loads(body) is None
        assert "strict-transport-security" not in headers


def test_an_older_version_than_the_least_is_refused_and_hsts_can_be_left_out(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    with running_service_over_tls(
        tmp_path,
        authority.client(),
        **pair.variables(),
        **tls_variables(minimum_version="1.3", hsts_max_age_seconds="0"),
    ) as service:
        assert "strict-transport-security" not in service.ask(_get())[1]
        old = authority.client()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            old.wrap_socket(_plain(service), server_hostname="127.0.0.1")
        assert service.stop() == 0


def test_large_blobs_go_through_several_workers_whole_and_right(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    content = os.urandom(1024 * 1024) * 24 + b"end"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with (
        running_registry_over_tls(
            tmp_path, authority.client(), MOORAGE_SERVER__WORKERS="2", **pair.variables()
        ) as service,
        httpx.Client(verify=authority.client(), base_url=service.url) as client,
    ):
        uploads = "/v2/a/b/blobs/uploads/"
        pushed = client.post(f"{uploads}?digest={digest}", content=content)
        assert pushed.status_code == 201
        location = client.post(uploads).headers["location"]
        pieces = (content[at : at + 70_001] for at in range(0, len(content), 70_001))
        chunked = client.patch(location, content=pieces)
        assert chunked.status_code == 202
        finished = client.put(f"{chunked.headers['location']}&digest={digest}")
        assert finished.status_code == 201
        for _ in range(3):
            # Each of a connection of its own, so that both workers have their turn.
            with httpx.Client(verify=authority.client(), base_url=service.url) as other:
                assert other.get(f"/v2/a/b/blobs/{digest}").content == content
        parts = client.get(f"/v2/a/b/blobs/{digest}", headers={"Range": "bytes=5-9000000"})
        assert parts.content == content[5:9_000_001]
        assert parts.headers["strict-transport-security"] == _HSTS
