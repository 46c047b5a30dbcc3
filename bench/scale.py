"""What operations cost in a small store and in a large one: they should cost the same.

    python -m bench.scale [--many 100000] [--folder /dev/shm]

One store has a hundred tags in a repository and a hundred repositories, the other as many as asked
for. The two take turns, slice by slice, and the ratio of what an operation takes is printed. The
stores are built behind the registry's back, as making a hundred thousand tags by pushing them
would take the longer part of an hour.
"""

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

from bench.load import LoadSpec, run_load
from bench.operations import Fetch, Operation, Outcome, Pushed, Steps
from bench.servers import Server, running_moorage
from bench.stores import FilesystemStore
from bench.wire import Request, format_request

__all__ = ["main"]

_FEW = 100
_PAGE = 100
_CONNECTIONS = 4
_SETTLE_SECONDS = 3
_LIMIT = 1.5
_REPOSITORY = "scale/app"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_ROOT = "docker/registry/v2/repositories"


@dataclass(slots=True, kw_only=True)
class _PushManifest(Operation):
    """A manifest that is there already, under a tag of its own each time."""

    payload: bytes

    def steps(self) -> Steps:
        path = f"/v2/{_REPOSITORY}/manifests/{uuid.uuid4().hex}"
        head = format_request("PUT", path, length=len(self.payload), content_type=_MANIFEST_TYPE)
        yield Request(head=head + self.payload, status=201)
        return Outcome(moved_bytes=len(self.payload))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and return 1 if something costs more than it may."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        sides = []
        for name, count in (("few", _FEW), ("many", options.many)):
            store = FilesystemStore(folder / name / "store")
            server = stack.enter_context(running_moorage(folder, store, name=name))
            payload = _seed(server)
            print(f"building a store of {count:,} tags and repositories ...", file=sys.stderr)
            _build(folder / name / "store" / _ROOT, count, payload)
            sides.append((server, dict(_operations(server, payload))))
        # Listings are kept from the second look on, once a directory has been quiet for a while.
        for _ in range(2):
            for server, operations in sides:
                _slice(server, operations["list 100 tags"], options.seconds)
                _slice(server, operations["list 100 repositories"], options.seconds)
            time.sleep(_SETTLE_SECONDS)
        return _report(sides, options.many, options.seconds, options.slices)


def _report(
    sides: Sequence[tuple[Server, dict[str, Operation]]], many: int, seconds: float, slices: int
) -> int:
    print(f"| operation | at {_FEW} | at {many:,} | ratio |\n| --- | --- | --- | --- |")
    over = False
    for title in sides[0][1]:
        pairs = [
            [_slice(server, operations[title], seconds) for server, operations in sides]
            for _ in range(slices)
        ]
        ratio = statistics.median(large / small for small, large in pairs)
        small, large = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        over |= ratio > _LIMIT
        print(f"| {title} | {small:.2f} ms | {large:.2f} ms | {ratio:.2f} |")
    return int(over)


def _operations(server: Server, payload: bytes) -> Iterator[tuple[str, Operation]]:
    """Yield what is measured. Pushes come last: they change the directories that are listed."""
    for title, path in (
        ("list 100 tags", f"/v2/{_REPOSITORY}/tags/list?n={_PAGE}"),
        ("list 100 repositories", f"/v2/_catalog?n={_PAGE}"),
        ("GET manifest by tag", f"/v2/{_REPOSITORY}/manifests/t00000000"),
    ):
        with urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
            yield title, Fetch(path=path, size=len(answer.read()))
    yield "push manifest by a new tag", _PushManifest(payload=payload)


def _slice(server: Server, operation: Operation, seconds: float) -> float:
    """Return the median of the seconds that an operation takes."""
    operations = tuple(replace(operation) for _ in range(_CONNECTIONS))  # type: ignore[type-var]
    result = run_load(LoadSpec(port=server.port, operations=operations, seconds=seconds))
    return statistics.median(result.latencies_seconds)


def _seed(server: Server) -> bytes:
    """Push a manifest with its configuration, and return its bytes."""
    url = f"http://127.0.0.1:{server.port}/v2/{_REPOSITORY}"
    config = Pushed(digest=f"sha256:{hashlib.sha256(b'{}').hexdigest()}", size=2)
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config.digest,
            "size": config.size,
        },
        "layers": [],
    }
    payload = json.dumps(document).encode()
    for method, path, body, kind in (
        ("POST", f"blobs/uploads/?digest={config.digest}", b"{}", "application/octet-stream"),
        ("PUT", "manifests/first", payload, _MANIFEST_TYPE),
    ):
        headers = {"Content-Type": kind}
        urlopen(UrlRequest(f"{url}/{path}", body, headers, method=method)).close()
    return payload


def _build(repositories: Path, count: int, payload: bytes) -> None:
    """Make as many tags of the manifest, and as many other repositories."""
    digest = f"sha256:{hashlib.sha256(payload).hexdigest()}"
    for number in range(count):
        current = repositories / _REPOSITORY / "_manifests" / "tags" / f"t{number:08}" / "current"
        current.mkdir(parents=True)
        (current / "link").write_text(digest)
        (repositories / f"r{number:08}" / "_manifests").mkdir(parents=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--many", type=int, default=100_000, help="tags, and repositories")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="for the stores")  # noqa: S108 - made there by tempfile
    parser.add_argument("--seconds", type=float, default=1.5, help="of a slice")
    parser.add_argument("--slices", type=int, default=3, help="of each operation and store")
    return parser


if __name__ == "__main__":
    sys.exit(main())
