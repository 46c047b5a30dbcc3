"""`find_file`: the content of a small file that may not be there."""

from core.drivers import StorageDriver
from core.errors import PathNotFound

__all__ = ["find_file"]


async def find_file(driver: StorageDriver, path: str) -> bytes | None:
    """Return the content of a small file, or None if it is not there.

    Raises:
        DriverError: the store did not answer.
    """
    try:
        return await driver.get(path)
    except PathNotFound:
        return None
