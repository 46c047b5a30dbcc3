"""The access state in a directory of its own, for those whose store should hold no private keys."""

import stat
from pathlib import Path

import structlog

from core.access.paths import AccessPaths
from core.access.state import AccessState
from core.drivers import create_driver

__all__ = ["open_state_directory"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_log = structlog.get_logger()


def open_state_directory(directory: Path) -> AccessState:
    """Return the state that a directory holds, which is made if it is not there.

    A new one is for its owner alone. Nodes share the state if they share the directory. Whoever
    has opened it closes its driver.

    Raises:
        ValueError: it cannot be made, or something else is in its place.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode
    except OSError as error:
        raise ValueError(f"{directory}: {error.strerror}") from None
    if mode & _OTHERS:
        # The files in it are as the umask has it, so this is what keeps others out.
        _log.warning("others may look into the directory of keys", directory=str(directory))
    return AccessState(create_driver("filesystem", {"root": directory}), AccessPaths(root=""))
