"""Purging and copying on real object stores, by the commands and by the service itself."""

import json
import subprocess
import sys
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from core.drivers import StorageDriver, create_driver
from core.storage import Registry, RepositoryName, paths
from tests.clients.images import random_bytes
from tests.live import running_registry
from tests.service.running import clean_environment
from tests.storage.pushing import all_files, image, push_image
from tests.stores.conftest import ObjectStore

__all__: list[str] = []

pytestmark = pytest.mark.timeout(90)

MIB = 1024 * 1024
_TEAM = RepositoryName("team/app")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_purge_ends_what_clients_left_and_tells_its_bytes(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    object_store.write_settings(tmp_path / "moorage.toml")
    with (
        running_registry(tmp_path, root=None, **object_store.variables) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        empty, large, small = (
            _begin(client, random_bytes(size)) for size in (0, 11 * MIB, 300_000)
        )
        sizes = {empty: 0, large: 11 * MIB, small: 300_000}
        anyio.run(_forget_start, object_store.make_driver(tmp_path), small)

        listed = json.loads(run(tmp_path, "uploads", "list", "--json").stdout)["uploads"]
        assert {found["id"]: found["size"] for found in listed} == sizes
        assert {found["id"]: found["state"] for found in listed} == {
            empty: "open",
            large: "open",
            small: "broken",
        }

        tried = _purge(tmp_path, "--dry-run")
        assert (tried["removed"], tried["freed_bytes"]) == (3, sum(sizes.values()))
        left = client.get(f"/v2/{_TEAM}/blobs/uploads/{large}")
        assert left.headers["Range"] == f"0-{11 * MIB - 1}"

        purged = _purge(tmp_path)
        assert (purged["removed"], purged["freed_bytes"]) == (3, sum(sizes.values()))
        assert (purged["busy"], purged["failures"]) == (0, [])
        for upload in sizes:
            gone = client.patch(f"/v2/{_TEAM}/blobs/uploads/{upload}", content=b"more")
            assert gone.status_code == 404
    anyio.run(_assert_nothing_is_stored, object_store.make_driver(tmp_path))


def test_a_purge_ends_what_a_writer_left_that_died(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    object_store.write_settings(tmp_path / "moorage.toml")
    lines = [
        "import anyio, os, sys",
        "from pathlib import Path",
        "from api.settings import load_storage_settings",
        "from core.drivers import create_driver",
        "async def main():",
        "    settings = load_storage_settings(Path('moorage.toml'))",
        "    driver = create_driver(settings.driver, settings.driver_options())",
        "    writer = await driver.open_writer('/docker/registry/v2/blobs/sha256/ab/abc/data')",
        "    for _ in range(32): await writer.write(bytes(1024 * 1024))",
        "    async for _ in driver.list_unfinished('/'): pass",
        "    os._exit(0)",
        "anyio.run(main)",
    ]
    died = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=tmp_path,
        env=clean_environment(),
        check=True,
        timeout=30,
    )
    assert died.returncode == 0

    purged = _purge(tmp_path)

    assert purged["failures"] == []
    assert {found["state"] for found in purged["uploads"]} == {"leftover"}
    assert purged["freed_bytes"] >= 5 * MIB
    anyio.run(_assert_nothing_is_stored, object_store.make_driver(tmp_path))


def test_a_store_is_copied_into_a_bucket_and_back(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    for name in ("here", "back"):
        text = f'[storage]\n[storage.filesystem]\nroot = "{name}"\n'
        (tmp_path / f"{name}.toml").write_text(text)
    object_store.write_settings(tmp_path / "there.toml")
    anyio.run(_fill, tmp_path / "here")

    there = _copy(tmp_path, "here", "there")
    assert (there["complete"], there["copied_blobs"], there["faults"]) == (True, 5, [])
    again = _copy(tmp_path, "here", "there")
    assert (again["complete"], again["copied_blobs"], again["present_blobs"]) == (True, 0, 5)
    back = _copy(tmp_path, "there", "back")
    assert (back["complete"], back["copied_blobs"]) == (True, 5)

    assert anyio.run(_files, tmp_path / "back") == anyio.run(_files, tmp_path / "here")


@pytest.mark.slow
def test_two_nodes_on_a_bucket_purge_together_once_in_each_interval(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    seconds = 3
    variables = {**object_store.variables, "MOORAGE_UPLOADS__PURGE_INTERVAL": f"{seconds}s"}
    with (
        running_registry(tmp_path, root=None, name="first", **variables) as first,
        running_registry(tmp_path, root=None, name="second", **variables) as second,
    ):
        first_purge = time.monotonic() + 20
        while not (found := _purges(first.log_lines(), second.log_lines())):
            assert time.monotonic() < first_purge
            time.sleep(0.1)
        time.sleep(3.5 * seconds)
        found = _purges(first.log_lines(), second.log_lines())
    gaps = [(after - before).total_seconds() for before, after in pairwise(found)]
    assert gaps
    # Times are written down before they are logged, by whole seconds in some stores.
    assert min(gaps) >= seconds - 1


def _begin(client: httpx.Client, content: bytes) -> str:
    begun = client.post(f"/v2/{_TEAM}/blobs/uploads/")
    if content:
        added = client.patch(begun.headers["Location"], content=content)
        assert added.status_code == 202, added.text
    return str(begun.headers["Docker-Upload-UUID"])


def _purge(folder: Path, *options: str) -> Any:  # noqa: ANN401 - JSON
    ran = run(folder, "uploads", "purge", "--older-than", "0s", "--json", *options)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def _copy(folder: Path, source: str, destination: str) -> Any:  # noqa: ANN401 - JSON
    ran = run(folder, "copy", f"{source}.toml", f"{destination}.toml", "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def _purges(*logs: list[dict[str, Any]]) -> list[datetime]:
    lines = [line for log in logs for line in log if line["event"] == "uploads purged"]
    return sorted(datetime.fromisoformat(line["timestamp"]) for line in lines)


async def _forget_start(driver: StorageDriver, upload_id: str) -> None:
    await driver.delete(paths.upload_started_at(_TEAM, upload_id))
    await driver.aclose()


async def _assert_nothing_is_stored(driver: StorageDriver) -> None:
    assert await all_files(driver) == {}
    assert [found async for found in driver.list_unfinished("/")] == []
    await driver.aclose()


async def _fill(root: Path) -> None:
    driver = create_driver("filesystem", {"root": root, "durability": "relaxed"})
    for name, layer in (("a", b"a" * 12 * MIB), ("b/c", b"small")):
        await push_image(
            Registry(driver).repository(RepositoryName(name)), image(layer), layer, tags=["v1"]
        )


async def _files(root: Path) -> dict[str, bytes]:
    return await all_files(create_driver("filesystem", {"root": root}))
