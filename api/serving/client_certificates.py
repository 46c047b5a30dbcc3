"""Who is at the other end of a TLS connection, as the application is told.

The TLS extension of ASGI tells it: `scope["extensions"]["tls"]` is there for every request of a
connection over TLS, and for no other. It is the same object for all requests of the connection.
Beside the members of that specification it has `moorage.client_identity`, a `ClientIdentity`,
where the client has shown a certificate that names somebody.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from cryptography import x509

from api.serving.tls import Context
from core.access.tokens.certificates import UNREADABLE

__all__ = ["CLIENT_IDENTITY", "TLS", "ClientIdentity", "describe_connection", "subject_of"]

TLS = "tls"
"""The name of the extension."""

CLIENT_IDENTITY = "moorage.client_identity"

_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """Whom a client certificate names, as Kubernetes reads it.

    Attributes:
        common_name: the user; printable and not empty.
        organizations: the groups of the user, in the order of the certificate.
    """

    common_name: str
    organizations: tuple[str, ...]


def subject_of(peercert: Mapping[str, Any] | None) -> ClientIdentity | None:
    """Return whom a certificate names, or None if that is nobody.

    A name is somebody's only where it is the one common name of the subject: of several, each
    reader would believe another. Names that cannot be printed are nobody's.

    Args:
        peercert: as `ssl.SSLObject.getpeercert` gives it: of a certificate that was verified.
    """
    names: list[str] = []
    organizations: list[str] = []
    subject: Sequence[Sequence[tuple[str, str]]] = (peercert or {}).get("subject", ())
    for relative_name in subject:
        for kind, value in relative_name:
            if kind == "commonName":
                names.append(value)
            elif kind == "organizationName":
                organizations.append(value)
    if len(names) != 1 or not all(map(_is_sound, (*names, *organizations))):
        return None
    return ClientIdentity(common_name=names[0], organizations=tuple(organizations))


def describe_connection(transport: asyncio.Transport) -> dict[str, Any] | None:
    """Return the TLS extension of ASGI for a connection that is made, None for a plain one.

    Of a client's certificate chain it has the client's own. What the server itself has shown, and
    by which cipher, is not told. A client that takes up a session again in which it has shown what
    would not be taken now is cut off; it will begin a new one.
    """
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if connection is None:
        return None
    extension: dict[str, Any] = {
        "server_cert": None,
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": None,
    }
    content = connection.getpeercert(binary_form=True)
    if content is None:
        return extension
    extension["client_cert_chain"] = [ssl.DER_cert_to_PEM_cert(content)]
    try:
        certificate = x509.load_der_x509_certificate(content)
        extension["client_cert_name"] = certificate.subject.rfc4514_string()
    except UNREADABLE as error:
        # OpenSSL takes some that others do not, and these name nobody here.
        _log.warning("client certificate cannot be read", reason=str(error))
        extension["client_cert_error"] = "the certificate cannot be read"
        return extension
    if _is_outdated(connection, certificate):
        transport.abort()
        return extension
    identity = subject_of(connection.getpeercert())
    if identity is not None:
        extension[CLIENT_IDENTITY] = identity
    return extension


def _is_outdated(connection: ssl.SSLObject, certificate: x509.Certificate) -> bool:
    """Say whether a certificate was verified once, and would not be for certain today."""
    session = connection.session
    if not connection.session_reused or session is None:
        return False
    context = connection.context
    if isinstance(context, Context) and session.time <= context.replaced_at:
        return True
    return certificate.not_valid_after_utc < datetime.now(UTC)


def _is_sound(name: str) -> bool:
    return bool(name) and name.isprintable() and name == name.strip()
