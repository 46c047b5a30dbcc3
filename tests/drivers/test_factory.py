"""Drivers by name, those of other packages included."""

import sys
from pathlib import Path

import pytest

from core.drivers import CheckedDriver, FilesystemDriver, MemoryDriver, create_driver
from core.errors import DriverUnavailable

__all__: list[str] = []

FOREIGN_DRIVER = """
from core.drivers import MemoryDriver

class ForeignDriver(MemoryDriver):
    name = "foreign"

    def __init__(self, *, bucket):
        super().__init__()
        self.bucket = bucket

    async def get(self, path):
        raise OSError("no route to the bucket")
"""


@pytest.fixture
def foreign_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_driver.py").write_text(FOREIGN_DRIVER)
    metadata = tmp_path / "foreign_driver-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: foreign-driver\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[moorage.drivers]\nforeign = foreign_driver:ForeignDriver\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "foreign_driver", raising=False)


def test_the_built_in_drivers_are_made_inside_their_wrapper(tmp_path: Path) -> None:
    memory = create_driver("memory", {})
    filesystem = create_driver("filesystem", {"root": tmp_path, "durability": "relaxed"})
    assert isinstance(memory, CheckedDriver)
    assert isinstance(memory.driver, MemoryDriver)
    assert memory.name == "memory"
    assert isinstance(filesystem, CheckedDriver)
    assert isinstance(filesystem.driver, FilesystemDriver)
    assert filesystem.name == "filesystem"


def test_an_unknown_driver_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"no storage driver named 'tape'.*filesystem, gcs, memory"
    ):
        create_driver("tape", {})


@pytest.mark.parametrize(
    ("name", "settings"),
    [("memory", {"size": 1}), ("filesystem", {}), ("filesystem", {"root": "/x", "depth": 1})],
)
def test_settings_that_a_driver_does_not_take_are_refused(
    name: str, settings: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=f"'{name}' does not take these settings"):
        create_driver(name, settings)


def test_an_unknown_durability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"durability is one of .*'fulll'"):
        create_driver("filesystem", {"root": "/x", "durability": "fulll"})


@pytest.mark.usefixtures("foreign_package")
async def test_a_driver_of_another_package_is_found_by_its_entry_point() -> None:
    driver = create_driver("foreign", {"bucket": "b"})
    assert isinstance(driver, CheckedDriver)
    assert driver.name == "foreign"
    assert driver.driver.bucket == "b"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("foreign_package")
async def test_what_a_driver_raises_by_mistake_is_a_driver_error() -> None:
    driver = create_driver("foreign", {"bucket": "b"})
    with pytest.raises(DriverUnavailable, match="foreign: OSError: no route") as caught:
        await driver.get("/a")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.usefixtures("foreign_package")
def test_drivers_of_other_packages_are_named_among_the_known() -> None:
    with pytest.raises(ValueError, match="filesystem, foreign, gcs, memory"):
        create_driver("tape", {})
