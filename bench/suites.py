"""The tables: one for each kind of store."""

from dataclasses import dataclass

from bench.content import MIB
from bench.rows_filesystem import FILESYSTEM_ROWS
from bench.rows_s3 import S3_ROWS
from bench.scenarios import Goal, MemoryRow, Plan, Row
from bench.stores import StoreKind

__all__ = ["SUITES", "Suite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One table.

    Attributes:
        kind: of the stores of its servers.
        title: names these for people.
        rows: in their order.
        memory: the row that is about memory alone.
        full: how much is measured.
        quick: the same for those in a hurry.
        goal: what every row shall reach, where the incumbent itself is the measure.
    """

    kind: StoreKind
    title: str
    rows: tuple[Row, ...]
    memory: MemoryRow
    full: Plan
    quick: Plan
    goal: Goal | None = None


SUITES = (
    Suite(
        kind="filesystem",
        title="Stores in directories",
        rows=FILESYSTEM_ROWS,
        memory=MemoryRow(pushes=4, pulls=4, limit_bytes=200 * MIB),
        full=Plan(seconds=2.5, slices=3, large_bytes=128 * MIB, huge_bytes=2048 * MIB),
        quick=Plan(seconds=0.5, slices=1, large_bytes=64 * MIB, huge_bytes=128 * MIB),
    ),
    Suite(
        kind="s3",
        title="Stores in a bucket of SeaweedFS",
        rows=S3_ROWS,
        memory=MemoryRow(pushes=4, pulls=0, limit_bytes=250 * MIB),
        full=Plan(seconds=2.5, slices=2, large_bytes=128 * MIB, huge_bytes=1024 * MIB),
        quick=Plan(seconds=0.4, slices=1, large_bytes=16 * MIB, huge_bytes=32 * MIB, images=8),
        goal=Goal(throughput=1.5, cpu=1.0),
    ),
)
