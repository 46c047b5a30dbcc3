"""One server as a process: started, waited for, and ended whatever happens."""

import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

__all__ = ["can_connect", "find_ports", "running_process"]

_START_SECONDS = 30
_STOP_SECONDS = 10


def find_ports(count: int, *, below: int = 32768) -> int:
    """Return the first of `count` neighbouring ports that are free now.

    They lie below those that the system gives away by itself.
    """
    while True:
        first = random.randrange(10240, below - count)
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


def can_connect(port: int) -> bool:
    """Say whether something listens on a port of the loopback address."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def running_process(
    arguments: Sequence[str],
    *,
    is_ready: Callable[[], bool],
    log: Path,
    env: Mapping[str, str] | None = None,
    start_seconds: float = _START_SECONDS,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, which begins once `is_ready` says so.

    Raises:
        RuntimeError: it ended by itself, or was not ready in time; the text has its log.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(arguments), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
        )
        try:
            deadline = time.monotonic() + start_seconds
            while not is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    text = log.read_text(errors="replace")[-4000:]
                    raise RuntimeError(f"{arguments[0]} did not start:\n{text}")
                time.sleep(0.05)
            yield process
        finally:
            # Its files are temporary: nothing has to be put in order first.
            process.kill()
            process.wait(_STOP_SECONDS)
