"""The configuration of an image that a docker before 1.8.3 has built, as later ones read it.

It holds members that no later docker knows, and lacks others that later ones want. Docker and
containers/image read such a configuration into a type of theirs and print that again, which drops
the first and fills in the second.
"""

import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from core.manifest.schema1.go_json import encode_json
from core.manifest.schema1.go_time import format_time

__all__ = ["print_again"]

_FIRST_KEPT = (1, 8, 3)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


class _Read(BaseModel):
    """Null stands for a member that is missing; what is not named here is dropped."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Nothing(_Read):
    """What is said of a port or a volume."""


class _Healthcheck(_Read):
    Test: list[str] | None = None
    Interval: int | None = None
    Timeout: int | None = None
    StartPeriod: int | None = None
    Retries: int | None = None


def _to_words(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Words = Annotated[list[str] | None, BeforeValidator(_to_words)]


class _Container(_Read):
    """How a container is run, in the order in which it is printed."""

    Hostname: str | None = None
    Domainname: str | None = None
    User: str | None = None
    AttachStdin: bool | None = None
    AttachStdout: bool | None = None
    AttachStderr: bool | None = None
    ExposedPorts: dict[str, _Nothing] | None = None
    Tty: bool | None = None
    OpenStdin: bool | None = None
    StdinOnce: bool | None = None
    Env: list[str] | None = None
    Cmd: _Words = None
    Healthcheck: _Healthcheck | None = None
    ArgsEscaped: bool | None = None
    Image: str | None = None
    Volumes: dict[str, _Nothing] | None = None
    WorkingDir: str | None = None
    Entrypoint: _Words = None
    NetworkDisabled: bool | None = None
    MacAddress: str | None = None
    OnBuild: list[str] | None = None
    Labels: dict[str, str] | None = None
    StopSignal: str | None = None
    StopTimeout: int | None = None
    Shell: _Words = None


_FILLED_IN: Mapping[str, object] = {
    **dict.fromkeys(("Hostname", "Domainname", "User", "Image", "WorkingDir"), ""),
    **dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr"), False),
    **dict.fromkeys(("Tty", "OpenStdin", "StdinOnce"), False),
    **dict.fromkeys(("Env", "Cmd", "Volumes", "Entrypoint", "OnBuild", "Labels")),
}
"""What is printed where a member is missing. Others are then left out."""

_EVEN_IF_ZERO = frozenset({"Healthcheck", "StopTimeout"})


class _Version(_Read):
    docker_version: str | None = None


class _Image(_Version):
    comment: str | None = None
    created: str | None = None
    container: str | None = None
    container_config: _Container | None = None
    author: str | None = None
    config: _Container | None = None
    architecture: str | None = None
    os: str | None = None


def print_again(text: str, field: str) -> str:
    """Return the JSON of an image as it is carried over: as it is, unless its docker is too old.

    Raises:
        ValidationError: a member is not what it should be.
        ManifestInvalid: neither is the time of its making; `field` is the place of the text.
    """
    version = _Version.model_validate_json(text).docker_version
    if not version or not _is_old(version):
        return text
    image = _Image.model_validate_json(text)
    members: dict[str, object] = {
        "comment": image.comment,
        "created": format_time(image.created, f"{field}.created"),
        "container": image.container,
        "container_config": _print(image.container_config or _Container()),
        "docker_version": version,
        "author": image.author,
        "config": None if image.config is None else _print(image.config),
        "architecture": image.architecture,
        "os": image.os,
    }
    return encode_json({name: value for name, value in members.items() if value})


def _print(container: _Container) -> dict[str, object]:
    printed: dict[str, object] = {}
    for name, value in container.model_dump().items():
        if name in _FILLED_IN:
            printed[name] = _FILLED_IN[name] if value is None else _in_order(value)
        elif value or (name in _EVEN_IF_ZERO and value is not None):
            printed[name] = _in_order(value)
    if container.Healthcheck is not None:
        checked = container.Healthcheck.model_dump()
        printed["Healthcheck"] = {name: value for name, value in checked.items() if value}
    return printed


def _in_order(value: object) -> object:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def _is_old(version: str) -> bool:
    """Compare as docker does, for which a part that is no number is 0."""
    numbers = [int(part) if _NUMBER.fullmatch(part) else 0 for part in version.split(".")]
    for number, other in zip_longest(numbers, _FIRST_KEPT, fillvalue=0):
        if number != other:
            return number < other
    return False
