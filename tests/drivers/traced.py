"""What a filesystem driver in a process of its own asks of the system, as strace sees it."""

import re
from pathlib import Path

from tests.drivers.child import run

__all__ = ["changes", "trace"]


def trace(code: str, root: Path, log: Path, *, durability: str = "full", inject: str = "") -> str:
    """Run `code` under strace; return what it printed."""
    prefix = ["strace", "-f", "-qq", "-y", "-o", str(log)]
    calls = "fsync,fdatasync,io_setup,io_submit,rename,renameat,renameat2,unlink,mkdir"
    prefix += ["-e", f"trace={calls}"]
    if inject:
        # Syncs are made one by one where the system takes none together.
        prefix += ["-e", f"inject={inject}", "-e", "inject=io_setup:error=ENOSYS"]
    done = run(code, root, durability=durability, prefix=prefix)
    assert done.stderr == ""
    return done.stdout


def changes(log: Path, root: Path) -> list[str]:
    """Return the calls that changed or synced something below `root`, with short names."""

    def shorten(place: str) -> str:
        return re.sub(r"\.[0-9a-f-]{36}\.tmp", "~", place.removeprefix(str(root))) or "/"

    found = []
    for line in log.read_text().splitlines():
        if "IOCB_CMD_FSYNC" in line:
            found += [
                f"fsync {shorten(place)}" for place in re.findall(r"fildes=\d+<([^>]*)>", line)
            ]
            continue
        call = re.search(r"(fsync|fdatasync|rename|unlink|mkdir)\w*\((.*)\) += 0", line)
        if call is None or str(root) not in call[2]:
            continue
        places = re.findall(re.escape(str(root)) + r"([^\">]*)", call[2])
        found.append(" ".join([call[1], *map(shorten, places)]))
    return found
