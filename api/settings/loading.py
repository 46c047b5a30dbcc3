"""How settings are read: nothing else looks at the environment.

A later source wins: defaults, then a TOML file, then `MOORAGE_*` variables, then the flags of the
command line. `Settings(...)` itself reads nothing, so tests and embedders say what they mean.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel, PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from api.settings.access import AccessSettings
from api.settings.cache import CacheSettings
from api.settings.groups import (
    DeleteSettings,
    ListsSettings,
    LogSettings,
    ManifestsSettings,
    ServerSettings,
    UploadsSettings,
)
from api.settings.limits import LimitsSettings
from api.settings.lines import find_line
from api.settings.policy import PolicySettings
from api.settings.secrets import shown
from api.settings.storage import StorageSettings
from api.settings.tls import TlsSettings

__all__ = [
    "CONFIG_VARIABLE",
    "ENV_PREFIX",
    "LoadedSettings",
    "Settings",
    "SettingsError",
    "load_settings",
    "load_settings_with_origins",
    "load_storage_settings",
]

ENV_PREFIX = "MOORAGE_"
ENV_DELIMITER = "__"
CONFIG_VARIABLE = "MOORAGE_CONFIG"
DEFAULT_FILE = Path("moorage.toml")

# Kubernetes gives every pod variables for each service beside it, so a service that is itself
# named `moorage` would otherwise keep the registry from starting.
_SERVICE_LINK = re.compile(
    r"MOORAGE_(SERVICE_HOST|SERVICE_PORT(_\w+)?"
    r"|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)

KeyPath = tuple[str, ...]


class Settings(BaseSettings):
    """Everything that can be set, checked and unchangeable."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    tls: TlsSettings = TlsSettings()
    cache: CacheSettings = CacheSettings()
    uploads: UploadsSettings = UploadsSettings()
    manifests: ManifestsSettings = ManifestsSettings()
    delete: DeleteSettings = DeleteSettings()
    lists: ListsSettings = ListsSettings()
    access: AccessSettings = AccessSettings()
    policy: PolicySettings = PolicySettings()
    limits: LimitsSettings = LimitsSettings()
    log: LogSettings = LogSettings()

    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The file that some of these came from, if there was one."""
        return self._file

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what the constructor is given; `load_settings` adds the other sources."""
        return (init_settings,)


class SettingsError(ValueError):
    """Settings that cannot be used, one line for each fault, none with a secret in it."""

    def __init__(self, faults: Iterable[str]) -> None:
        """Keep the faults in the order in which they were found."""
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings and, for each key that is not at its default, where its value came from."""

    settings: Settings
    origins: Mapping[KeyPath, str]
    file: Path | None

    def origin(self, key: KeyPath) -> str:
        """Name the file, variable or flag that gave `key` its value, or say `default`."""
        return self.origins.get(key, "default")


def load_settings(
    config: Path | None = None, flags: Mapping[KeyPath, object] | None = None
) -> Settings:
    """Read the settings of this process from all of their sources.

    Raises:
        SettingsError: a source cannot be read, or holds an unknown key or a wrong value.
    """
    return load_settings_with_origins(config, flags).settings


def load_settings_with_origins(
    config: Path | None = None, flags: Mapping[KeyPath, object] | None = None
) -> LoadedSettings:
    """Read the settings and remember which source gave each value.

    `config` is the file that a flag named; `flags` maps keys, such as `("server", "port")`, to
    what the command line gave for them.

    Raises:
        SettingsError: a source cannot be read, or holds an unknown key or a wrong value.
    """
    file = _find_file(config)
    merged: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    if file is not None:
        _lay_over(merged, origins, _read_file(file), lambda _: str(file))
    _lay_over(merged, origins, _read_environment(), _variable)
    for key, value in (flags or {}).items():
        _lay_over(merged, origins, _nest(key, value), lambda key: f"--{key[-1]}")
    settings = _validate(merged, origins)
    settings._file = file  # noqa: SLF001 - what makes them knows where from
    return LoadedSettings(settings=settings, origins=MappingProxyType(origins), file=file)


def load_storage_settings(file: Path) -> StorageSettings:
    """Read the `[storage]` table of one file: no environment, no flags, nothing else of the file.

    For commands that open several stores, none of which is that of this process.

    Raises:
        SettingsError: the file cannot be read, or has no such table, or the table holds an
            unknown key or a wrong value.
    """
    _check_is_file(file, str(file))
    storage = _read_file(file).get("storage")
    if storage is None:
        raise SettingsError([f"{file}: has no table [storage]"])
    merged: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    _lay_over(merged, origins, {"storage": storage}, lambda _: str(file))
    return _validate(merged, origins).storage


def _validate(merged: Mapping[str, Any], origins: Mapping[KeyPath, str]) -> Settings:
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(fault, origins) for fault in error.errors()) from None


def _find_file(config: Path | None) -> Path | None:
    named_by = "--config"
    if config is None and (named := os.environ.get(CONFIG_VARIABLE)):
        config, named_by = Path(named), CONFIG_VARIABLE
    if config is not None:
        _check_is_file(config, f"{named_by}: {config}")
        return config
    if not os.path.lexists(DEFAULT_FILE):
        return None
    # A directory, or a link to nothing, was meant to be the settings: without them the registry
    # might be open to everybody.
    _check_is_file(DEFAULT_FILE, str(DEFAULT_FILE))
    return DEFAULT_FILE


def _check_is_file(file: Path, where: str) -> None:
    try:
        is_file = file.is_file()
    except OSError as error:
        raise SettingsError([f"{where} cannot be looked at: {error.strerror}"]) from None
    if not is_file:
        raise SettingsError([f"{where} is not a file"])


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return TomlConfigSettingsSource(Settings, toml_file=file)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{file}: not a TOML file: {error}"]) from None
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from None


def _read_environment() -> dict[str, Any]:
    known = {f"{ENV_PREFIX}{group}{ENV_DELIMITER}".upper() for group in Settings.model_fields}
    faults = [
        f"{name}: unknown variable, expected {ENV_PREFIX}<GROUP>{ENV_DELIMITER}<KEY>"
        f"{_suggestion(name.upper(), _variables())}"
        for name in os.environ
        if name.upper().startswith(ENV_PREFIX)
        and name.upper() != CONFIG_VARIABLE
        and not any(name.upper().startswith(prefix) for prefix in known)
        and not _SERVICE_LINK.fullmatch(name.upper())
    ]
    if faults:
        raise SettingsError(faults)
    source = EnvSettingsSource(
        Settings,
        case_sensitive=False,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
    )
    return source()


def _lay_over(
    target: dict[str, Any],
    origins: dict[KeyPath, str],
    layer: Mapping[str, Any],
    origin: Callable[[KeyPath], str],
    path: KeyPath = (),
) -> None:
    for key, value in layer.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            below = target.setdefault(key, {})
            # What is no table where there is to be one stays, to be told.
            if isinstance(below, dict):
                _lay_over(below, origins, value, origin, here)
        else:
            target[key] = value
            origins[here] = origin(here)


def _nest(key: KeyPath, value: object) -> dict[str, Any]:
    for part in reversed(key[1:]):
        value = {part: value}
    return {key[0]: value}


def _variable(key: KeyPath) -> str:
    return ENV_PREFIX + ENV_DELIMITER.join(key).upper()


def _variables() -> list[str]:
    return [
        _variable((group, key))
        for group, field in Settings.model_fields.items()
        for key in type(field.default).model_fields
    ]


def _explain(fault: ErrorDetails, origins: Mapping[KeyPath, str]) -> str:
    """Say where the fault is, which key it is about and what was expected there."""
    key = tuple(str(part) for part in fault["loc"])
    origin = next(
        (
            name
            for place, name in origins.items()
            if place[: len(key)] == key or key[: len(place)] == place
        ),
        "default",
    )
    where = f"{_with_line(origin, fault['loc'])}: {'.'.join(key)}"
    if fault["type"] == "extra_forbidden":
        siblings = _keys_at(key[:-1])
        return f"{where}: unknown key, expected one of {', '.join(siblings)}"
    if fault["type"] == "missing":
        return f"{where}: is missing"
    got = shown(key, fault["input"])
    if fault["type"] in {"dict_type", "model_type", "model_attributes_type"}:
        return f"{where}: expected a table, got {got!r}"
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("String should ")
    expected = expected.removeprefix("Value error, ").replace("a valid tuple", "a list")
    return f"{where}: expected {expected}, got {got!r}"


def _with_line(origin: str, place: tuple[int | str, ...]) -> str:
    """Add its line to a file in which the fault is inside a list of tables."""
    if not any(isinstance(part, int) for part in place) or not Path(origin).is_file():
        return origin
    line = find_line(Path(origin).read_text(encoding="utf-8"), place)
    return origin if line is None else f"{origin}:{line}"


def _keys_at(path: KeyPath) -> list[str]:
    model: type[BaseModel] = Settings
    for part in path:
        # The tables of a list are of the model of the list, and their numbers name no field.
        if not part.isdecimal():
            model = _table_of(model.model_fields[part])
    return list(model.model_fields)


def _table_of(field: FieldInfo) -> type[BaseModel]:
    """Return the model of a field that is a table, or a list of tables."""
    candidates = (type(field.default), *get_args(field.annotation))
    return next(one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel))


def _suggestion(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
