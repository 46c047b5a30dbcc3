"""`WWW-Authenticate`, written out. Spec: RFC 9110, section 11.6.1; Docker's token protocol."""

from starlette.types import Scope

from api.serving.exchange import find_exchange
from api.serving.forwarded_headers import parse_host
from core.access import Challenge

__all__ = ["TOKEN_PATH", "format_challenge", "origin_of"]

TOKEN_PATH = "/token"  # noqa: S105 - a path


def format_challenge(challenge: Challenge, scope: Scope, external_url: str | None = None) -> str:
    """Return the value of the header, as Docker's registry writes it: no space after a comma.

    A realm that is a path is one at the address of the registry, as the client knows it.
    """
    realm = TOKEN_PATH if challenge.realm is None else challenge.realm
    if realm.startswith("/"):
        realm = f"{external_url or origin_of(scope)}{realm}"
    parameters = {"realm": realm, **challenge.parameters}
    if challenge.scheme == "Basic":
        # RFC 7617, section 2.1: names and passwords are UTF-8.
        parameters["charset"] = "UTF-8"
    fields = ",".join(f"{name}={_quote(value)}" for name, value in parameters.items())
    return f"{challenge.scheme} {fields}"


def origin_of(scope: Scope) -> str:
    """Return scheme and host as the client knows them; nothing but a host gets through."""
    host = parse_host(find_exchange(scope).fields.get(b"host", b"").decode("latin-1"))
    if host is None:
        server = scope.get("server") or ("localhost", None)
        host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
    return f"{scope['scheme']}://{host}"


def _quote(value: str) -> str:
    """Return a quoted string. What no header may hold is left out."""
    sane = "".join(character for character in value if " " <= character <= "~")
    escaped = sane.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
