"""Nodes of a registry that is its own token server, and those who come to it."""

import base64
import time
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from core.access import ANONYMOUS, Access, Asker, CredentialsInvalid, Grant, Principal
from core.access.resources import RepositoryPattern
from core.access.robots.robots import Robots
from core.access.state import AccessState
from core.access.tokens.server import TokenServer, create_token_server
from core.drivers import StorageDriver

__all__ = [
    "PASSWORD",
    "PULL_PUSH",
    "TEAM",
    "Clock",
    "Node",
    "Users",
    "Workloads",
    "allow",
    "basic",
    "read_claims",
]

PASSWORD = "correct horse battery staple"
TEAM = Grant(RepositoryPattern("team/**"), frozenset({"pull", "push"}))
PULL_PUSH = "repository:team/app:pull,push"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


class Users:
    """Users with passwords, as a password file has them; counts how often one was verified."""

    def __init__(self, **passwords: str) -> None:
        self.passwords = passwords
        self.verified = 0

    async def verify(self, user: str, password: str) -> Principal | None:
        self.verified += 1
        if self.passwords.get(user) != password:
            return None
        return Principal(kind="user", name=user)

    async def fingerprint(self, user: str) -> str | None:
        return self.passwords.get(user)


class Workloads:
    """An issuer whose tokens are the names of jobs, good for ten minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def identify(self, token: str) -> Principal:
        if not token.startswith("job-"):
            raise CredentialsInvalid("no issuer vouches for this")
        return Principal(
            kind="workload",
            name=token,
            claims={"repository": "team/app"},
            grants=(TEAM,),
            valid_until=self._clock() + 600,
        )

    def knows(self, workload: Principal) -> bool:
        return workload.grants == (TEAM,)


class Node:
    """One node. Everybody may pull from `public/...`, and whoever has logged in may do all."""

    def __init__(
        self,
        driver: StorageDriver,
        clock: Clock,
        users: Users | None = None,
        **settings: Any,  # noqa: ANN401 - as `create_token_server` takes them
    ) -> None:
        self.state = AccessState(driver)
        self.clock = clock
        self.users = Users(ann=PASSWORD) if users is None else users
        self.robots = Robots(self.state, now=clock)
        given: dict[str, Any] = {
            "issuer": "moorage",
            "services": ("moorage", "old-registry"),
            "access_token_seconds": 300,
            "refresh_token_days": 30,
            "key_rotation_days": 30,
            "allowed": allow,
            "passwords": self.users,
            "workloads": Workloads(clock),
            "now": clock,
            **settings,
        }
        self.server: TokenServer = create_token_server(self.state, **given)

    async def token(
        self, user: str | None, password: str = PASSWORD, *scopes: str, service: str = "moorage"
    ) -> str:
        """Log in, and return an access token."""
        asker = Asker() if user is None else Asker(authorization=basic(user, password))
        identity = await self.server.service.identify(asker)
        issued = await self.server.service.issue(identity, service, scopes, offline=False)
        return issued.access.text

    async def refresh_token(self, user: str, password: str = PASSWORD) -> str | None:
        """Log in, and return a refresh token."""
        service = self.server.service
        identity = await service.log_in(user, password, None)
        return (await service.issue(identity, "moorage", (), offline=True)).refresh

    async def bearer(self, token: str) -> Principal:
        """Return whom the registry takes the bearer of a token for."""
        return await self.server.controller.identify(Asker(authorization=f"Bearer {token}"))


def allow(principal: Principal, access: Access) -> Access | None:
    """Return what these rules allow."""
    if principal.subject != ANONYMOUS.subject:
        return access
    if access.name.startswith("public/") and "pull" in access.actions:
        return Access(access.type, access.name, ("pull",))
    return None


def basic(user: str, password: str) -> str:
    """Return the credentials of a user."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def read_claims(token: str) -> Mapping[str, Any]:
    """Return what a token says, unverified."""
    content = token.split(".")[1]
    claims: Mapping[str, Any] = from_json(base64.urlsafe_b64decode(content + "=="))
    return claims
