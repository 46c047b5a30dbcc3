"""The options that commands share, and how a command ends where they are wrong."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from api.settings import LoadedSettings, SettingsError, load_settings_with_origins

__all__ = [
    "EXIT_USAGE",
    "AllowOpen",
    "Config",
    "Host",
    "Port",
    "Root",
    "Workers",
    "fail",
    "load_or_fail",
]

EXIT_USAGE = 2

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="TCP port to listen on; 0 takes a free one.")]
Workers = Annotated[int | None, typer.Option(help="Processes that serve the port.")]
AllowOpen = Annotated[
    bool | None,
    typer.Option(
        "--allow-open", help="Listen on other addresses than loopback without access control."
    ),
]
Root = Annotated[Path | None, typer.Option(help="Directory of the store.")]
Config = Annotated[
    Path | None,
    typer.Option(help="TOML file of settings; else MOORAGE_CONFIG, else ./moorage.toml."),
]


def load_or_fail(
    config: Path | None,
    *,
    host: str | None,
    port: int | None,
    workers: int | None,
    root: Path | None,
    allow_open: bool | None = None,
) -> LoadedSettings:
    """Read the settings, or end the command with one line for each fault."""
    flags: dict[tuple[str, ...], object] = {
        ("server", "host"): host,
        ("server", "port"): port,
        ("server", "workers"): workers,
        ("storage", "filesystem", "root"): root,
        ("access", "allow_open"): allow_open,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    try:
        return load_settings_with_origins(config, given)
    except SettingsError as error:
        fail(error.faults, exit_code=EXIT_USAGE)


def fail(faults: Iterable[str], *, exit_code: int = 1) -> NoReturn:
    """End the command with `faults` on standard error, each on its own line."""
    for fault in faults:
        typer.echo(f"moorage: {fault}", err=True)
    raise typer.Exit(exit_code)
