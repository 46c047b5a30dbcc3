"""Storage drivers: bytes at paths. They know no digest, no repository and no request."""

from core.drivers.base import (
    DriverReader,
    Entry,
    FileWriter,
    ObjectInfo,
    RedirectMethod,
    StorageDriver,
    Unfinished,
)
from core.drivers.changes import (
    Barrier,
    BeginUpload,
    Change,
    CleanUp,
    Delete,
    Fill,
    Move,
    MoveOut,
    Put,
)
from core.drivers.checked import CheckedDriver
from core.drivers.factory import create_driver
from core.drivers.filesystem import FilesystemDriver
from core.drivers.memory import MemoryDriver

__all__ = [
    "Barrier",
    "BeginUpload",
    "Change",
    "CheckedDriver",
    "CleanUp",
    "Delete",
    "DriverReader",
    "Entry",
    "FileWriter",
    "FilesystemDriver",
    "Fill",
    "MemoryDriver",
    "Move",
    "MoveOut",
    "ObjectInfo",
    "Put",
    "RedirectMethod",
    "StorageDriver",
    "Unfinished",
    "create_driver",
]
