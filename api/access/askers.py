"""`asker_of`: what a request says of who sends it."""

from starlette.types import Scope

from api.client_certificates import CLIENT_IDENTITY, TLS, ClientIdentity
from api.exchange import find_exchange
from core.access import Asker, CredentialsInvalid, Principal

__all__ = ["asker_of", "count_credentials", "find_certified"]

_PRINCIPAL = "moorage.principal"


def asker_of(scope: Scope) -> Asker:
    """Return the credentials, the address and the verified certificate of a request.

    Raises:
        CredentialsInvalid: there are several credentials.
    """
    if count_credentials(scope) > 1:
        raise CredentialsInvalid("there is more than one Authorization header")
    authorization = find_exchange(scope).fields.get(b"authorization")
    client = scope.get("client")
    certified = find_certified(scope)
    return Asker(
        authorization=None if authorization is None else authorization.decode("latin-1"),
        address=client[0] if client else None,
        common_name=None if certified is None else certified.name,
        organizations=() if certified is None else tuple(certified.groups),
    )


def count_credentials(scope: Scope) -> int:
    """Return how many Authorization headers a request has."""
    return sum(name == b"authorization" for name, _ in scope["headers"])


def find_certified(scope: Scope) -> Principal | None:
    """Return the user of the client's certificate, if it has shown one that names somebody.

    It is the same for all requests of a connection.
    """
    tls = scope.get("extensions", {}).get(TLS)
    identity: ClientIdentity | None = None if tls is None else tls.get(CLIENT_IDENTITY)
    if identity is None:
        return None
    principal: Principal | None = tls.get(_PRINCIPAL)
    if principal is None:
        principal = Principal.certified(identity.common_name, identity.organizations)
        tls[_PRINCIPAL] = principal
    return principal
