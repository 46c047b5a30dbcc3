"""Robots as commands show them: a table for people, lines and fields for programs."""

import sys
from collections.abc import Sequence
from datetime import datetime

import typer
from rich.console import Console
from rich.table import Table

from core.access.robots.record import Robot

__all__ = ["robot_fields", "show_robots"]

_HEADINGS = ("Robot", "May", "Added", "Ends", "Last used", "For")
_TABLE_WIDTH = 2000


def robot_fields(robot: Robot, used_at: datetime | None) -> dict[str, object]:
    """Return what programs are told of a robot; times are RFC 3339."""
    return {
        "name": robot.name,
        "user": f"robot+{robot.name}",
        "grants": [
            {"repositories": str(grant.repositories), "actions": sorted(grant.actions)}
            for grant in robot.grants
        ],
        "created_at": _timestamp(robot.created_at),
        "expires_at": None if robot.expires_at is None else _timestamp(robot.expires_at),
        "used_at": None if used_at is None else _timestamp(used_at),
        "description": robot.description,
    }


def show_robots(robots: Sequence[tuple[Robot, datetime | None]], now: datetime) -> None:
    """Print a table on a terminal; elsewhere a line for each, its fields separated by tabs."""
    rows = [_cells(robot, used_at, now) for robot, used_at in robots]
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
    elif rows:
        table = Table(*_HEADINGS, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        Console(width=_TABLE_WIDTH, soft_wrap=True, markup=False).print(table)


def _cells(robot: Robot, used_at: datetime | None, now: datetime) -> tuple[str, ...]:
    if robot.expires_at is None:
        ends = "never"
    elif robot.has_expired(now.timestamp()):
        ends = "expired"
    else:
        ends = _timestamp(robot.expires_at)
    may = " ".join(
        f"{grant.repositories}:{','.join(sorted(grant.actions))}" for grant in robot.grants
    )
    used = "never" if used_at is None else _timestamp(used_at)
    # What people wrote must not pass for other fields or for other lines.
    description = " ".join(robot.description.split())
    return robot.name, may, _timestamp(robot.created_at), ends, used, description


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
