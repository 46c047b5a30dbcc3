"""Tests that miss a program are skipped and counted; in CI they are errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import PARTS, is_present
from tests.servers import azurite

__all__: list[str] = []

ROOT = Path(__file__).parents[1]

SUITE = """
import pytest

@pytest.fixture
def started():
    raise AssertionError("a fixture ran although its program is missing")

@pytest.mark.needs("skopeo")
def test_with_skopeo(started): ...

@pytest.mark.needs("skopeo", "chromium")
def test_with_both(started): ...

def test_with_nothing(): ...
"""


def run_suite(
    folder: Path, *options: str, ci: bool, suite: str = SUITE
) -> subprocess.CompletedProcess[str]:
    """Runs the suite where no program at all is on PATH."""
    (folder / "test_suite.py").write_text(suite, encoding="utf-8")
    (folder / "conftest.py").write_text('pytest_plugins = ["tests.parts"]', encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nstrict_markers = true\n", encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI"))
    }
    environment |= {"PATH": str(folder), "PYTHONPATH": str(ROOT), "CI": "true" if ci else ""}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "with workers"])
def test_missing_programs_skip_their_tests_and_are_counted(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    result = run_suite(tmp_path, *options, ci=False)
    assert "2 tests skipped, missing: skopeo (2), chromium (1)" in result.stdout
    assert "1 passed, 2 skipped" in result.stdout
    assert result.returncode == pytest.ExitCode.OK


def test_missing_programs_are_errors_in_ci(tmp_path: Path) -> None:
    result = run_suite(tmp_path, ci=True)
    assert "missing: skopeo, chromium" in result.stdout
    assert "1 passed, 2 errors" in result.stdout
    assert "skipped" not in result.stdout
    assert result.returncode == pytest.ExitCode.TESTS_FAILED


def test_a_part_that_nothing_installs_is_an_error(tmp_path: Path) -> None:
    suite = 'import pytest\n\n@pytest.mark.needs("skopoe")\ndef test_it(): ...\n'
    result = run_suite(tmp_path, ci=False, suite=suite)
    assert "not listed in tests/parts.txt: skopoe" in result.stdout
    assert result.returncode == pytest.ExitCode.TESTS_FAILED


def test_present_programs_run_their_tests(tmp_path: Path) -> None:
    program = tmp_path / "skopeo"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    suite = 'import pytest\n\n@pytest.mark.needs("skopeo")\ndef test_it(): ...\n'
    result = run_suite(tmp_path, ci=True, suite=suite)
    assert "1 passed" in result.stdout


def test_the_list_of_parts_names_the_clients() -> None:
    assert {"skopeo", "buildah", "podman", "docker-registry", "chromium", "azurite"} <= PARTS


def test_what_comes_from_npm_is_present_once_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = tmp_path / "main.js"
    monkeypatch.setattr("tests.servers.azurite.MAIN", main)
    assert not is_present("azurite")
    main.touch()
    assert is_present("azurite") is (azurite.find_node() is not None)
