"""Small applications for the service to run, each of one behaviour by path."""

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from api.serving.access_log import AccessLogMiddleware
from api.settings import Settings

__all__ = ["PIECE", "create_app", "create_broken_app", "create_refusing_app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PIECE = b"x" * 1000


def create_app(settings: Settings) -> AccessLogMiddleware:
    """Make the application that most tests run."""
    root = str(settings.storage.filesystem.root).encode()

    async def serve(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope.get("path") == "/root":
            await _answer(send, root)
        elif scope.get("path") == "/tls":
            told = scope["extensions"].get("tls")
            await _answer(send, json.dumps(told, default=dataclasses.asdict).encode())
        elif scope.get("path", "").startswith("/file/"):
            await _send_file(scope, send, settings.storage.filesystem.root / "file")
        else:
            await _serve(scope, receive, send)

    return AccessLogMiddleware(serve, settings.log)


def create_refusing_app(_: Settings) -> AccessLogMiddleware:
    """Refuse to be made, as for settings that only the application can judge."""
    raise ValueError("no storage driver named 'tape';\nknown are: filesystem, memory")


def create_broken_app(_: Settings) -> AccessLogMiddleware:
    """Fail to be made."""
    raise RuntimeError("no application today")


async def _serve(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    match scope["path"].split("/")[1:]:
        case ["slow", pieces, seconds]:
            await _slow_download(send, int(pieces), float(seconds))
        case ["echo-length"]:
            await _answer(send, str(await _read_all(receive)).encode())
        case ["early"]:
            await _answer(send, b"not allowed", status=401)
        case ["raise"]:
            raise RuntimeError("the application failed")
        case ["log"]:
            structlog.get_logger().info("inside", place="handler")
            await _answer(send, b"logged")
        case ["silent"]:
            await asyncio.sleep(60)
        case _:
            await _answer(send, b"hello")


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    structlog.get_logger().info("closed the store")
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Send, body: bytes, *, status: int = 200) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read_all(receive: Receive) -> int:
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client hung up")
        total += len(message.get("body", b""))
        if not message.get("more_body", False):
            return total


async def _slow_download(send: Send, pieces: int, seconds: float) -> None:
    headers = [(b"content-length", str(pieces * len(PIECE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for left in range(pieces - 1, -1, -1):
        await asyncio.sleep(seconds / pieces)
        await send({"type": "http.response.body", "body": PIECE, "more_body": left > 0})


async def _send_file(scope: MutableMapping[str, Any], send: Send, path: Path) -> None:
    """Send the parts of a file that the path names as `offset-count`, each in one message."""
    if "http.response.zerocopysend" not in scope.get("extensions", {}):
        await _answer(send, b"not offered")
        return
    parts = [tuple(map(int, part.split("-"))) for part in scope["path"].split("/")[2:]]
    length = scope["query_string"] or str(sum(count for _, count in parts)).encode()
    headers = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    with path.open("rb") as file:
        for left, (offset, count) in zip(range(len(parts) - 1, -1, -1), parts, strict=True):
            message = {"type": "http.response.zerocopysend", "file": file, "more_body": left > 0}
            await send({**message, "offset": offset, "count": count})
