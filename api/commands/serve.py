"""`moorage serve`: check what can be checked, then serve until told to stop."""

import tempfile

import structlog
import typer

from api.commands.options import (
    EXIT_USAGE,
    AllowOpen,
    Config,
    Host,
    Port,
    Root,
    Workers,
    fail,
    load_or_fail,
)
from api.logging import configure_logging
from api.server import StartError, is_loopback, listen, run_server
from api.settings import Settings, SettingsError
from api.settings_policy import PolicySettings

__all__ = ["serve"]

_log = structlog.get_logger(__name__)


def serve(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    root: Root = None,
    config: Config = None,
    allow_open: AllowOpen = None,
) -> None:
    """Serve the registry until SIGTERM or SIGINT; running transfers may then finish."""
    loaded = load_or_fail(
        config, host=host, port=port, workers=workers, root=root, allow_open=allow_open
    )
    settings = loaded.settings
    configure_logging(settings.log)
    try:
        _check_access(settings)
        _check_storage(settings)
        listener = listen(settings.server)
        exit_code = run_server(settings, listener)
    except StartError as error:
        fail([str(error)])
    except SettingsError as error:
        fail(error.faults, exit_code=EXIT_USAGE)
    raise typer.Exit(exit_code)


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
