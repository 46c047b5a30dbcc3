"""From a driver's name and settings to a driver that is ready for use."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from core.drivers.base import StorageDriver
from core.drivers.checked import CheckedDriver

__all__ = ["ENTRY_POINT_GROUP", "create_driver"]

ENTRY_POINT_GROUP = "moorage.drivers"
"""Other packages name their `StorageDriver` classes in this group."""

# Only the driver that is chosen is imported: the libraries of the clouds are large.
_BUILT_IN: Mapping[str, EntryPoint] = {
    name: EntryPoint(name, value, ENTRY_POINT_GROUP)
    for name, value in {
        "azure": "core.drivers.azure:AzureDriver",
        "filesystem": "core.drivers.filesystem:FilesystemDriver",
        "gcs": "core.drivers.gcs:GCSDriver",
        "memory": "core.drivers.memory:MemoryDriver",
        "s3": "core.drivers.s3:S3Driver",
    }.items()
}


def create_driver(name: str, settings: Mapping[str, object]) -> StorageDriver:
    """Return the driver of this name, made with its settings as keywords, inside its wrapper.

    Raises:
        ValueError: no driver has this name, or it does not take these settings.
    """
    factory: Callable[..., StorageDriver] = _find_entry_point(name).load()
    try:
        return CheckedDriver(factory(**settings))
    except TypeError as error:
        raise ValueError(
            f"storage driver {name!r} does not take these settings: {error}"
        ) from error


def _find_entry_point(name: str) -> EntryPoint:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    found = entry_points(group=ENTRY_POINT_GROUP)
    for point in found:
        if point.name == name:
            return point
    known = ", ".join(sorted({*_BUILT_IN, *found.names}))
    raise ValueError(f"no storage driver named {name!r}; known are: {known}")
