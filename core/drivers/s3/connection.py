"""The connection to one bucket. Nothing else here knows the library that makes it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, TypedDict

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from anyio import CancelScope, Lock, to_thread
from botocore.handlers import add_expect_header
from botocore.loaders import Loader, create_loader

from core.drivers.s3.faults import s3_faults
from core.drivers.s3.keys import Keys
from core.drivers.s3.options import S3Options
from core.drivers.s3.payloads import check_payloads

if TYPE_CHECKING:
    # The types of the library are a package for development only.
    from types_aiobotocore_s3 import S3Client

__all__ = ["UNUSED_PARAMETERS", "S3Connection", "StorageArguments"]


_USER_AGENT = "moorage"
UNUSED_PARAMETERS = ("Key", "Prefix", "CopySource")
"""Of the rules for endpoints, which take but never use them.

With them, the library would evaluate all rules for each object again, which takes a quarter of the
processor time of a small request; without, it remembers what came of it.
"""


class StorageArguments(TypedDict, total=False):
    """How a new object is stored."""

    StorageClass: Literal["STANDARD"]
    ServerSideEncryption: Literal["AES256", "aws:kms"]
    SSEKMSKeyId: str


class S3Connection:
    """Clients of one bucket, opened when they are first needed, within their event loop."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self.bucket = options.bucket
        self.keys = Keys(options.root_prefix)
        self.storage = _storage_arguments(options, options.storage_class)
        # Of what lasts for minutes: a class for what is seldom read would charge a month for it.
        self.short_storage = _storage_arguments(options, "")
        self._stack = AsyncExitStack()
        self._opening = Lock()
        self._clients: dict[str, S3Client] = {}

    @asynccontextmanager
    async def call(self, path: str) -> "AsyncIterator[S3Client]":
        """Give the client for one request about `path`, and turn its faults into driver errors."""
        with s3_faults(path):
            yield await self._client(self.options.endpoint_url)

    @asynccontextmanager
    async def change(self, path: str) -> "AsyncIterator[S3Client]":
        """Give the client for one request that is carried through when its caller is cancelled.

        A request that was cut off could still take effect, after the call has ended.
        """
        with s3_faults(path), CancelScope(shield=True):
            yield await self._client(self.options.endpoint_url)

    @asynccontextmanager
    async def signing(self, path: str) -> "AsyncIterator[S3Client]":
        """Give the client whose URLs are meant for others than this process."""
        url = self.options.redirect_endpoint_url or self.options.endpoint_url
        with s3_faults(path):
            yield await self._client(url)

    async def aclose(self) -> None:
        """Close all connections. A second call does nothing."""
        self._clients.clear()
        await self._stack.aclose()

    async def _client(self, endpoint_url: str) -> "S3Client":
        if endpoint_url not in self._clients:
            with CancelScope(shield=True):
                async with self._opening:
                    if endpoint_url not in self._clients:
                        self._clients[endpoint_url] = await self._open(endpoint_url)
        return self._clients[endpoint_url]

    async def _open(self, endpoint_url: str) -> "S3Client":
        options = self.options
        session = get_session()
        session.register_component("data_loader", await to_thread.run_sync(_load_models))
        maker = aioboto3.Session(
            botocore_session=session,
            aws_access_key_id=options.access_key_id or None,
            aws_secret_access_key=options.secret_access_key or None,
            aws_session_token=options.session_token or None,
            region_name=options.region or None,
        )
        client = await self._stack.enter_async_context(
            maker.client(
                "s3",
                endpoint_url=endpoint_url or None,
                verify=options.ca_bundle or options.verify_tls,
                config=_config(options),
            )
        )
        # Some stores never answer it, and the library waits for that answer without end.
        client.meta.events.unregister("before-call.s3", add_expect_header)
        client.meta.events.register("before-parse.s3.*", _try_busy_again)
        check_payloads(client, options.payload_check)
        return client


def _try_busy_again(response_dict: dict[str, object], **_: object) -> None:
    """Treat every 429 as a 503: the library tries the latter again, whatever code comes with it."""
    if response_dict["status_code"] == HTTPStatus.TOO_MANY_REQUESTS:
        response_dict["status_code"] = int(HTTPStatus.SERVICE_UNAVAILABLE)


@cache
def _load_models() -> Loader:
    """Read the descriptions of the protocol, which take a moment, once in a process."""
    loader = create_loader()
    loader.load_data("endpoints")
    loader.load_service_model("s3", "service-2", api_version=None)
    rules = loader.load_service_model("s3", "endpoint-rule-set-1", api_version=None)
    for parameter in UNUSED_PARAMETERS:
        rules["parameters"].pop(parameter, None)
    return loader


def _config(options: S3Options) -> AioConfig:
    return AioConfig(
        connect_timeout=options.connect_timeout_seconds,
        read_timeout=options.read_timeout_seconds,
        max_pool_connections=options.max_connections,
        retries={"mode": "standard", "total_max_attempts": options.max_attempts},
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # The types of the arguments are checked before the program runs.
        parameter_validation=False,
        # Otherwise the library would put one together of fifteen parts for every request.
        user_agent=_USER_AGENT,
        s3={
            "addressing_style": "path" if options.path_style else "auto",
            "payload_signing_enabled": options.payload_check == "sha256",
        },
    )


def _storage_arguments(options: S3Options, storage_class: str) -> StorageArguments:
    arguments: StorageArguments = {}
    if storage_class:
        # The store knows best which classes it has.
        arguments["StorageClass"] = storage_class  # type: ignore[typeddict-item]
    if options.encryption != "none":
        # Buckets may refuse whatever does not say so.
        arguments["ServerSideEncryption"] = options.encryption
        if options.kms_key_id:
            arguments["SSEKMSKeyId"] = options.kms_key_id
    return arguments
