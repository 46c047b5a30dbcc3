"""Answers that take a storage of another kind, faults or limits, held against the contract."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.settings import Settings
from core.drivers.base import Entry, ObjectInfo, RedirectMethod
from core.drivers.memory import MemoryDriver
from core.errors import DriverUnavailable, StorageFull
from tests.contract.asking import (
    CONTRACT,
    LAYER,
    NAME,
    NO_UPLOAD,
    TOKEN_OPERATIONS,
    UNKNOWN,
    digest_of,
    make_image,
)
from tests.contract.checker import Seen

__all__: list[str] = []


class _RedirectingDriver(MemoryDriver):
    """A store that gives its content to whoever has the URL."""

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        return f"http://127.0.0.1:1{path}?signed={method}"


async def test_every_answer_of_a_storage_that_gives_blobs_itself_is_as_declared() -> None:
    blob, seen = f"{NAME}/blobs/{digest_of(LAYER)}", set()
    app = create_app(driver=_RedirectingDriver())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as client,
    ):
        uploads = f"{NAME}/blobs/uploads/?digest={digest_of(LAYER)}"
        pushed = await client.post(uploads, content=LAYER)
        assert pushed.status_code == 201
        for method in ("GET", "HEAD"):
            answer = await client.request(method, blob)
            assert answer.headers["location"].endswith(f"/data?signed={method}")
            seen.add(CONTRACT.check(answer))
    assert seen == {found for found in CONTRACT.list_seen() if found.status == "307"}


class _FaultyDriver(MemoryDriver):
    """A store that fails whatever it is asked to read or to write."""

    def __init__(self, fault: Exception) -> None:
        super().__init__()
        self._fault = fault

    async def get(self, path: str) -> bytes:
        raise self._fault

    async def put(self, path: str, content: bytes) -> None:
        raise self._fault

    async def stat(self, path: str) -> ObjectInfo:
        raise self._fault

    async def delete(self, path: str) -> None:
        raise self._fault

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        await self.stat(path)
        async for entry in super().list(path, start_after):
            yield entry


_REQUESTS = (
    ("GET", "/v2/_catalog"),
    ("POST", f"{NAME}/blobs/uploads/"),
    *((method, f"{NAME}/blobs/uploads/{NO_UPLOAD}") for method in ("GET", "HEAD", "PATCH")),
    ("PUT", f"{NAME}/blobs/uploads/{NO_UPLOAD}?digest={UNKNOWN}"),
    ("DELETE", f"{NAME}/blobs/uploads/{NO_UPLOAD}"),
    *((method, f"{NAME}/blobs/{UNKNOWN}") for method in ("GET", "HEAD", "DELETE")),
    *((method, f"{NAME}/manifests/1.0") for method in ("GET", "HEAD", "PUT", "DELETE")),
    ("GET", f"{NAME}/referrers/{UNKNOWN}"),
    ("GET", f"{NAME}/tags/list"),
)
"""One request of each operation that asks the storage."""


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param(DriverUnavailable("/", "gone"), "503", id="storage gone"),
        pytest.param(StorageFull("/"), "507", id="storage full"),
    ],
)
async def test_every_answer_of_a_storage_that_fails_is_as_declared(
    fault: Exception, status: str
) -> None:
    app = create_app(driver=_FaultyDriver(fault))
    async with app.router.lifespan_context(app):
        assert await _ask_all(app, status) == _list_declared(status)


async def test_every_answer_to_a_mistake_in_the_service_is_as_declared() -> None:
    app = create_app(driver=MemoryDriver())
    async with app.router.lifespan_context(app):
        app.state.moorage = None
        assert await _ask_all(app, "500") == _list_declared("500")


async def test_every_answer_to_too_many_requests_is_as_declared() -> None:
    settings = Settings.model_validate({"limits": {"requests": 1}})
    app = create_app(settings, MemoryDriver())
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry")
    async with app.router.lifespan_context(app), client:
        assert (await client.get("/v2/")).status_code == 200
        for method in ("GET", "HEAD"):
            assert CONTRACT.check(await client.request(method, "/v2/")).status == "429"
        assert await _ask_all(app, "429") == _list_declared("429")


def _list_declared(status: str) -> set[Seen]:
    """Return the answers of this status that operations declare that do ask the storage."""
    return {
        seen
        for seen in CONTRACT.list_seen()
        if seen.status == status
        and seen.operation not in {"checkApi", "headApi", *TOKEN_OPERATIONS}
    }


async def _ask_all(app: FastAPI, status: str) -> set[Seen]:
    """Return the answers to all requests, of which those that declare `status` must have it."""
    seen = set()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://registry"
    ) as client:
        for method, path in _REQUESTS:
            body = json.dumps(make_image()).encode() if method == "PUT" else None
            request = client.build_request(method, path, content=body)
            if Seen(CONTRACT.name_of(request), status) in _list_declared(status):
                seen.add(CONTRACT.check(await client.send(request)))
    return seen
