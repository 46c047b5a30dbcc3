"""`TokenService`: answers those who ask for tokens.

Spec: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from core.access.controller import Asker, CredentialsInvalid
from core.access.passwords.attempts import LoginAttempts
from core.access.passwords.basic import check_sanity, parse_basic, split_credentials
from core.access.passwords.throttle import NoThrottle
from core.access.principal import ANONYMOUS, Principal
from core.access.resources import Access, parse_scope
from core.access.tokens.identity import Identity
from core.access.tokens.issuing import AccessToken, TokenIssuer
from core.access.tokens.logins import WORKLOAD_USER, Logins
from core.access.tokens.refreshing import REFRESH_PREFIX, RefreshTokens
from core.access.tokens.signing import SigningKeys
from core.errors import TokenRequestInvalid

__all__ = ["IssuedTokens", "Rules", "TokenService", "limit_access"]

Rules: TypeAlias = Callable[[Principal, Access], Access | None]
"""Returns those of the actions that the rules allow; None if there are none."""

_TOKEN_ACTIONS = ("pull", "push", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokens:
    """What somebody gets who asked for a token.

    Attributes:
        access: the token.
        refresh: with which to come again; None where none was asked for or is given.
    """

    access: AccessToken
    refresh: str | None = field(repr=False)


class TokenService:
    """Gives tokens to those who log in, and to everybody else what anybody may have.

    Every method raises `AccessUnavailable` or `DriverError` where the registry cannot find out
    what it has to know, and `TooManyRequests` where there were too many attempts.
    """

    def __init__(
        self,
        *,
        services: Sequence[str],
        logins: Logins,
        keys: SigningKeys,
        issuer: TokenIssuer,
        refresh_tokens: RefreshTokens,
        allowed: Rules,
        attempts: LoginAttempts | None = None,
    ) -> None:
        """Answer for these.

        Args:
            services: that tokens are made for; the first is this registry.
            logins: find out who asks.
            keys: of the issuer.
            issuer: makes access tokens.
            refresh_tokens: makes the others.
            allowed: the rules.
            attempts: slow down those who guess.
        """
        self._services = tuple(services)
        self._logins = logins
        self._keys = keys
        self._issuer = issuer
        self._refresh_tokens = refresh_tokens
        self._allowed = allowed
        self._attempts = LoginAttempts(NoThrottle()) if attempts is None else attempts

    async def identify(self, asker: Asker) -> Identity:
        """Return who asks, by the scheme Basic or a client certificate; anybody without either.

        Raises:
            CredentialsInvalid: there are credentials, and they prove nothing here.
        """
        if asker.authorization is None:
            if asker.common_name is not None:
                return self._logins.certify(asker.common_name, asker.organizations)
            return Identity(principal=ANONYMOUS)
        scheme, credentials = split_credentials(asker.authorization)
        if scheme != "basic":
            raise CredentialsInvalid("a token is asked for with a password")
        user, password = parse_basic(credentials)
        return await self.log_in(user, password, asker.address)

    async def log_in(self, user: str, password: str, address: str | None) -> Identity:
        """Return who has this password.

        A job that cannot ask for an ID token again logs in with a refresh token in its place.

        Raises:
            CredentialsInvalid: nobody of this name has.
        """
        check_sanity(user, password)
        if user == WORKLOAD_USER:
            if password.startswith(REFRESH_PREFIX):
                return await self.log_in_again(password, self._services[0])
            return await self.log_in_workload(password)
        attempt = partial(self._logins.log_in, user, password)
        return await self._attempts.make(address, user, attempt)

    async def log_in_workload(self, token: str) -> Identity:
        """Return the workload that a token of another issuer is of.

        Raises:
            CredentialsInvalid: it is of none.
        """
        # What another issuer has signed is not guessed, and a job that is refused must not keep
        # out those that come from the same address.
        return await self._logins.log_in_workload(token)

    async def log_in_again(self, token: str, service: str) -> Identity:
        """Return who a refresh token is of.

        Raises:
            CredentialsInvalid: it is none, or has ended.
        """
        # It is under a MAC, and not guessed.
        return await self._logins.resume(await self._refresh_tokens.read(token, service))

    def check_service(self, service: str | None) -> str:
        """Return the service that a token is asked for; this registry if none is named.

        Raises:
            TokenRequestInvalid: no tokens are made for it.
        """
        if service is None:
            return self._services[0]
        if service not in self._services:
            raise TokenRequestInvalid("invalid_target", "no tokens are made for this service")
        return service

    async def issue(
        self, identity: Identity, service: str, scopes: Sequence[str], *, offline: bool
    ) -> IssuedTokens:
        """Return a token for as much of the scopes as the rules allow, which may be nothing.

        Args:
            identity: who asks.
            service: as `check_service` returns it.
            scopes: as they were sent.
            offline: whether a refresh token is asked for too.

        Raises:
            TokenRequestInvalid: a scope is outside the grammar.
            CredentialsInvalid: the login has ended meanwhile.
        """
        try:
            wanted = parse_scope(" ".join(scopes))
        except ValueError as error:
            raise TokenRequestInvalid("invalid_scope", str(error)) from None
        access = limit_access(identity.principal, wanted, self._allowed)
        token = await self._issuer.issue(identity, service, access)
        refresh = await self._refresh_tokens.issue(identity, service) if offline else None
        return IssuedTokens(access=token, refresh=refresh)

    async def key_set(self) -> Mapping[str, object]:
        """Return the keys that tokens are signed with now, or were. Spec: RFC 7517, section 5."""
        return {"keys": [key.public() for key in await self._keys.list_keys()]}


def limit_access(
    principal: Principal, wanted: Sequence[Access], allowed: Rules
) -> tuple[Access, ...]:
    """Return what of `wanted` both the rules and the grants of the principal allow.

    Who may list tags and not pull is given that in its place: clients ask for nothing so fine.
    """
    found = []
    for access in wanted:
        actions = access.actions
        if access.type == "repository" and "*" in actions:
            actions = _TOKEN_ACTIONS
        given = _limit(principal, replace(access, actions=actions), allowed)
        if access.type == "repository" and "pull" in actions and "pull" not in given:
            given = (*given, *_limit(principal, replace(access, actions=("list",)), allowed))
        if given:
            found.append(replace(access, actions=tuple(dict.fromkeys(given))))
    return tuple(found)


def _limit(principal: Principal, asked: Access, allowed: Rules) -> tuple[str, ...]:
    grants = principal.grants
    if asked.type == "repository" and grants is not None:
        granted = tuple(
            action
            for action in asked.actions
            if any(grant.allows(action, asked.name) for grant in grants)
        )
        asked = replace(asked, actions=granted)
    answer = allowed(principal, asked) if asked.actions else None
    # Whatever the rules say, nobody is given what was not asked for.
    return () if answer is None else tuple(a for a in asked.actions if _has(answer, a))


def _has(access: Access, action: str) -> bool:
    return action in access.actions or "*" in access.actions
