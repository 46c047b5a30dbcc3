"""`asker_of`: what a request says of who sends it."""

from starlette.types import Scope

from api.client_certificates import CLIENT_IDENTITY, TLS, ClientIdentity
from api.exchange import find_exchange
from core.access import Asker, CredentialsInvalid

__all__ = ["asker_of", "count_credentials", "find_certificate"]


def asker_of(scope: Scope) -> Asker:
    """Return the credentials, the address and the verified certificate of a request.

    Raises:
        CredentialsInvalid: there are several credentials.
    """
    if count_credentials(scope) > 1:
        raise CredentialsInvalid("there is more than one Authorization header")
    authorization = find_exchange(scope).fields.get(b"authorization")
    client = scope.get("client")
    certified = find_certificate(scope)
    return Asker(
        authorization=None if authorization is None else authorization.decode("latin-1"),
        address=client[0] if client else None,
        common_name=None if certified is None else certified.common_name,
        organizations=() if certified is None else certified.organizations,
    )


def count_credentials(scope: Scope) -> int:
    """Return how many Authorization headers a request has."""
    return sum(name == b"authorization" for name, _ in scope["headers"])


def find_certificate(scope: Scope) -> ClientIdentity | None:
    """Return whom the client's certificate names, if it has shown one that names somebody."""
    tls = scope.get("extensions", {}).get(TLS)
    return None if tls is None else tls.get(CLIENT_IDENTITY)
