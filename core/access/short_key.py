"""`short_key`: keys of a known length for texts of any."""

import hashlib

__all__ = ["short_key"]

_KEY_BYTES = 16


def short_key(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for these texts, however long they are."""
    digest = hashlib.blake2b(digest_size=_KEY_BYTES)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return digest.hexdigest()
