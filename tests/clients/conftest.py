"""Fixtures of the tests that drive the registry with other programs."""

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.programs import Programs
from tests.clients.pushing import connected
from tests.live import Service, running_registry

__all__ = ["http", "programs", "registry", "team"]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A registry that tests share, each with a team of its own: starting one takes seconds."""
    with running_registry(tmp_path_factory.mktemp("registry")) as service:
        yield service


@pytest.fixture
def team() -> str:
    """What the names of a test's repositories begin with, unlike those of any other test."""
    return f"team-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def http(registry: Service) -> Iterator[httpx.Client]:
    """Requests to the registry that no program makes."""
    with connected(registry.url) as client:
        yield client


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Programs with nothing of their own yet; what they mounted and stored goes at the end."""
    folder = tmp_path / "programs"
    folder.mkdir()
    state = Path(tempfile.mkdtemp(prefix="moorage-"))
    own = Programs(folder=folder, state=state)
    own.make_folders()
    yield own
    for mounted in reversed(_mounts_below(folder, state)):
        subprocess.run(["umount", "--lazy", mounted], check=True)
    shutil.rmtree(folder)
    shutil.rmtree(state)


def _mounts_below(*folders: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    places = [line.split()[4] for line in lines]
    return [place for place in places if any(map(Path(place).is_relative_to, folders))]
