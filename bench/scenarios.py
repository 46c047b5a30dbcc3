"""The rows of the table: what is done, over how many connections, and on what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.content import MIB
from bench.operations import Fetch, Operation, PushBlob, Pushed, PushImage

__all__ = ["ROWS", "SEED_REPOSITORY", "Newest", "Plan", "Row", "Seed", "seed_operations"]

SEED_REPOSITORY = "bench/seed"
_PUSH_REPOSITORY = "bench/push"
_TAG = "latest"
_SMALL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        seconds: of a slice of a row with small content.
        slices: of each row for each server; the servers take turns slice by slice.
        large_bytes: size of the blobs of the rows with large content.
        huge_bytes: size of the blobs of the memory row.
    """

    seconds: float
    slices: int
    large_bytes: int = 128 * MIB
    huge_bytes: int = 2048 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What both servers hold before anything is measured, each its own."""

    manifest: Pushed
    small: Pushed
    large: Pushed


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest docker/distribution against 2.8.2, both measured on one machine.

    Attributes:
        throughput: the newest by 2.8.2.
        cpu: the same for CPU per operation.
    """

    throughput: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        key: names it on the command line and in the JSON.
        title: names it for people.
        connections: at once.
        size: "small" counts operations, and a slice has a duration; "large" counts bytes, and a
            slice is one operation for each connection.
        make: the operation, given the plan and the seed.
        newest: how the server that the goals speak of compares with the incumbent.
    """

    key: str
    title: str
    connections: int
    size: Literal["small", "large"]
    make: Callable[[Plan, Seed], Operation]
    newest: Newest


def seed_operations(plan: Plan) -> tuple[Operation, Operation]:
    """Return what has to be pushed once: an image of small blobs, and a large blob."""
    return (
        PushImage(repository=SEED_REPOSITORY, tag=_TAG, blob_bytes=_SMALL_BYTES, blobs=4),
        PushBlob(repository=SEED_REPOSITORY, size=plan.large_bytes, patch=True),
    )


def _manifest(reference: str, seed: Seed, method: str = "GET") -> Fetch:
    return Fetch(
        path=f"/v2/{SEED_REPOSITORY}/manifests/{reference}",
        size=seed.manifest.size,
        method=method,
        digest=seed.manifest.digest,
    )


def _blob(blob: Pushed, method: str = "GET") -> Fetch:
    return Fetch(
        path=f"/v2/{SEED_REPOSITORY}/blobs/{blob.digest}",
        size=blob.size,
        method=method,
        digest=blob.digest,
    )


def _push(size: int, *, patch: bool = False) -> PushBlob:
    return PushBlob(repository=_PUSH_REPOSITORY, size=size, patch=patch)


ROWS = (
    Row(
        key="get-manifest-tag",
        title="GET manifest by tag",
        connections=16,
        size="small",
        make=lambda _, seed: _manifest(_TAG, seed),
        newest=Newest(throughput=3941 / 907, cpu=0.38 / 1.83),
    ),
    Row(
        key="head-manifest-tag",
        title="HEAD manifest by tag",
        connections=16,
        size="small",
        make=lambda _, seed: _manifest(_TAG, seed, "HEAD"),
        newest=Newest(throughput=4144 / 1330, cpu=0.36 / 1.25),
    ),
    Row(
        key="get-manifest-digest",
        title="GET manifest by digest",
        connections=16,
        size="small",
        make=lambda _, seed: _manifest(seed.manifest.digest, seed),
        newest=Newest(throughput=5198 / 1238, cpu=0.29 / 1.33),
    ),
    Row(
        key="get-blob-small",
        title="GET blob of 4 KiB",
        connections=16,
        size="small",
        make=lambda _, seed: _blob(seed.small),
        newest=Newest(throughput=865 / 633, cpu=1.88 / 2.63),
    ),
    Row(
        key="head-blob",
        title="HEAD blob",
        connections=16,
        size="small",
        make=lambda _, seed: _blob(seed.small, "HEAD"),
        newest=Newest(throughput=6167 / 1290, cpu=0.24 / 1.28),
    ),
    Row(
        key="push-blob-small",
        title="push blob of 4 KiB (POST, PUT)",
        connections=8,
        size="small",
        make=lambda _, __: _push(_SMALL_BYTES),
        newest=Newest(throughput=281 / 211, cpu=3.9 / 6.0),
    ),
    Row(
        key="push-image",
        title="push small image (3 x HEAD, POST, PATCH, PUT; manifest)",
        connections=8,
        size="small",
        make=lambda _, __: PushImage(repository=_PUSH_REPOSITORY, blob_bytes=_SMALL_BYTES),
        newest=Newest(throughput=57 / 38, cpu=19 / 31),
    ),
    Row(
        key="get-blob-large",
        title="GET large blob",
        connections=4,
        size="large",
        make=lambda _, seed: _blob(seed.large),
        newest=Newest(throughput=2397 / 2147, cpu=0.58 / 0.63),
    ),
    Row(
        key="push-blob-large-patch",
        title="push large blob (POST, PATCH, PUT)",
        connections=4,
        size="large",
        make=lambda plan, _: _push(plan.large_bytes, patch=True),
        newest=Newest(throughput=343 / 270, cpu=2.29 / 5.26),
    ),
    Row(
        key="push-blob-large",
        title="push large blob (POST, PUT)",
        connections=1,
        size="large",
        make=lambda plan, _: _push(plan.large_bytes),
        newest=Newest(throughput=280 / 166, cpu=2.24 / 4.67),
    ),
)
