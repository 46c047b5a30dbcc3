"""`moorage robots`: the accounts of programs."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from api.commands.access_state import with_access_state
from api.commands.options import Config, Root, fail
from api.commands.robots_shown import robot_fields, show_robots
from api.settings.durations import EXAMPLES, parse_duration
from core.access.resources import ACTIONS, Grant, RepositoryPattern
from core.access.robots.record import Robot
from core.access.robots.robots import Robots, RobotUnknown

__all__ = ["robots"]

T = TypeVar("T")

robots = typer.Typer(
    name="robots",
    help="Give programs accounts of their own, and take them away again.",
    no_args_is_help=True,
)

_NEVER = "never"


def _parse_expiry(text: str) -> datetime | None:
    if text == _NEVER:
        return None
    try:
        if not (duration := parse_duration(text)):
            raise ValueError(f"{text!r} is not above zero")
        return datetime.now(UTC).replace(microsecond=0) + duration
    except OverflowError:
        fault = f"{text!r} is too long a duration"
    except ValueError as error:
        fault = f"{error}, or {_NEVER}"
    raise typer.BadParameter(fault, param_hint="'--expires'")


def _parse_pattern(text: str) -> RepositoryPattern:
    try:
        return RepositoryPattern(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


_Name = Annotated[str, typer.Argument(help="Of the robot.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@robots.command("add")
def add_robot(
    name: _Name,
    repository: Annotated[
        list[RepositoryPattern],
        typer.Option(
            "--repository",
            parser=_parse_pattern,
            metavar="PATTERN",
            help="Repositories it may use, such as team/app, team/* or team/**; repeatable.",
        ),
    ],
    action: Annotated[
        list[str],
        typer.Option(
            "--action", metavar="ACTION", help=f"What it may do: {', '.join(ACTIONS)}; repeatable."
        ),
    ],
    expires: Annotated[
        str,
        typer.Option(metavar="DURATION", help=f"When it ends, {EXAMPLES}, or {_NEVER}."),
    ] = "90d",
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    as_json: _Json = False,
    root: Root = None,
    config: Config = None,
) -> None:
    """Add a robot, and print its secret, which is shown this once."""
    expires_at = _parse_expiry(expires)
    grants = [Grant(pattern, frozenset(action)) for pattern in repository]

    async def add(found: Robots) -> tuple[Robot, str]:
        return await found.add(name, grants, expires_at=expires_at, description=description)

    _show_secret(*_with_robots(config, root, add), as_json=as_json)


@robots.command("list")
def list_robots(as_json: _Json = False, root: Root = None, config: Config = None) -> None:
    """List robots: a table on a terminal, tab-separated lines in a pipe.

    A use is shown up to a minute late.
    """
    found = _with_robots(config, root, Robots.list_all)
    if as_json:
        typer.echo(json.dumps([robot_fields(*entry) for entry in found], indent=2))
    else:
        show_robots(found, datetime.now(UTC))


@robots.command("revoke")
def revoke_robot(name: _Name, root: Root = None, config: Config = None) -> None:
    """Delete a robot: within a second no node takes its secret or its tokens any more."""

    async def revoke(found: Robots) -> None:
        await found.revoke(name)

    _with_robots(config, root, revoke)
    typer.echo(f"revoked robot+{name}")


@robots.command("rotate")
def rotate_robot(
    name: _Name, as_json: _Json = False, root: Root = None, config: Config = None
) -> None:
    """Give a robot another secret, and print it; the old one ends within a second."""

    async def rotate(found: Robots) -> tuple[Robot, str]:
        return await found.rotate(name)

    _show_secret(*_with_robots(config, root, rotate), as_json=as_json)


def _with_robots(
    config: Path | None, root: Path | None, work: Callable[[Robots], Awaitable[T]]
) -> T:
    try:
        return with_access_state(config, root, lambda state, _: work(Robots(state)))
    except RobotUnknown as error:
        fail([str(error)])


def _show_secret(robot: Robot, secret: str, *, as_json: bool) -> None:
    """Print the secret alone, so that it can be piped to `login --password-stdin`."""
    user = f"robot+{robot.name}"
    if as_json:
        typer.echo(json.dumps({"user": user, "password": secret}, indent=2))
        return
    typer.echo(f"moorage: {user} logs in with this password, which is not shown again:", err=True)
    typer.echo(secret)
