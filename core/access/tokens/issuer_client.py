"""`IssuerClient`: asks issuers of tokens for their keys, and believes only what it must."""

import re
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import httpx
from anyio import fail_after

from core.access.tokens.strict_json import parse_object
from core.errors import AccessUnavailable

__all__ = ["Document", "IssuerClient", "check_address"]

_TOTAL_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_MAX_BYTES = 256 * 1024
_DISCOVERY = "/.well-known/openid-configuration"
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?=$|[\s,])", re.IGNORECASE)
_NOT_KEPT: Final = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?=$|[\s,])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What an issuer has answered.

    Attributes:
        content: at most 256 KiB.
        max_age_seconds: for which it says that this is good; None where it does not say.
    """

    content: bytes
    max_age_seconds: float | None


class IssuerClient:
    """Fetches small documents over HTTPS, each in at most ten seconds, and follows no redirect."""

    def __init__(self, *, ca_file: str | None = None) -> None:
        """Connect to nobody yet.

        Args:
            ca_file: authorities in PEM that vouch for issuers, in place of the usual ones.

        Raises:
            OSError: the file cannot be read, or has no certificates (an `ssl.SSLError`).
        """
        # Without a file, httpx takes that of SSL_CERT_FILE, or the authorities that come with it.
        verify = True if ca_file is None else ssl.create_default_context(cafile=ca_file)
        self._client = httpx.AsyncClient(
            verify=verify,
            follow_redirects=False,
            timeout=httpx.Timeout(_TOTAL_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=2),
            # What is compressed may be of any size.
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )

    async def fetch(self, url: str) -> Document:
        """Return what is at an address that `check_address` allows.

        Raises:
            AccessUnavailable: there is no answer, or another than a document of bounded size.
        """
        try:
            with fail_after(_TOTAL_SECONDS):
                async with self._client.stream("GET", url) as response:
                    return await _read(url, response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise AccessUnavailable(f"{url}: {type(error).__name__}") from None

    async def fetch_keys_of(self, issuer: str) -> Document:
        """Return the key set that an issuer names in its configuration.

        Spec: OpenID Connect Discovery 1.0, section 4.

        Raises:
            AccessUnavailable: it cannot be had, or the configuration is of another issuer or
                names an address where no keys may be fetched.
        """
        configuration = await self.fetch(issuer.rstrip("/") + _DISCOVERY)
        try:
            found = parse_object(configuration.content)
        except ValueError as error:
            raise AccessUnavailable(f"{issuer}: its configuration: {error}") from None
        if found.get("issuer") != issuer:
            raise AccessUnavailable(f"{issuer}: its configuration is of another issuer")
        url = found.get("jwks_uri")
        if not isinstance(url, str):
            raise AccessUnavailable(f"{issuer}: its configuration names no keys")
        try:
            # An issuer elsewhere has no say in what this host asks of itself.
            check_address(url, loopback=issuer.startswith("http://"))
        except ValueError as error:
            raise AccessUnavailable(f"{issuer}: the address of its keys: {error}") from None
        return await self.fetch(url)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def check_address(url: str, *, loopback: bool = True) -> None:
    """Return if keys may be fetched from there: over HTTPS, or HTTP from this very host.

    Args:
        url: the whole address.
        loopback: whether HTTP is allowed at all.

    Raises:
        ValueError: they may not.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("not a URL") from None
    if not parsed.host or parsed.userinfo or parsed.fragment:
        raise ValueError("a URL with a host, and neither a user nor a fragment")
    if parsed.scheme == "https" or (
        parsed.scheme == "http" and loopback and _is_loopback(parsed.host)
    ):
        return
    raise ValueError("https, or http to a loopback address")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _read(url: str, response: httpx.Response) -> Document:
    if response.status_code != httpx.codes.OK:
        raise AccessUnavailable(f"{url}: answers {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AccessUnavailable(f"{url}: is compressed")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > _MAX_BYTES:
            raise AccessUnavailable(f"{url}: has more than {_MAX_BYTES} bytes")
    return Document(content=bytes(content), max_age_seconds=_max_age(response))


def _max_age(response: httpx.Response) -> float | None:
    control = response.headers.get("cache-control", "")
    if _NOT_KEPT.search(control) is not None:
        return 0
    match = _MAX_AGE.search(control)
    return None if match is None else float(match[1])
