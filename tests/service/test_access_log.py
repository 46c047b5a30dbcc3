"""The lines that a request leaves in the log, and the id they share with its answer."""

import struct
from collections.abc import Iterator
from socket import SO_LINGER, SOL_SOCKET

import pytest

from tests.service.running import Service, running_service

__all__: list[str] = []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("access")) as running:
        yield running


def _request(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: t", *headers))
    return f"{head}\r\n".encode() + body


def test_a_request_is_logged_once_with_what_passed(service: Service) -> None:
    request = _request(
        "/echo-length",
        "Content-Length: 3",
        "User-Agent: probe/1",
        "X-Request-Id: once",
        method="POST",
        body=b"abc",
    )
    service.ask(request)
    line = service.wait_for_log("request", request_id="once")
    assert sum(line.get("request_id") == "once" for line in service.log_lines()) == 1
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/echo-length", 200)
    assert (line["received_bytes"], line["sent_bytes"]) == (3, 1)
    assert line["user_agent"] == "probe/1"
    assert line["client"].startswith("127.0.0.1:")
    assert 0 < line["duration_ms"] < 5000
    assert "cut" not in line


def test_the_clients_request_id_is_answered_and_is_on_every_line_of_the_request(
    service: Service,
) -> None:
    _, headers, _ = service.ask(_request("/log", "X-Request-Id: my.id-1"))
    assert headers["x-request-id"] == "my.id-1"
    service.wait_for_log("inside", request_id="my.id-1", place="handler")
    service.wait_for_log("request", request_id="my.id-1")


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "caf\u00e9", '{"a":1}\tx'])
def test_a_request_id_that_is_not_sane_is_replaced(service: Service, given: str) -> None:
    _, headers, _ = service.ask(_request("/", f"X-Request-Id: {given}"))
    assert len(headers["x-request-id"]) == 32
    assert int(headers["x-request-id"], 16) >= 0


def test_the_path_is_logged_as_it_was_sent(service: Service) -> None:
    service.ask(_request("/v2/a%2Fb/%0d%0ax", "X-Request-Id: raw"))
    assert service.wait_for_log("request", request_id="raw")["path"] == "/v2/a%2Fb/%0d%0ax"


def test_no_secret_of_a_request_is_logged(service: Service) -> None:
    service.ask(
        _request(
            "/?digest=sha256:ab&n=5&token=hunter2&_state=hunter2&hunter2",
            "Authorization: Basic hunter2",
            "Cookie: hunter2",
            "X-Request-Id: secret",
        )
    )
    line = service.wait_for_log("request", request_id="secret")
    assert line["query"] == "digest=sha256:ab&n=5&token=***&_state=***&***"
    assert "hunter2" not in service.log_file.read_text()


def test_a_client_that_hangs_up_is_logged_as_499(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(
            _request(
                "/echo-length",
                "Content-Length: 100",
                "X-Request-Id: gone",
                method="POST",
                body=b"abc",
            )
        )
        connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    line = service.wait_for_log("request", request_id="gone")
    assert (line["status"], line["received_bytes"]) == (499, 3)


def test_an_application_that_raises_is_logged_as_500_with_its_traceback(service: Service) -> None:
    service.ask(_request("/raise", "X-Request-Id: raised"))
    assert service.wait_for_log("request", request_id="raised")["status"] == 500
    assert [
        line
        for line in service.log_lines()
        if line["level"] == "error"
        and "RuntimeError: the application failed" in line.get("exception", "")
    ]


def test_every_line_of_the_log_is_structured_those_of_the_server_included(
    service: Service,
) -> None:
    assert service.wait_for_log("Application startup complete.")["logger"] == "uvicorn.error"
    for line in service.log_lines():
        assert {"timestamp", "level", "event"} <= line.keys()


def test_access_lines_can_be_switched_off_while_ids_stay(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("quiet")
    with running_service(folder, MOORAGE_LOG__ACCESS="false") as quiet:
        _, headers, _ = quiet.ask(_request("/log", "X-Request-Id: still"))
        assert headers["x-request-id"] == "still"
        quiet.wait_for_log("inside", request_id="still")
        assert quiet.stop() == 0
        assert not [line for line in quiet.log_lines() if line["event"] == "request"]


def test_what_a_terminal_would_obey_is_shown_and_not_sent_to_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("console")
    with running_service(folder, MOORAGE_LOG__FORMAT="console") as service:
        agent = b"User-Agent: caf\xe9\x9b2J\x85forged\r\n"
        service.ask(b"GET / HTTP/1.1\r\nHost: t\r\n" + agent + b"\r\n")
        assert service.stop() == 0
    said = service.log_file.read_text()
    assert r"café\x9b2J\x85forged" in said
    assert not {"\x9b", "\x85"} & set(said)
