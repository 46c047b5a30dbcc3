"""`PasswordUsers`: the users of a password file, as those who log them in ask for them."""

import time

from core.access.passwords.file import PasswordFile
from core.access.principal import Principal

__all__ = ["PasswordUsers"]


class PasswordUsers:
    """Users who prove who they are by a password."""

    def __init__(self, passwords: PasswordFile, *, remember_seconds: float) -> None:
        """Take the passwords of a file.

        Args:
            passwords: the file, which somebody else keeps up to date.
            remember_seconds: how long a password that was right need not be computed again.
        """
        self._passwords = passwords
        self._remember_seconds = remember_seconds

    @property
    def generation(self) -> int:
        """A number that changes with the file."""
        return self._passwords.generation

    async def verify(self, user: str, password: str) -> Principal | None:
        """Return the user with this password, None if there is none."""
        if not await self._passwords.verify(user, password):
            return None
        return Principal(kind="user", name=user, valid_until=time.time() + self._remember_seconds)

    async def fingerprint(self, user: str) -> str | None:
        """Return a text that changes with the user's password, None if there is no such user."""
        return self._passwords.fingerprint(user)
