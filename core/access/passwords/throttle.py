"""`LoginThrottle`: what slows down those who guess passwords."""

from typing import Protocol

__all__ = ["LoginThrottle", "NoThrottle"]


class LoginThrottle(Protocol):
    """Slows down whoever guesses passwords.

    Failures count for an address together with a user, and for the address alone; of IPv6 the /64
    is the address. A user cannot be kept out from elsewhere by somebody who guesses.
    """

    async def check(self, address: str, user: str) -> None:
        """Return if a password may be tried now. Call it before the password is looked at.

        Raises:
            TooManyRequests: it is too early; nothing is counted.
        """

    async def failed(self, address: str, user: str) -> None:
        """Take note that a password was wrong, or that there is no such user."""

    async def succeeded(self, address: str, user: str) -> None:
        """Forget what failed for this user from this address.

        What failed from the address for others still counts: whoever has an account could
        otherwise go on guessing the passwords of others.
        """

    async def aclose(self) -> None:
        """Let go of connections."""


class NoThrottle(LoginThrottle):
    """Lets everybody try as often as they like."""

    async def check(self, address: str, user: str) -> None:
        """Return."""

    async def failed(self, address: str, user: str) -> None:
        """Forget it."""

    async def succeeded(self, address: str, user: str) -> None:
        """Forget it."""

    async def aclose(self) -> None:
        """Return."""
