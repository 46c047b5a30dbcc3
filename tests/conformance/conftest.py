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
def conformance_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the registry runs in."""
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(scope="session")
def conformance_service(conformance_folder: Path) -> Iterator[Service]:
    """The registry of this folder's tests."""
    with running_registry(conformance_folder) as service:
        yield service


@pytest.fixture
def wire(conformance_service: Service) -> Wire:
    """A client of the registry."""
    return Wire(conformance_service)


@pytest.fixture(scope="session")
def sparse_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A registry that takes manifests whose content it lacks."""
    folder = tmp_path_factory.mktemp("sparse")
    with running_registry(folder, MOORAGE_MANIFESTS__MISSING_REFERENCES="accept") as service:
        yield service


@pytest.fixture
def repository(wire: Wire, request: pytest.FixtureRequest) -> Repository:
    """A repository that no other test uses."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return Repository(wire, f"{request.path.stem.replace('_', '-')}/{name[:200]}".strip("-"))
