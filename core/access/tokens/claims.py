"""What the claims of a token say, checked. Spec: RFC 7519, section 4.1."""

import json
import math
from collections.abc import Collection, Mapping

from core.access.controller import CredentialsInvalid
from core.access.resources import Access

__all__ = [
    "check_audience",
    "check_issuer",
    "check_times",
    "claim_at",
    "parse_access",
    "parse_name",
    "scalar_text",
]

MAX_NAME_CHARACTERS = 255


def check_issuer(claims: Mapping[str, object], issuer: str) -> None:
    """Return if the token says that it is of this issuer.

    Raises:
        CredentialsInvalid: it does not.
    """
    if claims.get("iss") != issuer:
        raise CredentialsInvalid("the token is of another issuer")


def check_audience(claims: Mapping[str, object], audiences: Collection[str]) -> None:
    """Return if the token is meant for one of the audiences: a text, or a list with one of them.

    Raises:
        CredentialsInvalid: it is not.
    """
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(name, str) for name in named):
        raise CredentialsInvalid("the audience of the token is malformed")
    if not any(name in audiences for name in named):
        raise CredentialsInvalid("the token is for another audience")


def check_times(claims: Mapping[str, object], *, now: float, leeway_seconds: float) -> float:
    """Return until when the token is good, in seconds since the epoch, leeway included.

    A token without `exp` has expired, as in the incumbent; one without `nbf` is good already.

    Raises:
        CredentialsInvalid: it has expired, is not good yet, or says neither properly.
    """
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise CredentialsInvalid("the token does not say when it expires")
    if now > expires_at + leeway_seconds:
        raise CredentialsInvalid("the token has expired")
    not_before = _time(claims, "nbf")
    if not_before is not None and now < not_before - leeway_seconds:
        raise CredentialsInvalid("the token is not good yet")
    return expires_at + leeway_seconds


def parse_name(claims: Mapping[str, object]) -> str:
    """Return `sub`; empty where there is none.

    Raises:
        CredentialsInvalid: it is no text, too long, or has characters that cannot be printed.
    """
    name = claims.get("sub")
    if name is None:
        return ""
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise CredentialsInvalid("the subject of the token is malformed")
    return name


def parse_access(claims: Mapping[str, object]) -> tuple[Access, ...]:
    """Return what the token is good for, each resource once; nothing where it does not say.

    Spec: distribution, "Docker Registry v2 Bearer token specification", the claim `access`.

    Raises:
        CredentialsInvalid: it is malformed.
    """
    listed = claims.get("access")
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise CredentialsInvalid("the access claim is malformed")
    found: dict[tuple[str, str], dict[str, None]] = {}
    for entry in listed:
        kind, name, actions = _parse_entry(entry)
        found.setdefault((kind, name), {}).update(dict.fromkeys(actions))
    return tuple(Access(kind, name, tuple(actions)) for (kind, name), actions in found.items())


def claim_at(claims: Mapping[str, object], name: str) -> object:
    """Return the claim of this name; with dots in it, one inside others. None if there is none."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def scalar_text(value: object) -> str | None:
    """Return a text, number or truth value as text, as JSON writes it; None for what is neither."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _time(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CredentialsInvalid(f"the claim {name} is no time")
    try:
        at = float(value)
    except OverflowError:
        at = math.inf
    if not math.isfinite(at):
        raise CredentialsInvalid(f"the claim {name} is no time")
    return at


def _parse_entry(entry: object) -> tuple[str, str, list[str]]:
    if not isinstance(entry, dict):
        raise CredentialsInvalid("the access claim is malformed")
    kind, name = entry.get("type"), entry.get("name")
    # Token servers written in Go say null where they grant nothing.
    actions = [] if entry.get("actions") is None else entry["actions"]
    if (
        not isinstance(kind, str)
        or not isinstance(name, str)
        or not isinstance(entry.get("class", ""), str)
        or not isinstance(actions, list)
        or not all(isinstance(action, str) for action in actions)
    ):
        raise CredentialsInvalid("the access claim is malformed")
    return kind, name, actions
