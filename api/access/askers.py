"""`asker_of`: what a request says of who sends it."""

from starlette.types import Scope

from api.client_certificates import CLIENT_IDENTITY, TLS, ClientIdentity
from api.exchange import find_exchange
from core.access import Asker

__all__ = ["asker_of", "find_certificate"]


def asker_of(scope: Scope) -> Asker:
    """Return the credentials, the address and the verified certificate of a request."""
    authorization = find_exchange(scope).fields.get(b"authorization")
    client = scope.get("client")
    certified = find_certificate(scope)
    return Asker(
        authorization=None if authorization is None else authorization.decode("latin-1"),
        address=client[0] if client else None,
        common_name=None if certified is None else certified.common_name,
        organizations=() if certified is None else certified.organizations,
    )


def find_certificate(scope: Scope) -> ClientIdentity | None:
    """Return whom the client's certificate names, if it has shown one that names somebody."""
    tls = scope.get("extensions", {}).get(TLS)
    return None if tls is None else tls.get(CLIENT_IDENTITY)
