"""Lean routes answer what FastAPI would have answered, to good requests and to bad ones."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from api.app import create_app
from api.errors import ErrorBoundary
from api.routes import protocol_routes
from api.serving.access_log import AccessLogMiddleware
from api.serving.lean import LeanRoute, LeanRouter
from api.settings import Settings
from api.settings.groups import LogSettings
from core.drivers import MemoryDriver
from core.manifest import OCI_MANIFEST
from core.storage import RepositoryName, paths

__all__: list[str] = []

_BLOB = b"content"
_DIGEST = f"sha256:{hashlib.sha256(_BLOB).hexdigest()}"
_UNKNOWN = f"sha256:{hashlib.sha256(b'unknown').hexdigest()}"
_DESCRIPTOR = {"mediaType": "application/octet-stream", "digest": _DIGEST, "size": len(_BLOB)}
_MANIFEST = json.dumps(
    {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _DESCRIPTOR, "layers": []}
).encode()
_NO_UPLOAD = "7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5"
_BLOBS = "/v2/team/app/blobs"
_MANIFESTS = "/v2/team/app/manifests"

_REQUESTS = [
    ("GET", f"{_BLOBS}/{_DIGEST}", {}),
    ("GET", f"{_BLOBS}/{_DIGEST}", {"Range": "bytes=1-3"}),
    ("GET", f"{_BLOBS}/{_DIGEST}", {"Range": "bytes=90-"}),
    ("GET", f"{_BLOBS}/{_DIGEST}", {"Range": "bytes=1-3", "If-Range": '"else"'}),
    ("GET", f"{_BLOBS}/{_DIGEST}", {"If-None-Match": f'"{_DIGEST}"'}),
    ("HEAD", f"{_BLOBS}/{_DIGEST}", {"If-Match": '"else"'}),
    ("HEAD", f"{_BLOBS}/{_DIGEST}", {}),
    ("GET", f"{_BLOBS}/{_UNKNOWN}", {}),
    ("GET", f"{_BLOBS}/sha256:short", {}),
    ("GET", f"{_BLOBS}/uploads", {}),
    ("HEAD", f"{_BLOBS}/uploads/", {}),
    ("GET", f"{_BLOBS}/", {}),
    ("GET", f"/v2/Upper/blobs/{_DIGEST}", {}),
    ("GET", f"/v2//blobs/{_DIGEST}", {}),
    ("GET", f"/v2/blobs/{_DIGEST}", {}),
    ("GET", f"/v2/team%2Fapp/blobs/{_DIGEST}", {}),
    ("PUT", f"{_BLOBS}/{_DIGEST}", {}),
    ("OPTIONS", f"{_BLOBS}/{_DIGEST}", {}),
    ("GET", f"{_MANIFESTS}/1.0", {}),
    ("GET", f"{_MANIFESTS}/1.0", {"If-None-Match": "*"}),
    ("HEAD", f"{_MANIFESTS}/1.0", {}),
    ("GET", f"{_MANIFESTS}/none", {}),
    ("GET", f"{_MANIFESTS}/a:b", {}),
    ("GET", f"{_MANIFESTS}/-", {}),
    ("PUT", f"{_MANIFESTS}/1.0?tag=1&tag=2", {"Content-Type": OCI_MANIFEST}),
    ("PUT", f"{_MANIFESTS}/1.0?tag=1&tag=!", {"Content-Type": OCI_MANIFEST}),
    ("PUT", f"{_MANIFESTS}/1.0", {"Content-Type": "text/plain"}),
    ("PATCH", f"{_MANIFESTS}/1.0", {}),
    ("GET", "/v2/team/app/tags/list", {}),
    ("GET", "/v2/team/app/tags/list?n=1&last=0", {}),
    ("GET", "/v2/team/app/tags/list?n=-1", {}),
    ("GET", "/v2/team/app/tags/list?n=1_0", {}),
    ("GET", "/v2/team/app/tags/list?n=1&n=2", {}),
    ("GET", "/v2/team/app/tags/other", {}),
    ("GET", "/v2/none/tags/list", {}),
    ("GET", f"/v2/team/app/referrers/{_DIGEST}?artifactType=a", {}),
    ("GET", "/v2/team/app/referrers/x", {}),
    ("GET", f"{_BLOBS}/uploads/{_NO_UPLOAD}", {}),
    ("GET", f"{_BLOBS}/uploads/none", {}),
    ("PATCH", f"{_BLOBS}/uploads/{_NO_UPLOAD}?offset=x", {}),
    ("PATCH", f"{_BLOBS}/uploads/{_NO_UPLOAD}?offset=-1", {}),
    ("PUT", f"{_BLOBS}/uploads/{_NO_UPLOAD}", {}),
    ("PUT", f"{_BLOBS}/uploads/{_NO_UPLOAD}?digest=", {}),
    ("DELETE", f"{_BLOBS}/uploads/{_NO_UPLOAD}", {}),
    ("POST", f"{_BLOBS}/uploads/?mount={_DIGEST}&from=team/app", {}),
    ("POST", f"{_BLOBS}/uploads?digest={_UNKNOWN}", {}),
    ("POST", f"{_BLOBS}/uploads/?digest-algorithm=md5", {}),
]


@asynccontextmanager
async def _clients() -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Give a client of the application, and one that goes past its lean routes."""
    app = create_app(driver=MemoryDriver())
    slow = AccessLogMiddleware(ErrorBoundary(app.serve_slowly), LogSettings(access=False))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as lean_client,
        httpx.AsyncClient(transport=httpx.ASGITransport(slow), base_url="http://t") as slow_client,
    ):
        await lean_client.post(f"{_BLOBS}/uploads/?digest={_DIGEST}", content=_BLOB)
        await lean_client.put(
            f"{_MANIFESTS}/1.0", content=_MANIFEST, headers={"Content-Type": OCI_MANIFEST}
        )
        yield lean_client, slow_client


@pytest.mark.parametrize(("method", "path", "headers"), _REQUESTS)
async def test_a_lean_route_answers_what_fastapi_would(
    method: str, path: str, headers: dict[str, str]
) -> None:
    async with _clients() as (lean_client, slow_client):
        content = _MANIFEST if method == "PUT" and "manifests" in path else None
        answers = [
            await client.request(method, path, headers=headers, content=content)
            for client in (lean_client, slow_client)
        ]
    for answer in answers:
        del answer.headers["x-request-id"]
    lean, slow = answers
    assert lean.status_code == slow.status_code
    assert sorted(lean.headers.multi_items()) == sorted(slow.headers.multi_items())
    assert lean.content == slow.content


async def test_uploads_begin_and_end_on_lean_routes_as_on_the_others() -> None:
    async with _clients() as clients:
        for client in clients:
            begun = await client.post(f"{_BLOBS}/uploads/")
            assert begun.status_code == 202
            location = begun.headers["location"]
            patched = await client.patch(location, content=b"unknown")
            assert patched.status_code == 202
            assert patched.headers["range"] == "0-6"
            outdated = await client.patch(location, content=b"unknown")
            assert outdated.status_code == 416
            assert outdated.headers["range"] == "0-6"
            done = await client.put(f"{patched.headers['location']}&digest={_UNKNOWN}")
            assert done.status_code == 201
            assert (await client.get(done.headers["location"])).content == b"unknown"


def test_every_route_below_a_repository_is_lean() -> None:
    routes = [route for route in protocol_routes if isinstance(route, APIRoute)]
    assert len(routes) == len(protocol_routes) > 10
    assert all(isinstance(route, LeanRoute) for route in routes)


async def test_what_a_path_says_is_found_out_once() -> None:
    app = create_app(driver=MemoryDriver())
    parsed: list[str] = []
    parse = RepositoryName.parse

    def record(text: str) -> RepositoryName:
        parsed.append(text)
        return parse(text)

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client,
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RepositoryName, "parse", record)
            for _ in range(3):
                assert (await client.head(f"{_BLOBS}/{_DIGEST}")).status_code == 404
                assert (await client.head(f"/v2/No/blobs/{_DIGEST}")).status_code == 400
    # What was refused is refused anew.
    assert parsed == ["team/app", "No", "No", "No"]


async def test_a_registry_that_is_opened_again_has_nothing_of_the_one_before() -> None:
    driver = MemoryDriver()
    app = create_app(driver=driver)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        async with app.router.lifespan_context(app):
            await client.post(f"{_BLOBS}/uploads/?digest={_DIGEST}", content=_BLOB)
            await client.put(
                f"{_MANIFESTS}/1.0", content=_MANIFEST, headers={"Content-Type": OCI_MANIFEST}
            )
            assert (await client.get(f"{_MANIFESTS}/1.0")).status_code == 200
            await driver.delete(paths.BLOBS)
            # It is kept in memory.
            assert (await client.get(f"{_MANIFESTS}/1.0")).status_code == 200
        async with app.router.lifespan_context(app):
            assert (await client.get(f"{_MANIFESTS}/1.0")).status_code == 404


async def test_paths_that_were_asked_for_take_no_more_memory_than_so_many() -> None:
    served: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(scope["path"])

    router = LeanRouter(app, protocol_routes)
    long = "x" * 4000
    for number in range(3000):
        for name in (f"a{number}", f"{long}{number}"):
            path = f"/v2/{name}/tags/list"
            scope = {"type": "http", "method": "GET", "path": path, "headers": []}
            router._find(scope)
    assert served == []
    assert len(router._places) == 1024
    assert all(len(path) < 1000 for _, path in router._places)
    # The newest are kept.
    assert ("GET", "/v2/a2999/tags/list") in router._places


@pytest.mark.parametrize("name", ["team/app", "Upper"])
async def test_a_delete_that_is_not_allowed_is_refused_as_fastapi_would(name: str) -> None:
    settings = Settings.model_validate({"delete": {"enabled": False}})
    app = create_app(settings, driver=MemoryDriver())
    slow = AccessLogMiddleware(ErrorBoundary(app.serve_slowly), LogSettings(access=False))
    async with app.router.lifespan_context(app):
        answers = []
        for served in (app, slow):
            transport = httpx.ASGITransport(served)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                answers.append(await client.delete(f"/v2/{name}/blobs/{_DIGEST}"))
    assert answers[0].status_code == 405
    assert answers[0].content == answers[1].content
