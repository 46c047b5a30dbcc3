"""Imports run one way: from HTTP down to values, and never back up.

api   ->  core.access  ->  core.storage  ->  core.drivers   ->  core.errors
                                         ->  core.manifest  ->  core.digest  ->  core.errors
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__: list[str] = []

ROOT = Path(__file__).parents[2]

# What each part may import, of ours, besides itself.
ALLOWED = {
    "core.errors": set[str](),
    "core.digest": {"core.errors"},
    "core.manifest": {"core.digest", "core.errors"},
    "core.drivers": {"core.errors"},
    "core.storage": {"core.drivers", "core.manifest", "core.digest", "core.errors"},
    "core.access": {"core.storage", "core.drivers", "core.digest", "core.errors"},
    "core": set[str](),
    "api": {"core.access", "core.storage", "core.manifest", "core.digest", "core.errors"},
}

# The few that open a driver.
OPENERS = ("api.app", "api.commands")

HTTP = {"fastapi", "starlette", "uvicorn"}


def modules() -> dict[str, Path]:
    """Every module of the source by its dotted name."""
    found = {}
    for package in ("api", "core"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def is_inside(name: str, package: str) -> bool:
    """True for the package and for everything in it."""
    return name == package or name.startswith(f"{package}.")


def imports_of(source: str) -> Iterator[str]:
    """Every module that the source names in an import, at any depth of the code.

    `from a import b` names `a.b` where that is a module of ours, and `a` otherwise.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or "")
                continue
            base = node.module or ""
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in MODULES else base


def part_of(name: str) -> str:
    """The part of ALLOWED that a module of ours belongs to."""
    return max((part for part in ALLOWED if is_inside(name, part)), key=len)


def faults_of(importer: str, source: str) -> list[str]:
    """What is wrong with the imports of one module, one sentence each."""
    faults = []
    for imported in imports_of(source):
        if imported.startswith("."):
            faults.append(f"{importer} imports {imported} relatively")
        elif not imported.startswith(("api.", "core.")) and imported not in ALLOWED:
            if is_inside(importer, "core") and imported.partition(".")[0] in HTTP:
                faults.append(f"{importer} knows HTTP: {imported}")
        elif is_inside(importer, "api.routes") and is_inside(imported, "api.routes"):
            if importer != "api.routes":
                faults.append(f"{importer} is a route and imports a route: {imported}")
        else:
            faults.extend(direction_faults(importer, imported))
    return faults


def direction_faults(importer: str, imported: str) -> list[str]:
    """The fault of one import between our own modules, if it is one."""
    source, target = part_of(importer), part_of(imported)
    opener = any(is_inside(importer, name) for name in OPENERS)
    if source == target or target in ALLOWED[source]:
        return []
    if target == "core.drivers" and opener:
        return []
    return [f"{importer} may not import {imported}"]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_one_way(module: str) -> None:
    assert faults_of(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.drivers.base", "import core.digest"),
        ("core.digest.digest", "from core.drivers import StorageDriver"),
        ("core.manifest.parse", "from core.storage.paths import blob_path"),
        ("core.errors", "from core.digest import Digest"),
        ("core.storage.layer", "def late():\n    from api.errors import ERROR_TABLE"),
        ("core.storage.layer", "from core import drivers, digest\nimport api"),
        ("core.storage.layer", "from starlette.requests import Request"),
        ("core.storage.layer", "import uvicorn.config"),
        ("core.storage.layer", "from .paths import blob_path"),
        ("api.errors", "from core import drivers"),
        ("api.errors", "import core.drivers.memory"),
        ("api.routes.blobs", "from api.routes.uploads import router"),
    ],
)
def test_an_import_the_wrong_way_is_found(module: str, source: str) -> None:
    assert len(faults_of(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("api.app", "from core.drivers import open_driver"),
        ("api.commands.serve", "from core.drivers import open_driver"),
        ("api.routes", "from api.routes.blobs import router"),
        ("api.routes.blobs", "from fastapi import APIRouter\nfrom core.storage import Layer"),
        ("core.storage.layer", "import os\nfrom core.drivers.base import StorageDriver"),
    ],
)
def test_an_import_the_right_way_is_allowed(module: str, source: str) -> None:
    assert faults_of(module, source) == []
