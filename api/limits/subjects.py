"""Whom limits are for, as texts: `user:ann`, `address:192.0.2.1`, `address:2001:db8::/64`."""

from core.access.networks import network_of

__all__ = ["subject_of_client"]


def subject_of_client(client: tuple[str, int] | None) -> str:
    """Return the subject of a client nothing but whose address is known.

    Args:
        client: as ASGI has it; None for one behind a unix socket.
    """
    return f"address:{'local' if client is None else network_of(client[0])}"
