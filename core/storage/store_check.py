"""`StoreCheck`: whether the store answers, asked once for all who want to know."""

from anyio import Lock

from core.drivers import StorageDriver
from core.errors import DriverError, PathNotFound

__all__ = ["StoreCheck"]


class StoreCheck:
    """Asks the store one question at a time: anybody may want to know, as often as they like.

    Whoever comes while it is being asked shares the next question with all who come meanwhile, so
    that no answer is older than the wish to know.
    """

    def __init__(self, driver: StorageDriver) -> None:
        """Ask `driver`, which belongs to somebody else, and nothing yet."""
        self._driver = driver
        self._lock = Lock()
        self._begun = self._answered = 0
        self._fault: DriverError | None = None

    async def ask(self) -> None:
        """Return if the store answers; an empty one does.

        Raises:
            DriverError: it does not.
        """
        begun_before = self._begun
        async with self._lock:
            if self._answered <= begun_before:
                await self._find_out()
            if self._fault is not None:
                raise self._fault.with_traceback(None)

    async def _find_out(self) -> None:
        self._begun += 1
        try:
            await self._driver.stat("/")
        except PathNotFound:
            self._fault = None
        except DriverError as error:
            self._fault = error
        else:
            self._fault = None
        self._answered = self._begun
