"""`start`: check what can be checked before a service is started, then serve."""

import tempfile

import structlog

from api.serving.server import StartError, is_loopback, listen, run_server
from api.settings import Settings
from api.settings.policy import PolicySettings

__all__ = ["StartError", "start"]

_log = structlog.get_logger(__name__)


def start(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code of the process.

    Raises:
        StartError: what the settings ask for cannot be done here.
        SettingsError: they ask for what does not go together.
    """
    _check_access(settings)
    _check_storage(settings)
    return run_server(settings, listen(settings.server))


def _check_access(settings: Settings) -> None:
    """See that nobody opens the registry to a network, or takes it for closed, unknowingly."""
    host = settings.server.host
    if settings.access.is_open and not settings.access.allow_open and not is_loopback(host):
        raise StartError(
            f"listening on {host} would let everybody who reaches it push and delete: set "
            "access.controller (docs/access.md), or allow it with --allow-open "
            "(access.allow_open = true)"
        )
    if settings.access.is_open and settings.policy != PolicySettings():
        _log.warning(
            "policy is set, and nobody is asked who they are: everybody may do everything until "
            "access.controller is set"
        )


def _check_storage(settings: Settings) -> None:
    """See that the store can be written to, and that all workers will share it."""
    if settings.storage.driver == "memory" and settings.server.workers > 1:
        raise StartError("storage.driver: a store in memory cannot be shared by several workers")
    if settings.storage.driver != "filesystem":
        return
    root = settings.storage.filesystem.root
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise StartError(
            f"storage.filesystem.root: cannot write to {root}: {error.strerror}"
        ) from error
