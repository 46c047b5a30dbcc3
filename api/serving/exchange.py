"""`Exchange`: one request and its answer as they pass between a client and the application."""

import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from api.serving.prepared import WHOLE
from core.access import Principal

__all__ = [
    "REQUEST_ID",
    "App",
    "Exchange",
    "Message",
    "Receive",
    "RequestIds",
    "Scope",
    "Send",
    "find_exchange",
]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is being served, for every line that is logged meanwhile."""

_KEY = "moorage.exchange"
_ACCEPT = b"accept"
_SEVERAL = 2
_SANE_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_RANDOM_BYTES = 12
_REFRESH_IDS = 4096


class Exchange:
    """What passes, counted.

    Attributes:
        scope: of the request.
        fields: of its header; of one that comes twice the first counts, as in FastAPI, but lines of
            `Accept` are one list.
        request_id: the client's `X-Request-Id` if that is 1 to 128 printable ASCII characters,
            else a new one; it is answered as `X-Request-Id`.
        user_agent: as it was sent.
        started: when it was made, in seconds of `time.perf_counter`.
        status: of the answer, once that has begun.
        received_bytes: of the request's body.
        sent_bytes: of the answer's body.
        hung_up: whether the client was gone before the answer was complete.
        complete: whether all of the answer is out.
        principal: who sends the request, once that is known.
    """

    __slots__ = (
        "_receive",
        "_send",
        "complete",
        "fields",
        "hung_up",
        "principal",
        "received_bytes",
        "request_id",
        "scope",
        "sent_bytes",
        "started",
        "status",
        "user_agent",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, ids: "RequestIds") -> None:
        """Stand between a server and an application, which finds it in `scope`."""
        self.scope = scope
        self._receive = receive
        self._send = send
        self.started = time.perf_counter()
        self.status: int | None = None
        self.received_bytes = 0
        self.sent_bytes = 0
        self.hung_up = False
        self.complete = False
        self.principal: Principal | None = None
        fields = dict(reversed(scope["headers"]))
        if len(fields) != len(scope["headers"]):
            fields = _join_lists(scope, fields)
        self.fields = fields
        self.user_agent = fields.get(b"user-agent", b"")
        request_id = fields.get(b"x-request-id")
        if request_id is None or _SANE_REQUEST_ID.fullmatch(request_id) is None:
            request_id = ids.make()
        self.request_id = request_id
        scope[_KEY] = self

    def end(self) -> None:
        """Let go of the scope, which holds this: the two would be left to the garbage collector."""
        del self.scope[_KEY]

    @property
    def has_begun(self) -> bool:
        """Whether it is too late to answer anything else."""
        return self.status is not None

    async def receive(self) -> Message:
        """Return the next message of the server."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.received_bytes += len(message.get("body", b""))
        elif not self.complete:
            self.hung_up = True
        return message

    async def send(self, message: Message) -> None:
        """Give a message of the application to the server."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id)]
            message = {**message, "headers": headers}
        elif message["type"] == WHOLE:
            self.status = message["status"]
            self.sent_bytes = len(message["body"])
            self.complete = True
            message["head"] += b"x-request-id: %b\r\n" % self.request_id
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
            # Marked before the last bytes go out: uvicorn tells a finished request from a
            # client that hung up by nothing but the order of these two.
            self.complete = not message.get("more_body", False)
        elif message["type"] == "http.response.zerocopysend":
            self.sent_bytes += message["count"]
            self.complete = not message.get("more_body", False)
        try:
            await self._send(message)
        except BaseException:
            self.complete = False
            raise


class RequestIds:
    """Makes ids that no other process makes, without asking the system for each."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made = _REFRESH_IDS
        self._prefix = b""

    def make(self) -> bytes:
        """Return a new id, 32 hexadecimal digits."""
        if self._made == _REFRESH_IDS:
            self._made = 0
            self._prefix = os.urandom(_RANDOM_BYTES).hex().encode()
        self._made += 1
        return b"%b%08x" % (self._prefix, self._made)


def _join_lists(scope: Scope, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Make several lines of `Accept`, as which many clients send it, the one that they stand for.

    Spec: RFC 9110, section 5.3.
    """
    lines = [value for name, value in scope["headers"] if name == _ACCEPT]
    if len(lines) < _SEVERAL:
        return fields
    joined = b", ".join(lines)
    others = [field for field in scope["headers"] if field[0] != _ACCEPT]
    scope["headers"] = [*others, (_ACCEPT, joined)]
    return {**fields, _ACCEPT: joined}


def find_exchange(scope: Scope) -> Exchange:
    """Return the exchange that a request is part of, as the outermost middleware has made it."""
    exchange: Exchange = scope[_KEY]
    return exchange
