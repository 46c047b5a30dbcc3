"""The connection to one bucket, opened when it is first needed, within its event loop.

The library for AWS says where the bucket is and who asks: it knows the rules for endpoints, the
files and variables with settings, and every source of credentials. What is sent then is our own
(docs/decisions/0013).
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from anyio import CancelScope, Lock, to_thread
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.loaders import Loader, create_loader

from core.drivers.base import RedirectMethod
from core.drivers.http import HttpPool, environment_proxy
from core.drivers.s3.bucket import Bucket
from core.drivers.s3.faults import s3_faults
from core.drivers.s3.keys import Keys
from core.drivers.s3.options import S3Options
from core.drivers.s3.place import Place, find_place
from core.drivers.s3.signing import Signer
from core.drivers.s3.transport import Transport

__all__ = ["S3Connection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    pool: HttpPool
    bucket: Bucket
    redirect_place: Place
    redirect_signer: Signer


class S3Connection:
    """One bucket, and what its driver does with it.

    Attributes:
        options: the settings.
        keys: of paths.
        storage: the headers of what is stored to last.
        short_storage: those of what lasts for minutes, for which a class for what is seldom read
            would charge a month.
    """

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self.keys = Keys(options.root_prefix)
        self.storage = _storage_headers(options, options.storage_class)
        self.short_storage = _storage_headers(options, "")
        self._opening = Lock()
        self._opened: _Opened | None = None

    @asynccontextmanager
    async def call(self, path: str) -> AsyncIterator[Bucket]:
        """Give the bucket for one request about `path`, and turn its faults into driver errors."""
        with s3_faults(path):
            yield (await self._open()).bucket

    @asynccontextmanager
    async def change(self, path: str) -> AsyncIterator[Bucket]:
        """Give the bucket for one request that is carried through when its caller is cancelled.

        A request that was cut off could still take effect, after the call has ended.
        """
        with s3_faults(path), CancelScope(shield=True):
            yield (await self._open()).bucket

    async def redirect_url(self, path: str, method: RedirectMethod) -> str:
        """Return an address with which whoever has it may ask for a file, for a while."""
        with s3_faults(path):
            opened = await self._open()
            place, seconds = opened.redirect_place, self.options.redirect_seconds
            at = place.path(self.keys.key(path))
            query = await opened.redirect_signer.presign(method, place.host, at, seconds)
        return f"{place.scheme}://{place.host}{at}?{query}"

    async def aclose(self) -> None:
        """Close all connections. A second call does nothing."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.pool.close()

    async def _open(self) -> _Opened:
        if self._opened is None:
            with CancelScope(shield=True):
                async with self._opening:
                    if self._opened is None:
                        self._opened = await self._connect()
        assert self._opened is not None
        return self._opened

    async def _connect(self) -> _Opened:
        options = self.options
        library = get_session()
        library.register_component("data_loader", await to_thread.run_sync(_load_models))
        session = aioboto3.Session(
            botocore_session=library,
            aws_access_key_id=options.access_key_id or None,
            aws_secret_access_key=options.secret_access_key or None,
            aws_session_token=options.session_token or None,
            region_name=options.region or None,
        )
        credentials = await library.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        place = await _find_place(session, options, options.endpoint_url)
        redirect_place = place
        if options.redirect_endpoint_url:
            redirect_place = await _find_place(session, options, options.redirect_endpoint_url)
        pool = HttpPool(
            place.scheme,
            place.host,
            tls=await to_thread.run_sync(_tls, options),
            proxy=environment_proxy(place.scheme, place.host),
            max_connections=options.max_connections,
            connect_timeout_seconds=options.connect_timeout_seconds,
            timeout_seconds=options.read_timeout_seconds,
        )
        signer = Signer(credentials, place.region)
        transport = Transport(place, signer, pool, options.max_attempts)
        return _Opened(
            pool=pool,
            bucket=Bucket(transport, options.bucket, options.payload_check),
            redirect_place=redirect_place,
            redirect_signer=Signer(credentials, redirect_place.region),
        )


async def _find_place(session: aioboto3.Session, options: S3Options, endpoint_url: str) -> Place:
    # For stores of other makers it is paths, unless told otherwise; of AWS, "auto" would sign
    # addresses of no region.
    style: Literal["path", "auto", "virtual"] = "auto" if endpoint_url else "virtual"
    if options.path_style:
        style = "path"
    config = AioConfig(signature_version="s3v4", s3={"addressing_style": style})
    maker = session.client("s3", endpoint_url=endpoint_url or None, config=config)
    async with maker as client:
        return await find_place(client, options.bucket)


def _tls(options: S3Options) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.ca_bundle or get_cert_path(verify=True))
    if not options.verify_tls and not options.ca_bundle:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@cache
def _load_models() -> Loader:
    """Read the descriptions of the protocol, which take a moment, once in a process."""
    loader = create_loader()
    loader.load_data("endpoints")
    loader.load_service_model("s3", "service-2", api_version=None)
    loader.load_service_model("s3", "endpoint-rule-set-1", api_version=None)
    return loader


def _storage_headers(options: S3Options, storage_class: str) -> Mapping[str, str]:
    headers = {}
    if storage_class:
        headers["x-amz-storage-class"] = storage_class
    if options.encryption != "none":
        # Buckets may refuse whatever does not say so.
        headers["x-amz-server-side-encryption"] = options.encryption
        if options.kms_key_id:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = options.kms_key_id
    return headers
