"""What Linux tells about a process and its descendants."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ProcessTree"]

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_RESET_PEAK = "5"
_AFTER_NAME = ") "


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A process with all that it started, as they are at each call."""

    root: int

    def pids(self) -> list[int]:
        """Return the ids, that of the root first."""
        parents = {
            int(entry.name): int(fields[1])
            for entry in _PROC.iterdir()
            if entry.name.isdecimal() and (fields := _stat(int(entry.name)))
        }
        found = [self.root]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """Return the time that all of them have spent on processors, user and system."""
        ticks = 0
        for pid in self.pids():
            if fields := _stat(pid):
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        """Return what the largest of them holds in memory now."""
        return self._largest("VmRSS")

    def peak_bytes(self) -> int:
        """Return the most that one of them has held since the last `reset_peak`."""
        return self._largest("VmHWM")

    def reset_peak(self) -> None:
        """Let `peak_bytes` count from now on."""
        for pid in self.pids():
            (_PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)

    def _largest(self, name: str) -> int:
        return max(_status_bytes(pid, name) for pid in self.pids())


def _stat(pid: int) -> list[str]:
    """Return the fields behind the name of the process; none if it has ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(_AFTER_NAME)[2].split()


def _status_bytes(pid: int, name: str) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
