"""From a driver's name and settings to a driver that is ready for use."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from core.drivers.base import StorageDriver
from core.drivers.checked import CheckedDriver
from core.drivers.filesystem import FilesystemDriver
from core.drivers.memory import MemoryDriver

__all__ = ["ENTRY_POINT_GROUP", "create_driver"]

ENTRY_POINT_GROUP = "moorage.drivers"
"""Other packages name their `StorageDriver` classes in this group."""

_BUILT_IN: Mapping[str, Callable[..., StorageDriver]] = {
    FilesystemDriver.name: FilesystemDriver,
    MemoryDriver.name: MemoryDriver,
}


def create_driver(name: str, settings: Mapping[str, object]) -> StorageDriver:
    """Return the driver of this name, made with its settings as keywords, inside its wrapper.

    Raises:
        ValueError: no driver has this name, or it does not take these settings.
    """
    factory = _BUILT_IN.get(name) or _find_entry_point(name)
    try:
        return CheckedDriver(factory(**settings))
    except TypeError as error:
        raise ValueError(
            f"storage driver {name!r} does not take these settings: {error}"
        ) from error


def _find_entry_point(name: str) -> Callable[..., StorageDriver]:
    found = entry_points(group=ENTRY_POINT_GROUP)
    for point in found:
        if point.name == name:
            factory: Callable[..., StorageDriver] = point.load()
            return factory
    known = ", ".join(sorted({*_BUILT_IN, *found.names}))
    raise ValueError(f"no storage driver named {name!r}; known are: {known}")
