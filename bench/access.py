"""What access control costs: the same pull with a token, and from a registry that is open.

    python -m bench.access [--seconds 2] [--slices 12]

Two registries serve one store, and take turns slice by slice. One asks for tokens, which it has
given itself; the other asks for nothing.
"""

import argparse
import base64
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

from bench.load import LoadSpec, run_load
from bench.operations import Fetch, PushImage
from bench.scenarios import SEED_REPOSITORY, SMALL_BYTES, TAG
from bench.servers import Server, running_moorage
from bench.stores import FilesystemStore
from core.access.passwords.editing import set_password

__all__ = ["main"]

_LIMIT = 1.15
"""At most so much more CPU for each pull."""

_CONNECTIONS = 16
_WARM_UP = 50
_USER = "bench"
_PASSWORD = "of no worth"  # noqa: S105 - of a registry that lasts for seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    server: Server
    operation: Fetch


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and return 1 if tokens cost more than they may."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        store = FilesystemStore(folder / "store")
        users = folder / "users"
        set_password(users, _USER, _PASSWORD)
        guard = {
            "MOORAGE_ACCESS__CONTROLLER": "moorage",
            "MOORAGE_ACCESS__HTPASSWD__FILE": str(users),
            # Longer than everything that is measured.
            "MOORAGE_ACCESS__TOKENS__ACCESS_TOKEN_SECONDS": "3600",
        }
        open_server = stack.enter_context(running_moorage(folder, store, name="open"))
        guarded = stack.enter_context(running_moorage(folder, store, name="guarded", more=guard))
        fetch = _seed(open_server)
        with_token = replace(fetch, authorization=f"Bearer {_get_token(guarded)}")
        sides = [
            _Side(server=open_server, operation=fetch),
            _Side(server=guarded, operation=with_token),
        ]
        for side in sides:
            _run(side, repeats=_WARM_UP)
        turns = [[_measure(side, options.seconds) for side in sides] for _ in range(options.slices)]
    return _report(turns)


def _report(turns: Sequence[Sequence[tuple[float, float]]]) -> int:
    (open_rate, open_cpu), (rate, cpu) = (
        [statistics.median(column) for column in zip(*side, strict=True)]
        for side in zip(*turns, strict=True)
    )
    ratio = statistics.median(guarded[1] / plain[1] for plain, guarded in turns)
    print("\nWhat access control costs:\n")
    print("| GET manifest by tag | open | with a token | ratio |\n| --- | --- | --- | --- |")
    print(f"| operations/s | {open_rate:.0f} | {rate:.0f} | {rate / open_rate:.2f} |")
    print(f"| CPU ms each | {open_cpu * 1000:.3f} | {cpu * 1000:.3f} | {ratio:.2f} |")
    print(f"\nAt most {_LIMIT} in CPU: {'kept' if ratio <= _LIMIT else 'NOT kept'}")
    return int(ratio > _LIMIT)


def _measure(side: _Side, seconds: float) -> tuple[float, float]:
    """Return operations per second, and seconds of CPU for each."""
    before = side.server.tree.cpu_seconds()
    count, elapsed = _run(side, seconds=seconds)
    return count / elapsed, (side.server.tree.cpu_seconds() - before) / count


def _run(
    side: _Side, *, seconds: float | None = None, repeats: int | None = None
) -> tuple[int, float]:
    operations = tuple(replace(side.operation) for _ in range(_CONNECTIONS))
    spec = LoadSpec(port=side.server.port, operations=operations, seconds=seconds, repeats=repeats)
    result = run_load(spec)
    return len(result.latencies_seconds), result.elapsed_seconds


def _seed(server: Server) -> Fetch:
    image = PushImage(repository=SEED_REPOSITORY, tag=TAG, blob_bytes=SMALL_BYTES)
    pushed = run_load(LoadSpec(port=server.port, operations=(image,), repeats=1)).pushed
    return Fetch(path=f"/v2/{SEED_REPOSITORY}/manifests/{TAG}", size=pushed[-1].size)


def _get_token(server: Server) -> str:
    basic = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
    scope = f"repository:{SEED_REPOSITORY}:pull"
    url = f"http://127.0.0.1:{server.port}/token?service=moorage&scope={scope}"
    with urlopen(UrlRequest(url, headers={"Authorization": f"Basic {basic}"})) as answer:
        token: str = json.load(answer)["token"]
    return token


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.access")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="for the store")  # noqa: S108 - made there by tempfile
    parser.add_argument("--seconds", type=float, default=2, help="of a slice")
    parser.add_argument("--slices", type=int, default=12, help="of each registry")
    return parser


if __name__ == "__main__":
    sys.exit(main())
