"""The benchmark, with numbers so small that it says nothing about speed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.content import Content
from bench.processes import ProcessTree
from bench.suites import SUITES, Suite
from tests.service.running import REPOSITORY

__all__: list[str] = []

_TINY = [
    *("--quick", "--seconds", "0.05", "--slices", "1"),
    *("--large-mib", "2", "--huge-mib", "2", "--images", "8"),
]
_FIELDS = {"throughput", "cpu", "p50", "p99", "peak_bytes"}


def run_bench(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *_TINY, "--folder", str(folder), *options],
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kind)
def test_the_benchmark_measures_every_row_and_leaves_only_its_report(
    suite: Suite, tmp_path: Path
) -> None:
    stores, output = tmp_path / "stores", tmp_path / "figures.json"
    stores.mkdir()

    result = run_bench(stores, "--alone", "--store", suite.kind, "--output", str(output))

    assert result.returncode == 0, result.stderr
    assert list(stores.iterdir()) == []
    results: dict[str, Any] = json.loads(output.read_text())["stores"]
    assert list(results) == [suite.kind]
    figures = results[suite.kind]
    assert figures["servers"] == ["moorage"]
    assert [row["key"] for row in figures["rows"]] == [row.key for row in suite.rows]
    for row in figures["rows"]:
        measured = row["servers"]["moorage"]
        assert set(measured["median"]) == _FIELDS
        assert len(measured["slices"]) == 1
        assert measured["median"]["throughput"] > 0
        assert 0 < measured["median"]["p50"] <= measured["median"]["p99"]
        assert f"| {row['title']}, " in result.stdout
    assert figures["memory"]["kept"] is True
    assert 0 < figures["memory"]["servers"]["moorage"]["peak_bytes"] < suite.memory.limit_bytes


def test_a_missing_incumbent_is_named_and_moorage_is_measured_alone(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"

    result = run_bench(tmp_path, "--row", "head-blob", "--output", str(output), PATH=str(tmp_path))

    assert result.returncode == 0, result.stderr
    assert "docker-registry is not installed" in result.stderr
    figures = json.loads(output.read_text())["stores"]["filesystem"]
    assert figures["servers"] == ["moorage"]
    assert figures["memory"] is None


def test_a_benchmark_told_to_end_leaves_neither_stores_nor_servers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--alone", "--row", "head-blob", "--seconds", "30"]
    with subprocess.Popen(
        [*command, "--folder", str(tmp_path), "--output", str(tmp_path / "figures.json")],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "head-blob ...\n"
        started = ProcessTree(process.pid).pids()[1:]

        process.terminate()

        assert process.wait(30) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    # The trackers of multiprocessing end a moment after the processes that they watch.
    deadline = time.monotonic() + 10
    while (left := _living(started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def test_content_has_the_digest_it_says_and_no_two_are_alike() -> None:
    content = Content.make(3 * 1024 * 1024 + 5)

    whole = content.read()

    assert len(whole) == content.size
    assert content.digest == f"sha256:{hashlib.sha256(whole).hexdigest()}"
    assert Content.make(content.size).digest != content.digest


def _living(pids: list[int]) -> list[int]:
    """Return those that run; a zombie that nobody has waited for yet does not."""
    living = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if not state.startswith("Z"):
            living.append(pid)
    return living


def test_what_access_control_costs_is_printed_with_its_limit(tmp_path: Path) -> None:
    options = ["--seconds", "0.05", "--slices", "1", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.access", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # So little says nothing about speed: the limit may be kept or not.
    assert done.returncode in {0, 1}, done.stderr
    assert "| CPU ms each |" in done.stdout
    assert "At most 1.15 in CPU" in done.stdout
    assert list(tmp_path.iterdir()) == []
