"""How the Azure driver is set up, and where it redirects to."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from anyio import sleep
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from api.settings import Settings
from core.drivers import StorageDriver, create_driver
from core.errors import DriverError, DriverUnavailable
from core.storage import Registry
from tests.contracts.driver import list_names, read_all, write_all
from tests.drivers.azure_backdoor import PART_BYTES, Backdoor, content_of, settings_of
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.storage.pushing import R, push_blob, read_layer

__all__: list[str] = []

pytestmark = pytest.mark.needs("azurite")


@pytest.fixture
def driver(azurite: Azurite) -> StorageDriver:
    return create_driver("azure", settings_of(azurite.endpoint_url))


@pytest.fixture
def backdoor(container: ContainerClient, driver: StorageDriver) -> Backdoor:
    return Backdoor(container, driver)


# Redirects.


async def test_a_redirect_is_good_for_any_range_and_for_a_head_and_for_nothing_else(
    driver: StorageDriver,
) -> None:
    await driver.put("/a/b", b"0123456789")
    await driver.put("/a/c", b"other")
    url = await driver.redirect_url("/a/b", "GET")
    assert url is not None
    async with httpx.AsyncClient() as client:
        whole = await client.get(url)
        assert (whole.status_code, whole.content) == (200, b"0123456789")
        part = await client.get(url, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        assert part.headers["Content-Range"] == "bytes 2-4/10"
        head = await client.head(str(await driver.redirect_url("/a/b", "HEAD")))
        assert (head.status_code, head.headers["Content-Length"]) == (200, "10")
        assert (await client.get(url.replace("/a/b?", "/a/c?"))).status_code == 403
        assert (await client.get(url.replace("sig=", "sig=A"))).status_code == 403
        refused = await client.put(url, content=b"x", headers={"x-ms-blob-type": "BlockBlob"})
        assert refused.status_code == 403
    assert await driver.get("/a/b") == b"0123456789"
    await driver.aclose()


async def test_a_redirect_ends_after_its_time(azurite: Azurite) -> None:
    driver = create_driver("azure", settings_of(azurite.endpoint_url, redirect_seconds=3))
    await driver.put("/a", b"content")
    url = str(await driver.redirect_url("/a", "GET"))
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 200
        await sleep(4.1)
        assert (await client.get(url)).status_code == 403
    await driver.aclose()


async def test_a_redirect_leads_to_the_address_for_clients(azurite: Azurite) -> None:
    settings = settings_of(azurite.endpoint_url, redirect_endpoint_url="https://cdn.example/x/")
    driver = create_driver("azure", settings)
    url = str(await driver.redirect_url("/a", "GET"))
    assert url.startswith(f"https://cdn.example/x/registry/{settings['root_prefix']}/a?")
    assert ACCOUNT_KEY not in url
    await driver.aclose()


async def test_there_is_no_redirect_without_the_key_or_when_it_is_switched_off(
    azurite: Azurite, container: ContainerClient
) -> None:
    token = generate_container_sas(
        ACCOUNT,
        "registry",
        ACCOUNT_KEY,
        permission=ContainerSasPermissions(read=True, write=True, delete=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    settings = settings_of(azurite.endpoint_url, account_key="", sas_token=token)
    for driver in (
        create_driver("azure", settings),
        create_driver("azure", settings_of(azurite.endpoint_url, redirect=False)),
    ):
        content = content_of(3 * PART_BYTES)
        await write_all(driver, "/a", content)
        async with await driver.open_appender("/b", create=True) as writer:
            await writer.write(content)
            await writer.commit()
            await driver.move("/b", "/c")
        assert await read_all(driver, "/c", 5, 70_000) == content[5:70_000]
        assert await driver.get("/a") == content
        assert await driver.redirect_url("/a", "GET") is None
        await driver.delete("/c")
        await driver.aclose()


# Settings.


async def test_a_connection_string_is_enough(azurite: Azurite, container: ContainerClient) -> None:
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={azurite.endpoint_url};"
    )
    driver = create_driver("azure", {"container": "registry", "connection_string": connection})
    await driver.put("/at-the-root/a", b"content")
    assert await driver.get("/at-the-root/a") == b"content"
    assert await driver.redirect_url("/at-the-root/a", "GET") is not None
    await driver.delete("/at-the-root")
    await driver.aclose()


def test_the_settings_are_those_that_the_driver_takes() -> None:
    text = {"container": "c", "account_name": "a", "account_key": ACCOUNT_KEY}
    settings = Settings.model_validate({"storage": {"driver": "azure", "azure": text}})
    options = settings.storage.driver_options()
    assert options["account_key"] == ACCOUNT_KEY
    assert create_driver("azure", options).flat
    assert ACCOUNT_KEY not in repr(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"container": "c"},
        {"container": "c", "account_name": "a"},
        {"container": "c", "account_key": ACCOUNT_KEY},
        {"container": "c", "connection_string": "nonsense"},
        {"account_name": "a", "account_key": ACCOUNT_KEY},
    ],
)
def test_incomplete_credentials_are_refused_at_once(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"azure|onnection string|container"):
        create_driver("azure", settings)


async def test_a_missing_container_is_no_missing_file(
    azurite: Azurite, container: ContainerClient
) -> None:
    driver = create_driver("azure", settings_of(azurite.endpoint_url, container="missing"))
    calls = [
        driver.get("/a"),
        driver.put("/a", b""),
        driver.stat("/a"),
        driver.delete("/a"),
        driver.open_appender("/a"),
        driver.open_reader("/a", 0, 0),
        list_names(driver, "/"),
    ]
    for call in calls:
        with pytest.raises(DriverError) as caught:
            await call
        assert isinstance(caught.value, DriverUnavailable), caught.value
    await driver.aclose()


async def test_the_registry_pushes_and_pulls_over_it(
    driver: StorageDriver, backdoor: Backdoor, container: ContainerClient
) -> None:
    content = content_of(3 * PART_BYTES + 1)
    repository = Registry(driver).repository(R)
    digest = await push_blob(repository, content)
    assert await read_layer(repository, digest) == content
    path = f"/docker/registry/v2/blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data"
    assert backdoor.read(path) == content
    assert not any("_uploads" in stored for stored in backdoor.paths())
    await driver.aclose()
