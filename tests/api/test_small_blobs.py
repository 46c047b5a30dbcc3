"""A small blob that is taken away or replaced between its lookup and its reading."""

import hashlib

import httpx
import pytest

from api.app import create_app
from core.digest import Digest
from core.drivers import MemoryDriver
from core.storage import paths
from tests.faulty import Call, FaultyDriver

__all__: list[str] = []

_BLOB = b"content"
_DIGEST = f"sha256:{hashlib.sha256(_BLOB).hexdigest()}"
_PATH = paths.blob_data(Digest.parse(_DIGEST))


@pytest.mark.parametrize(("replacement", "status"), [(None, 404), (b"longer content", 503)])
async def test_a_small_blob_that_changes_before_it_is_read_is_an_error(
    replacement: bytes | None, status: int
) -> None:
    inner = MemoryDriver()
    driver = FaultyDriver(inner)
    app = create_app(driver=driver)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://t") as client,
    ):
        await client.post(f"/v2/a/blobs/uploads/?digest={_DIGEST}", content=_BLOB)
        assert (await client.get(f"/v2/a/blobs/{_DIGEST}")).content == _BLOB

        async def interfere(call: Call) -> None:
            if (call.method, call.path, call.moment) == ("get", _PATH, "before"):
                await inner.delete(_PATH)
                if replacement is not None:
                    await inner.put(_PATH, replacement)

        driver.on_call = interfere
        answer = await client.get(f"/v2/a/blobs/{_DIGEST}")
    assert answer.status_code == status
    assert "errors" in answer.json()
