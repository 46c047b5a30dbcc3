"""`moorage serve`: serve until told to stop."""

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
from api.settings import SettingsError

__all__ = ["serve"]


def serve(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    root: Root = None,
    config: Config = None,
    allow_open: AllowOpen = None,
) -> None:
    """Serve the registry until SIGTERM or SIGINT; running transfers may then finish."""
    # The service takes longer to import than all else, and the other commands do without it.
    from api.serving.starting import StartError, start  # noqa: PLC0415

    loaded = load_or_fail(
        config, host=host, port=port, workers=workers, root=root, allow_open=allow_open
    )
    configure_logging(loaded.settings.log)
    try:
        exit_code = start(loaded.settings)
    except StartError as error:
        fail([str(error)])
    except SettingsError as error:
        fail(error.faults, exit_code=EXIT_USAGE)
    raise typer.Exit(exit_code)
