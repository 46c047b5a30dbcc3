"""Whom limits are for, as texts: `user:ann`, `address:192.0.2.1`, `address:2001:db8::/64`."""

import functools
import hashlib
from ipaddress import IPv6Address, IPv6Network, ip_address

__all__ = ["network_of", "short_key", "subject_of_client"]

_PREFIX_BITS = 64
"""What one customer of a provider has at the least, and may change addresses within at will."""

_MAX_NAME_CHARACTERS = 64
_KEY_BYTES = 16


def subject_of_client(client: tuple[str, int] | None) -> str:
    """Return the subject of a client nothing but whose address is known.

    Args:
        client: as ASGI has it; None for one behind a unix socket.
    """
    return f"address:{'local' if client is None else network_of(client[0])}"


@functools.lru_cache(4096)
def network_of(address: str) -> str:
    """Return what is taken to be one client: an IPv4 address, or the /64 of an IPv6 address.

    An IPv4 address that is written as one of IPv6 is the IPv4 address. What is no address, as
    proxies may give it, stands for itself.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address if len(address) <= _MAX_NAME_CHARACTERS else short_key(address)
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), _PREFIX_BITS), strict=False))


def short_key(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for these texts, however long they are."""
    digest = hashlib.blake2b(digest_size=_KEY_BYTES)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return digest.hexdigest()
