"""Requests to the JSON API of Google Cloud Storage: who asks, when again, and what a fault is."""

import ssl
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import SystemRandom

import httpx
import structlog
from anyio import CancelScope, sleep

from core.drivers.gcs.credentials import Identity
from core.errors import DriverUnavailable

__all__ = ["Answer", "Body", "GCSClient", "Timing"]

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 20.0
_LONGEST_REASON = 300

_log = structlog.get_logger()
_random = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the store may take, and how often it is asked.

    Attributes:
        connect_seconds: to make a connection.
        silence_seconds: without a byte being sent or received, or with no connection free.
        max_attempts: of one call, the first included.
    """

    connect_seconds: float
    silence_seconds: float
    max_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of a request, made again for each attempt."""

    media_type: str
    size: int
    chunks: Callable[[], AsyncIterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the store said, its status one of those that were expected.

    Attributes:
        repeated: whether an earlier attempt failed, which the store may have carried out unseen.
    """

    response: httpx.Response
    repeated: bool


class GCSClient:
    """Connections to the store. They are made at the first request, and ended by `aclose`."""

    def __init__(
        self, endpoint_url: str, identity: Identity, timing: Timing, max_connections: int
    ) -> None:
        """Keep two pools of `max_connections`: slow readers must not hold up everything else."""
        self.endpoint_url = endpoint_url.rstrip("/")
        self._identity = identity
        self._timing = timing
        self._max_connections = max_connections
        self._pools: tuple[httpx.AsyncClient, httpx.AsyncClient] | None = None
        self._closed = False

    async def call(
        self,
        method: str,
        path: str,
        *,
        key: str,
        expected: frozenset[int],
        params: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Answer:
        """Send a request until it is answered with an expected status, and read all of that.

        Only requests that may be carried out twice are sent with it, as it repeats what has
        failed for reasons that pass.

        Args:
            method: of HTTP.
            path: below the endpoint, percent-encoded.
            key: the object that faults name.
            expected: statuses that the caller understands; all others are faults.
            params: of the query.
            body: of the request.

        Raises:
            DriverUnavailable: the store could not be reached, refused, or kept failing.
        """
        headers = {}
        if body is not None:
            headers = {"Content-Type": body.media_type, "Content-Length": str(body.size)}

        def build(pools: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> _Request:
            content = None if body is None else body.chunks()
            url = self.endpoint_url + path
            return pools[0], pools[0].build_request(
                method, url, params=params, headers=headers, content=content
            )

        return await self._repeat(build, key, expected, whole=True)

    async def open_stream(
        self,
        path: str,
        *,
        key: str,
        expected: frozenset[int],
        params: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> httpx.Response:
        """Send a GET until it is answered with an expected status; the caller closes the answer.

        Raises:
            DriverUnavailable: as for `call`.
        """

        def build(pools: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> _Request:
            url = self.endpoint_url + path
            return pools[1], pools[1].build_request("GET", url, params=params, headers=headers)

        return (await self._repeat(build, key, expected, whole=False)).response

    async def aclose(self) -> None:
        """End all connections. A second call does nothing."""
        self._closed = True
        pools, self._pools = self._pools, None
        for pool in pools or ():
            await pool.aclose()

    async def _repeat(
        self, build: "_Build", key: str, expected: frozenset[int], *, whole: bool
    ) -> Answer:
        refused: Mapping[str, str] | None = None
        for attempt in range(1, self._timing.max_attempts + 1):
            retry_after: float | None = None
            try:
                authority = await self._identity.headers(refused)
                pool, request = build(self._open_pools(key))
                request.headers.update(authority)
                response = await pool.send(request, stream=True)
                if response.status_code in expected:
                    if whole:
                        await response.aread()
                    return Answer(response=response, repeated=attempt > 1)
                reason = await _reason(response)
            except httpx.RequestError as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                if response.status_code == HTTPStatus.UNAUTHORIZED and refused is None:
                    refused = authority
                    continue
                if response.status_code not in _TRANSIENT:
                    raise DriverUnavailable(key, reason)
                retry_after = _retry_after(response)
            if attempt < self._timing.max_attempts:
                pause = _pause(attempt, retry_after)
                _log.info("store is asked again", key=key, reason=reason, pause_seconds=pause)
                await sleep(pause)
        raise DriverUnavailable(key, f"{reason}; asked {attempt} times")

    def _open_pools(self, key: str) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
        if self._closed:
            raise DriverUnavailable(key, "the driver is closed")
        if self._pools is None:
            certificates = ssl.create_default_context()
            self._pools = (self._make_pool(certificates), self._make_pool(certificates))
        return self._pools

    def _make_pool(self, certificates: ssl.SSLContext) -> httpx.AsyncClient:
        timing = self._timing
        return httpx.AsyncClient(
            verify=certificates,
            timeout=httpx.Timeout(timing.silence_seconds, connect=timing.connect_seconds),
            limits=httpx.Limits(
                max_connections=self._max_connections,
                max_keepalive_connections=self._max_connections,
                keepalive_expiry=30,
            ),
            headers={"User-Agent": "moorage"},
        )


_Request = tuple[httpx.AsyncClient, httpx.Request]
_Build = Callable[[tuple[httpx.AsyncClient, httpx.AsyncClient]], _Request]


async def _reason(response: httpx.Response) -> str:
    """Read what the store says of a fault, and close the answer."""
    try:
        await response.aread()
        said = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = response.text
    finally:
        with CancelScope(shield=True):
            await response.aclose()
    return f"{response.status_code} {response.reason_phrase}: {str(said)[:_LONGEST_REASON]}"


def _pause(attempt: int, retry_after: float | None) -> float:
    if retry_after is not None:
        return min(retry_after, _LONGEST_PAUSE_SECONDS) + _random.random() * _FIRST_PAUSE_SECONDS
    longest = min(_FIRST_PAUSE_SECONDS * (1 << attempt), _LONGEST_PAUSE_SECONDS)
    return longest * (0.5 + _random.random() / 2)


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that the store asks to wait, told as their number or as a date."""
    text: str = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None
