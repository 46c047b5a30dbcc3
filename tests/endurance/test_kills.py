"""The registry is killed, stopped, and run in several processes."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.api.content import EMPTY_JSON, Repository, digest_of, image
from tests.api.wire import Wire, add_query
from tests.live import Service, running_registry, wait_for_claim
from tests.service.running import read_answer

__all__: list[str] = []

# Several processes are started, one after the other.
CONTENT = os.urandom(3 * 1024 * 1024)


def wait_for_workers(service: Service, count: int) -> list[int]:
    """Wait until that many workers serve, and give their processes."""
    started = "Started server process ["
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        events = [line["event"] for line in service.log_lines()]
        if events.count("Application startup complete.") == count:
            found = [event for event in events if event.startswith(started)]
            return [int(event.removeprefix(started).rstrip("]")) for event in found]
        time.sleep(0.05)
    raise AssertionError(service.log_file.read_text())


def bytes_read(pid: int) -> int:
    """Give what a process has read so far from files and connections."""
    return int(Path(f"/proc/{pid}/io").read_text().split("rchar:")[1].split()[0])


def patch_head(location: str, length: int) -> bytes:
    """Give the head of a PATCH."""
    return f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n".encode()


def received_bytes(store: Path) -> int:
    """Give the size of the only unfinished upload of a store."""
    (data,) = store.glob("docker/registry/v2/repositories/**/_uploads/*/data")
    return data.stat().st_size


def test_an_upload_goes_on_where_it_was_when_the_registry_was_killed(tmp_path: Path) -> None:
    store = tmp_path / "data"
    with running_registry(tmp_path, name="first") as service:
        location = Repository(Wire(service), "a/b").start()
        with service.connect() as connection:
            connection.sendall(patch_head(location, len(CONTENT)) + CONTENT[: 5 * 512 * 1024])
            deadline = time.monotonic() + 10
            while received_bytes(store) < 2 * 1024 * 1024 and time.monotonic() < deadline:
                time.sleep(0.02)
            service.process.kill()
            service.process.wait()
    with running_registry(tmp_path, name="second") as service:
        wire = Wire(service)
        status = wire.get(location)
        held = int(status.headers["range"].removeprefix("0-")) + 1
        assert held == received_bytes(store) >= 2 * 1024 * 1024
        target = add_query(status.headers["location"], digest=digest_of(CONTENT))
        assert wire.ask("PUT", target, CONTENT[held:]).status == 201
        assert wire.get(f"/v2/a/b/blobs/{digest_of(CONTENT)}").body == CONTENT


def push_until_dead(wire: Wire, number: int, answered: dict[str, bytes]) -> None:
    """Push blobs and tags and note each that was answered for, until the registry is gone."""
    repository = Repository(wire, "killed")
    with contextlib.suppress(OSError):
        for step in range(10_000):
            content = f"{number} {step} ".encode() * 5000
            digest = repository.push_blob(content)
            answered[f"{repository.url}/blobs/{digest}"] = content
            payload = image(annotations={"step": f"{number} {step}"})
            repository.push_blob(EMPTY_JSON)
            repository.push_manifest(payload, f"tag-{number}")
            answered[f"{repository.url}/manifests/tag-{number}"] = payload
            answered[f"{repository.url}/manifests/{digest_of(payload)}"] = payload


def test_what_was_answered_for_outlives_kills_and_nothing_is_half_there(tmp_path: Path) -> None:
    answered: dict[str, bytes] = {}
    for round_ in range(3):
        with running_registry(tmp_path, name=f"round-{round_}") as service:
            threads = [
                threading.Thread(
                    target=push_until_dead, args=(Wire(service), 10 * round_ + number, answered)
                )
                for number in range(3)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.7 + 0.2 * round_)
            service.process.kill()
            for thread in threads:
                thread.join()
            service.process.wait()
    assert len(answered) > 20
    with running_registry(tmp_path, name="last") as service:
        wire = Wire(service)
        for target, content in answered.items():
            answer = wire.get(target)
            assert answer.status == 200
            if "/tag-" not in target:
                assert answer.body == content
            # A tag may be one push ahead: stored, but killed before the answer.
            assert digest_of(answer.body) == digest_of_answer(answer.headers)
        # What is stored under a digest is whole, whether it was answered for or not.
        for data in (tmp_path / "data/docker/registry/v2/blobs/sha256").glob("*/*/data"):
            assert digest_of(data.read_bytes()) == f"sha256:{data.parent.name}"


def digest_of_answer(headers: object) -> str:
    """Give the digest that an answer names."""
    assert isinstance(headers, dict)
    return str(headers["docker-content-digest"])


def test_running_transfers_finish_after_a_stop(tmp_path: Path) -> None:
    with running_registry(tmp_path) as service:
        repository = Repository(Wire(service), "a/b")
        large = os.urandom(24 * 1024 * 1024)
        digest = repository.push_blob(large)
        location = repository.start()
        with service.connect() as download, service.connect() as upload:
            download.sendall(f"GET /v2/a/b/blobs/{digest} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            upload.sendall(patch_head(location, len(CONTENT)) + CONTENT[:100_000])
            time.sleep(0.5)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            upload.sendall(CONTENT[100_000:])
            status, headers, _ = read_answer(upload)
            assert (status, headers["range"]) == (202, f"0-{len(CONTENT) - 1}")
            status, _, body = read_answer(download)
            assert (status, body) == (200, large)
        assert service.process.wait(10) == 0
        assert "Traceback" not in service.log_file.read_text()


def test_workers_share_uploads_and_deletes(tmp_path: Path) -> None:
    with running_registry(tmp_path, MOORAGE_SERVER__WORKERS="2") as service:
        repository = Repository(Wire(service), "a/b")
        # Each request has a connection of its own, so that the workers take turns.
        before = {pid: bytes_read(pid) for pid in wait_for_workers(service, 2)}
        for step in range(15):
            content = f"{step} ".encode() * 1000
            location = repository.start()
            for start in range(0, len(content), 1000):
                answer = repository.wire.ask("PATCH", location, content[start : start + 1000])
                assert answer.status == 202
                location = answer.headers["location"]
            digest = digest_of(content)
            target = add_query(location, digest=digest)
            assert repository.wire.ask("PUT", target).status == 201
            repository.push_image("tag")
            manifest = f"{repository.url}/manifests/tag"
            blob = f"{repository.url}/blobs/{digest}"
            for there in (manifest, blob):
                assert {repository.wire.head(there).status for _ in range(4)} == {200}
                assert repository.wire.delete(there).status == 202
                assert {repository.wire.head(there).status for _ in range(4)} == {404}
        assert len(before) == 2
        assert all(bytes_read(pid) - earlier > 10_000 for pid, earlier in before.items())


def test_two_registries_share_one_store(tmp_path: Path) -> None:
    root = tmp_path / "shared"
    with (
        running_registry(tmp_path, root=root, name="one") as first,
        running_registry(tmp_path, root=root, name="two") as second,
    ):
        one, two = Repository(Wire(first), "a/b"), Repository(Wire(second), "a/b")
        location = one.start()
        answer = two.wire.ask("PATCH", location, CONTENT[:1000])
        answer = one.wire.ask("PATCH", answer.headers["location"], CONTENT[1000:])
        target = add_query(answer.headers["location"], digest=digest_of(CONTENT))
        assert two.wire.ask("PUT", target).status == 201
        blob = f"{one.url}/blobs/{digest_of(CONTENT)}"
        assert one.wire.get(blob).body == CONTENT
        payload = two.push_image("tag")
        manifest = f"{one.url}/manifests/tag"
        assert one.wire.get(manifest).body == payload
        for there in (blob, manifest):
            assert one.wire.delete(there).status == 202
            assert two.wire.get(there).status == 404


@pytest.mark.parametrize("other", ["worker", "registry"])
def test_a_writer_in_another_process_is_refused_too(tmp_path: Path, other: str) -> None:
    root = tmp_path / "shared"
    workers = "2" if other == "worker" else "1"
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(
            running_registry(tmp_path, root=root, name="one", MOORAGE_SERVER__WORKERS=workers)
        )
        second = (
            first
            if other == "worker"
            else stack.enter_context(running_registry(tmp_path, root=root, name="two"))
        )
        wait_for_workers(first, int(workers))
        location = Repository(Wire(first), "a/b").start()
        with first.connect() as connection:
            connection.sendall(patch_head(location, len(CONTENT)) + CONTENT[:1000])
            wait_for_claim(root, location)
            for _ in range(8):
                answer = Wire(second).ask("PATCH", location, b"x")
                answer.assert_error(409, "BLOB_UPLOAD_INVALID")
            connection.sendall(CONTENT[1000:])
            status, headers, _ = read_answer(connection)
        assert status == 202
        target = add_query(headers["location"], digest=digest_of(CONTENT))
        assert Wire(second).ask("PUT", target).status == 201
