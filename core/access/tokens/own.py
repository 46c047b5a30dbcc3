"""`OwnTokens`: the access controller of a registry that is its own token server."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from core.access.controller import Asker, Challenge, CredentialsInvalid, bearer_challenge
from core.access.passwords.basic import parse_basic, split_credentials
from core.access.principal import ANONYMOUS, Principal
from core.access.resources import Access
from core.access.tokens.claims import parse_access
from core.access.tokens.identity import IDENTITY_CLAIM, Identity
from core.access.tokens.logins import Logins
from core.access.tokens.verifying import TokenVerifier, VerifiedToken
from core.errors import AccessUnavailable, DriverError

__all__ = ["ACCESS_TOKEN_TYPE", "OwnTokens"]

ACCESS_TOKEN_TYPE: Final = "JWT"  # noqa: S105 - of the header of every access token


class OwnTokens:
    """Takes the registry's own access tokens, passwords, secrets of robots and client certificates.

    What a robot or a user with a password has proven holds for a second, as it is asked again then
    whether they are still there. Whoever has a token sends it; passwords are taken too, for clients
    that know no tokens.
    """

    def __init__(
        self,
        *,
        service: str,
        verifier: TokenVerifier,
        logins: Logins,
        generation: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take tokens for one service.

        Args:
            service: of the challenge.
            verifier: of the tokens.
            logins: find out who asks.
            generation: changes with the passwords of users.
        """
        self._generation = generation
        self._service = service
        self._verifier = verifier
        self._logins = logins

    @property
    def generation(self) -> int:
        """Changes with the passwords of users."""
        return self._generation()

    async def identify(self, asker: Asker) -> Principal:
        """Return who asks. See `AccessController`."""
        if asker.authorization is None:
            if asker.common_name is None:
                return ANONYMOUS
            return self._logins.certify(asker.common_name, asker.organizations).principal
        scheme, credentials = split_credentials(asker.authorization)
        try:
            match scheme:
                case "bearer":
                    return await self._verify(credentials)
                case "basic":
                    user, password = parse_basic(credentials)
                    return (await self._logins.log_in(user, password)).principal
        except DriverError as error:
            raise AccessUnavailable(f"access state: {error}") from error
        raise CredentialsInvalid("credentials of a scheme that is not taken")

    def challenge(self, wanted: Sequence[Access], *, error: str | None = None) -> Challenge:
        """Return that a token is needed, and what it has to be good for."""
        return bearer_challenge(wanted, realm=None, service=self._service, error=error)

    async def aclose(self) -> None:
        """Do nothing: the state belongs to whoever has opened it."""

    async def _verify(self, token: str) -> Principal:
        verified = await self._verifier.verify(token)
        if verified.type != ACCESS_TOKEN_TYPE:
            raise CredentialsInvalid("the token is no access token", user=verified.subject)
        identity = _parse(verified)
        resumed = await self._logins.resume(identity)
        principal = resumed.principal
        return replace(
            principal,
            scope=parse_access(verified.claims),
            valid_until=min(principal.valid_until, verified.valid_until),
        )


def _parse(verified: VerifiedToken) -> Identity:
    try:
        return Identity.parse(verified.claims.get(IDENTITY_CLAIM))
    except ValueError as error:
        raise CredentialsInvalid(f"the token: {error}", user=verified.subject) from None
