"""Descriptors in Redis, which may be down, slow or full at any time without anybody noticing."""

import re
from collections.abc import Awaitable, Callable

import structlog
from anyio import fail_after
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from core.digest import Digest
from core.storage.circuit import Circuit
from core.storage.descriptor_cache import DescriptorCache
from core.storage.redis_client import open_redis

__all__ = ["RedisDescriptorCache"]

_PREFIX = "moorage:size:"
_SIZE = re.compile(rb"[1-9][0-9]{0,17}")

_log = structlog.get_logger()


class RedisDescriptorCache(DescriptorCache):
    """One key a digest, which expires by itself.

    A call waits for Redis no longer than the timeout. After one that failed, Redis is left alone,
    and one call in some seconds tries again: an outage costs a line in the log and no time. A Redis
    that answers and takes no entries, as when it is full, is still asked for those it has.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl_seconds: int,
        timeout_seconds: float,
        circuit: Circuit | None = None,
        write_circuit: Circuit | None = None,
    ) -> None:
        """Prepare to use the Redis at `url`. Nothing is connected before the first call.

        Args:
            url: `redis://`, `rediss://` or `unix://`.
            ttl_seconds: how long an entry is kept, however often it is used.
            timeout_seconds: the longest that a call may wait, connecting included.
            circuit: of all calls; for tests with a clock of their own.
            write_circuit: of those that enter something.

        Raises:
            ValueError: the URL is none of Redis.
        """
        self._client: Redis = open_redis(url)
        self._ttl_seconds = ttl_seconds
        self._timeout_seconds = timeout_seconds
        self._circuit = circuit or Circuit()
        self._write_circuit = write_circuit or Circuit()

    async def find_size(self, digest: Digest) -> int | None:
        """Return the size that some node entered within the time to live, or None."""
        value = await self._ask(lambda: self._client.get(_key(digest)))
        if not isinstance(value, bytes) or _SIZE.fullmatch(value) is None:
            return None
        return int(value)

    async def remember(self, digest: Digest, size: int) -> None:
        """Enter a size; of empty content nothing is remembered, as it is never opened."""
        if size < 1:
            return
        admission = self._write_circuit.admit()
        if admission is None:
            return
        try:
            stored = await self._ask(
                lambda: self._client.set(_key(digest), size, ex=self._ttl_seconds),
                may_be_refused=True,
            )
        except ResponseError as error:
            if self._write_circuit.fail():
                _log.warning("descriptor cache takes no more entries", reason=str(error))
            return
        if stored is not None and self._write_circuit.succeed(admission):
            _log.info("descriptor cache takes entries again")

    async def forget(self, digest: Digest) -> None:
        """Drop an entry; where Redis cannot be reached, it is there until it expires."""
        await self._ask(lambda: self._client.delete(_key(digest)))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(
        self, command: Callable[[], Awaitable[object]], *, may_be_refused: bool = False
    ) -> object:
        """Return the answer to a command, or None if there is none.

        Raises:
            ResponseError: Redis answered that it will not, and that `may_be_refused`.
        """
        admission = self._circuit.admit()
        if admission is None:
            return None
        refusal: ResponseError | None = None
        answer: object = None
        try:
            with fail_after(self._timeout_seconds):
                answer = await command()
        except (RedisError, OSError) as error:
            if not (may_be_refused and isinstance(error, ResponseError)):
                if self._circuit.fail():
                    _log.warning(
                        "descriptor cache is out of order; going on without it",
                        reason=str(error) or f"no answer in {self._timeout_seconds} seconds",
                    )
                return None
            refusal = error
        if self._circuit.succeed(admission):
            _log.info("descriptor cache is back")
        if refusal is not None:
            raise refusal
        return answer


def _key(digest: Digest) -> str:
    return f"{_PREFIX}{digest}"
