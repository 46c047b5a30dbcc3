"""The table of errors, and that nothing of the host is told by what goes wrong behind it."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from structlog.testing import capture_logs

import api.errors
import core.errors
from api.app import create_app
from api.errors import ERROR_TABLE
from api.settings import Settings
from core.drivers import DriverReader, Entry, FileWriter, MemoryDriver, ObjectInfo, StorageDriver
from core.errors import (
    DriverUnavailable,
    ManifestFaults,
    PathConflict,
    RegistryError,
    StorageFull,
)
from tests.api.content import EMPTY_JSON, MANIFEST_TYPE, digest_of, image

__all__: list[str] = []

SECRET = "/srv/secret-place/registry"
DIGEST = digest_of(EMPTY_JSON)


def leaves(error: type[RegistryError] = RegistryError) -> Iterator[type[RegistryError]]:
    """Yield the errors that no other error is derived from."""
    below = error.__subclasses__()
    if not below:
        yield error
    for child in below:
        yield from leaves(child)


@pytest.mark.parametrize("leaf", list(leaves()), ids=lambda leaf: leaf.__name__)
def test_every_error_has_an_answer(leaf: type[RegistryError]) -> None:
    if leaf is ManifestFaults:
        # It is answered with the faults that it holds.
        return
    assert any(ancestor in ERROR_TABLE for ancestor in leaf.__mro__)


def test_every_entry_is_an_error_that_can_be_raised() -> None:
    known = {
        value
        for module in (core.errors, api.errors)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, RegistryError)
    }
    assert set(ERROR_TABLE) <= known


@pytest.mark.parametrize("kind", list(ERROR_TABLE.values()), ids=lambda kind: kind.message)
def test_every_entry_is_within_the_grammar(kind: api.errors.ErrorKind) -> None:
    """Spec: distribution-spec 1.1, "Error Codes": upper-case letters and underscores."""
    assert re.fullmatch("[A-Z_]+", kind.code)
    assert 400 <= kind.status < 600
    assert kind.message


LARGE = bytes(100_000)


class FailingDriver(StorageDriver):
    """A memory driver of which one method raises what it is told to."""

    name = "failing"

    def __init__(self) -> None:
        self.inner = MemoryDriver()
        self.failures: dict[str, Exception] = {}

    def _fail(self, method: str) -> None:
        if method in self.failures:
            raise self.failures[method]

    async def get(self, path: str) -> bytes:
        self._fail("get")
        return await self.inner.get(path)

    async def put(self, path: str, content: bytes) -> None:
        self._fail("put")
        await self.inner.put(path, content)

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        self._fail("open_reader")
        return await self.inner.open_reader(path, start, stop)

    async def open_writer(self, path: str) -> FileWriter:
        self._fail("open_writer")
        return await self.inner.open_writer(path)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        self._fail("open_appender")
        return await self.inner.open_appender(path, create=create)

    async def stat(self, path: str) -> ObjectInfo:
        self._fail("stat")
        return await self.inner.stat(path)

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        self._fail("list")
        async for entry in self.inner.list(path, start_after):
            yield entry

    async def move(self, source: str, destination: str) -> None:
        self._fail("move")
        await self.inner.move(source, destination)

    async def delete(self, path: str) -> None:
        self._fail("delete")
        await self.inner.delete(path)


@asynccontextmanager
async def serving(driver: StorageDriver) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application in this process, with an image in `a/b` under `tag`."""
    app = create_app(Settings(), driver)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://t") as client,
    ):
        pushed = await client.post(f"/v2/a/b/blobs/uploads/?digest={DIGEST}", content=EMPTY_JSON)
        assert pushed.status_code == 201
        large = f"/v2/a/b/blobs/uploads/?digest={digest_of(LARGE)}"
        assert (await client.post(large, content=LARGE)).status_code == 201
        headers = {"Content-Type": MANIFEST_TYPE}
        pushed = await client.put("/v2/a/b/manifests/tag", content=image(), headers=headers)
        assert pushed.status_code == 201
        yield client


REQUESTS: dict[str, list[tuple[str, str]]] = {
    "get": [
        ("GET", "/v2/a/b/manifests/tag"),
        ("GET", f"/v2/a/b/blobs/{DIGEST}"),
        ("DELETE", f"/v2/a/b/manifests/{digest_of(image())}"),
        ("PATCH", "UPLOAD"),
    ],
    "put": [
        ("POST", "/v2/a/b/blobs/uploads/"),
        ("PUT", "/v2/a/b/manifests/other"),
        ("POST", f"/v2/c/blobs/uploads/?mount={DIGEST}&from=a/b"),
    ],
    # What is small is read with `get`.
    "open_reader": [("GET", f"/v2/a/b/blobs/{digest_of(LARGE)}")],
    "open_appender": [("POST", "/v2/a/b/blobs/uploads/"), ("PUT", f"UPLOAD?digest={DIGEST}")],
    "stat": [
        ("GET", f"/v2/a/b/blobs/{DIGEST}"),
        ("GET", "/v2/a/b/tags/list"),
        ("GET", "UPLOAD"),
    ],
    "list": [
        ("GET", "/v2/a/b/tags/list"),
        ("GET", "/v2/_catalog"),
        ("GET", f"/v2/a/b/referrers/{DIGEST}"),
    ],
    "move": [("PUT", f"UPLOAD?digest={digest_of(b'')}")],
    "delete": [
        ("DELETE", "/v2/a/b/manifests/tag"),
        ("DELETE", f"/v2/a/b/blobs/{DIGEST}"),
        ("DELETE", "UPLOAD"),
    ],
}
FAILURES: dict[str, tuple[Exception, int]] = {
    "unavailable": (DriverUnavailable(SECRET, f"cannot reach {SECRET}"), 503),
    "full": (StorageFull(SECRET), 507),
    "conflict": (PathConflict(SECRET), 503),
    "system": (OSError(5, f"broken {SECRET}", SECRET), 503),
    "mistake": (KeyError(SECRET), 503),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", REQUESTS)
async def test_a_failing_driver_is_answered_for_without_a_word_of_the_host(
    method: str, failure: str
) -> None:
    error, status = FAILURES[failure]
    for verb, path in REQUESTS[method]:
        driver = FailingDriver()
        async with serving(driver) as client:
            started = await client.post("/v2/a/b/blobs/uploads/")
            upload = started.headers["location"].partition("?")[0]
            driver.failures[method] = error
            body = image() if verb == "PUT" and "manifests" in path else b""
            answer = await client.request(
                verb,
                path.replace("UPLOAD", upload),
                content=body,
                headers={"Content-Type": MANIFEST_TYPE} if body else {},
            )
            assert answer.status_code == status, (verb, path, answer.text)
            assert answer.headers["content-type"] == "application/json"
            assert ("retry-after" in answer.headers) == (status == 503)
            assert "detail" not in answer.json()["errors"][0]
            assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"
            shown = answer.text + str(answer.headers)
            assert not re.search(rf"{SECRET}|secret|failing|Traceback|docker/registry|\.py", shown)
            driver.failures.clear()
            assert (await client.get("/v2/a/b/tags/list")).status_code == 200


async def test_what_nobody_expected_is_logged_and_answered_with_500_that_tells_nothing() -> None:
    app = create_app(Settings(), MemoryDriver())
    transport = httpx.ASGITransport(app=app)
    # Outside its lifespan the application has no registry, which no route is prepared for.
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        with capture_logs() as lines:
            answer = await client.get("/v2/a/b/tags/list")
            head = await client.head("/v2/a/b/manifests/tag")
    assert answer.status_code == 500
    message = "an unexpected error, which has been logged"
    assert answer.json() == {"errors": [{"code": "UNKNOWN", "message": message}]}
    assert (head.status_code, head.content) == (500, b"")
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "request failed",
        "request failed",
    ]
