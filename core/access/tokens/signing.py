"""`SigningKeys`: the keys that this registry signs its tokens with, shared by all processes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from anyio import Lock, sleep
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey

from core.access.state import AccessState
from core.access.tokens.authority import CertifiedKey, create_authority, sign_certificate
from core.errors import AccessUnavailable, DriverError

__all__ = ["ALGORITHM", "SigningKey", "SigningKeys"]

ALGORITHM: Final = "ES256"

_LOOK_SECONDS = 1
"""Least time between two looks into the store for keys that nobody here has seen."""

_STALE_SECONDS = 60
"""How old what is known may be when a token is signed, or the keys are shown."""

_LEEWAY = timedelta(minutes=5)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key as tokens are signed and verified with it.

    Attributes:
        kid: its thumbprint. Spec: RFC 7638.
        x5c: what the header of a token says of its certificate.
        made_at: in seconds since the epoch.
        not_after: when its certificate ends, in seconds since the epoch; no token lasts longer.
    """

    kid: str
    key: ECKey = field(repr=False)
    x5c: tuple[str, ...] = field(repr=False)
    made_at: float
    not_after: float

    @classmethod
    def of(cls, certified: CertifiedKey) -> "SigningKey":
        """Return the key of a certificate."""
        key = ECKey.import_key(certified.private_key)
        return cls(
            kid=key.thumbprint(),
            key=key,
            x5c=(certified.x5c,),
            made_at=certified.made_at,
            not_after=certified.not_after,
        )

    def public(self) -> Mapping[str, object]:
        """Return the public half as a member of a JWKS. Spec: RFC 7517, section 4."""
        known = self.key.as_dict(private=False)
        return {**known, "kid": self.kid, "use": "sig", "alg": ALGORITHM, "x5c": list(self.x5c)}


class SigningKeys:
    """Keys that are made when they are needed, and replaced when they are old.

    An old key verifies until every token that it can have signed has expired. One that another
    process has made is known here as soon as a token of it comes. Every method raises
    `AccessUnavailable` or `DriverError` where the store cannot be asked or is damaged.
    """

    def __init__(
        self,
        state: AccessState,
        *,
        rotation: timedelta,
        token_lifetime: timedelta,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is made or read yet.

        Args:
            state: where the keys are kept.
            rotation: the age at which a key is replaced.
            token_lifetime: the longest of any token.
            now: the clock.
        """
        self._state = state
        self._rotation = rotation
        self._token_lifetime = token_lifetime
        self._now = now
        self._keys: dict[str, SigningKey] = {}
        self._looked_at: float | None = None
        self._lock = Lock()

    async def current(self) -> SigningKey:
        """Return the key to sign with now; one whose time has come is replaced first.

        Where it cannot be replaced now, it goes on as long as its certificate does.
        """
        newest = self._newest()
        try:
            if newest is None or self._is_stale():
                await self._look()
                newest = self._newest()
            if newest is None or self._is_old(newest):
                newest = await self._replace(force=False)
        except (AccessUnavailable, DriverError) as error:
            if newest is None:
                raise
            _log.warning("signing keys were not looked at", reason=str(error))
        return newest

    async def rotate(self) -> SigningKey:
        """Make a new key, with which all processes sign within a minute, and return it."""
        return await self._replace(force=True)

    async def find(self, kid: str) -> SigningKey | None:
        """Return the key of a token, None if there is none that has not ended.

        A kid that is not known is looked for in the store, at most once a second for all of
        them; so the answer to one that is made up may take as long.
        """
        if kid not in self._keys:
            await self._look_again()
        known = self._keys.get(kid)
        return known if known is not None and known.not_after > self._now() else None

    async def list_keys(self) -> list[SigningKey]:
        """Return all keys that have not ended, the newest first; there is at least one."""
        await self.current()
        now = self._now()
        alive = [known for known in self._keys.values() if known.not_after > now]
        return sorted(alive, key=_age_order, reverse=True)

    async def certificate(self) -> str:
        """Return the certificate of the authority, which lasts for years, as PEM."""
        authority = await self._read_authority()
        if authority is None:
            async with self._state.changing():
                authority = await self._make_authority()
        return authority.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def _newest(self) -> SigningKey | None:
        """Return the key to sign with of those that are known, if one is good for a token."""
        now = self._now()
        good = [
            known
            for known in self._keys.values()
            # One that a wrong clock made in the future is not valid elsewhere.
            if known.made_at <= now + _LEEWAY.total_seconds()
            and known.not_after >= now + self._token_lifetime.total_seconds()
        ]
        return max(good, key=_age_order, default=None)

    def _is_old(self, known: SigningKey) -> bool:
        return self._now() >= known.made_at + self._rotation.total_seconds()

    def _is_stale(self) -> bool:
        return self._looked_at is None or time.monotonic() >= self._looked_at + _STALE_SECONDS

    async def _look_again(self) -> None:
        asked_at = time.monotonic()
        async with self._lock:
            if self._looked_at is not None:
                if self._looked_at >= asked_at:
                    # Somebody else has looked while this waited.
                    return
                await sleep(max(0.0, self._looked_at + _LOOK_SECONDS - time.monotonic()))
            await self._look()

    async def _look(self) -> None:
        """Learn which keys there are now; the others are forgotten."""
        looked_at = time.monotonic()
        found: dict[str, SigningKey] = {}
        for kid in await self._state.list_names(self._state.paths.keys):
            known = self._keys.get(kid) or await self._read_key(kid)
            if known is not None:
                found[kid] = known
        self._keys, self._looked_at = found, looked_at

    async def _read_key(self, kid: str) -> SigningKey | None:
        path = self._state.paths.key(kid)
        content = await self._state.find(path)
        if content is None:
            return None
        try:
            known = SigningKey.of(CertifiedKey.parse(content))
        except ValueError as error:
            # The others are as good as ever, and this one verifies nothing.
            _log.error("a signing key is damaged", path=path, reason=str(error))
            return None
        return known if known.kid == kid else None

    async def _replace(self, *, force: bool) -> SigningKey:
        async with self._state.changing():
            await self._look()
            newest = self._newest()
            if newest is not None and not force and not self._is_old(newest):
                return newest
            authority = await self._read_authority() or await self._make_authority()
            # Certificates tell whole seconds, by which the newest key is found.
            made_at = self._now() if newest is None else max(self._now(), newest.made_at + 1)
            made = sign_certificate(authority, made_at, self._lifetime())
            known = SigningKey.of(made)
            await self._state.driver.put(self._state.paths.key(known.kid), made.to_pem())
            await self._delete_ended()
            await self._look()
        if known.kid not in self._keys:
            raise AccessUnavailable("a signing key was deleted as soon as it was made")
        _log.info("signing key made", kid=known.kid)
        return known

    def _lifetime(self) -> timedelta:
        # A process that cannot reach the store signs with an old key for as long again.
        return 2 * self._rotation + self._token_lifetime + _LEEWAY

    async def _delete_ended(self) -> None:
        for kid, known in self._keys.items():
            if known.not_after + _LEEWAY.total_seconds() < self._now():
                await self._state.driver.delete(self._state.paths.key(kid))

    async def _read_authority(self) -> CertifiedKey | None:
        path = self._state.paths.authority
        content = await self._state.find(path)
        if content is None:
            return None
        try:
            return CertifiedKey.parse(content)
        except ValueError as error:
            # A new one would make every registry that trusts this one refuse its tokens.
            raise AccessUnavailable(f"{path} is damaged: {error}") from None

    async def _make_authority(self) -> CertifiedKey:
        """Return the authority, which is made if nobody else has made it; inside `changing`."""
        if await self._read_authority() is None:
            new = create_authority(self._now())
            await self._state.driver.put(self._state.paths.authority, new.to_pem())
        made = await self._read_authority()
        if made is None:
            raise AccessUnavailable("the authority was deleted as soon as it was made")
        return made


def _age_order(known: SigningKey) -> tuple[float, str]:
    return known.made_at, known.kid
