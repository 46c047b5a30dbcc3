"""How many requests to its store the registry makes for what clients do."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from core.manifest import OCI_MANIFEST
from tests.servers.weather import Seen, Weather

__all__ = [
    "KINDS",
    "Counting",
    "Counts",
    "Kind",
    "count_redirect",
    "count_requests",
    "render_table",
]

MIB = 1024 * 1024
KINDS = ("writes", "lists", "reads", "deletes")
"""As the price lists of stores tell requests apart."""

Kind = Callable[[Seen], str]
Counts = Mapping[str, int]


@dataclass(slots=True, kw_only=True)
class Counting:
    """A registry behind weather that counts, and what was counted.

    Attributes:
        client: of the registry.
        weather: between it and the store.
        kind: of a request, one of `KINDS`.
        rows: what was done, and the requests it took.
    """

    client: httpx.Client
    weather: Weather
    kind: Kind
    rows: dict[str, Counts] = field(default_factory=dict)
    _random: random.Random = field(default_factory=lambda: random.Random(3))

    def content(self, size: int) -> tuple[bytes, str]:
        content = self._random.randbytes(size)
        return content, f"sha256:{hashlib.sha256(content).hexdigest()}"

    def count(self, title: str, *steps: Callable[[], httpx.Response]) -> httpx.Response:
        self.weather.requests.clear()
        for step in steps:
            answer = step()
            assert answer.status_code < 400 or answer.status_code == 404, answer.text
        self.rows[title] = Counter(self.kind(seen) for seen in self.weather.requests)
        return answer


def count_requests(counting: Counting) -> Mapping[str, Counts]:
    """Do what clients do, and return what it took, in the order of the table."""
    _count_blobs(counting)
    digest, size = _count_pulls(counting)
    _count_manifests(counting, digest, size)
    return counting.rows


def count_redirect(counting: Counting) -> Mapping[str, Counts]:
    """Pull a blob from a registry that sends its clients to the store."""
    client = counting.client
    content, digest = counting.content(3000)
    client.post(f"/v2/c/r/blobs/uploads/?digest={digest}", content=content)
    answer = counting.count(
        "pull a blob by redirect, before the client's own",
        lambda: client.get(f"/v2/c/r/blobs/{digest}"),
    )
    assert answer.status_code == 307
    return counting.rows


def render_table(rows: Mapping[str, Counts]) -> str:
    """Return the table as the documentation has it."""
    lines = [f"| | {' | '.join(KINDS)} | all |", f"|{' --- |' * (len(KINDS) + 2)}"]
    for title, counts in rows.items():
        cells: Sequence[int] = [*(counts.get(kind, 0) for kind in KINDS), sum(counts.values())]
        lines.append(f"| {title} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _count_blobs(counting: Counting) -> None:
    client = counting.client
    uploads = "/v2/c/r/blobs/uploads/"
    content, digest = counting.content(3000)
    counting.count("is a blob there, no", lambda: client.head(f"/v2/c/r/blobs/{digest}"))
    counting.count(
        "push a small blob: POST with it",
        lambda: client.post(f"{uploads}?digest={digest}", content=content),
    )
    for size, name in ((3000, "a small blob"), (32 * MIB, "a blob of 32 MiB")):
        content, digest = counting.content(size)
        begun = counting.count(f"push {name}: POST", lambda: client.post(uploads))
        counting.count(
            f"push {name}: PUT with it",
            lambda: client.put(
                f"{begun.headers['Location']}&digest={digest}",  # noqa: B023 - called at once
                content=content,  # noqa: B023
            ),
        )
        begun = client.post(uploads)
        content, digest = counting.content(size)
        added = counting.count(
            f"push {name}: PATCH with it",
            lambda: client.patch(begun.headers["Location"], content=content),  # noqa: B023
        )
        counting.count(
            f"push {name}: PUT at the end",
            lambda: client.put(f"{added.headers['Location']}&digest={digest}"),  # noqa: B023
        )
    begun = client.post(uploads)
    counting.count("how much of an upload has come", lambda: client.get(begun.headers["Location"]))
    counting.count("cancel an upload", lambda: client.delete(begun.headers["Location"]))
    counting.count(
        "mount a blob from another repository",
        lambda: client.post(f"/v2/c/other/blobs/uploads/?mount={digest}&from=c/r"),
    )


def _count_pulls(counting: Counting) -> tuple[str, int]:
    client = counting.client
    content, digest = counting.content(3000)
    client.post(f"/v2/c/r/blobs/uploads/?digest={digest}", content=content)
    counting.count("is a blob there, yes", lambda: client.head(f"/v2/c/r/blobs/{digest}"))
    counting.count(
        "pull a blob through the registry", lambda: client.get(f"/v2/c/r/blobs/{digest}")
    )
    return digest, len(content)


def _count_manifests(counting: Counting, digest: str, size: int) -> None:
    client = counting.client
    part = {"mediaType": "application/octet-stream", "digest": digest, "size": size}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": part,
        "layers": [part, part],
    }
    payload = json.dumps(document).encode()
    counting.count(
        "push a manifest with a configuration and two layers, by tag",
        lambda: client.put(
            "/v2/c/r/manifests/latest", content=payload, headers={"Content-Type": OCI_MANIFEST}
        ),
    )
    name = f"sha256:{hashlib.sha256(payload).hexdigest()}"
    counting.count("pull a manifest by tag", lambda: client.get("/v2/c/r/manifests/latest"))
    counting.count("pull a manifest by digest", lambda: client.get(f"/v2/c/r/manifests/{name}"))
    counting.count("list the one tag", lambda: client.get("/v2/c/r/tags/list"))
    counting.count("list the catalog of one repository", lambda: client.get("/v2/_catalog"))
    counting.count("remove the tag", lambda: client.delete("/v2/c/r/manifests/latest"))
    counting.count("delete the manifest", lambda: client.delete(f"/v2/c/r/manifests/{name}"))
    counting.count("delete the blob", lambda: client.delete(f"/v2/c/r/blobs/{digest}"))
