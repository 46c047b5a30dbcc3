"""`moorage users`: the users of the password file."""

import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from api.commands.options import Config, fail, load_or_fail
from core.access.passwords.editing import UserUnknown, remove_user, set_password
from core.access.passwords.file import PasswordFile, read_passwords

__all__ = ["users"]

users = typer.Typer(name="users", help="The users of the password file.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the user.")]
File = Annotated[
    Path | None,
    typer.Option(help="The password file; else that of the settings, `access.htpasswd.file`."),
]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@users.command()
def add(
    name: Name, file: File = None, password_stdin: FromInput = False, config: Config = None
) -> None:
    """Add a user, or give one a new password. A running service takes it over by itself."""
    path = _path(file, config)
    password = _read_password(password_stdin, confirm=True)
    try:
        is_new = set_password(path, name, password)
    except ValueError as error:
        fail([str(error)])
    except OSError as error:
        fail([f"{path}: {error.strerror}"])
    typer.echo(f"{'added' if is_new else 'new password for'} {name}", err=True)


@users.command()
def remove(name: Name, file: File = None, config: Config = None) -> None:
    """Remove a user, whose password is worth nothing within a second."""
    path = _path(file, config)
    try:
        remove_user(path, name)
    except UserUnknown:
        fail([f"{path}: no user {name}"])
    except OSError as error:
        fail([f"{path}: {error.strerror}"])


@users.command("list")
def list_users(file: File = None, config: Config = None) -> None:
    """Print the names, a line each, in order."""
    path = _path(file, config)
    try:
        found = read_passwords(path)
    except OSError as error:
        fail([f"{path}: {error.strerror}"])
    for name in sorted(found.hashes):
        typer.echo(name)
    for fault in found.faults:
        typer.echo(f"moorage: {path}: {fault}", err=True)


@users.command()
def verify(
    name: Name, file: File = None, password_stdin: FromInput = False, config: Config = None
) -> None:
    """Say by the exit code whether a password is right: 0 if it is, 1 if not."""
    path = _path(file, config)
    password = _read_password(password_stdin, confirm=False)
    try:
        passwords = PasswordFile(path)
    except OSError as error:
        fail([f"{path}: {error.strerror}"])
    if not anyio.run(passwords.verify, name, password):
        fail(["the user or the password is wrong"])


def _path(file: Path | None, config: Path | None) -> Path:
    if file is not None:
        return file
    settings = load_or_fail(config, host=None, port=None, workers=None, root=None).settings
    if settings.access.htpasswd.file is None:
        fail(["access.htpasswd.file is not set: name the file with --file"])
    return settings.access.htpasswd.file


def _read_password(from_input: bool, *, confirm: bool) -> str:
    if from_input:
        try:
            # Clients send UTF-8, whatever the locale of this terminal is.
            return sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError:
            fail(["the password is not in UTF-8"])
    entered: str = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm)
    return entered
