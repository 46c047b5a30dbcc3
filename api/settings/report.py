"""The settings as rows: for `moorage config` and for the table in the documentation."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from api.settings import ENV_PREFIX, LoadedSettings, Settings
from api.settings.secrets import shown

__all__ = ["SettingRow", "markdown_table", "markdown_table_of_items", "setting_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One effective setting, fit to be shown: a secret is masked already."""

    key: str
    variable: str
    value: object
    origin: str


def setting_rows(loaded: LoadedSettings) -> list[SettingRow]:
    """List every setting in the order of declaration, tables of further drivers included."""
    return [
        SettingRow(
            key=".".join(key),
            variable=_variable(key),
            value=_plain(shown(key, value)),
            origin=loaded.origin(key),
        )
        for key, value in _leaves(loaded.settings)
    ]


def markdown_table() -> str:
    """Render every declared setting with its variable, default, unit, meaning and off switch."""
    lines = [
        "| Key | Variable | Default | Unit | Meaning | To switch off |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key, value in _leaves(Settings()):
        description, unit, off = _documentation(key)
        lines.append(
            f"| `{'.'.join(key)}` | `{_variable(key)}` | `{_literal(value)}` "
            f"| {unit or '-'} | {description} | {off or '-'} |"
        )
    return "\n".join(lines) + "\n"


def markdown_table_of_items(model: type[BaseModel]) -> str:
    """Render the keys of the tables in a list of tables, in which each is of this model."""
    lines = [
        "| Key | Default | Unit | Meaning | To switch off |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, field in model.model_fields.items():
        description, unit, off = _documentation_of(name, field)
        default = "needed" if field.is_required() else f"`{_literal(field.default)}`"
        lines.append(f"| `{name}` | {default} | {unit or '-'} | {description} | {off or '-'} |")
    return "\n".join(lines) + "\n"


def _leaves(
    model: BaseModel, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], object]]:
    for name in type(model).model_fields:
        yield from _leaf((*path, name), getattr(model, name))
    for name, table in (model.model_extra or {}).items():
        yield from _leaf((*path, name), table)


def _leaf(path: tuple[str, ...], value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, BaseModel):
        yield from _leaves(value, path)
    elif isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaf((*path, str(name)), inner)
    else:
        yield path, value


def _documentation(key: tuple[str, ...]) -> tuple[str, str, str]:
    model: type[BaseModel] = Settings
    for part in key[:-1]:
        model = type(model.model_fields[part].default)
    return _documentation_of(".".join(key), model.model_fields[key[-1]])


def _documentation_of(name: str, field: FieldInfo) -> tuple[str, str, str]:
    about = field.json_schema_extra
    if field.description is None or not isinstance(about, dict):
        raise LookupError(f"setting {name} is not documented where it is declared")
    return field.description, str(about["unit"]), str(about["off"])


def _variable(key: tuple[str, ...]) -> str:
    return ENV_PREFIX + "__".join(key).upper()


def _plain(value: object) -> object:
    """Give a value that JSON can hold; what it has no form for becomes its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, BaseModel):
        return _plain(dict(value))
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value)


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | Mapping):
        return json.dumps(_plain(value))
    return "unset" if value is None else str(value)
