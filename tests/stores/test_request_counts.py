"""What the registry asks of its store, as the pages of the drivers tell it.

With WRITE_TABLES=1 in the environment the tables in the pages are written anew first.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from azure.storage.blob import ContainerClient

from tests.live import running_registry
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.servers.gcs import make_bucket
from tests.servers.seaweedfs import S3Server
from tests.servers.weather import Seen, running_weather
from tests.service.running import REPOSITORY
from tests.stores.counting import (
    Counting,
    Counts,
    Kind,
    count_redirect,
    count_requests,
    render_table,
)
from tests.stores.environment import azure_environment, gcs_environment, s3_environment

__all__: list[str] = []

_TABLE = re.compile(r"(?<=<!-- requests -->\n).*?(?=<!-- end of requests -->)", re.DOTALL)


def _s3_kind(seen: Seen) -> str:
    _, _, query = seen.target.partition("?")
    if seen.method == "DELETE" or query.startswith("delete"):
        return "deletes"
    if seen.method in {"PUT", "POST"}:
        return "writes"
    is_list = "list-type" in query or "uploads" in query or "uploadId" in query
    return "lists" if is_list else "reads"


def _azure_kind(seen: Seen) -> str:
    if seen.method == "DELETE":
        return "deletes"
    if seen.method in {"PUT", "POST"}:
        return "writes"
    return "lists" if "comp=list" in seen.target or "comp=blocklist" in seen.target else "reads"


def _gcs_kind(seen: Seen) -> str:
    if seen.method == "DELETE":
        return "deletes"
    if seen.method in {"PUT", "POST"}:
        return "writes"
    path, _, _ = seen.target.partition("?")
    return "lists" if path.endswith("/o") else "reads"


@contextmanager
def _counting(
    folder: Path, store_url: str, kind: Kind, environment: Mapping[str, str], variable: str
) -> Iterator[Counting]:
    with running_weather(store_url) as weather:
        url = environment[variable].replace(store_url, weather.url)
        with (
            running_registry(folder, root=None, **{**environment, variable: url}) as service,
            httpx.Client(base_url=service.url, timeout=30) as client,
        ):
            # The first request opens what later ones use.
            client.get("/v2/c/r/tags/list")
            yield Counting(client=client, weather=weather, kind=kind)


def _assert_documented(name: str, counts: Mapping[str, Counts]) -> None:
    page = REPOSITORY / "docs" / "drivers" / f"{name}.md"
    counted = render_table(counts)
    if os.environ.get("WRITE_TABLES") == "1":
        page.write_text(_TABLE.sub(counted, page.read_text()))
    documented = _TABLE.search(page.read_text())
    assert documented is not None, f"{page.name} has no table of requests"
    assert documented[0] == counted


def test_the_requests_to_s3_are_those_of_its_page(seaweedfs: S3Server, tmp_path: Path) -> None:
    variable = "MOORAGE_STORAGE__S3__ENDPOINT_URL"
    url = seaweedfs.endpoint_url
    through = s3_environment(seaweedfs, root_prefix="counting", redirect="false")
    with _counting(tmp_path, url, _s3_kind, through, variable) as counting:
        counts = count_requests(counting)
    around = s3_environment(seaweedfs, root_prefix="redirecting", redirect="true")
    with _counting(tmp_path, url, _s3_kind, around, variable) as counting:
        _assert_documented("s3", {**counts, **count_redirect(counting)})


@pytest.mark.needs("azurite")
def test_the_requests_to_azure_are_those_of_its_page(azurite: Azurite, tmp_path: Path) -> None:
    with ContainerClient(azurite.endpoint_url, "counting", credential=ACCOUNT_KEY) as client:
        client.create_container()
    variable = "MOORAGE_STORAGE__AZURE__ENDPOINT_URL"
    url = azurite.endpoint_url.removesuffix(f"/{ACCOUNT}")
    through = azure_environment(azurite, container="counting", redirect="false")
    with _counting(tmp_path, url, _azure_kind, through, variable) as counting:
        counts = count_requests(counting)
    around = azure_environment(azurite, container="counting", redirect="true")
    with _counting(tmp_path, url, _azure_kind, around, variable) as counting:
        _assert_documented("azure", {**counts, **count_redirect(counting)})


@pytest.mark.needs("fake-gcs-server")
def test_the_requests_to_gcs_are_those_of_its_page(fake_gcs: str, tmp_path: Path) -> None:
    # Who asks the emulator has no key to sign addresses with, so that nothing is redirected.
    make_bucket(fake_gcs, "registry")
    variable = "MOORAGE_STORAGE__GCS__ENDPOINT_URL"
    environment = gcs_environment(fake_gcs, root_prefix="counting", redirect="false")
    with _counting(tmp_path, fake_gcs, _gcs_kind, environment, variable) as counting:
        _assert_documented("gcs", count_requests(counting))
