"""What a stop leaves: finished transfers, no process and a free port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.service.running import (
    REPOSITORY,
    Service,
    clean_environment,
    read_answer,
    running_service,
)

__all__: list[str] = []

_WORKERS = pytest.mark.parametrize("workers", [1, 2])


def _download(pieces: int, seconds: float, request_id: str = "slow") -> bytes:
    path = f"/slow/{pieces}/{seconds}"
    return f"GET {path} HTTP/1.1\r\nHost: t\r\nX-Request-Id: {request_id}\r\n\r\n".encode()


def _children(service: Service) -> list[int]:
    pid = service.process.pid
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _wait_for_all(service: Service, workers: int) -> None:
    """Wait until each worker serves: one that is stopped before has opened nothing to close."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        events = [line["event"] for line in service.log_lines()]
        if events.count("Application startup complete.") >= workers:
            return
        time.sleep(0.05)
    raise AssertionError(f"not all workers have started: {events}")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _assert_nothing_is_left(service: Service, children: list[int]) -> None:
    # Python's own resource tracker ends by itself a moment after the process it served.
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(map(_is_alive, children)):
        time.sleep(0.05)
    assert not [pid for pid in children if _is_alive(pid)]
    with socket.create_server(("127.0.0.1", service.port)):
        pass


def _path_of_workers(folder: Path, first: str) -> str:
    """Return a path of modules with one that has workers do something before all else."""
    (folder / "sitecustomize.py").write_text(
        f"import os, sys, time\nif '--multiprocessing-fork' in sys.orig_argv:\n    {first}\n"
    )
    return f"{folder}:{REPOSITORY}"


def test_workers_that_take_long_to_start_are_waited_for(tmp_path: Path) -> None:
    path = _path_of_workers(tmp_path, "time.sleep(6)")
    with running_service(tmp_path, MOORAGE_SERVER__WORKERS="2", PYTHONPATH=path) as service:
        assert service.stop() == 0
        assert "died" not in service.log_file.read_text()


@_WORKERS
def test_a_running_download_finishes_after_the_stop(tmp_path: Path, workers: int) -> None:
    with running_service(tmp_path, MOORAGE_SERVER__WORKERS=str(workers)) as service:
        children = _children(service)
        assert len(children) >= (workers if workers > 1 else 0)
        _wait_for_all(service, workers)
        with service.connect() as connection, service.connect() as idle:
            connection.sendall(_download(10, 1.5))
            time.sleep(0.4)
            service.process.send_signal(signal.SIGTERM)
            status, _, body = read_answer(connection)
            assert (status, len(body)) == (200, 10_000)
            assert idle.recv(1) == b""
        assert service.process.wait(10) == 0
        _assert_nothing_is_left(service, children)
        closed = [line for line in service.log_lines() if line["event"] == "closed the store"]
        assert len(closed) == workers


@_WORKERS
def test_a_download_beyond_the_timeout_is_cut(tmp_path: Path, workers: int) -> None:
    with running_service(
        tmp_path,
        MOORAGE_SERVER__WORKERS=str(workers),
        MOORAGE_SERVER__SHUTDOWN_TIMEOUT_SECONDS="1",
    ) as service:
        children = _children(service)
        with service.connect() as connection:
            connection.sendall(_download(100, 30))
            time.sleep(0.8)
            started = time.monotonic()
            assert service.stop() == 0
            # All of it would take 30 seconds.
            assert 0.9 < time.monotonic() - started < 14
            received = connection.makefile("rb").read()
        assert 0 < received.count(b"x" * 1000) < 50
        _assert_nothing_is_left(service, children)
        assert service.wait_for_log("request", request_id="slow")["cut"] is True
        assert "Traceback" not in service.log_file.read_text()


def test_a_request_that_is_cut_before_its_answer_gets_one_in_json(tmp_path: Path) -> None:
    with running_service(tmp_path, MOORAGE_SERVER__SHUTDOWN_TIMEOUT_SECONDS="0") as service:
        with service.connect() as connection:
            connection.sendall(b"GET /silent HTTP/1.1\r\nHost: t\r\n\r\n")
            time.sleep(0.2)
            service.process.send_signal(signal.SIGTERM)
            status, _, body = read_answer(connection)
        assert status == 500
        assert json.loads(body)["errors"][0]["code"] == "UNKNOWN"
        assert service.process.wait(10) == 0


def test_a_client_that_does_not_read_cannot_hold_up_the_stop(tmp_path: Path) -> None:
    with (
        running_service(tmp_path, MOORAGE_SERVER__SHUTDOWN_TIMEOUT_SECONDS="1") as service,
        service.connect() as connection,
    ):
        connection.sendall(_download(20_000, 0.1))
        time.sleep(0.5)
        assert service.stop() == 0


def test_an_interrupt_stops_as_a_termination_does(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(10) == 0


@_WORKERS
def test_flags_reach_the_application_in_every_worker(tmp_path: Path, workers: int) -> None:
    with running_service(
        tmp_path, root="/srv/by-flag", MOORAGE_SERVER__WORKERS=str(workers)
    ) as service:
        for _ in range(10):
            assert service.ask(b"GET /root HTTP/1.1\r\nHost: t\r\n\r\n")[2] == b"/srv/by-flag"
        assert service.stop() == 0


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with running_service(tmp_path, MOORAGE_SERVER__WORKERS="2") as service:
        _wait_for_all(service, 2)
        lines = [line["event"] for line in service.log_lines()]
        before = {event for event in lines if event.startswith("Started server process")}
        victim = int(next(iter(before)).split("[")[1].rstrip("]"))
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            lines = [line["event"] for line in service.log_lines()]
            started = {event for event in lines if event.startswith("Started server process")}
            if len(started) >= 3:
                break
            time.sleep(0.1)
        assert len(started) >= 3
        assert service.ask(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")[2] == b"hello"
        assert service.stop() == 0


def test_workers_do_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with running_service(tmp_path, MOORAGE_SERVER__WORKERS="2") as service:
        children = _children(service)
        service.process.kill()
        service.process.wait()
        _assert_nothing_is_left(service, children)


def _start_in_vain(
    factory: str, workers: int, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.service.launch", f"tests.service.apps:{factory}"],
        cwd=REPOSITORY,
        env=clean_environment(
            MOORAGE_SERVER__PORT="0", MOORAGE_SERVER__WORKERS=str(workers), **variables
        ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _reasons(ran: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in ran.stderr.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "cannot start"]


def test_settings_that_the_application_refuses_end_the_start_with_one_line() -> None:
    ran = _start_in_vain("create_refusing_app", workers=1)
    assert ran.returncode != 0
    assert ran.stderr.splitlines()[-1] == (
        "moorage: no storage driver named 'tape'; known are: filesystem, memory"
    )
    assert "Traceback" not in ran.stderr


def test_settings_that_the_application_refuses_stop_all_workers() -> None:
    ran = _start_in_vain("create_refusing_app", workers=2)
    assert ran.returncode != 0
    for line in _reasons(ran):
        assert line["reason"].startswith("no storage driver named 'tape'")
    assert _reasons(ran)
    assert "Traceback" not in ran.stderr


def test_a_worker_that_ends_while_it_is_waited_for_ends_the_start(tmp_path: Path) -> None:
    path = _path_of_workers(tmp_path, "time.sleep(2); os._exit(3)")
    started = time.monotonic()
    ran = _start_in_vain("create_app", workers=2, PYTHONPATH=path)
    assert ran.returncode == 3
    assert time.monotonic() - started < 20


@_WORKERS
def test_an_application_that_cannot_be_made_ends_the_start_with_its_traceback(
    workers: int,
) -> None:
    ran = _start_in_vain("create_broken_app", workers)
    assert ran.returncode != 0
    for line in _reasons(ran):
        assert "RuntimeError: no application today" in line["exception"]
    assert _reasons(ran)
