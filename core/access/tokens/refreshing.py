"""`RefreshTokens`: with which those who have logged in get access tokens for weeks.

Only this registry reads them, so they are no JWTs: a text, and a MAC of it under a key made from
the shared secret. So none can pass for an access token, here or at any registry that trusts this
one, and the signing keys can end long before they do.
"""

import base64
import hashlib
import hmac
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from core.access.controller import CredentialsInvalid
from core.access.state import AccessState
from core.access.tokens.identity import Identity

__all__ = ["REFRESH_PREFIX", "RefreshTokens"]

REFRESH_PREFIX: Final = "moorage_refresh_"
"""By which scanners find them where they do not belong."""

_MAX_CHARACTERS = 32 * 1024
_PURPOSE = b"refresh tokens"


class RefreshTokens:
    """Makes and reads refresh tokens, each for one service.

    Every method raises `AccessUnavailable` or `DriverError` where the secret cannot be had.
    """

    def __init__(
        self, state: AccessState, *, lifetime_seconds: float, now: Callable[[], float] = time.time
    ) -> None:
        """Make them with the secret of this state.

        Args:
            state: the state.
            lifetime_seconds: how long they are good; 0 makes none.
            now: the clock.
        """
        self._state = state
        self._lifetime_seconds = lifetime_seconds
        self._now = now

    async def issue(self, identity: Identity, service: str) -> str | None:
        """Return a token that ends with the login, None where nothing but time would end it."""
        if not self._lifetime_seconds:
            return None
        if identity.bound is None and math.isinf(identity.ends_at):
            return None
        said = {
            "of": identity.to_claim(),
            "service": service,
            "expires_at": min(self._now() + self._lifetime_seconds, identity.ends_at),
        }
        content = _encode(json.dumps(said, separators=(",", ":")).encode())
        return f"{REFRESH_PREFIX}{content}.{_encode(await self._mac(content))}"

    async def read(self, token: str, service: str) -> Identity:
        """Return who a token is of, by what it says; whether that still holds is not asked here.

        Raises:
            CredentialsInvalid: it is none, has expired, or is for another service.
        """
        content, dot, mac = token.removeprefix(REFRESH_PREFIX).partition(".")
        if not token.startswith(REFRESH_PREFIX) or not dot or len(token) > _MAX_CHARACTERS:
            raise CredentialsInvalid("this is no refresh token")
        expected = _encode(await self._mac(content))
        if not hmac.compare_digest(expected.encode(), mac.encode("utf-8", "surrogatepass")):
            raise CredentialsInvalid("the refresh token was not made here")
        # What follows was written by `issue`.
        said = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
        identity = Identity.parse(said["of"])
        if said["expires_at"] <= self._now():
            raise CredentialsInvalid("the refresh token has expired", user=identity.principal.name)
        if said["service"] != service:
            raise CredentialsInvalid(
                "the refresh token is for another service", user=identity.principal.name
            )
        return replace(identity, ends_at=said["expires_at"])

    async def _mac(self, content: str) -> bytes:
        key = hmac.digest(await self._state.secret(), _PURPOSE, hashlib.sha256)
        return hmac.digest(key, content.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
