"""Runs one piece of code against a filesystem driver in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ROOT", "command", "run"]

ROOT = Path(__file__).parents[2]

_PRELUDE = """
import os, signal, sys
import anyio
from core.drivers import *
from core.errors import *

async def main():
    driver = create_driver("filesystem", {"root": sys.argv[1], "durability": sys.argv[2]})
    try:
%s
    except DriverError as error:
        print(type(error).__name__, error)

anyio.run(main)
"""


def command(code: str, root: Path, *, durability: str = "full") -> list[str]:
    """Return what runs `code`, the body of an asynchronous function that knows `driver`."""
    body = "\n".join(f"        {line}" for line in code.strip().splitlines())
    return [sys.executable, "-c", _PRELUDE % body, str(root), durability]


def run(
    code: str, root: Path, *, durability: str = "full", prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `code` to its end, behind the words of `prefix`."""
    return subprocess.run(
        [*prefix, *command(code, root, durability=durability)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
