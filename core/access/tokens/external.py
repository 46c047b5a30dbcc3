"""`ExternalTokens`: access by the tokens of another server. Spec: distribution, "Token auth"."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from core.access.controller import Asker, Challenge, CredentialsInvalid, bearer_challenge
from core.access.passwords.basic import split_credentials
from core.access.principal import ANONYMOUS, Principal
from core.access.resources import Access
from core.access.tokens.claims import claim_at, parse_access, scalar_text
from core.access.tokens.key_sources import KeySource
from core.access.tokens.verifying import TokenVerifier, VerifiedToken

__all__ = ["ExternalTokens", "TokenServer"]

_MAX_GROUPS = 1000
_PROVEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenServer:
    """What clients and rules are told of the server that makes the tokens.

    Attributes:
        realm: the address where clients get a token, or a path at that of this registry.
        service: what this registry is called there.
        groups_claim: the claim that has the groups of the user; None for no groups.
        claims: those that rules may ask for.
    """

    realm: str
    service: str
    groups_claim: str | None = None
    claims: Sequence[str] = ()


class ExternalTokens:
    """The access controller that believes bearer tokens of one server, and nothing else.

    A token says what it is good for, and that alone is what its bearer may do. One that names
    nobody is of nobody in particular, and good for what it says all the same.
    """

    def __init__(
        self,
        server: TokenServer,
        verifier: TokenVerifier,
        keys: KeySource,
        *,
        clock: Callable[[], float] = time.time,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Close the keys with this.

        Args:
            server: where tokens come from.
            verifier: of its tokens.
            keys: that the verifier looks in.
            clock: in seconds since the epoch.
            close: what else is to be closed.
        """
        self.generation = 0
        self._server = server
        self._verifier = verifier
        self._keys = keys
        self._clock = clock
        self._close = close

    async def load(self) -> None:
        """Read the keys that are in files, before the first request comes.

        Raises:
            ValueError: a file cannot be used.
        """
        await self._keys.load()

    async def identify(self, asker: Asker) -> Principal:
        """Return the bearer of the token; `ANONYMOUS` where there are no credentials.

        It is to be proven anew after a minute at the latest, so that a key that the server has
        withdrawn ends the tokens that it signed.

        Raises:
            CredentialsInvalid: they are no bearer token, or it is not good.
            AccessUnavailable: the keys cannot be had now.
        """
        if asker.authorization is None:
            return ANONYMOUS
        scheme, token = split_credentials(asker.authorization)
        if scheme != "bearer":
            raise CredentialsInvalid("only bearer tokens are taken")
        try:
            verified = await self._verifier.verify(token)
        finally:
            self.generation = self._keys.generation
        return Principal(
            kind="user" if verified.subject else "anonymous",
            name=verified.subject,
            groups=self._groups(verified),
            claims=self._claims(verified),
            scope=parse_access(verified.claims),
            valid_until=min(verified.valid_until, self._clock() + _PROVEN_SECONDS),
        )

    def challenge(self, wanted: Sequence[Access], *, error: str | None = None) -> Challenge:
        """Return where to get a token, and for what."""
        server = self._server
        return bearer_challenge(wanted, realm=server.realm, service=server.service, error=error)

    async def aclose(self) -> None:
        """Let go of the keys and of connections to their issuer."""
        await self._keys.aclose()
        if self._close is not None:
            await self._close()

    def _groups(self, token: VerifiedToken) -> frozenset[str]:
        if self._server.groups_claim is None:
            return frozenset()
        named = claim_at(token.claims, self._server.groups_claim)
        groups = [named] if isinstance(named, str) else named or []
        if not isinstance(groups, list) or len(groups) > _MAX_GROUPS:
            raise CredentialsInvalid("the claim of groups is malformed", user=token.subject)
        texts = [group for group in groups if isinstance(group, str)]
        if len(texts) != len(groups):
            raise CredentialsInvalid("the claim of groups is malformed", user=token.subject)
        return frozenset(texts)

    def _claims(self, token: VerifiedToken) -> Mapping[str, str]:
        found = {name: scalar_text(claim_at(token.claims, name)) for name in self._server.claims}
        return MappingProxyType({name: text for name, text in found.items() if text is not None})
