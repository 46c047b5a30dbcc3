"""Who the driver is to Google: where its credentials come from, tokens, and local signatures."""

import json
from collections.abc import Mapping
from pathlib import Path

import google.auth
import httpx
from anyio import Lock, to_thread
from google.auth import exceptions, transport
from google.auth.credentials import Credentials, TokenState
from google.oauth2 import service_account

from core.errors import DriverUnavailable

__all__ = ["Identity", "Signer"]

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_TOKEN_TIMEOUT_SECONDS = 30


class Signer:
    """The key of a service account, which signs without asking anyone."""

    def __init__(self, credentials: service_account.Credentials) -> None:
        self.email: str = credentials.service_account_email
        self._credentials = credentials

    async def sign(self, content: bytes) -> bytes:
        """Return the RSA signature of `content` with SHA-256; made in a thread."""
        signature: bytes = await to_thread.run_sync(self._credentials.sign_bytes, content)
        return signature


class Identity:
    """Credentials, looked for when first needed and renewed before they expire."""

    def __init__(self, service_account_file: str, *, anonymous: bool) -> None:
        """Take the key of a service account, nobody's, or what the environment offers."""
        self._file = Path(service_account_file) if service_account_file else None
        self._anonymous = anonymous
        self._credentials: Credentials | None = None
        self._lock = Lock()

    async def headers(self, refused: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the headers that tell who asks.

        However many callers wait, a token is asked for once.

        Args:
            refused: what this call returned before, and the store did not accept.

        Raises:
            DriverUnavailable: there are no credentials, or no token was given.
        """
        if self._anonymous:
            return {}
        if (headers := self._fresh_headers(refused)) is not None:
            return headers
        async with self._lock:
            if (headers := self._fresh_headers(refused)) is not None:
                return headers
            credentials = await self._load()
            try:
                await to_thread.run_sync(credentials.refresh, _TokenRequest())
            except exceptions.GoogleAuthError as error:
                raise DriverUnavailable("/", f"no access token: {error}") from error
            return _applied(credentials)

    async def find_signer(self) -> Signer | None:
        """Return what signs in the name of these credentials, or None if they have no key.

        Raises:
            DriverUnavailable: there are no credentials.
        """
        if self._anonymous:
            return None
        if self._credentials is None:
            async with self._lock:
                await self._load()
        if isinstance(self._credentials, service_account.Credentials):
            return Signer(self._credentials)
        return None

    def _fresh_headers(self, refused: Mapping[str, str] | None) -> dict[str, str] | None:
        credentials = self._credentials
        if credentials is None or credentials.token_state is not TokenState.FRESH:
            return None
        headers = _applied(credentials)
        return None if headers == refused else headers

    async def _load(self) -> Credentials:
        if self._credentials is None:
            try:
                self._credentials = await to_thread.run_sync(self._find)
            except (OSError, ValueError, exceptions.GoogleAuthError) as error:
                raise DriverUnavailable("/", f"no credentials: {error}") from error
        return self._credentials

    def _find(self) -> Credentials:
        credentials: Credentials
        if self._file is None:
            credentials, _ = google.auth.default(scopes=_SCOPES, request=_TokenRequest())
        else:
            info = json.loads(self._file.read_bytes())
            credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                info, scopes=_SCOPES
            )
        return credentials


def _applied(credentials: Credentials) -> dict[str, str]:
    headers: dict[str, str] = {}
    credentials.apply(headers)  # type: ignore[no-untyped-call]
    return headers


class _TokenRequest(transport.Request):
    """What google-auth asks for tokens with, in a thread."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: object,
    ) -> "_TokenResponse":
        try:
            return _TokenResponse(
                httpx.request(
                    method,
                    url,
                    content=body,
                    headers=headers,
                    timeout=timeout or _TOKEN_TIMEOUT_SECONDS,
                )
            )
        except httpx.TransportError as error:
            raise exceptions.TransportError(error) from error  # type: ignore[no-untyped-call]


class _TokenResponse(transport.Response):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.content
