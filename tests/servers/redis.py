"""Debian's Redis, which keeps nothing on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.servers.process import can_connect, find_ports, running_process

__all__ = ["RedisServer", "running_redis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """A running Redis, without a password."""

    port: int
    process: Popen[bytes]

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def running_redis(folder: Path, *, port: int | None = None) -> Iterator[RedisServer]:
    """Run Redis on a loopback port until the block ends."""
    port = port or find_ports(1)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    options = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
    with running_process(
        [*command, *options],
        is_ready=lambda: can_connect(port),
        log=folder / f"redis-{port}.log",
    ) as process:
        yield RedisServer(port=port, process=process)
