"""`TokenServer`: a registry's own token server, put together."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.access.passwords.attempts import LoginAttempts
from core.access.robots.robots import Robots
from core.access.robots.use import RobotUse
from core.access.state import AccessState
from core.access.tokens.issuing import TokenIssuer
from core.access.tokens.logins import Logins, PasswordChecker, WorkloadIdentifier
from core.access.tokens.own import OwnTokens
from core.access.tokens.own_keys import OwnKeys
from core.access.tokens.refreshing import RefreshTokens
from core.access.tokens.service import Rules, TokenService
from core.access.tokens.signing import ALGORITHM, SigningKeys
from core.access.tokens.verifying import TokenVerifier

__all__ = ["TokenServer", "create_signing_keys", "create_token_server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenServer:
    """What there is of it.

    Attributes:
        controller: takes its tokens.
        service: gives them.
        use: notes when robots come. Its `run` belongs into a task of the application, and its
            `write` before the end.
    """

    controller: OwnTokens
    service: TokenService
    use: RobotUse


def create_token_server(
    state: AccessState,
    *,
    issuer: str,
    services: Sequence[str],
    access_token_seconds: int,
    refresh_token_days: int,
    key_rotation_days: int,
    allowed: Rules,
    passwords: PasswordChecker | None = None,
    workloads: WorkloadIdentifier | None = None,
    attempts: LoginAttempts | None = None,
    generation: Callable[[], int] = lambda: 0,
    now: Callable[[], float] = time.time,
) -> TokenServer:
    """Return a token server; nothing is read or made before somebody comes.

    Args:
        state: the keys, the robots and the shared secret.
        issuer: what tokens say they are of.
        services: that tokens are made for, this registry first.
        access_token_seconds: how long access tokens are good.
        refresh_token_days: how long refresh tokens are; 0 makes none.
        key_rotation_days: the age at which a signing key is replaced.
        allowed: the rules.
        passwords: the users.
        workloads: the issuers of workloads.
        attempts: slow down those who guess.
        generation: changes with the passwords of users.
        now: the clock.
    """
    keys = create_signing_keys(
        state,
        key_rotation_days=key_rotation_days,
        access_token_seconds=access_token_seconds,
        now=now,
    )
    use = RobotUse(state, now=now)
    logins = Logins(
        state, Robots(state, now=now), use, passwords=passwords, workloads=workloads, now=now
    )
    verifier = TokenVerifier(
        issuer=issuer,
        audiences=services[:1],
        keys=OwnKeys(keys),
        algorithms=(ALGORITHM,),
        clock=now,
    )
    refresh_seconds = timedelta(days=refresh_token_days).total_seconds()
    service = TokenService(
        services=services,
        logins=logins,
        keys=keys,
        issuer=TokenIssuer(keys, issuer=issuer, lifetime_seconds=access_token_seconds, now=now),
        refresh_tokens=RefreshTokens(state, lifetime_seconds=refresh_seconds, now=now),
        allowed=allowed,
        attempts=attempts,
    )
    controller = OwnTokens(
        service=services[0], verifier=verifier, logins=logins, generation=generation
    )
    return TokenServer(controller=controller, service=service, use=use)


def create_signing_keys(
    state: AccessState,
    *,
    key_rotation_days: int,
    access_token_seconds: int,
    now: Callable[[], float] = time.time,
) -> SigningKeys:
    """Return the signing keys of a token server with these settings."""
    return SigningKeys(
        state,
        rotation=timedelta(days=key_rotation_days),
        token_lifetime=timedelta(seconds=access_token_seconds),
        now=now,
    )
