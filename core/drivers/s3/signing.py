"""Signatures of requests: AWS Signature Version 4, as the store computes it again.

Only what the service `s3` needs: paths are encoded once, and the digest of the content is a header.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from aiobotocore.credentials import AioCredentials

__all__ = ["Signer", "encode_query"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-._~"


class Signer:
    """Signs for one sender, whose credentials the library renews where they are short-lived."""

    def __init__(self, credentials: AioCredentials, region: str) -> None:
        self._credentials = credentials
        self._region = region

    async def sign(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        now: float | None = None,
    ) -> None:
        """Add to `headers` what proves who sends them, all of which become part of it.

        Args:
            method: of the request.
            path: encoded, from the slash behind the host on.
            query: as `encode_query` makes it.
            headers: with names in lower case; among them `host` and `x-amz-content-sha256`.
            now: seconds since the epoch, if not those of the clock.
        """
        credentials = await self._credentials.get_frozen_credentials()
        moment = _moment(int(time.time() if now is None else now))
        headers["x-amz-date"] = moment
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = sorted(headers)
        lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
        signed = ";".join(names)
        request = f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{headers['x-amz-content-sha256']}"
        scope = self._scope(moment)
        signature = _sign(credentials.secret_key or "", scope, moment, request)
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}"
        )

    async def presign(
        self,
        method: str,
        host: str,
        path: str,
        seconds: int,
        now: float | None = None,
    ) -> str:
        """Return the query with which anybody may send this request for so many seconds."""
        credentials = await self._credentials.get_frozen_credentials()
        moment = _moment(int(time.time() if now is None else now))
        scope = self._scope(moment)
        parameters = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.token:
            parameters["X-Amz-Security-Token"] = credentials.token
        query = encode_query(parameters)
        request = f"{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        signature = _sign(credentials.secret_key or "", scope, moment, request)
        return f"{query}&X-Amz-Signature={signature}"

    def _scope(self, moment: str) -> str:
        return f"{moment[:8]}/{self._region}/s3/aws4_request"


def encode_query(parameters: Mapping[str, str]) -> str:
    """Return a query encoded and ordered as signatures want it."""
    pairs = [
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parameters.items()
    ]
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def _sign(secret_key: str, scope: str, moment: str, request: str) -> str:
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
    return hmac.digest(_signing_key(secret_key, scope), text.encode(), "sha256").hex()


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, scope: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=2)
def _moment(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
