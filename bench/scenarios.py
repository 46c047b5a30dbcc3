"""What a table is made of: its rows, and how much of each is measured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.operations import Fetch, Operation, PushBlob, Pushed, PushImage

__all__ = [
    "PUSH_REPOSITORY",
    "SEED_REPOSITORY",
    "SMALL_BYTES",
    "TAG",
    "Goal",
    "MemoryRow",
    "Newest",
    "Plan",
    "Row",
    "Seed",
    "fetch_blob",
    "seed_operations",
]

SEED_REPOSITORY = "bench/seed"
PUSH_REPOSITORY = "bench/push"
TAG = "latest"
SMALL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        seconds: of a slice of a row with small content.
        slices: of each row for each server; the servers take turns slice by slice.
        large_bytes: size of the blobs of the rows with large content.
        huge_bytes: size of the blobs of the rows with huge content, and of the memory row.
        images: how many are pushed in a slice of a row that counts them.
    """

    seconds: float
    slices: int
    large_bytes: int
    huge_bytes: int
    images: int = 200


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
class Goal:
    """What every row of a table shall reach beside the incumbent.

    Attributes:
        throughput: the least ratio.
        cpu: the greatest ratio.
    """

    throughput: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    """Huge blobs at once, and what a worker may hold meanwhile.

    Attributes:
        pushes: how many of them.
        pulls: how many of another one.
        limit_bytes: more than a worker of ours holds at any moment.
    """

    pushes: int
    pulls: int
    limit_bytes: int


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
        warm_up: another one to begin with, where `make` gives one that takes long.
        total: how many operations a slice has instead of a duration, over all connections.
        redirect: whether the servers send clients to their store for blobs.
        newest: how the server that the goals speak of compares with the incumbent, if known.
    """

    key: str
    title: str
    connections: int
    size: Literal["small", "large"]
    make: Callable[[Plan, Seed], Operation]
    warm_up: Callable[[Plan, Seed], Operation] | None = None
    total: Callable[[Plan], int] | None = None
    redirect: bool = False
    newest: Newest | None = None


def seed_operations(plan: Plan) -> tuple[Operation, Operation]:
    """Return what has to be pushed once: an image of small blobs, and a large blob."""
    return (
        PushImage(repository=SEED_REPOSITORY, tag=TAG, blob_bytes=SMALL_BYTES, blobs=4),
        PushBlob(repository=SEED_REPOSITORY, size=plan.large_bytes, patch=True),
    )


def fetch_blob(blob: Pushed, method: str = "GET", *, redirect: bool = False) -> Fetch:
    """Return the GET or HEAD of a blob that has been seeded."""
    return Fetch(
        path=f"/v2/{SEED_REPOSITORY}/blobs/{blob.digest}",
        size=blob.size,
        method=method,
        digest=blob.digest,
        redirect=redirect,
    )
