"""Where the S3 driver finds its bucket, and as whom it asks, by the library's own rules."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.drivers.s3.connection import S3Connection
from core.drivers.s3.options import S3Options
from core.drivers.s3.place import Place
from core.drivers.s3.transport import Transport
from core.errors import DriverUnavailable

__all__: list[str] = []


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have nothing but what a test sets, and no service that gives credentials."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@asynccontextmanager
async def opened(**settings: object) -> AsyncIterator[tuple[S3Connection, Transport]]:
    """Open a connection to a bucket, of which nothing is asked."""
    keys = {"access_key_id": "AK", "secret_access_key": "secret"}
    options = S3Options(**{"bucket": "the-bucket", **keys, **settings})  # type: ignore[arg-type]
    connection = S3Connection(options)
    async with connection.call("/") as bucket:
        yield connection, bucket._transport
    await connection.aclose()


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        (
            {"region": "eu-west-1"},
            Place(
                scheme="https",
                host="the-bucket.s3.eu-west-1.amazonaws.com",
                root="",
                region="eu-west-1",
            ),
        ),
        (
            {"region": "eu-west-1", "path_style": True},
            Place(
                scheme="https",
                host="s3.eu-west-1.amazonaws.com",
                root="/the-bucket",
                region="eu-west-1",
            ),
        ),
        (
            {"region": "cn-north-1"},
            Place(
                scheme="https",
                host="the-bucket.s3.cn-north-1.amazonaws.com.cn",
                root="",
                region="cn-north-1",
            ),
        ),
        (
            {"region": "us-east-1", "endpoint_url": "http://127.0.0.1:9000", "path_style": True},
            Place(scheme="http", host="127.0.0.1:9000", root="/the-bucket", region="us-east-1"),
        ),
        (
            {"region": "x", "endpoint_url": "https://store.example/s3/", "path_style": True},
            Place(scheme="https", host="store.example", root="/s3/the-bucket", region="x"),
        ),
        (
            {"region": "eu-west-1", "bucket": "dotted.name"},
            Place(
                scheme="https",
                host="s3.eu-west-1.amazonaws.com",
                root="/dotted.name",
                region="eu-west-1",
            ),
        ),
    ],
)
async def test_the_address_of_a_bucket_follows_the_rules(
    settings: dict[str, object], place: Place
) -> None:
    async with opened(**settings) as (_, transport):
        assert transport._place == place


async def test_region_and_credentials_come_from_the_usual_files(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = ap-south-1\n")
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = FROMFILE\naws_secret_access_key = secret\n"
    )
    async with opened(access_key_id="", secret_access_key="") as (connection, transport):
        assert transport._place.host == "the-bucket.s3.ap-south-1.amazonaws.com"
        assert "FROMFILE%2F" in await connection.redirect_url("/a", "GET")


async def test_without_credentials_the_store_is_said_to_be_unavailable() -> None:
    with pytest.raises(DriverUnavailable, match="NoCredentialsError"):
        async with opened(access_key_id="", secret_access_key="", region="eu-west-1"):
            pass


async def test_redirects_lead_to_an_endpoint_of_their_own() -> None:
    async with opened(
        endpoint_url="http://10.0.0.1:9000",
        redirect_endpoint_url="https://cdn.example",
        region="eu-west-1",
        path_style=True,
    ) as (connection, transport):
        assert transport._place.host == "10.0.0.1:9000"
        url = await connection.redirect_url("/a/b", "GET")
        assert url.startswith("https://cdn.example/the-bucket/a/b?")


@pytest.mark.parametrize(("excepted", "expected"), [("", "http://proxy:3128"), ("10.0.0.1", None)])
async def test_requests_go_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, excepted: str, expected: str | None
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", excepted)
    settings = {"endpoint_url": "http://10.0.0.1:9000", "region": "x"}
    async with opened(**settings) as (_, transport):
        proxy = transport._pool._proxy
        assert (proxy and f"http://{proxy.host}:{proxy.port}") == expected
