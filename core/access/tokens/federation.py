"""`Federation`: workloads that other issuers vouch for, so that they need no secret of ours."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from core.access.controller import CredentialsInvalid
from core.access.principal import Principal
from core.access.tokens.compact import parse_compact
from core.access.tokens.key_sources import KeySource
from core.access.tokens.keys import ALGORITHMS
from core.access.tokens.verifying import TokenVerifier, VerifiedToken
from core.access.tokens.workload_rules import WorkloadRule

__all__ = ["Federation", "TrustedIssuer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer of ID tokens, such as a CI service. Spec: OpenID Connect Core 1.0, section 2.

    Attributes:
        url: that its tokens name as `iss`, to the letter.
        audiences: of which its tokens have to name one, so that tokens for others count not.
        keys: that it signs with.
        algorithms: that it may use.
    """

    url: str
    audiences: Collection[str]
    keys: KeySource
    algorithms: Collection[str] = ALGORITHMS


class Federation:
    """Finds out which workload an ID token is of, and what rules grant it.

    The first rule whose claims match decides. A token may be shown again until it expires: there
    is no memory of those that have been seen.
    """

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        rules: Sequence[WorkloadRule],
        *,
        leeway_seconds: float = 60,
        clock: Callable[[], float] = time.time,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Close the keys of the issuers with this.

        Args:
            issuers: each of another URL.
            rules: in the order in which they are tried.
            leeway_seconds: by which clocks may differ.
            clock: in seconds since the epoch.
            close: what else is to be closed.

        Raises:
            ValueError: an issuer occurs twice, or has no audience; or a rule is of an issuer that
                is not among them.
        """
        self._issuers = tuple(issuers)
        self._rules = tuple(rules)
        self._clock = clock
        self._close = close
        self._verifiers = {
            issuer.url: TokenVerifier(
                issuer=issuer.url,
                audiences=issuer.audiences,
                keys=issuer.keys,
                algorithms=issuer.algorithms,
                leeway_seconds=leeway_seconds,
                clock=clock,
            )
            for issuer in issuers
        }
        if len(self._verifiers) != len(self._issuers):
            raise ValueError("each issuer occurs once")
        for rule in rules:
            if rule.issuer not in self._verifiers:
                raise ValueError(f"a rule is of {rule.issuer}, which is not among the issuers")

    async def load(self) -> None:
        """Read the keys that are in files, and begin to ask for the others.

        Raises:
            ValueError: a file cannot be used.
        """
        for issuer in self._issuers:
            await issuer.keys.load()

    async def identify(self, token: str) -> Principal:
        """Return the workload, with what it may do at most and for how long.

        Raises:
            CredentialsInvalid: the token is not good, or no rule is for it; with the claim that
                each rule failed on.
            AccessUnavailable: the keys of its issuer cannot be had now.
        """
        issuer = parse_compact(token).claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self._verifiers:
            raise CredentialsInvalid("the token is of an issuer that is not trusted")
        verified = await self._verifiers[issuer].verify(token)
        failed = []
        for number, rule in enumerate(self._rules, start=1):
            if rule.issuer != issuer:
                continue
            claim = rule.unmatched(verified.claims)
            if claim is None:
                return self._apply(rule, number, verified)
            failed.append(f"rule {number} by the claim {claim}")
        reason = f"no rule is for this token: {', '.join(failed) or 'its issuer has none'}"
        raise CredentialsInvalid(reason, user=verified.subject or None)

    def knows(self, workload: Principal) -> bool:
        """Say whether a rule makes the same of the claims that were kept of a workload."""
        issuer = workload.claims.get("iss")
        return any(rule.issuer == issuer and rule.makes(workload) for rule in self._rules)

    async def aclose(self) -> None:
        """Let go of all keys and connections."""
        for issuer in self._issuers:
            await issuer.keys.aclose()
        if self._close is not None:
            await self._close()

    def _apply(self, rule: WorkloadRule, number: int, token: VerifiedToken) -> Principal:
        try:
            return rule.principal(token.claims, now=self._clock())
        except CredentialsInvalid as error:
            # Later rules are not tried: this one is for the token, and cannot be followed.
            reason = f"rule {number}: {error.reason}"
            raise CredentialsInvalid(reason, user=token.subject or None) from None
