"""The container of an Azure driver: its client, its names of blobs, and its signed URLs."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.core import AsyncPipelineClient
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from azure.storage.blob.aio import BlobClient, ContainerClient

from core.drivers.azure.retries import RetryPolicy
from core.drivers.claims import LeftClaims

__all__ = ["AzureStore", "Connection"]

_READ_SECONDS = 3600
"""How long a URL that this process reads from itself is good for."""

_READ_BYTES = 256 * 1024
"""The most that is taken from a connection at once; the library takes 4 KiB."""

_PIECE_BYTES = 64 * 1024

Connection = tuple[float, float, int]
"""Seconds to connect, seconds of silence, and attempts of one request."""


class AzureStore:
    """One container, below one prefix. Nothing is asked of the service before it is used.

    Attributes:
        container: the client of the container.
        prefix: what every name of a blob begins with, a slash at its end; or empty.
        left: the leases that this process may have left.
    """

    def __init__(
        self, container: str, root_prefix: str, credentials: Mapping[str, str], limits: Connection
    ) -> None:
        """Prepare the client.

        Args:
            container: its name.
            root_prefix: where the store begins in it.
            credentials: `connection_string`, or `account_name` with `account_key` or `sas_token`,
                and `endpoint_url` where it is not that of Azure's public cloud.
            limits: what a request may take.

        Raises:
            ValueError: the credentials are incomplete, or cannot be parsed.
        """
        if not container:
            raise ValueError("the azure driver needs a container")
        self.left = LeftClaims()
        connect_seconds, read_seconds, attempts = limits
        root = root_prefix.strip("/")
        self.prefix = f"{root}/" if root else ""
        self._transport = _Transport(
            connection_timeout=connect_seconds,
            read_timeout=read_seconds,
            connection_data_block_size=_READ_BYTES,
        )
        self.container = _container_client(
            container, credentials, transport=self._transport, retry_policy=RetryPolicy(attempts)
        )
        key = getattr(self.container.credential, "account_key", None)
        self._account_key = key if isinstance(key, str) else None
        self._reads: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            self.container.url, transport=self._transport, policies=[RetryPolicy(attempts)]
        )

    def blob(self, path: str) -> BlobClient:
        """Return the client of the blob at a path."""
        return self.container.get_blob_client(self._name(path))

    def below(self, path: str) -> str:
        """Return what the names of all blobs below a directory begin with."""
        return self.prefix if path == "/" else f"{self._name(path)}/"

    def path(self, name: str) -> str:
        """Return the path of a blob whose name begins with the prefix."""
        return f"/{name.removeprefix(self.prefix)}"

    def signed_url(self, path: str, seconds: int, endpoint_url: str = "") -> str | None:
        """Return a URL that anyone may read the blob at, or None if no account key is known.

        Args:
            path: of the blob.
            seconds: for how long.
            endpoint_url: where the account is reached; empty where it is reached itself.
        """
        account, name = self.container.account_name, self._name(path)
        if self._account_key is None or account is None:
            return None
        token = generate_blob_sas(
            account_name=account,
            container_name=self.container.container_name,
            blob_name=name,
            account_key=self._account_key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(seconds=seconds),
        )
        if not endpoint_url:
            return f"{self.blob(path).url}?{token}"
        return f"{endpoint_url.rstrip('/')}/{self.container.container_name}/{quote(name)}?{token}"

    async def request_content(self, path: str, headers: Mapping[str, str]) -> AsyncHttpResponse:
        """Return the answer to a GET of a blob, whatever its status, with its body still to come.

        The library itself holds the first 32 MiB of a download in memory before it gives any.
        """
        url = self.signed_url(path, _READ_SECONDS) or self.blob(path).url
        version = {"x-ms-version": self.container.api_version}
        request = HttpRequest("GET", url, headers={**version, **headers})
        return await self._reads.send_request(request, stream=True)

    async def aclose(self) -> None:
        """Close the connections. A second call does nothing."""
        await self._transport.close()

    def _name(self, path: str) -> str:
        return self.prefix + path[1:]


class _Transport(AioHttpTransport):  # type: ignore[misc]  # The library hides its type.
    """A pool without a limit: downloads to slow clients must not keep all others waiting."""

    session: aiohttp.ClientSession | None
    _opened = False

    async def open(self) -> None:
        if not self._opened:
            self._opened = True
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
                auto_decompress=False,
            )
            # What is sent again without a word cannot be told from a request that found its work
            # done by someone else. `RetryPolicy` sends again, and says so.
            self.session._retry_connection = False  # noqa: SLF001 - it has no public name
        await super().open()

    def _get_request_data(self, request: HttpRequest) -> object:
        data = super()._get_request_data(request)
        # What is bytes goes to the socket at once, and is copied while the loop waits.
        return io.BytesIO(data) if isinstance(data, bytes) and len(data) > _PIECE_BYTES else data


def _container_client(
    container: str,
    credentials: Mapping[str, str],
    **options: Any,  # noqa: ANN401 - the library's own
) -> ContainerClient:
    if connection_string := credentials["connection_string"]:
        return ContainerClient.from_connection_string(connection_string, container, **options)
    account = credentials["account_name"]
    endpoint = credentials["endpoint_url"] or f"https://{account}.blob.core.windows.net"
    if not account and not credentials["endpoint_url"]:
        raise ValueError("the azure driver needs an account_name, or a connection_string")
    if account and (key := credentials["account_key"]):
        named_key = {"account_name": account, "account_key": key}
        return ContainerClient(endpoint, container, credential=named_key, **options)
    if token := credentials["sas_token"]:
        return ContainerClient(endpoint, container, credential=token.lstrip("?"), **options)
    raise ValueError("the azure driver needs an account_key, a sas_token or a connection_string")
