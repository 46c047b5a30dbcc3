"""`PasswordController`: users prove who they are by a password with each request."""

import time
from collections.abc import Sequence

from core.access.basic import parse_basic, split_credentials
from core.access.controller import AccessController, Asker, Challenge, CredentialsInvalid
from core.access.htpasswd import PasswordFile
from core.access.principal import ANONYMOUS, Principal
from core.access.resources import Access

__all__ = ["PasswordController"]


class PasswordController(AccessController):
    """The users of a password file, by the Basic scheme."""

    def __init__(self, passwords: PasswordFile, *, realm: str, remember_seconds: int) -> None:
        """Take the passwords of a file.

        Args:
            passwords: the file, which somebody else keeps up to date.
            realm: what clients tell people the password is for.
            remember_seconds: how long a password that was right need not be computed again.
        """
        self._passwords = passwords
        self._realm = realm
        self._remember_seconds = remember_seconds

    @property
    def generation(self) -> int:
        """Changes with the file."""
        return self._passwords.generation

    async def identify(self, asker: Asker) -> Principal:
        """Return the user whose password this is."""
        if asker.authorization is None:
            return ANONYMOUS
        scheme, encoded = split_credentials(asker.authorization)
        if scheme != "basic":
            raise CredentialsInvalid("only passwords are taken here, by the Basic scheme")
        user, password = parse_basic(encoded)
        if not await self._passwords.verify(user, password):
            raise CredentialsInvalid("the user or the password is wrong", user=user)
        return Principal(kind="user", name=user, valid_until=time.time() + self._remember_seconds)

    def challenge(self, wanted: Sequence[Access], *, error: str | None = None) -> Challenge:
        """Return how to show a password."""
        return Challenge(scheme="Basic", realm=self._realm)

    async def aclose(self) -> None:
        """Do nothing: the file is closed."""
