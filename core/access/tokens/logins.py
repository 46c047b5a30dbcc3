"""`Logins`: who proves what, by a password, the secret of a robot or a token of another issuer."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from core.access.controller import CredentialsInvalid
from core.access.principal import ANONYMOUS, Principal
from core.access.robots.record import Robot, find_robot_name
from core.access.robots.robots import FRESH_SECONDS, Robots
from core.access.robots.use import RobotUse
from core.access.state import AccessState
from core.access.tokens.identity import Identity

__all__ = [
    "WORKLOAD_USER",
    "Logins",
    "PasswordChecker",
    "WorkloadIdentifier",
]

WORKLOAD_USER: Final = "oidc"
"""The user as which a token of another issuer is the password."""

_BOUND_BYTES = 16


class PasswordChecker(Protocol):
    """Knows the users that have passwords."""

    async def verify(self, user: str, password: str) -> Principal | None:
        """Return the user with this password, None if there is none.

        Raises:
            AccessUnavailable: it cannot be found out now, and nothing else.
        """

    async def fingerprint(self, user: str) -> str | None:
        """Return a text that changes with the user's password, None if there is no such user.

        Raises:
            AccessUnavailable: it cannot be found out now, and nothing else.
        """


class WorkloadIdentifier(Protocol):
    """Knows the issuers that vouch for workloads."""

    async def identify(self, token: str) -> Principal:
        """Return the workload that this token is of, until its `valid_until`.

        Raises:
            CredentialsInvalid: no trusted issuer vouches for one with it.
            AccessUnavailable: it cannot be found out now.
        """

    def knows(self, workload: Principal) -> bool:
        """Say whether it would be the same if it came with the same claims now."""


class Logins:
    """Finds out who somebody is, and later whether they still are.

    Every method raises `AccessUnavailable` or `DriverError` where it cannot be found out now.
    """

    def __init__(
        self,
        state: AccessState,
        robots: Robots,
        use: RobotUse,
        *,
        passwords: PasswordChecker | None = None,
        workloads: WorkloadIdentifier | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take those whom these know.

        Args:
            state: of the secret that fingerprints are under.
            robots: the robots.
            use: notes when robots come.
            passwords: the users; None if there are none.
            workloads: None if no issuer is trusted.
            now: the clock.
        """
        self._state = state
        self._robots = robots
        self._use = use
        self._passwords = passwords
        self._workloads = workloads
        self._now = now

    async def log_in(self, user: str, password: str) -> Identity:
        """Return who has this password.

        Raises:
            CredentialsInvalid: nobody of this name has.
        """
        robot = find_robot_name(user)
        if robot is not None:
            return await self._log_in_robot(robot, password)
        if user == WORKLOAD_USER:
            return await self.log_in_workload(password)
        # What is asked before is of the password that is shown, and of none that takes its place
        # while it is verified.
        bound = await self._fingerprint(user)
        principal = None
        if self._passwords is not None:
            principal = await self._passwords.verify(user, password)
        if principal is None or bound is None:
            raise CredentialsInvalid("unknown user or wrong password", user=user)
        return Identity(principal=principal, bound=bound)

    async def log_in_workload(self, token: str) -> Identity:
        """Return the workload that a token of another issuer is of.

        Raises:
            CredentialsInvalid: it is of none.
        """
        if self._workloads is None:
            raise CredentialsInvalid("no issuer of workloads is trusted", user=WORKLOAD_USER)
        principal = await self._workloads.identify(token)
        return Identity(principal=principal, ends_at=principal.valid_until)

    def certify(self, common_name: str, organizations: Sequence[str]) -> Identity:
        """Return the user of a client certificate that has been verified."""
        return Identity(principal=Principal.certified(common_name, organizations))

    async def resume(self, identity: Identity) -> Identity:
        """Return who a token is of, as they are now; the `valid_until` says how long that is known.

        Raises:
            CredentialsInvalid: the robot or user is gone, or has another secret by now; or the
                workload is not trusted any more, or with other things.
        """
        principal = identity.principal
        if principal.kind == "robot":
            return await self._resume_robot(principal.name, identity.bound)
        if identity.bound is None:
            if principal.kind == "anonymous":
                return replace(identity, principal=ANONYMOUS)
            if principal.kind == "workload" and not self._knows(principal):
                raise CredentialsInvalid("no rule is for the workload any more", user=WORKLOAD_USER)
            return identity
        if not _is_same(await self._fingerprint(principal.name), identity.bound):
            raise CredentialsInvalid("the password has changed", user=principal.name)
        return replace(
            identity, principal=replace(principal, valid_until=self._now() + FRESH_SECONDS)
        )

    def _knows(self, workload: Principal) -> bool:
        return self._workloads is not None and self._workloads.knows(workload)

    async def _log_in_robot(self, name: str, secret: str) -> Identity:
        is_kept = self._robots.keeps(name)
        known = await self._robots.look(name)
        if is_kept and (known is None or not known[0].has_secret(secret)):
            # It may have got this secret on another node just now. One that was looked for in the
            # store has not: a second look would tell by its time that there is such a robot.
            known = await self._robots.look_again(name)
        if known is None or not known[0].has_secret(secret):
            raise CredentialsInvalid("unknown robot or wrong secret", user=f"robot+{name}")
        self._use.note(known[0].name)
        return _identify_robot(*known)

    async def _resume_robot(self, name: str, bound: str | None) -> Identity:
        known = await self._robots.look(name)
        if known is not None and not _is_same(known[0].id, bound):
            known = await self._robots.look_again(name)
        if known is None or not _is_same(known[0].id, bound):
            raise CredentialsInvalid("the robot has ended", user=f"robot+{name}")
        self._use.note(name)
        return _identify_robot(*known)

    async def _fingerprint(self, user: str) -> str | None:
        """Return a text that tells nothing of a password, and changes with it."""
        kept = None if self._passwords is None else await self._passwords.fingerprint(user)
        if kept is None:
            return None
        content = f"password\0{user}\0{kept}".encode("utf-8", "surrogatepass")
        mac = hmac.digest(await self._state.secret(), content, hashlib.sha256)
        return base64.urlsafe_b64encode(mac[:_BOUND_BYTES]).rstrip(b"=").decode("ascii")


def _identify_robot(robot: Robot, believed_until: float) -> Identity:
    principal = Principal(
        kind="robot", name=robot.name, grants=robot.grants, valid_until=believed_until
    )
    if robot.expires_at is None:
        return Identity(principal=principal, bound=robot.id)
    return Identity(principal=principal, bound=robot.id, ends_at=robot.expires_at.timestamp())


def _is_same(kept: str | None, given: str | None) -> bool:
    if kept is None or given is None:
        return False
    return hmac.compare_digest(kept.encode(), given.encode("utf-8", "surrogatepass"))
