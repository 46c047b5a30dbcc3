"""Programs nobody here wrote: tests that need one say so, and are skipped where it is missing.

`@pytest.mark.needs("skopeo", "buildah")` marks a test; the names are those of `tests/parts.txt`.
With `CI=true` a missing program is an error of that test, never a skip.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.servers import azurite, gcs

__all__ = [
    "PARTS",
    "UNPACKED",
    "is_present",
    "pytest_configure",
    "pytest_runtest_setup",
    "pytest_terminal_summary",
]

_ROOT = "root"
"""What no package has: the right to mount a small disk."""

_AZURITE = "azurite"
"""What comes from npm: see tests/azurite."""

_GCS = "fake-gcs-server"
"""What a wheel brings that only some machines have."""

PARTS = frozenset(
    line.split()[0]
    for line in Path(__file__).with_name("parts.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
) | {_ROOT, _AZURITE, _GCS}

UNPACKED = Path(__file__).parents[1] / ".setup" / "parts" / "usr" / "bin"
"""Where scripts/test-parts unpacks programs whose package would start a service."""

_PROPERTY = "missing part"


def is_present(part: str) -> bool:
    """True if the program is on PATH or, for an absolute path, if the file is there."""
    if part == _ROOT:
        return os.geteuid() == 0
    if part == _AZURITE:
        return azurite.MAIN.exists() and azurite.find_node() is not None
    if part == _GCS:
        return gcs.find_program() is not None
    return Path(part).exists() if part.startswith("/") else shutil.which(part) is not None


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker, and puts the unpacked programs behind the installed ones."""
    config.addinivalue_line("markers", "needs(*parts): programs of tests/parts.txt it runs")
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if str(UNPACKED) not in path:
        os.environ["PATH"] = os.pathsep.join([*path, str(UNPACKED)])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decides before any fixture runs, as fixtures start the programs."""
    needed = dict.fromkeys(part for mark in item.iter_markers("needs") for part in mark.args)
    if unknown := [part for part in needed if part not in PARTS]:
        pytest.fail(f"not listed in tests/parts.txt: {', '.join(unknown)}", pytrace=False)
    missing = [part for part in needed if not is_present(part)]
    if not missing:
        return
    reason = f"missing: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    # Properties travel with the report from the workers of xdist to the one who counts.
    item.user_properties.extend((_PROPERTY, part) for part in missing)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says in one line how many tests were skipped, and for want of what."""
    counts: Counter[object] = Counter()
    tests = 0
    for report in terminalreporter.stats.get("skipped", []):
        missing = [value for name, value in report.user_properties if name == _PROPERTY]
        counts.update(missing)
        tests += bool(missing)
    if tests:
        named = ", ".join(f"{part} ({count})" for part, count in counts.most_common())
        noun = "test" if tests == 1 else "tests"
        terminalreporter.write_line(f"{tests} {noun} skipped, missing: {named}", yellow=True)
