"""`RemoteKeys`: the keys that an issuer publishes, as long as it can be asked and after."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from anyio import to_thread

from core.access.tokens.issuer_client import Document
from core.access.tokens.keys import VerificationKey, parse_key_set
from core.drivers.owned_tasks import OwnedTasks
from core.errors import AccessUnavailable

__all__ = ["RemoteKeys"]

_MIN_FRESH_SECONDS = 60.0

_log = structlog.get_logger()


class RemoteKeys:
    """A JWK Set at an address, asked for when a token needs it and not more often than allowed.

    A set that is no longer fresh is asked for while the old one goes on to be used; so it does
    while the issuer is away, with a line in the log for each attempt. A name that is not in the
    set may be of a new key: then the set is asked for at once, though not twice within
    `retry_seconds`, however many names are made up.

    Attributes:
        generation: how often another set than before has come.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Document]],
        *,
        name: str,
        refresh_seconds: float = 3600,
        retry_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask for nothing yet.

        Args:
            fetch: gets the set; raises AccessUnavailable.
            name: of the issuer, for logs.
            refresh_seconds: after which a set is not fresh any more, whatever its issuer says.
            retry_seconds: between two attempts, at least.
            clock: in seconds.
        """
        self.generation = 0
        self._fetch = fetch
        self._name = name
        self._refresh_seconds = refresh_seconds
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._tasks = OwnedTasks(1)
        self._refreshing = False
        self._retry_at = -1.0
        self._fresh_until = 0.0
        self._content: bytes | None = None
        self._keys: Mapping[str, Sequence[VerificationKey]] = {}
        self._failure: str | None = None

    async def load(self) -> None:
        """Begin to ask, and do not wait for the answer."""
        await self._begin()

    async def find(self, kid: str) -> Sequence[VerificationKey]:
        """Return every key of this name.

        Raises:
            AccessUnavailable: there is none, and when the issuer was last asked, it could not be.
        """
        if self._clock() >= self._fresh_until:
            await self._begin()
        if kid not in self._keys:
            await self._begin()
            await self._tasks.join()
        keys = self._keys.get(kid, ())
        if not keys and self._failure is not None:
            raise AccessUnavailable(f"the keys of {self._name} cannot be had: {self._failure}")
        return keys

    async def aclose(self) -> None:
        """End what is being asked."""
        await self._tasks.aclose()

    async def _begin(self) -> None:
        """Have the set asked for, unless it is already, or was a moment ago."""
        if not self._refreshing and self._clock() >= self._retry_at:
            self._refreshing = True
            await self._tasks.start(self._refresh())

    async def _refresh(self) -> None:
        try:
            document = await self._fetch()
            if document.content != self._content:
                # Each key costs arithmetic, and there may be many.
                self._keys = await to_thread.run_sync(parse_key_set, document.content)
                self._content = document.content
                self.generation += 1
        except (AccessUnavailable, ValueError) as error:
            self._failure = str(error)
            fresh_seconds = self._retry_seconds
            _log.warning(
                "the keys of an issuer cannot be had",
                issuer=self._name,
                reason=self._failure,
                old_in_force=self._content is not None,
            )
        else:
            self._failure = None
            said = document.max_age_seconds
            fresh_seconds = self._refresh_seconds
            if said is not None:
                fresh_seconds = min(fresh_seconds, max(said, _MIN_FRESH_SECONDS))
        finally:
            self._refreshing = False
            self._retry_at = self._clock() + self._retry_seconds
        self._fresh_until = self._clock() + fresh_seconds
