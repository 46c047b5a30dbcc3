"""One table from its servers to its figures: started, measured row by row, printed."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.measure import Bench, MemoryFigures
from bench.report import RowReport, format_memory, format_table, row_as_json
from bench.scenarios import Goal, Plan, Row, Seed
from bench.servers import INCUMBENT, Server, running_incumbent, running_moorage
from bench.stores import Store, opened_stores
from bench.suites import Suite

__all__ = ["MEMORY", "SuiteRun"]

MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """What is to be measured of one table.

    Attributes:
        suite: the table.
        plan: how much.
        rows: which of its rows.
        with_memory: whether its memory row too.
        checkouts: of Moorage to run, by the names of their servers, ours first.
        with_incumbent: whether docker-registry is measured beside them.
        folder: for stores and logs.
    """

    suite: Suite
    plan: Plan
    rows: Sequence[Row]
    with_memory: bool
    checkouts: Mapping[str, Path]
    with_incumbent: bool
    folder: Path

    def measure(self) -> dict[str, Any]:
        """Measure, print the table, and return what the JSON has of it."""
        reports: list[RowReport] = []
        memory: list[MemoryFigures] = []
        with ExitStack() as stack:
            # Entered first, so left last: a load that still runs ends when its server does.
            bench = stack.enter_context(Bench(self.plan))
            make_store = stack.enter_context(opened_stores(self.suite.kind, self.folder))
            stores = {name: make_store(name) for name in self._names}
            with self._running(stores, redirect=False) as servers:
                idle = [server.tree.resident_bytes() for server in servers]
                seeds = [bench.seed(server) for server in servers] if self.rows else []
                reports += self._measure_rows(bench, servers, seeds, redirect=False)
                if self.with_memory:
                    _say(MEMORY)
                    memory = [bench.measure_memory(self.suite.memory, server) for server in servers]
            if any(row.redirect for row in self.rows):
                with self._running(stores, redirect=True) as servers:
                    reports += self._measure_rows(bench, servers, seeds, redirect=True)
        self._print(reports, memory)
        return {
            "plan": asdict(self.plan),
            "idle_bytes": dict(zip(self._names, idle, strict=True)),
            **self._as_json(reports, memory),
        }

    def _measure_rows(
        self, bench: Bench, servers: Sequence[Server], seeds: Sequence[Seed], *, redirect: bool
    ) -> Iterator[RowReport]:
        for row in self.rows:
            if row.redirect is redirect:
                _say(row.key)
                slices = bench.measure(row, list(zip(servers, seeds, strict=True)))
                yield RowReport(row=row, slices=slices)

    @contextmanager
    def _running(self, stores: Mapping[str, Store], *, redirect: bool) -> Iterator[list[Server]]:
        with ExitStack() as stack:
            servers = []
            for name, store in stores.items():
                if name == INCUMBENT:
                    server = running_incumbent(self.folder, store, redirect=redirect)
                else:
                    server = running_moorage(
                        self.folder, store, redirect=redirect, code=self.checkouts[name], name=name
                    )
                servers.append(stack.enter_context(server))
            yield servers

    def _print(self, reports: Sequence[RowReport], memory: Sequence[MemoryFigures]) -> None:
        print(f"\n{self.suite.title}:\n")
        if reports:
            newest = self.with_incumbent and self.suite.goal is None
            print(format_table(reports, self._names, newest=newest, goal=self._goal))
        if memory:
            print()
            print(format_memory(self.suite.memory, memory, self._names, self.plan.huge_bytes))

    def _as_json(
        self, reports: Sequence[RowReport], memory: Sequence[MemoryFigures]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "servers": self._names,
            "rows": [row_as_json(report, self._names, goal=self._goal) for report in reports],
            "memory": None,
        }
        if memory:
            limit = self.suite.memory.limit_bytes
            answer["memory"] = {
                "limit_bytes": limit,
                "kept": memory[0].peak_bytes < limit,
                "servers": dict(zip(self._names, map(asdict, memory), strict=True)),
            }
        return answer

    @property
    def _names(self) -> list[str]:
        return [*self.checkouts, *([INCUMBENT] if self.with_incumbent else [])]

    @property
    def _goal(self) -> Goal | None:
        return self.suite.goal if self.with_incumbent else None


def _say(key: str) -> None:
    print(f"{key} ...", file=sys.stderr, flush=True)
