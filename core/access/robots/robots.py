"""`Robots`: the accounts for programs, kept in the access state."""

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from core.access.resources import Grant
from core.access.robots.record import Robot, is_robot_name, make_secret
from core.access.state import AccessState
from core.errors import AccessUnavailable, PathNotFound

__all__ = ["FRESH_SECONDS", "RobotExists", "RobotUnknown", "Robots"]

FRESH_SECONDS = 1.0
"""How long a record is believed without another look: so soon a robot is gone on every node."""

_MAX_KNOWN = 4096

_log = structlog.get_logger()


class RobotExists(ValueError):
    """There is a robot of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a robot {name} already")


class RobotUnknown(LookupError):
    """There is no robot of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no robot {name}")


class Robots:
    """The robots of a registry. What is changed here holds on every node within a second.

    Every method raises `AccessUnavailable` or `DriverError` where the store cannot be asked. A
    change that is cancelled or crashes has happened whole or not at all; a secret that nobody
    was shown is replaced by `rotate`.
    """

    def __init__(self, state: AccessState, *, now: Callable[[], float] = time.time) -> None:
        """Keep them in this state.

        Args:
            state: where records are kept.
            now: the clock.
        """
        self._state = state
        self._now = now
        self._known: dict[str, tuple[Robot, float]] = {}

    async def add(
        self,
        name: str,
        grants: Sequence[Grant],
        *,
        expires_at: datetime | None = None,
        description: str = "",
    ) -> tuple[Robot, str]:
        """Create a robot, and return it with its secret, which is kept nowhere.

        Raises:
            RobotExists: there is one of this name.
            ValueError: the name or something else of it is wrong.
        """
        secret, secret_hash = make_secret()
        robot = Robot(
            name=name,
            id=_new_id(),
            secret_hash=secret_hash,
            grants=tuple(grants),
            created_at=datetime.fromtimestamp(int(self._now()), UTC),
            expires_at=expires_at,
            description=description,
        )
        async with self._state.changing():
            if await self._state.find(self._state.paths.robot(name)) is not None:
                raise RobotExists(name)
            await self._write(robot)
        return robot, secret

    async def rotate(self, name: str) -> tuple[Robot, str]:
        """Give a robot another secret, and return both; the old one and its tokens end.

        Raises:
            RobotUnknown: there is none of this name.
        """
        secret, secret_hash = make_secret()
        async with self._state.changing():
            robot = replace(await self._get(name), id=_new_id(), secret_hash=secret_hash)
            await self._write(robot)
        return robot, secret

    async def revoke(self, name: str) -> None:
        """Delete a robot; its secret and its tokens end.

        Raises:
            RobotUnknown: there is none of this name.
        """
        async with self._state.changing():
            self._known.pop(name, None)
            if not is_robot_name(name):
                raise RobotUnknown(name)
            with suppress(PathNotFound):
                await self._state.driver.delete(self._state.paths.used(name))
            try:
                # Nothing is read, so that one whose record is damaged can be revoked too.
                await self._state.driver.delete(self._state.paths.robot(name))
            except PathNotFound:
                raise RobotUnknown(name) from None

    async def list_all(self) -> list[tuple[Robot, datetime | None]]:
        """Return the robots in the order of their names, each with when it was last used.

        That is written once a minute, so a use of just now may be missing. A record that is
        damaged is logged and left out.
        """
        found = []
        for name in await self._state.list_names(self._state.paths.robots):
            try:
                robot = await self._read(name)
            except AccessUnavailable as error:
                _log.error("the record of a robot cannot be read", robot=name, reason=str(error))
                continue
            if robot is not None:
                found.append((robot, await self._last_use(robot)))
        return found

    async def look(self, name: str) -> tuple[Robot, float] | None:
        """Return a robot, and the time until which it may be believed that it is as it is.

        None if there is none, or if it has expired. The time is in seconds since the epoch.
        """
        now = self._now()
        known = self._known.get(name)
        if known is None or not 0 <= now - known[1] < FRESH_SECONDS:
            self._known.pop(name, None)
            robot = await self._read(name) if is_robot_name(name) else None
            if robot is None:
                return None
            known = (robot, now)
            if len(self._known) >= _MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[name] = known
        robot, looked_at = known
        if robot.has_expired(now):
            return None
        until = looked_at + FRESH_SECONDS
        ends_at = robot.expires_at
        return robot, until if ends_at is None else min(until, ends_at.timestamp())

    def keeps(self, name: str) -> bool:
        """Say whether `look` would answer from what is known already."""
        known = self._known.get(name)
        return known is not None and 0 <= self._now() - known[1] < FRESH_SECONDS

    async def look_again(self, name: str) -> tuple[Robot, float] | None:
        """Do the same, and believe nothing that was known before."""
        self._known.pop(name, None)
        return await self.look(name)

    async def _get(self, name: str) -> Robot:
        robot = await self._read(name) if is_robot_name(name) else None
        if robot is None:
            raise RobotUnknown(name)
        return robot

    async def _read(self, name: str) -> Robot | None:
        path = self._state.paths.robot(name)
        content = await self._state.find(path)
        if content is None:
            return None
        try:
            robot = Robot.parse(content)
            if robot.name != name:
                raise ValueError("it is of another name")
        except ValueError as error:
            raise AccessUnavailable(f"{path} is damaged: {error}") from None
        return robot

    async def _write(self, robot: Robot) -> None:
        self._known.pop(robot.name, None)
        await self._state.driver.put(self._state.paths.robot(robot.name), robot.to_json())

    async def _last_use(self, robot: Robot) -> datetime | None:
        content = await self._state.find(self._state.paths.used(robot.name))
        if content is None:
            return None
        try:
            used_at = datetime.fromisoformat(content.decode("ascii"))
            # A node may have written it late, of a robot that had the name before.
            is_its_own = used_at >= robot.created_at
        except (ValueError, TypeError) as error:
            _log.warning("last use of a robot is damaged", robot=robot.name, reason=str(error))
            return None
        return used_at if is_its_own else None


def _new_id() -> str:
    return secrets.token_hex(16)
