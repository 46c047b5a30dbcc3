"""Signed URLs (V4): whoever has one may read one object with one method for some time.

https://cloud.google.com/storage/docs/authentication/signatures
"""

import hashlib
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from core.drivers.base import RedirectMethod
from core.drivers.gcs.credentials import Signer

__all__ = ["sign_url"]

_ALGORITHM = "GOOG4-RSA-SHA256"


async def sign_url(
    signer: Signer,
    endpoint_url: str,
    bucket: str,
    key: str,
    method: RedirectMethod,
    *,
    seconds: int,
    now: datetime | None = None,
) -> str:
    """Return a URL below `endpoint_url` that is good for `seconds`, made without asking anyone.

    Args:
        signer: in whose name the object is read.
        endpoint_url: the host that clients are sent to, which serves buckets as folders.
        bucket: of the object.
        key: the name of the object.
        method: the only one that the URL is good for; any range may be asked for.
        seconds: at most 604800, which is seven days.
        now: when it begins to be good; the time of the call by default.
    """
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/auto/storage/goog4_request"
    endpoint = urlsplit(endpoint_url)
    path = f"{endpoint.path.rstrip('/')}/{quote(bucket, safe='')}/{quote(key, safe='/~')}"
    query = "&".join(
        f"{name}={quote(value, safe='')}"
        for name, value in (
            ("X-Goog-Algorithm", _ALGORITHM),
            ("X-Goog-Credential", f"{signer.email}/{scope}"),
            ("X-Goog-Date", moment),
            ("X-Goog-Expires", str(seconds)),
            ("X-Goog-SignedHeaders", "host"),
        )
    )
    request = f"{method}\n{path}\n{query}\nhost:{endpoint.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    signature = await signer.sign(f"{_ALGORITHM}\n{moment}\n{scope}\n{hashed}".encode())
    return f"{endpoint.scheme}://{endpoint.netloc}{path}?{query}&X-Goog-Signature={signature.hex()}"
