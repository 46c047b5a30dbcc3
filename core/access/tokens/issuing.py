"""`TokenIssuer`: makes access tokens, which are good for minutes.

Spec: distribution, "Token Authentication Implementation"; RFC 7519.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from joserfc import jwt

from core.access.controller import CredentialsInvalid
from core.access.resources import Access
from core.access.tokens.identity import IDENTITY_CLAIM, Identity
from core.access.tokens.signing import ALGORITHM, SigningKeys

__all__ = ["AccessToken", "TokenIssuer", "login_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token, and what its bearer is told of it.

    Attributes:
        text: as it is sent.
        issued_at: in whole seconds, with its time zone.
        expires_in: in seconds, at least 1.
        access: what it is good for.
    """

    text: str = field(repr=False)
    issued_at: datetime
    expires_in: int
    access: tuple[Access, ...]


class TokenIssuer:
    """Signs access tokens with the newest key.

    Each has the certificate of its key with it (`x5c`), so that a registry that trusts the
    authority verifies it without knowing the key.
    """

    def __init__(
        self,
        keys: SigningKeys,
        *,
        issuer: str,
        lifetime_seconds: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Sign with these keys.

        Args:
            keys: the keys.
            issuer: what tokens say they are of.
            lifetime_seconds: how long they are good.
            now: the clock.
        """
        self._keys = keys
        self._issuer = issuer
        self._lifetime_seconds = lifetime_seconds
        self._now = now

    async def issue(
        self, identity: Identity, service: str, access: Sequence[Access]
    ) -> AccessToken:
        """Return a token for one service, which ends no later than the login.

        Raises:
            CredentialsInvalid: the login has ended.
            AccessUnavailable, DriverError: there is no key to sign with.
        """
        now = int(self._now())
        expires_at = min(now + self._lifetime_seconds, identity.ends_at)
        if expires_at < now + 1:
            raise CredentialsInvalid("the login has ended", user=identity.principal.name)
        key = await self._keys.current()
        claims: dict[str, object] = {
            "iss": self._issuer,
            "sub": login_name(identity),
            "aud": service,
            "iat": now,
            "nbf": now,
            "exp": int(expires_at),
            "jti": secrets.token_urlsafe(16),
            "access": [
                {"type": entry.type, "name": entry.name, "actions": list(entry.actions)}
                for entry in access
            ],
            IDENTITY_CLAIM: identity.to_claim(),
        }
        header = {"alg": ALGORITHM, "kid": key.kid, "x5c": list(key.x5c)}
        return AccessToken(
            text=jwt.encode(header, claims, key.key, algorithms=[ALGORITHM]),
            issued_at=datetime.fromtimestamp(now, UTC),
            expires_in=int(expires_at) - now,
            access=tuple(access),
        )


def login_name(identity: Identity) -> str:
    """Return the name that logs elsewhere show: that of a robot is the one it logs in with."""
    principal = identity.principal
    return f"robot+{principal.name}" if principal.kind == "robot" else principal.name
