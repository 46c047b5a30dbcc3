"""What a connection may do before, between and instead of well-formed requests."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.service.running import Service, read_answer, running_service

__all__: list[str] = []

_HEADER_SECONDS = 1


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(
        tmp_path_factory.mktemp("protocol"),
        MOORAGE_SERVER__HEADER_TIMEOUT_SECONDS=str(_HEADER_SECONDS),
        MOORAGE_SERVER__MAX_HEADER_COUNT="32",
    ) as running:
        yield running


def _post(*headers: str, path: str = "/echo-length", body: bytes = b"") -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"POST {path} HTTP/1.1", "Host: t", *headers))
    return f"{head}\r\n".encode() + body


def _get(*headers: str, path: str = "/") -> bytes:
    return "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", *headers, "")).encode()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


_BAD_REQUESTS = {
    "no host": (_get(), 400),
    "two hosts": (_get("Host: a", "Host: b"), 400),
    "not http": (b"GARBAGE\r\n\r\n", 400),
    "a line feed alone": (b"GET / HTTP/1.1\nHost: t\n\n", 400),
    "a folded header": (_get("Host: t", "X: a", " b"), 400),
    "a version of its own": (b"GET / HTTP/2.0\r\nHost: t\r\n\r\n", 505),
    "a length and chunks": (_post("Content-Length: 3", "Transfer-Encoding: chunked"), 400),
    "chunks and a length": (_post("Transfer-Encoding: chunked", "Content-Length: 3"), 400),
    "two lengths": (_post("Content-Length: 3", "Content-Length: 4"), 400),
    "a length beyond all": (_post("Content-Length: 18446744073709551621"), 400),
    "a coding before chunked": (_post("Transfer-Encoding: gzip, chunked"), 501),
    "another coding": (_post("Transfer-Encoding: gzip"), 501),
    "chunked twice": (_post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
    "chunks before HTTP/1.1": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a bad chunk size": (_post("Transfer-Encoding: chunked", body=b"ZZ\r\nhi\r\n0\r\n\r\n"), 400),
    "a header too large": (_get("Host: t", "X: " + "a" * 70_000), 431),
    "a path too long": (_get("Host: t", path="/" + "a" * 70_000), 431),
    "too many headers": (_get("Host: t", *["X: a"] * 32), 431),
}


@pytest.mark.parametrize("name", _BAD_REQUESTS)
def test_a_request_that_cannot_be_trusted_is_refused(service: Service, name: str) -> None:
    """The answer is the error body of the specification, and the connection ends with it."""
    request, expected = _BAD_REQUESTS[name]
    with service.connect() as connection:
        connection.sendall(request)
        status, headers, body = read_answer(connection)
        assert _is_closed(connection)
    (error,) = json.loads(body)["errors"]
    assert status == expected
    assert headers["content-type"] == "application/json"
    assert headers["docker-distribution-api-version"] == "registry/2.0"
    assert headers["connection"] == "close"
    assert error["code"].replace("_", "").isupper()
    assert error["message"]


def test_a_client_that_speaks_tls_to_plain_http_is_told_of_by_that_name(service: Service) -> None:
    """Skopeo and podman begin with TLS, also where plain HTTP is allowed; the log tells of each."""
    with service.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03")
        status, _, body = read_answer(connection)
    assert status == 400
    assert json.loads(body)["errors"][0]["message"] == "this port speaks plain HTTP, not TLS"


def test_a_header_without_end_is_refused_long_before_it_is_all_there(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nX: ")
        connection.sendall(b"a" * 1024 * 1024)
        assert read_answer(connection)[0] == 431


def test_a_large_header_in_several_pieces_is_refused(service: Service) -> None:
    """No single piece is larger than the limit."""
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 50_000)
        time.sleep(0.1)
        connection.sendall(b"a" * 50_000 + b"\r\n\r\n")
        assert read_answer(connection)[0] == 431


def test_a_header_behind_a_large_body_is_counted_by_itself(service: Service) -> None:
    size = 200_000
    with service.connect() as connection:
        connection.sendall(_post(f"Content-Length: {size}", body=b"x" * size) + b"GET / HTTP/1.1")
        assert read_answer(connection)[2] == str(size).encode()
        connection.sendall(b"\r\nHost: t\r\n\r\n")
        assert read_answer(connection)[2] == b"hello"


def test_a_refusal_of_head_has_no_body(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        raw = connection.makefile("rb").read()
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert raw.endswith(b"\r\n\r\n")


def test_http_1_0_needs_no_host(service: Service) -> None:
    status, _, body = service.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert (status, body) == (200, b"hello")


def test_a_connection_that_asks_nothing_is_closed_in_time(service: Service) -> None:
    started = time.monotonic()
    with service.connect() as connection:
        assert _is_closed(connection)
    assert _HEADER_SECONDS * 0.9 < time.monotonic() - started < _HEADER_SECONDS + 3


def test_a_header_that_trickles_in_is_cut_in_time(service: Service) -> None:
    started = time.monotonic()
    with service.connect(timeout=0.2) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        while time.monotonic() - started < _HEADER_SECONDS * 0.7:
            connection.sendall(b"X: a\r\n")
            time.sleep(0.1)
        connection.settimeout(10)
        status, _, body = read_answer(connection)
    assert status == 408
    assert json.loads(body)["errors"][0]["code"] == "REQUEST_TIMEOUT"
    assert time.monotonic() - started < _HEADER_SECONDS + 3


@pytest.mark.parametrize("rest", [b"GET / HTTP/1.1\r\nHos", b"\r\n"])
def test_the_clock_runs_for_a_later_request_of_a_connection_too(
    service: Service, rest: bytes
) -> None:
    with service.connect() as connection:
        connection.sendall(_get("Host: t"))
        assert read_answer(connection)[0] == 200
        started = time.monotonic()
        connection.sendall(rest)
        received = connection.makefile("rb").read()
    assert time.monotonic() - started < _HEADER_SECONDS + 3
    assert received == b"" or received.startswith(b"HTTP/1.1 408 ")


def test_a_slow_answer_and_a_slow_body_are_not_cut_by_the_clock_of_the_header(
    service: Service,
) -> None:
    with service.connect() as connection:
        connection.sendall(_post("Content-Length: 4", body=b"ab"))
        time.sleep(_HEADER_SECONDS * 1.5)
        connection.sendall(b"cd")
        assert read_answer(connection)[2] == b"4"
        connection.sendall(_get("Host: t", path=f"/slow/3/{_HEADER_SECONDS * 1.5}"))
        assert len(read_answer(connection)[2]) == 3000


def test_a_connection_serves_many_requests_and_pipelined_ones_in_order(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(_post("Content-Length: 3", body=b"abc") + _get("Host: t"))
        stream = connection.makefile("rb")
        received = b""
        while not received.endswith(b"hello"):
            received += stream.read1(4096)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b"\r\n\r\n3") < received.index(b"hello")


def test_a_bad_request_behind_a_good_one_does_not_spoil_the_answer_before_it(
    service: Service,
) -> None:
    with service.connect() as connection:
        connection.sendall(_get("Host: t", path="/slow/2/0.3") + b"GARBAGE\r\n\r\n")
        assert len(read_answer(connection)[2]) == 2000
        assert _is_closed(connection)


def test_an_answer_before_an_expected_body_ends_the_connection(service: Service) -> None:
    """Otherwise the next request would be taken for that body."""
    with service.connect() as connection:
        connection.sendall(_post("Expect: 100-continue", "Content-Length: 500", path="/early"))
        status, headers, body = read_answer(connection)
        assert (status, body, headers["connection"]) == (401, b"not allowed", "close")
        connection.sendall(_get("Host: t"))
        assert _is_closed(connection)


def test_a_body_that_is_awaited_is_asked_for(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(_post("Expect: 100-continue", "Content-Length: 3"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        status, headers, body = read_answer(connection)
    assert (status, body) == (200, b"3")
    assert "connection" not in headers


def test_a_client_that_sends_on_still_reads_an_early_answer(service: Service) -> None:
    size = 8 * 1024 * 1024
    with service.connect() as connection:
        connection.sendall(_post(f"Content-Length: {size}", path="/early"))
        connection.sendall(b"x" * size)
        status, headers, _ = read_answer(connection)
        assert (status, headers["connection"]) == (401, "close")
        assert _is_closed(connection)


def test_a_body_that_nobody_read_but_that_is_all_there_keeps_the_connection(
    service: Service,
) -> None:
    with service.connect() as connection:
        connection.sendall(_post("Content-Length: 3", path="/early", body=b"abc"))
        status, headers, _ = read_answer(connection)
        assert status == 401
        assert "connection" not in headers
        connection.sendall(_get("Host: t"))
        assert read_answer(connection)[2] == b"hello"


def test_an_application_that_raises_is_answered_for_in_json(service: Service) -> None:
    status, headers, body = service.ask(_get("Host: t", path="/raise"))
    assert (status, headers["content-type"]) == (500, "application/json")
    assert json.loads(body)["errors"][0]["code"] == "UNKNOWN"
    assert b"failed" not in body


def test_an_offered_upgrade_is_passed_over(service: Service) -> None:
    request = _get("Host: t", "Connection: Upgrade", "Upgrade: h2c")
    assert service.ask(request)[2] == b"hello"


def test_no_server_names_itself_and_the_date_is_given(service: Service) -> None:
    _, headers, _ = service.ask(_get("Host: t"))
    assert "server" not in headers
    assert headers["date"]


def test_a_refusal_is_logged(service: Service) -> None:
    service.ask(_get())
    service.wait_for_log("request refused", status=400, reason="expected one Host header, got 0")
