"""`asker_of`: what a request says of who sends it."""

from collections.abc import Sequence

from starlette.types import Scope

from api.exchange import find_exchange
from core.access import Asker

__all__ = ["asker_of", "find_certificate"]


def asker_of(scope: Scope) -> Asker:
    """Return the credentials, the address and the verified certificate of a request."""
    authorization = find_exchange(scope).fields.get(b"authorization")
    client = scope.get("client")
    common_name, organizations = find_certificate(scope) or (None, ())
    return Asker(
        authorization=None if authorization is None else authorization.decode("latin-1"),
        address=client[0] if client else None,
        common_name=common_name,
        organizations=organizations,
    )


def find_certificate(scope: Scope) -> tuple[str, Sequence[str]] | None:
    """Return common name and organizations of the client's certificate, if it has shown one."""
    return None
