"""One registry for all tests of this folder, and a new repository for each."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.content import Repository
from tests.api.wire import Wire
from tests.live import Service, running_registry

__all__: list[str] = []


@pytest.fixture(scope="session")
def api_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the registry runs in."""
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="session")
def api_service(api_folder: Path) -> Iterator[Service]:
    """The registry of this folder's tests."""
    with running_registry(
        api_folder, MOORAGE_UPLOADS__BODY_TIMEOUT_SECONDS="2", MOORAGE_LISTS__MAX_ENTRIES="20"
    ) as service:
        yield service


@pytest.fixture
def wire(api_service: Service) -> Wire:
    """A client of the registry."""
    return Wire(api_service)


@pytest.fixture
def store(api_service: Service, api_folder: Path) -> Path:
    """The root of the registry's store."""
    return api_folder / "data"


@pytest.fixture
def repository(wire: Wire, request: pytest.FixtureRequest) -> Repository:
    """A repository that no other test uses."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return Repository(wire, f"{request.path.stem.replace('_', '-')}/{name[:200]}".strip("-"))
