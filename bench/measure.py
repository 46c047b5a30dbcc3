"""Measuring: slices of load, the servers by turns, and medians of what they gave."""

import math
import multiprocessing
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from bench.load import LoadResult, LoadSpec, run_load
from bench.operations import Fetch, Operation, PushBlob, Pushed
from bench.scenarios import (
    SEED_REPOSITORY,
    MemoryRow,
    Plan,
    Row,
    Seed,
    fetch_blob,
    seed_operations,
)
from bench.servers import Server

__all__ = ["Bench", "Figures", "MemoryFigures"]

_WARM_UP_OPERATIONS = 20
_GIB = 1024**3
_SMALL_BLOB = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one slice of one row gave.

    Attributes:
        throughput: operations per second, or bytes per second where content is large.
        cpu: seconds of the server per operation, or per GiB where content is large.
        p50: seconds.
        p99: seconds; of few operations the slowest.
        peak_bytes: the most that one process of the server held.
    """

    throughput: float
    cpu: float
    p50: float
    p99: float
    peak_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFigures:
    """What pushing and pulling huge blobs at once gave.

    Attributes:
        throughput: bytes per second, both directions together.
        peak_bytes: the most that one process of the server held meanwhile.
    """

    throughput: float
    peak_bytes: float


class Bench:
    """Measures servers with a load generator in a process of its own."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(max_workers=1, mp_context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def seed(self, server: Server) -> Seed:
        """Push what the rows read."""
        image, large = seed_operations(self._plan)
        pushed = self._run(server, (image,), repeats=1).pushed
        return Seed(
            manifest=pushed[-1],
            small=pushed[_SMALL_BLOB],
            large=self._run(server, (large,), repeats=1).pushed[0],
        )

    def measure(self, row: Row, servers: Sequence[tuple[Server, Seed]]) -> list[list[Figures]]:
        """Return the slices of each server, which took turns; the same place, the same turn."""
        warm_up = row.warm_up or row.make
        repeats = math.ceil(_WARM_UP_OPERATIONS / row.connections) if row.size == "small" else 1
        for server, seed in servers:
            # Over all connections, for all workers; the one time that what is pulled is hashed.
            operations = (warm_up(self._plan, seed),) * row.connections
            result = self._run(server, operations, repeats=repeats)
            self._clean(server, row, result.pushed)
        measured = [row.make(self._plan, seed) for _, seed in servers]
        slices: list[list[Figures]] = [[] for _ in servers]
        for _ in range(self._plan.slices):
            for place, (server, _) in enumerate(servers):
                operation = _without_digest(measured[place])
                slices[place].append(self._slice(row, server, operation))
        return slices

    def measure_memory(self, row: MemoryRow, server: Server) -> MemoryFigures:
        """Push huge blobs and pull another one at once, each over a connection of its own."""
        push = PushBlob(repository="bench/huge", size=self._plan.huge_bytes, patch=True)
        seeded: list[Pushed] = []
        operations: list[Operation] = [push] * row.pushes
        if row.pulls:
            seed = replace(push, repository=SEED_REPOSITORY)
            seeded = self._run(server, (seed,), repeats=1).pushed
            operations += [_without_digest(fetch_blob(seeded[0]))] * row.pulls
        server.tree.reset_peak()
        result = self._run(server, tuple(operations), repeats=1)
        peak = server.tree.peak_bytes()
        for item in (*seeded, *result.pushed):
            server.store.forget(item.digest)
        return MemoryFigures(
            throughput=result.moved_bytes / result.elapsed_seconds, peak_bytes=peak
        )

    def _slice(self, row: Row, server: Server, operation: Operation) -> Figures:
        server.tree.reset_peak()
        before = server.tree.cpu_seconds()
        operations = (operation,) * row.connections
        if row.total is not None:
            repeats = max(1, row.total(self._plan) // row.connections)
            result = self._run(server, operations, repeats=repeats)
        elif row.size == "small":
            result = self._run(server, operations, seconds=self._plan.seconds)
        else:
            result = self._run(server, operations, repeats=1)
        cpu = server.tree.cpu_seconds() - before
        peak = server.tree.peak_bytes()
        self._clean(server, row, result.pushed)
        latencies = sorted(result.latencies_seconds)
        count = len(latencies)
        per = count if row.size == "small" else result.moved_bytes / _GIB
        amount = count if row.size == "small" else result.moved_bytes
        return Figures(
            throughput=amount / result.elapsed_seconds,
            cpu=cpu / per,
            p50=statistics.median(latencies),
            p99=latencies[min(count - 1, count * 99 // 100)],
            peak_bytes=peak,
        )

    def _run(
        self,
        server: Server,
        operations: tuple[Operation, ...],
        *,
        seconds: float | None = None,
        repeats: int | None = None,
    ) -> LoadResult:
        spec = LoadSpec(port=server.port, operations=operations, seconds=seconds, repeats=repeats)
        return self._pool.submit(run_load, spec).result()

    @staticmethod
    def _clean(server: Server, row: Row, pushed: Sequence[Pushed]) -> None:
        if row.size == "large":
            for item in pushed:
                server.store.forget(item.digest)


def _without_digest(operation: Operation) -> Operation:
    return replace(operation, digest=None) if isinstance(operation, Fetch) else operation
