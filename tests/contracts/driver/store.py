"""The store that a driver is tested on, seen from behind, and what holds after every test."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

import pytest

from core.drivers import StorageDriver
from core.errors import PathNotFound

__all__ = ["StoreContract"]


class StoreContract(ABC):
    """What every part of the contract has. Subclasses add tests, and cannot replace any of these.

    Attributes:
        beyond_the_server: tests that the server of a subclass, which only stands in for a store,
            cannot pass with any driver, each with what is wrong with that server. Another
            subclass of the same driver has to run them.
    """

    beyond_the_server: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        inherited = [
            name for base in cls.__mro__[1:] for name in vars(base) if name.startswith("test_")
        ]
        contract = set(inherited)
        if len(contract) < len(inherited):
            raise TypeError(f"{cls.__name__} has parts that replace tests of each other")
        if overridden := sorted(contract & vars(cls).keys()):
            raise TypeError(f"{cls.__name__} overrides contract tests: {overridden}")
        excused = {name.partition("[")[0] for name in cls.beyond_the_server}
        if unknown := sorted(excused - contract):
            raise TypeError(f"{cls.__name__} excuses what are no contract tests: {unknown}")

    @abstractmethod
    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        """Return what can be read at `path`, found without the driver, or None."""

    @abstractmethod
    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        """Store `content` at `path` without the driver."""

    @abstractmethod
    async def leftovers(self, driver: StorageDriver) -> set[str]:
        """Return the paths of all files of the store, temporary ones too, without the driver."""

    @pytest.fixture(autouse=True)
    def skipped_where_the_server_cannot(self, request: pytest.FixtureRequest) -> None:
        names = {request.node.originalname, request.node.name}
        for name in names & self.beyond_the_server.keys():
            pytest.skip(self.beyond_the_server[name])

    @pytest.fixture(autouse=True)
    async def nothing_temporary_is_left(self, driver: StorageDriver) -> AsyncIterator[None]:
        try:
            yield
            await self._check_leftovers(driver)
        finally:
            await driver.aclose()
            await driver.aclose()

    async def _check_leftovers(self, driver: StorageDriver) -> None:
        seen = set()
        pending = ["/"]
        while pending:
            directory = pending.pop()
            # A directory that has become empty may still be shown, and then not be found.
            with contextlib.suppress(PathNotFound):
                async for entry in driver.list(directory):
                    path = f"{directory.rstrip('/')}/{entry.name}"
                    if entry.is_directory:
                        pending.append(path)
                    if not entry.is_directory or await self.stored(driver, path) is not None:
                        seen.add(path)
        assert await self.leftovers(driver) == seen
