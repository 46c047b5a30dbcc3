"""`LoginThrottle`: what slows down those who guess passwords."""

from typing import Protocol

__all__ = ["LoginThrottle", "NoThrottle"]


class LoginThrottle(Protocol):
    """Counts failed logins, by the address that they come from and the user that they name."""

    async def check(self, address: str | None, user: str | None) -> None:
        """Return if an attempt may be made now.

        Raises:
            RegistryError: there were too many; it says when to come again.
        """

    async def failed(self, address: str | None, user: str | None) -> None:
        """Count an attempt that has failed."""

    async def succeeded(self, address: str | None, user: str | None) -> None:
        """Forget failed attempts of this user from there."""


class NoThrottle:
    """Lets everyone try as often as they like."""

    async def check(self, address: str | None, user: str | None) -> None:
        """Return."""

    async def failed(self, address: str | None, user: str | None) -> None:
        """Return."""

    async def succeeded(self, address: str | None, user: str | None) -> None:
        """Return."""
