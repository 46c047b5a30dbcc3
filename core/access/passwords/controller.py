"""`PasswordController`: users prove who they are by a password with each request."""

from collections.abc import Sequence

from core.access.controller import AccessController, Asker, Challenge, CredentialsInvalid
from core.access.passwords.basic import parse_basic, split_credentials
from core.access.passwords.users import PasswordUsers
from core.access.principal import ANONYMOUS, Principal
from core.access.resources import Access

__all__ = ["PasswordController"]


class PasswordController(AccessController):
    """The users of a password file, by the Basic scheme."""

    def __init__(self, users: PasswordUsers, *, realm: str) -> None:
        """Know `users`; `realm` is what clients tell people the password is for."""
        self._users = users
        self._realm = realm

    @property
    def generation(self) -> int:
        """Changes with the file."""
        return self._users.generation

    async def identify(self, asker: Asker) -> Principal:
        """Return the user whose password this is, or whom the certificate names without one."""
        if asker.authorization is None:
            if asker.common_name is None:
                return ANONYMOUS
            return Principal.certified(asker.common_name, asker.organizations)
        scheme, encoded = split_credentials(asker.authorization)
        if scheme != "basic":
            raise CredentialsInvalid("only passwords are taken here, by the Basic scheme")
        user, password = parse_basic(encoded)
        principal = await self._users.verify(user, password)
        if principal is None:
            raise CredentialsInvalid("the user or the password is wrong", user=user)
        return principal

    def challenge(self, wanted: Sequence[Access], *, error: str | None = None) -> Challenge:
        """Return how to show a password."""
        return Challenge(scheme="Basic", realm=self._realm)

    async def aclose(self) -> None:
        """Do nothing: the file is closed."""
