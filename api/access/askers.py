"""`asker_of`: what a request says of who sends it."""

from starlette.types import Scope

from api.serving.client_certificates import CLIENT_IDENTITY, TLS, ClientIdentity
from api.serving.exchange import Exchange, find_exchange
from core.access import Asker, CredentialsInvalid

__all__ = ["asker_of", "count_credentials", "find_proof"]

_PROOF = "moorage.proof"


def asker_of(scope: Scope) -> Asker:
    """Return the credentials, the address and the verified certificate of a request.

    Raises:
        CredentialsInvalid: there are several credentials.
    """
    if count_credentials(scope) > 1:
        raise CredentialsInvalid("there is more than one Authorization header")
    authorization = find_exchange(scope).fields.get(b"authorization")
    client = scope.get("client")
    identity = _find_identity(scope)
    return Asker(
        authorization=None if authorization is None else authorization.decode("latin-1"),
        address=client[0] if client else None,
        common_name=None if identity is None else identity.common_name,
        organizations=() if identity is None else identity.organizations,
    )


def count_credentials(scope: Scope) -> int:
    """Return how many Authorization headers a request has."""
    return sum(name == b"authorization" for name, _ in scope["headers"])


def find_proof(scope: Scope, exchange: Exchange) -> bytes | None:
    """Return what proves who sends a request, None if there is nothing that could.

    That is the Authorization header, or else whom the certificate of the client names.
    """
    authorization = exchange.fields.get(b"authorization")
    if authorization is not None:
        found: bytes = authorization
        return found
    identity = _find_identity(scope)
    if identity is None:
        return None
    tls = scope["extensions"][TLS]
    # It is the same for all requests of a connection. No header has a NUL in it, and no name.
    proof: bytes | None = tls.get(_PROOF)
    if proof is None:
        text = "\0".join(("", identity.common_name, *identity.organizations))
        proof = tls[_PROOF] = text.encode()
    return proof


def _find_identity(scope: Scope) -> ClientIdentity | None:
    tls = scope.get("extensions", {}).get(TLS, {})
    identity: ClientIdentity | None = tls.get(CLIENT_IDENTITY)
    return identity
