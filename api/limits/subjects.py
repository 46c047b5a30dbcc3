"""Whom limits are for, as texts: `user:ann`, `address:192.0.2.1`, `address:2001:db8::/64`."""

import hashlib

from core.access.networks import network_of

__all__ = ["network_of", "short_key", "subject_of_client"]

_KEY_BYTES = 16


def subject_of_client(client: tuple[str, int] | None) -> str:
    """Return the subject of a client nothing but whose address is known.

    Args:
        client: as ASGI has it; None for one behind a unix socket.
    """
    return f"address:{'local' if client is None else network_of(client[0])}"


def short_key(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for these texts, however long they are."""
    digest = hashlib.blake2b(digest_size=_KEY_BYTES)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return digest.hexdigest()
