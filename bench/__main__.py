"""`python -m bench`: start the servers, measure row by row, print the table, write the JSON."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.content import MIB
from bench.run import MEMORY, SuiteRun
from bench.scenarios import Plan
from bench.servers import INCUMBENT, MOORAGE, MOORAGE_CODE, StartFailed
from bench.stores import can_run
from bench.suites import SUITES, Suite
from bench.wire import LoadError

__all__ = ["main"]

_TERMINATED = 128 + signal.SIGTERM
# Unlike /tmp, never a file system in memory.
_FOLDER = Path("/var/tmp")  # noqa: S108 - a directory with a random name is made in it
_NO_INCUMBENT = (
    f"{INCUMBENT} is not installed (on Debian and Ubuntu: apt-get install {INCUMBENT}); "
    "measuring Moorage alone."
)
_NO_STORE = "SeaweedFS is not installed (make setup-dev does it); measuring no object store."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a server failed, or memory is over."""
    options = _parser().parse_args(arguments)
    # Told to end, it still ends its servers and removes their stores.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "stores": {},
    }
    checkouts = {MOORAGE: MOORAGE_CODE}
    if options.against is not None:
        checkouts["other"] = options.against.resolve()
    with_incumbent = options.against is None and not options.alone
    if with_incumbent and shutil.which(INCUMBENT) is None:
        print(_NO_INCUMBENT, file=sys.stderr)
        with_incumbent = False
    try:
        for suite in _suites(options):
            with tempfile.TemporaryDirectory(prefix="moorage-bench-", dir=options.folder) as folder:
                run = SuiteRun(
                    suite=suite,
                    plan=_plan(suite, options),
                    rows=[row for row in suite.rows if not options.row or row.key in options.row],
                    with_memory=not options.row or MEMORY in options.row,
                    checkouts=checkouts,
                    with_incumbent=with_incumbent,
                    folder=Path(folder),
                )
                results["stores"][suite.kind] = run.measure()
    except (LoadError, StartFailed, ConnectionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    output = options.output or _default_output()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nwritten to {output}")
    memory = [section["memory"] for section in results["stores"].values()]
    return 0 if all(row["kept"] for row in memory if row is not None) else 1


def _suites(options: argparse.Namespace) -> Iterator[Suite]:
    """Yield the tables of the chosen stores that have one of the chosen rows."""
    for suite in SUITES:
        keys = {*(row.key for row in suite.rows), MEMORY}
        if options.store and suite.kind not in options.store:
            continue
        if options.row and keys.isdisjoint(options.row):
            continue
        if can_run(suite.kind):
            yield suite
        else:
            print(_NO_STORE, file=sys.stderr)


def _plan(suite: Suite, options: argparse.Namespace) -> Plan:
    plan = suite.quick if options.quick else suite.full
    given = {
        "seconds": options.seconds,
        "slices": options.slices,
        "large_bytes": options.large_mib and options.large_mib * MIB,
        "huge_bytes": options.huge_mib and options.huge_mib * MIB,
        "images": options.images,
    }
    return replace(plan, **{key: value for key, value in given.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Moorage beside docker-registry."
    )
    parser.add_argument("--quick", action="store_true", help="a minute, and rougher")
    rivals = parser.add_mutually_exclusive_group()
    rivals.add_argument("--alone", action="store_true", help="measure Moorage only")
    rivals.add_argument(
        "--against", type=Path, help="another checkout of Moorage in place of docker-registry"
    )
    parser.add_argument(
        "--store",
        action="append",
        choices=[suite.kind for suite in SUITES],
        help="measure with stores of this kind only",
    )
    parser.add_argument(
        "--row",
        action="append",
        choices=[*dict.fromkeys(row.key for suite in SUITES for row in suite.rows), MEMORY],
        help="measure only this row; may be given several times",
    )
    parser.add_argument("--seconds", type=float, help="of a slice of a row with small content")
    parser.add_argument("--slices", type=int, help="of each row for each server")
    parser.add_argument("--large-mib", type=int, help="size of large blobs")
    parser.add_argument("--huge-mib", type=int, help="size of huge blobs")
    parser.add_argument("--images", type=int, help="of a slice of a row that counts them")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="on a disk, for the stores")
    parser.add_argument("--output", type=Path, help="the JSON file, else one in bench/results")
    return parser


def _default_output() -> Path:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    return MOORAGE_CODE / "bench" / "results" / name


if __name__ == "__main__":
    sys.exit(main())
