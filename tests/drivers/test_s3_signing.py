"""Signatures, compared with those that the library for AWS makes of the same requests."""

import hashlib
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from aiobotocore.credentials import AioCredentials
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from core.drivers.s3.place import Place
from core.drivers.s3.signing import Signer, encode_query

__all__: list[str] = []

NOW = datetime(2026, 11, 27, 3, 4, 5, tzinfo=UTC)
PLACE = Place(scheme="http", host="127.0.0.1:8333", root="/bucket", region="eu-central-1")
TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "get_current_datetime", lambda **_: NOW.replace(tzinfo=None))


class _KnownDigest(auth.S3SigV4Auth):
    digest = ""

    def payload(self, request: AWSRequest) -> str:
        return self.digest


def expected_authorization(
    method: str, url: str, headers: dict[str, str], token: str | None
) -> str:
    """Return what the library sends for a request, whose headers tell its digest."""
    request = AWSRequest(method=method, url=url, headers=dict(headers))
    request.context["payload_signing_enabled"] = True
    digest = headers["x-amz-content-sha256"]
    signer = _KnownDigest(Credentials("AK", "secret", token), "s3", PLACE.region)
    signer.digest = digest
    signer.add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("token", [None, "a/token+=="])
@pytest.mark.parametrize(
    ("method", "key", "query", "headers"),
    [
        ("GET", "docker/registry/v2/blobs/data", {}, {}),
        ("PUT", "a/~tail", {}, {"if-none-match": "*", "content-md5": "YWJj"}),
        ("GET", "", {"uploads": "", "prefix": "a b/+", "key-marker": "ä&=%"}, {}),
        ("PUT", "x", {"uploadId": "a/b", "partNumber": "7"}, {"range": "bytes=0-1"}),
        ("DELETE", "space d+%/ü~.-_", {}, {"if-match": '"etag"'}),
        ("PUT", "x", {}, {"x-amz-copy-source": "bucket/a%20b", "x-amz-storage-class": " two  "}),
    ],
)
async def test_a_request_is_signed_as_the_library_signs_it(
    method: str, key: str, query: dict[str, str], headers: dict[str, str], token: str | None
) -> None:
    headers = {**headers, "host": PLACE.host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    path, encoded = PLACE.path(key), encode_query(query)
    expected = expected_authorization(
        method, f"{PLACE.scheme}://{PLACE.host}{path}?{encoded}", headers, token
    )
    signed = dict(headers)
    signer = Signer(AioCredentials("AK", "secret", token), PLACE.region)
    await signer.sign(method, path, encoded, signed, NOW.timestamp())
    assert signed["authorization"] == expected
    assert signed.get("x-amz-security-token") == token


@given(key=TEXTS, name=TEXTS, value=TEXTS, content=st.binary(max_size=20))
async def test_whatever_is_sent_the_signatures_are_the_same(
    key: str, name: str, value: str, content: bytes
) -> None:
    digest = hashlib.sha256(content).hexdigest()
    headers = {"host": PLACE.host, "x-amz-content-sha256": digest}
    path, encoded = PLACE.path(key), encode_query({name: value, "list-type": "2"})
    expected = expected_authorization("PUT", f"http://{PLACE.host}{path}?{encoded}", headers, None)
    signer = Signer(AioCredentials("AK", "secret"), PLACE.region)
    await signer.sign("PUT", path, encoded, headers, NOW.timestamp())
    assert headers["authorization"] == expected


@pytest.mark.parametrize("token", [None, "a/token+=="])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_address_is_signed_as_the_library_signs_it(method: str, token: str | None) -> None:
    path = PLACE.path("docker/a b")
    request = AWSRequest(method=method, url=f"http://{PLACE.host}{path}")
    credentials = Credentials("AK", "secret", token)
    auth.S3SigV4QueryAuth(credentials, "s3", PLACE.region, expires=60).add_auth(request)
    signer = Signer(AioCredentials("AK", "secret", token), PLACE.region)
    query = await signer.presign(method, PLACE.host, path, 60, NOW.timestamp())
    assert parse_qs(query) == parse_qs(urlsplit(str(request.url)).query)
