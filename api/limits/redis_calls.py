"""Calls to Redis that may go without an answer, for things that go on without Redis."""

from collections.abc import Awaitable, Callable

import structlog
from anyio import fail_after
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from core.storage.circuit import Circuit
from core.storage.redis_client import open_redis

__all__ = ["RedisCalls"]

_log = structlog.get_logger()


class RedisCalls:
    """Asks Redis no longer than the timeout, and not at all for a while after it failed."""

    def __init__(
        self, url: str, *, timeout_seconds: float, what: str, circuit: Circuit | None = None
    ) -> None:
        """Prepare to use the Redis at `url`. Nothing is connected before the first call.

        Args:
            url: `redis://`, `rediss://` or `unix://`.
            timeout_seconds: the longest that a call may wait, connecting included.
            what: it is used for, for the log.
            circuit: of all calls; for tests with a clock of their own.

        Raises:
            ValueError: the URL is none of Redis.
        """
        self._client: Redis = open_redis(url)
        self._timeout_seconds = timeout_seconds
        self._what = what
        self._circuit = circuit or Circuit()

    def script(self, text: str) -> AsyncScript:
        """Return a script in Lua, to be called in `ask`."""
        return self._client.register_script(text)

    async def ask(self, command: Callable[[], Awaitable[object]]) -> object:
        """Return the answer to a command, or None if there is none."""
        admission = self._circuit.admit()
        if admission is None:
            return None
        try:
            with fail_after(self._timeout_seconds):
                answer = await command()
        except (RedisError, OSError) as error:
            if self._circuit.fail():
                _log.warning(
                    f"Redis is out of order; {self._what} goes on without it",
                    reason=str(error) or f"no answer in {self._timeout_seconds} seconds",
                )
            return None
        if self._circuit.succeed(admission):
            _log.info(f"Redis is back; {self._what} goes on with it")
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
