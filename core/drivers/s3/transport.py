"""Signed requests to one bucket, which are tried again where that may help."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from anyio import sleep

from core.drivers.http import HttpAnswer, HttpPool
from core.drivers.s3.documents import error_code
from core.drivers.s3.faults import CONNECTION_FAULTS, S3Refusal
from core.drivers.s3.part_body import PartBody
from core.drivers.s3.place import Place
from core.drivers.s3.signing import Signer, encode_query

__all__ = ["NO_CONTENT", "Answer", "Request", "Transport"]

NO_CONTENT = PartBody()

_SUCCESS = range(200, 300)
_LONGEST_PAUSE_SECONDS = 20
_BEGINNING_BYTES = 512
_USER_AGENT = "moorage"
_WITHOUT_LENGTH = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a store.

    Attributes:
        operation: how it is named in errors, such as `PutObject`.
        method: of HTTP.
        key: of an object, or an empty text for the bucket itself.
        query: names and values, not encoded.
        headers: with names in lower case; `x-amz-content-sha256` is among them.
        content: what is sent.
    """

    operation: str
    method: str
    key: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    content: PartBody = NO_CONTENT


@dataclass(frozen=True, slots=True)
class Answer:
    """What a store has answered, as a whole; names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests, and gives the answers of success.

    After a fault of the network, and an answer that asks for patience, a request is sent again,
    with pauses that grow and are left to chance; `max_attempts` times in all. So what has failed
    may have been done nevertheless.
    """

    def __init__(
        self,
        place: Place,
        signer: Signer,
        pool: HttpPool,
        max_attempts: int,
    ) -> None:
        self._place = place
        self._signer = signer
        self._pool = pool
        self._max_attempts = max_attempts

    async def ask(self, request: Request) -> Answer:
        """Send a request and return the whole answer.

        Raises:
            S3Refusal: the store has not done it; an answer of success may tell that too.
            CONNECTION_FAULTS: no answer came.
        """
        answer, body = await self._carry_out(request, is_whole=True)
        return Answer(answer.headers, body)

    async def open(self, request: Request) -> HttpAnswer:
        """Send a request and return its answer as soon as that begins, for the caller to close.

        Raises:
            S3Refusal: the store has not done it.
            CONNECTION_FAULTS: no answer came.
        """
        answer, _ = await self._carry_out(request, is_whole=False)
        return answer

    async def _carry_out(self, request: Request, *, is_whole: bool) -> tuple[HttpAnswer, bytes]:
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = await self._send(request)
                if answer.status in _SUCCESS and not is_whole:
                    return answer, b""
                async with answer:
                    body = await answer.read_all()
                refusal = _refusal(request, answer.status, body)
            except CONNECTION_FAULTS:
                if attempt >= self._max_attempts:
                    raise
            else:
                if refusal is None:
                    return answer, body
                if attempt >= self._max_attempts or not refusal.is_passing:
                    raise refusal
            chance = random.random()  # noqa: S311 - it spreads requests, and keeps no secret
            await sleep(min(chance * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS))

    async def _send(self, request: Request) -> HttpAnswer:
        place, content = self._place, request.content
        path, query = place.path(request.key), encode_query(request.query)
        headers = {**request.headers, "host": place.host}
        await self._signer.sign(request.method, path, query, headers)
        headers["user-agent"] = _USER_AGENT
        if content or request.method not in _WITHOUT_LENGTH:
            headers["content-length"] = str(len(content))
        target = f"{path}?{query}" if query else path
        return await self._pool.send(request.method, target, headers, content.blocks())


def _refusal(request: Request, status: int, body: bytes) -> S3Refusal | None:
    """Return what an answer says against a request, if it is one of failure."""
    if status not in _SUCCESS:
        return S3Refusal(request.operation, status, error_code(body))
    # What takes the store long is answered before it is done.
    code = error_code(body) if b"<Error" in body[:_BEGINNING_BYTES] else ""
    return S3Refusal(request.operation, 500, code) if code else None
