"""`TokenVerifier`: whether a token is what it says it is."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from core.access.controller import CredentialsInvalid
from core.access.tokens.certificates import RootCertificates
from core.access.tokens.claims import check_audience, check_issuer, check_times, parse_name
from core.access.tokens.compact import CompactToken, parse_compact
from core.access.tokens.key_sources import KeySource
from core.access.tokens.keys import ALGORITHMS, VerificationKey

__all__ = ["TokenVerifier", "VerifiedToken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """What a token says whose signature, issuer, audience and times have been checked.

    Attributes:
        type: the `typ` of its header.
        subject: empty where it names nobody.
        claims: all of them; what they mean beyond these is for the reader to check.
        valid_until: in seconds since the epoch, leeway included.
    """

    type: str | None
    subject: str
    claims: Mapping[str, object]
    valid_until: float


class TokenVerifier:
    """Verifies the tokens of one issuer.

    Nothing in a token leads anywhere: `jku` and `x5u` are never followed, `kid` is only looked up
    among keys that are trusted already, and a key in the token counts only if a trusted
    certificate vouches for it. Spec: RFC 7515, section 5.2; RFC 7519, section 7.2; RFC 8725.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audiences: Collection[str],
        keys: KeySource,
        roots: RootCertificates | None = None,
        algorithms: Collection[str] = ALGORITHMS,
        leeway_seconds: float = 60,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Trust `keys`, and the keys that `roots` vouch for.

        Args:
            issuer: that tokens have to name, to the letter.
            audiences: of which a token has to name one.
            keys: by `kid`; belongs to the caller, as do the roots.
            roots: for `x5c`; without them no certificate in a token counts.
            algorithms: that may be used, all of `ALGORITHMS`.
            leeway_seconds: by which clocks may differ.
            clock: in seconds since the epoch.

        Raises:
            ValueError: an algorithm is none of those, or there are no algorithms or audiences.
        """
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise ValueError(f"signatures are made with some of {', '.join(ALGORITHMS)}")
        if not audiences or not issuer:
            raise ValueError("a token is for somebody, and of somebody")
        self._issuer = issuer
        self._audiences = frozenset(audiences)
        self._keys = keys
        self._roots = roots
        self._algorithms = frozenset(algorithms)
        self._leeway_seconds = leeway_seconds
        self._clock = clock

    async def verify(self, token: str) -> VerifiedToken:
        """Return what the token says.

        Raises:
            CredentialsInvalid: with the check that failed, and nothing of the token but the
                subject that it claims.
            AccessUnavailable: its key is not known here, and the issuer cannot be asked.
        """
        parsed = parse_compact(token)
        subject = parse_name(parsed.claims)
        try:
            algorithm = self._check_header(parsed.header)
            check_issuer(parsed.claims, self._issuer)
            check_audience(parsed.claims, self._audiences)
            valid_until = check_times(
                parsed.claims, now=self._clock(), leeway_seconds=self._leeway_seconds
            )
            await self._check_signature(parsed, algorithm)
        except CredentialsInvalid as error:
            raise CredentialsInvalid(error.reason, user=subject or None) from None
        kind = parsed.header.get("typ")
        return VerifiedToken(
            type=kind if isinstance(kind, str) else None,
            subject=subject,
            claims=parsed.claims,
            valid_until=valid_until,
        )

    def _check_header(self, header: Mapping[str, object]) -> str:
        """Return the algorithm, if it is allowed and nothing else changes what is signed."""
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise CredentialsInvalid("the token is signed with an algorithm that is not allowed")
        if "crit" in header or "b64" in header:
            raise CredentialsInvalid("the token asks for extensions that nobody here knows")
        return algorithm

    async def _check_signature(self, token: CompactToken, algorithm: str) -> None:
        keys = await self._trusted_keys(token.header)
        fitting = [key for key in keys if key.fits(algorithm)]
        if not fitting:
            raise CredentialsInvalid("the algorithm of the token is not that of its key")
        if not any(key.verifies(algorithm, token.signed, token.signature) for key in fitting):
            raise CredentialsInvalid("the signature of the token is wrong")

    async def _trusted_keys(self, header: Mapping[str, object]) -> Sequence[VerificationKey]:
        """Return the keys of which one has to have signed, looked for as the incumbent does.

        A chain of certificates comes first, then a key in the header, then its name.
        """
        if self._roots is not None and "x5c" in header:
            return [await self._key_of_chain(self._roots, header["x5c"])]
        named = header
        if "jwk" in header:
            inner = header["jwk"]
            if not isinstance(inner, Mapping):
                raise CredentialsInvalid("the key in the header of the token is malformed")
            if self._roots is not None and "x5c" in inner:
                return [await self._key_of_chain(self._roots, inner["x5c"])]
            named = inner
        kid = named.get("kid")
        if not isinstance(kid, str):
            raise CredentialsInvalid("the token does not say which key it is signed with")
        keys = await self._keys.find(kid)
        if not keys:
            raise CredentialsInvalid("the token is signed with a key that is not trusted")
        return keys

    async def _key_of_chain(self, roots: RootCertificates, chain: object) -> VerificationKey:
        if not isinstance(chain, list) or not all(isinstance(text, str) for text in chain):
            raise CredentialsInvalid("the certificates in the header of the token are malformed")
        try:
            return await roots.verify_chain(chain)
        except ValueError as error:
            raise CredentialsInvalid(f"the certificates of the token: {error}") from None
