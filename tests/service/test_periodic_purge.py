"""The purge that the service does by itself, seen from outside."""

import shutil
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.live import Service, running_registry

__all__: list[str] = []

_SECONDS = 2


def plant(root: Path, upload_id: str) -> Path:
    directory = root / "docker/registry/v2/repositories/a/_uploads" / upload_id
    directory.mkdir(parents=True)
    (directory / "startedat").write_text("2020-01-02T03:04:05Z")
    (directory / "data").write_bytes(b"bytes")
    return directory


def purges_in(service: Service) -> list[dict[str, Any]]:
    return [line for line in service.log_lines() if line["event"] == "uploads purged"]


@pytest.mark.slow
def test_workers_purge_together_once_in_each_interval(tmp_path: Path) -> None:
    old = plant(tmp_path / "data", "old")
    with running_registry(
        tmp_path, MOORAGE_SERVER__WORKERS="2", MOORAGE_UPLOADS__PURGE_INTERVAL=f"{_SECONDS}s"
    ) as service:
        first = service.wait_for_log("uploads purged")
        assert (first["removed"], first["freed_bytes"], first["failures"]) == (1, 5, 0)
        assert first["level"] == "info"
        assert not old.exists()
        time.sleep(2.9 * _SECONDS)
        lines = purges_in(service)
        assert service.stop() == 0
    times = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    # Had each worker its own interval, two of these would lie closer together.
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert gaps
    assert min(gaps) >= _SECONDS
    assert all(line["removed"] == 0 for line in lines[1:])


def test_a_purge_that_is_switched_off_is_not_done(tmp_path: Path) -> None:
    old = plant(tmp_path / "data", "old")
    with running_registry(
        tmp_path, MOORAGE_UPLOADS__PURGE_INTERVAL="1s", MOORAGE_UPLOADS__PURGE_ENABLED="false"
    ) as service:
        time.sleep(2.5)
        assert purges_in(service) == []
        assert service.stop() == 0
    assert old.exists()


def test_a_dry_run_is_logged_and_deletes_nothing(tmp_path: Path) -> None:
    old = plant(tmp_path / "data", "old")
    with running_registry(
        tmp_path, MOORAGE_UPLOADS__PURGE_INTERVAL="1s", MOORAGE_UPLOADS__PURGE_DRY_RUN="true"
    ) as service:
        assert service.wait_for_log("uploads purged", dry_run=True)["removed"] == 1
        assert service.stop() == 0
    assert old.exists()


def test_a_store_that_fails_is_logged_and_the_service_goes_on(tmp_path: Path) -> None:
    with running_registry(tmp_path, MOORAGE_UPLOADS__PURGE_INTERVAL="1s") as service:
        shutil.rmtree(tmp_path / "data")
        (tmp_path / "data").write_text("no directory")
        failed = service.wait_for_log("uploads were not purged")
        assert "PathConflict" in failed["reason"]
        assert service.ask(b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n")[0] == 200
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_that_waits_for_its_purge_stops_at_once(tmp_path: Path, workers: int) -> None:
    with running_registry(tmp_path, MOORAGE_SERVER__WORKERS=str(workers)) as service:
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 5
        assert "Traceback" not in service.log_file.read_text()
