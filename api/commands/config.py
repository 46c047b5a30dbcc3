"""`moorage config`: the effective settings, and where each came from."""

import json
from typing import Annotated

import typer

from api.commands.options import Config, Host, Port, Root, Workers, load_or_fail
from api.settings.report import SettingRow, setting_rows

__all__ = ["config"]

_MAX_WIDTH = 60
"""Of the column of values: a few are longer than a terminal is wide."""


def config(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    root: Root = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the effective settings and where each came from; secrets are masked."""
    rows = setting_rows(load_or_fail(config, host=host, port=port, workers=workers, root=root))
    if as_json:
        shown = {row.key: {"value": row.value, "origin": row.origin} for row in rows}
        typer.echo(json.dumps(shown, indent=2))
        return
    assignments = [f"{row.key} = {_literal(row)}" for row in rows]
    width = min(_MAX_WIDTH, max(map(len, assignments)))
    for row, assignment in zip(rows, assignments, strict=True):
        typer.echo(f"{assignment:<{width}}  # {row.origin}")


def _literal(row: SettingRow) -> str:
    return json.dumps(row.value, ensure_ascii=False)
