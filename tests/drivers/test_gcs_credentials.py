"""Tokens and signed URLs, made with the key of a service account that nobody has heard of."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import respx
from anyio import create_task_group
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from core.drivers import StorageDriver, create_driver
from core.errors import DriverUnavailable
from tests.drivers.gcs_backdoor import gcs_of

__all__: list[str] = []

EMAIL = "registry@project.iam.gserviceaccount.com"
TOKENS = "https://tokens.example/token"
OBJECT = "https://storage.googleapis.com/storage/v1/b/bucket/o/a"
DATE = {"Date": "Fri, 02 Jan 2026 03:04:45 GMT"}
FOUND = {
    "name": "a",
    "size": "1",
    "generation": "7",
    "updated": "2026-01-02T03:04:05Z",
    "timeCreated": "2026-01-02T03:04:05Z",
}


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    pem = private_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    told = {
        "type": "service_account",
        "client_email": EMAIL,
        "private_key": pem.decode("ascii"),
        "private_key_id": "1",
        "token_uri": TOKENS,
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(told))
    return path


@pytest.fixture
def answers() -> Iterator[respx.MockRouter]:
    with respx.mock() as router:
        yield router


@pytest.fixture
async def driver(key_file: Path) -> AsyncIterator[StorageDriver]:
    driver = create_driver("gcs", {"bucket": "bucket", "service_account_file": str(key_file)})
    yield driver
    await driver.aclose()


def token(number: int, seconds: int = 3600) -> httpx.Response:
    return httpx.Response(200, json={"access_token": f"token-{number}", "expires_in": seconds})


# Tokens.


async def test_many_callers_wait_for_one_token(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    def grant(_: httpx.Request) -> httpx.Response:
        time.sleep(0.1)
        return token(1)

    tokens = answers.post(TOKENS).mock(side_effect=grant)
    objects = answers.get(OBJECT).respond(200, json=FOUND, headers=DATE)
    async with create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(driver.stat, "/a")
    assert tokens.call_count == 1
    assert {call.request.headers["Authorization"] for call in objects.calls} == {"Bearer token-1"}


async def test_a_token_is_renewed_before_it_expires(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    tokens = answers.post(TOKENS)
    tokens.side_effect = [token(1, seconds=60), token(2)]
    objects = answers.get(OBJECT).respond(200, json=FOUND, headers=DATE)
    for _ in range(3):
        await driver.stat("/a")
    sent = [call.request.headers["Authorization"] for call in objects.calls]
    assert sent == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]


async def test_a_token_that_is_refused_is_renewed_once(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    tokens = answers.post(TOKENS)
    tokens.side_effect = [token(1), token(2)]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] == "Bearer token-1":
            return httpx.Response(401, json={"error": {"message": "Invalid Credentials"}})
        return httpx.Response(200, json=FOUND, headers=DATE)

    answers.get(OBJECT).mock(side_effect=answer)
    async with create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(driver.stat, "/a")
    assert tokens.call_count == 2
    answers.get(OBJECT).respond(401)
    tokens.side_effect = [token(3)]
    with pytest.raises(DriverUnavailable, match="401"):
        await driver.stat("/a")


async def test_a_key_that_is_refused_is_a_fault_of_the_driver(
    answers: respx.MockRouter, driver: StorageDriver
) -> None:
    answers.post(TOKENS).respond(400, json={"error": "invalid_grant"})
    with pytest.raises(DriverUnavailable, match=r"no access token: .*invalid_grant"):
        await driver.stat("/a")


@pytest.mark.parametrize("content", [None, "no json", "{}"])
async def test_a_key_that_cannot_be_read_is_a_fault_of_the_driver(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    driver = create_driver("gcs", {"bucket": "bucket", "service_account_file": str(path)})
    with pytest.raises(DriverUnavailable, match="no credentials"):
        await driver.stat("/a")
    with pytest.raises(DriverUnavailable, match="no credentials"):
        await driver.redirect_url("/a", "GET")


async def test_the_default_credentials_are_those_of_the_environment(
    answers: respx.MockRouter, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    answers.post(TOKENS).mock(return_value=token(1))
    objects = answers.get(OBJECT).respond(200, json=FOUND, headers=DATE)
    driver = create_driver("gcs", {"bucket": "bucket"})
    await driver.stat("/a")
    assert objects.calls[0].request.headers["Authorization"] == "Bearer token-1"
    assert await driver.redirect_url("/a", "GET") is not None
    await driver.aclose()


# Signed URLs.


def check(url: str, method: str) -> dict[str, str]:
    """Do what the store does with a signed URL, and return its query.

    Raises:
        InvalidSignature: it is not signed for this.
    """
    parts = urlsplit(url)
    query, _, signature = parts.query.rpartition("&X-Goog-Signature=")
    told = dict(parse_qsl(query, strict_parsing=True))
    assert query == "&".join(sorted(query.split("&")))
    canonical = f"{method}\n{parts.path}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = f"{told['X-Goog-Date'][:8]}/auto/storage/goog4_request"
    assert told["X-Goog-Credential"] == f"{EMAIL}/{scope}"
    signed = "\n".join(
        (
            told["X-Goog-Algorithm"],
            told["X-Goog-Date"],
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        )
    )
    private_key().public_key().verify(
        bytes.fromhex(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    return told


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_signed_url_is_good_for_one_method_and_object(
    driver: StorageDriver, method: str
) -> None:
    before = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    url = await driver.redirect_url("/a-b/c_d.e", method)  # type: ignore[arg-type]
    assert url is not None
    assert url.startswith("https://storage.googleapis.com/bucket/a-b/c_d.e?")
    told = check(url, method)
    assert told["X-Goog-Expires"] == "1200"
    assert before <= told["X-Goog-Date"] <= datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with pytest.raises(InvalidSignature):
        check(url, "PUT")
    with pytest.raises(InvalidSignature):
        check(url.replace("c_d.e", "c_d.f"), method)


async def test_clients_are_sent_where_the_settings_say(key_file: Path) -> None:
    driver = create_driver(
        "gcs",
        {
            "bucket": "bucket",
            "root_prefix": "deep",
            "service_account_file": str(key_file),
            "redirect_seconds": 60,
            "redirect_endpoint_url": "https://cache.example:8443/gcs/",
        },
    )
    url = await driver.redirect_url("/a", "GET")
    assert url is not None
    assert url.startswith("https://cache.example:8443/gcs/bucket/deep/a?")
    assert check(url, "GET")["X-Goog-Expires"] == "60"


async def test_without_a_key_or_redirects_there_is_no_signed_url(
    key_file: Path, driver: StorageDriver, answers: respx.MockRouter
) -> None:
    nobody = create_driver("gcs", {"bucket": "bucket", "anonymous": True})
    assert await nobody.redirect_url("/a", "GET") is None
    off = {"bucket": "bucket", "service_account_file": str(key_file), "redirect": False}
    assert await create_driver("gcs", off).redirect_url("/a", "GET") is None
    # Only a user's token: it can ask, and cannot sign.
    user = key_file.with_name("user.json")
    user.write_text(
        json.dumps(
            {
                "type": "authorized_user",
                "client_id": "id",
                "client_secret": "secret",
                "refresh_token": "refresh",
            }
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(user))
        person = create_driver("gcs", {"bucket": "bucket"})
        assert await person.redirect_url("/a", "GET") is None
    assert answers.calls.call_count == 0


async def test_credentials_are_not_asked_for_by_the_constructor(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    driver = create_driver("gcs", {"bucket": "bucket", "service_account_file": str(missing)})
    assert gcs_of(driver)._identity._credentials is None
