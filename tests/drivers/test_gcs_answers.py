"""What the driver makes of answers that no server for tests gives: they are written down here."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import respx

from core.drivers import Entry, StorageDriver, create_driver
from core.drivers.gcs.claims import GCSClaimStore
from core.errors import DriverUnavailable, PathNotFound
from tests.contracts.driver import list_all, read_all
from tests.drivers.gcs_backdoor import gcs_of

__all__: list[str] = []

OBJECTS = "https://storage.googleapis.com/storage/v1/b/bucket/o"
UPLOADS = "https://storage.googleapis.com/upload/storage/v1/b/bucket/o"
MEDIA = {"alt": "media"}


def resource(name: str, content: bytes = b"content", **others: object) -> dict[str, Any]:
    """Return what the store says of an object."""
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()  # noqa: S324 - as the store
    return {
        "name": name,
        "size": str(len(content)),
        "generation": "7",
        "contentType": "application/octet-stream",
        "md5Hash": md5,
        "updated": "2026-01-02T03:04:05.678Z",
        "timeCreated": "2026-01-02T03:04:05.678Z",
        **others,
    }


@pytest.fixture
def answers() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=True) as router:
        yield router


@pytest.fixture
async def driver() -> AsyncIterator[StorageDriver]:
    driver = create_driver("gcs", {"bucket": "bucket", "anonymous": True, "max_attempts": 4})
    yield driver
    await driver.aclose()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made between attempts, which take no time here."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("core.drivers.gcs.client.sleep", sleep)
    return made


# Attempts.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_passes_is_tried_again_after_growing_pauses(
    answers: respx.MockRouter, driver: StorageDriver, pauses: list[float], status: int
) -> None:
    route = answers.post(UPLOADS)
    route.side_effect = [
        httpx.Response(status),
        httpx.ConnectError("no route"),
        httpx.ReadTimeout("silence"),
        httpx.Response(200, json=resource("a")),
    ]
    await driver.put("/a", b"content")
    assert route.call_count == 4
    bodies = {call.request.content.partition(b"\r\n")[2] for call in route.calls}
    assert all(b"content" in body for body in bodies)
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1 <= pauses[2] <= 2


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413])
async def test_a_refusal_is_not_tried_again(
    answers: respx.MockRouter, driver: StorageDriver, pauses: list[float], status: int
) -> None:
    told = {"error": {"code": status, "message": "the caller lacks storage.objects.create"}}
    route = answers.post(UPLOADS).respond(status, json=told)
    with pytest.raises(DriverUnavailable, match=f"{status} .*lacks storage.objects.create"):
        await driver.put("/a", b"content")
    # Without credentials there is nothing to renew after a 401, and asking twice is enough.
    assert route.call_count == (2 if status == 401 else 1)
    assert pauses == []


async def test_attempts_have_an_end(
    answers: respx.MockRouter, driver: StorageDriver, pauses: list[float]
) -> None:
    route = answers.get(f"{OBJECTS}/a", params=MEDIA).respond(503, text="busy")
    with pytest.raises(DriverUnavailable, match="503 Service Unavailable: busy; asked 4 times"):
        await driver.get("/a")
    assert route.call_count == 4
    assert len(pauses) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_the_store_says_how_long_to_wait(
    answers: respx.MockRouter, driver: StorageDriver, pauses: list[float], form: str
) -> None:
    later = datetime.now(UTC) + timedelta(seconds=10)
    value = "10" if form == "seconds" else format_datetime(later, usegmt=True)
    route = answers.get(f"{OBJECTS}/a")
    route.side_effect = [
        httpx.Response(429, headers={"Retry-After": value}),
        httpx.Response(503, headers={"Retry-After": "3600"}),
        httpx.Response(503, headers={"Retry-After": "tomorrow"}),
        httpx.Response(200, json=resource("a"), headers={"Date": format_datetime(later)}),
    ]
    await driver.stat("/a")
    assert 8 < pauses[0] < 10.5
    assert 20 <= pauses[1] < 21
    assert pauses[2] < 5


# What was done although its answer was lost.


@pytest.mark.parametrize(("stored", "owned"), [(b"me", True), (b"you", False)])
async def test_a_claim_that_was_made_unseen_is_found(
    answers: respx.MockRouter, driver: StorageDriver, stored: bytes, *, owned: bool
) -> None:
    inner = gcs_of(driver)
    claims = GCSClaimStore(inner._bucket, inner._keys)
    route = answers.post(UPLOADS, params={"ifGenerationMatch": "0", "uploadType": "multipart"})
    route.side_effect = [httpx.ReadError("reset"), httpx.Response(412)]
    answers.get(f"{OBJECTS}/a~claim").respond(
        200,
        json=resource("a~claim", stored),
        headers={"Date": "Fri, 02 Jan 2026 03:04:15 GMT"},
    )
    assert await claims.create_claim("/a", b"me") == ("7" if owned else None)


async def test_the_age_of_a_claim_is_told_by_the_clock_of_the_store(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    inner = gcs_of(driver)
    answers.get(f"{OBJECTS}/a~claim").respond(
        200, json=resource("a~claim"), headers={"Date": "Fri, 02 Jan 2026 03:04:45 GMT"}
    )
    found = await GCSClaimStore(inner._bucket, inner._keys).find_claim("/a")
    assert found is not None
    assert found.version == "7"
    assert found.age_seconds == pytest.approx(39.322)


async def test_a_claim_is_only_replaced_and_deleted_in_its_version(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    inner = gcs_of(driver)
    claims = GCSClaimStore(inner._bucket, inner._keys)
    replaced = answers.post(UPLOADS).respond(200, json=resource("a~claim", generation="8"))
    deleted = answers.delete(f"{OBJECTS}/a~claim").respond(412)
    assert await claims.replace_claim("/a", b"me", "7") == "8"
    await claims.delete_claim("/a", "8")
    assert replaced.calls[0].request.url.params["ifGenerationMatch"] == "7"
    assert deleted.calls[0].request.url.params["ifGenerationMatch"] == "8"


async def test_a_deletion_that_was_done_unseen_is_no_missing_file(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    deletion = answers.delete(f"{OBJECTS}/a")
    deletion.side_effect = [httpx.ReadError("reset"), httpx.Response(404)]
    answers.get(OBJECTS).respond(200, json={})
    await driver.delete("/a")
    deletion.side_effect = [httpx.Response(404)]
    with pytest.raises(PathNotFound):
        await driver.delete("/a")


# Copies.


async def test_a_large_move_takes_several_calls_and_deletes_what_was_copied(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    answers.get(f"{OBJECTS}/a").respond(
        200, json=resource("a"), headers={"Date": "Fri, 02 Jan 2026 03:04:45 GMT"}
    )
    rewriting = answers.post(f"{OBJECTS}/a/rewriteTo/b/bucket/o/b%2Fc")
    rewriting.side_effect = [
        httpx.Response(200, json={"done": False, "rewriteToken": "one"}),
        httpx.Response(503),
        httpx.Response(200, json={"done": False, "rewriteToken": "two"}),
        httpx.Response(200, json={"done": True, "resource": resource("b/c")}),
    ]
    deletion = answers.delete(f"{OBJECTS}/a", params={"ifGenerationMatch": "7"}).respond(204)
    await driver.move("/a", "/b/c")
    asked = [call.request.url.params for call in rewriting.calls]
    assert [params.get("rewriteToken") for params in asked] == [None, "one", "one", "two"]
    assert {params["ifSourceGenerationMatch"] for params in asked} == {"7"}
    assert deletion.call_count == 1


async def test_a_source_that_is_replaced_while_it_is_moved_is_moved_as_it_is_then(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    date = {"Date": "Fri, 02 Jan 2026 03:04:45 GMT"}
    answers.get(f"{OBJECTS}/a").side_effect = [
        httpx.Response(200, json=resource("a", generation=number), headers=date)
        for number in ("7", "8")
    ]
    rewriting = answers.post(re.compile(re.escape(f"{OBJECTS}/a/rewriteTo/")))
    rewriting.side_effect = [
        httpx.Response(412),
        httpx.Response(200, json={"done": True, "resource": resource("b")}),
    ]
    deletion = answers.delete(f"{OBJECTS}/a").respond(412)
    await driver.move("/a", "/b")
    assert rewriting.calls[1].request.url.params["sourceGeneration"] == "8"
    assert deletion.calls[0].request.url.params["ifGenerationMatch"] == "8"


# Parts.


async def test_a_part_that_is_gone_is_found_out_when_it_is_composed(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    async def insert(request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        metadata = json.loads(body.split(b"\r\n\r\n")[1].split(b"\r\n")[0])
        return httpx.Response(200, json=resource(metadata["name"], b"x" * 8 * 1024 * 1024))

    inserts = answers.post(UPLOADS).mock(side_effect=insert)
    composing = answers.post(f"{OBJECTS}/a/compose").respond(404)
    deleting = answers.delete(re.compile(re.escape(OBJECTS))).respond(204)
    async with await driver.open_writer("/a") as writer:
        for _ in range(17):
            await writer.write(bytes(1024 * 1024))
        with pytest.raises(PathNotFound):
            await writer.commit()
    assert inserts.call_count == 3
    assert {call.request.url.params["ifGenerationMatch"] for call in inserts.calls} == {"0"}
    asked = json.loads(composing.calls[0].request.content)
    assert [part["name"].rpartition("/")[2] for part in asked["sourceObjects"]] == [
        "00000000~part",
        "00000001~part",
        "00000002~part",
    ]
    assert {part["generation"] for part in asked["sourceObjects"]} == {"7"}
    assert deleting.call_count == 3


async def test_what_was_composed_has_to_have_the_size_of_its_parts(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    answers.post(UPLOADS).respond(200, json=resource("part", b"x"))
    answers.post(f"{OBJECTS}/a/compose").respond(200, json=resource("a", generation="9"))
    answers.delete(re.compile(re.escape(f"{OBJECTS}/a~parts"))).respond(204)
    undone = answers.delete(f"{OBJECTS}/a", params={"ifGenerationMatch": "9"}).respond(204)
    async with await driver.open_writer("/a") as writer:
        for _ in range(9):
            await writer.write(bytes(1024 * 1024))
        with pytest.raises(DriverUnavailable, match="differ from the parts"):
            await writer.commit()
    assert undone.call_count == 1


# Listings.


async def test_a_listing_goes_on_with_its_token(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    route = answers.get(OBJECTS)
    route.side_effect = [
        httpx.Response(
            200,
            json={
                "items": [resource("d/a"), resource("d/b"), resource("d/b~claim")],
                "prefixes": ["d/b-x/"],
                "nextPageToken": "one",
            },
        ),
        httpx.Response(200, json={"nextPageToken": "two"}),
        httpx.Response(200, json={"prefixes": ["d/b/", "d/b~upload/"], "items": [resource("d/c")]}),
    ]
    assert await list_all(driver, "/d", "a") == [
        Entry(name="b", is_directory=True),
        Entry(name="b-x", is_directory=True),
        Entry(name="c", is_directory=False),
    ]
    asked = [call.request.url.params for call in route.calls]
    assert [params.get("pageToken") for params in asked] == [None, "one", "two"]
    assert {(params["prefix"], params["startOffset"]) for params in asked} == {("d/", "d/a")}


async def test_an_upload_of_many_parts_is_counted_over_all_pages(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    parts = [resource(f"a~upload/{number:08}~part", b"x" * number) for number in range(4)]
    answers.get(OBJECTS).side_effect = [
        httpx.Response(200, json={"items": parts[:2], "nextPageToken": "one"}),
        httpx.Response(200, json={"items": parts[2:]}),
    ]
    assert (await driver.stat_upload("/a")).size == 6


# Content.


class Sent(httpx.AsyncByteStream):
    """A body as it is on the wire; others are unpacked before the driver sees them."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


def media(content: bytes, **headers: str) -> httpx.Response:
    told = {"X-Goog-Generation": "7", "Content-Length": str(len(content)), **headers}
    return httpx.Response(200, stream=Sent(content), headers=told)


async def test_content_is_not_unpacked_on_its_way(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    packed = b"\x1f\x8b as it was stored"
    headers = {"Content-Encoding": "gzip", "X-Goog-Stored-Content-Encoding": "gzip"}
    route = answers.get(f"{OBJECTS}/a", params=MEDIA).mock(return_value=media(packed, **headers))
    assert await driver.get("/a") == packed
    assert route.calls[0].request.headers["Accept-Encoding"] == "gzip"


async def test_content_that_the_store_has_packed_is_refused(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    headers = {"Content-Encoding": "gzip", "X-Goog-Stored-Content-Encoding": "identity"}
    answers.get(f"{OBJECTS}/a", params=MEDIA).mock(return_value=media(b"\x1f\x8b", **headers))
    with pytest.raises(DriverUnavailable, match="encoding gzip"):
        await driver.get("/a")


async def test_a_short_body_is_not_the_end_of_a_file(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    headers = {"X-Goog-Generation": "7", "Content-Length": "7"}
    rest = {"X-Goog-Generation": "7", "Content-Range": "bytes 4-6/7"}
    route = answers.get(f"{OBJECTS}/a")
    route.side_effect = [
        httpx.Response(200, stream=Sent(b"cont"), headers=headers),
        httpx.Response(206, content=b"ent", headers=rest),
    ]
    assert await read_all(driver, "/a") == b"content"
    assert route.calls[1].request.headers["Range"] == "bytes=4-6"
    assert route.calls[1].request.url.params["generation"] == "7"


async def test_a_store_that_takes_no_heed_of_ranges_is_refused(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    answers.get(f"{OBJECTS}/a").mock(return_value=media(b"content"))
    with pytest.raises(DriverUnavailable, match="does not tell the size"):
        await read_all(driver, "/a", 3)
