"""Which addresses are taken to be those of one client."""

import functools
from ipaddress import IPv6Address, IPv6Network, ip_address

from core.access.short_key import short_key

__all__ = ["network_of"]

_PREFIX_BITS = 64
"""What one customer of a provider has at the least, and may change addresses within at will."""

_MAX_NAME_CHARACTERS = 64


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
