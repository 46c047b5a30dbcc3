"""`python -m bench`: start the servers, measure row by row, print the table, write the JSON."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.content import MIB
from bench.measure import Bench
from bench.report import MEMORY_LIMIT_BYTES, RowReport, format_memory, format_table, row_as_json
from bench.scenarios import ROWS, Plan, Row
from bench.servers import (
    INCUMBENT,
    MOORAGE_CODE,
    Server,
    StartFailed,
    running_incumbent,
    running_moorage,
)
from bench.wire import LoadError

__all__ = ["main"]

_FULL = Plan(seconds=2.5, slices=3)
_QUICK = Plan(seconds=0.6, slices=2, huge_bytes=256 * MIB)
_TERMINATED = 128 + signal.SIGTERM
_MEMORY_KEY = "memory"
# Unlike /tmp, never a file system in memory.
_FOLDER = Path("/var/tmp")  # noqa: S108 - a directory with a random name is made in it
_NO_INCUMBENT = (
    f"{INCUMBENT} is not installed (on Debian and Ubuntu: apt-get install {INCUMBENT}); "
    "measuring Moorage alone."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a server failed, or memory is over."""
    options = _parser().parse_args(arguments)
    # Told to end, it still ends its servers and removes their stores.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    plan = _plan(options)
    rows = [row for row in ROWS if not options.row or row.key in options.row]
    with_memory = not options.row or _MEMORY_KEY in options.row
    try:
        with tempfile.TemporaryDirectory(prefix="moorage-bench-", dir=options.folder) as folder:
            results = _run(plan, rows, Path(folder), options, with_memory=with_memory)
    except (LoadError, StartFailed, ConnectionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    output = options.output or _default_output()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nwritten to {output}")
    return 0 if results["memory"] is None or results["memory"]["kept"] else 1


def _run(
    plan: Plan, rows: Sequence[Row], folder: Path, options: argparse.Namespace, *, with_memory: bool
) -> dict[str, Any]:
    with ExitStack() as stack:
        # Entered first, so left last: a load that still runs ends when its server does.
        bench = stack.enter_context(Bench(plan))
        servers = _start(stack, folder, options)
        names = [server.name for server in servers]
        idle = [server.tree.resident_bytes() for server in servers]
        reports = []
        if rows:
            seeded = [(server, bench.seed(server)) for server in servers]
            for row in rows:
                print(f"{row.key} ...", file=sys.stderr, flush=True)
                reports.append(RowReport(row=row, slices=bench.measure(row, seeded)))
            print(format_table(reports, names, newest=names[-1] == INCUMBENT))
        memory = None
        if with_memory:
            print(f"{_MEMORY_KEY} ...", file=sys.stderr, flush=True)
            figures = [bench.measure_memory(server) for server in servers]
            print()
            print(format_memory(figures, names, plan.huge_bytes))
            memory = {
                "limit_bytes": MEMORY_LIMIT_BYTES,
                "kept": figures[0].peak_bytes < MEMORY_LIMIT_BYTES,
                "servers": dict(zip(names, map(asdict, figures), strict=True)),
            }
        return {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
            "plan": asdict(plan),
            "servers": names,
            "idle_bytes": dict(zip(names, idle, strict=True)),
            "rows": [row_as_json(report, names) for report in reports],
            "memory": memory,
        }


def _start(stack: ExitStack, folder: Path, options: argparse.Namespace) -> list[Server]:
    servers = [stack.enter_context(running_moorage(folder))]
    if options.against is not None:
        other = running_moorage(folder, code=options.against.resolve(), name="other")
        servers.append(stack.enter_context(other))
    elif options.alone:
        pass
    elif shutil.which(INCUMBENT) is None:
        print(_NO_INCUMBENT, file=sys.stderr)
    else:
        servers.append(stack.enter_context(running_incumbent(folder)))
    return servers


def _plan(options: argparse.Namespace) -> Plan:
    plan = _QUICK if options.quick else _FULL
    given = {
        "seconds": options.seconds,
        "slices": options.slices,
        "large_bytes": options.large_mib and options.large_mib * MIB,
        "huge_bytes": options.huge_mib and options.huge_mib * MIB,
    }
    return replace(plan, **{key: value for key, value in given.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Moorage beside docker-registry."
    )
    parser.add_argument("--quick", action="store_true", help="under a minute, and rougher")
    rivals = parser.add_mutually_exclusive_group()
    rivals.add_argument("--alone", action="store_true", help="measure Moorage only")
    rivals.add_argument(
        "--against", type=Path, help="another checkout of Moorage in place of docker-registry"
    )
    parser.add_argument(
        "--row",
        action="append",
        choices=[*(row.key for row in ROWS), _MEMORY_KEY],
        help="measure only this row; may be given several times",
    )
    parser.add_argument("--seconds", type=float, help="of a slice of a row with small content")
    parser.add_argument("--slices", type=int, help="of each row for each server")
    parser.add_argument("--large-mib", type=int, help="size of large blobs (128)")
    parser.add_argument("--huge-mib", type=int, help="size of the blobs of the memory row")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="on a disk, for the stores")
    parser.add_argument("--output", type=Path, help="the JSON file, else one in bench/results")
    return parser


def _default_output() -> Path:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    return MOORAGE_CODE / "bench" / "results" / name


if __name__ == "__main__":
    sys.exit(main())
