"""Stores in directories of this machine, or of one that it has mounted."""

from core.drivers.filesystem.driver import FilesystemDriver

__all__ = ["FilesystemDriver"]
