"""`LoginAttempts`: passwords are tried one after the other, and not when it is too early."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from anyio import Lock

from core.access.controller import CredentialsInvalid
from core.access.networks import network_of
from core.access.passwords.throttle import LoginThrottle

__all__ = ["LoginAttempts"]

T = TypeVar("T")

_LOCAL = "local"
"""What stands for clients behind a socket of this host, who have no address."""


class LoginAttempts:
    """Tries credentials that could be guessed.

    Those of one client, who may have a /64 of IPv6, take turns: guesses that come all at once
    would otherwise be let through before the first of them has failed.
    """

    def __init__(self, throttle: LoginThrottle) -> None:
        """Count with `throttle`, which somebody else closes."""
        self._throttle = throttle
        self._turns: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    async def make(
        self, address: str | None, user: str | None, attempt: Callable[[], Awaitable[T]]
    ) -> T:
        """Return what `attempt` returns.

        Raises:
            CredentialsInvalid: the attempt raised it, and it was counted.
            TooManyRequests: it is too early, and nothing was tried.
        """
        who = address or _LOCAL, user or ""
        # It lives as long as somebody waits for it.
        turn = self._turns.setdefault(network_of(who[0]), Lock())
        async with turn:
            await self._throttle.check(*who)
            try:
                result = await attempt()
            except CredentialsInvalid:
                await self._throttle.failed(*who)
                raise
            await self._throttle.succeeded(*who)
            return result
