"""The `moorage` command."""

from importlib import metadata
from typing import Annotated

import typer

from api.commands.config import config
from api.commands.copy import copy
from api.commands.policy import policy
from api.commands.robots import robots
from api.commands.serve import serve
from api.commands.tokens import tokens
from api.commands.uploads import uploads
from api.commands.users import users

__all__ = ["app", "main"]

app = typer.Typer(
    name="moorage",
    help="A container registry.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(config)
app.command()(copy)
app.add_typer(uploads)
app.add_typer(robots)
app.add_typer(tokens)
app.add_typer(users)
app.add_typer(policy)


def _print_version(value: bool) -> None:
    if value:
        try:
            version = metadata.version("moorage")
        except metadata.PackageNotFoundError:
            version = "(run from its sources)"
        typer.echo(f"moorage {version}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A container registry."""


def main() -> None:
    """Run the command that the arguments of this process name."""
    app(prog_name="moorage")
