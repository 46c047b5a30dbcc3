"""Several nodes on one store, with nginx in front of them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import boto3
import httpx

from core.drivers.s3.keys import CLAIM
from tests.clients.pushing import connected
from tests.live import Service, running_registry, wait_for_claim
from tests.servers.nginx import running_nginx
from tests.servers.seaweedfs import running_seaweedfs

__all__ = ["STORES", "Cluster", "SharedStore", "running_cluster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStore:
    """An empty store for several nodes.

    Attributes:
        settings: of each node.
        wait_for_claim: waits until some node has claimed the upload of a location.
    """

    settings: Mapping[str, str]
    wait_for_claim: Callable[[str], None]


@contextmanager
def _filesystem(folder: Path) -> Iterator[SharedStore]:
    root = folder / "store"
    yield SharedStore(
        settings={
            "MOORAGE_STORAGE__DRIVER": "filesystem",
            "MOORAGE_STORAGE__FILESYSTEM__ROOT": str(root),
        },
        wait_for_claim=partial(wait_for_claim, root),
    )


@contextmanager
def _seaweedfs(folder: Path) -> Iterator[SharedStore]:
    directory = folder / "seaweedfs"
    directory.mkdir()
    with running_seaweedfs(directory) as server:
        table = {name: str(value) for name, value in server.settings().items()}
        settings = {f"MOORAGE_STORAGE__S3__{name.upper()}": value for name, value in table.items()}
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint_url,
            region_name=table["region"],
            aws_access_key_id=server.access_key_id,
            aws_secret_access_key=server.secret_access_key,
        )
        try:
            yield SharedStore(
                settings={**settings, "MOORAGE_STORAGE__DRIVER": "s3"},
                wait_for_claim=partial(
                    _wait_for_object,
                    lambda key: client.list_objects_v2(Bucket=server.bucket, Prefix=key)[
                        "KeyCount"
                    ],
                ),
            )
        finally:
            client.close()


def _wait_for_object(count: Callable[[str], int], location: str) -> None:
    upload = httpx.URL(location).path.removeprefix("/v2/").replace("/blobs/uploads/", "/_uploads/")
    key = f"docker/registry/v2/repositories/{upload}/data{CLAIM}"
    deadline = time.monotonic() + 10
    while count(key) == 0:
        assert time.monotonic() < deadline, key
        time.sleep(0.05)


STORES: Mapping[str, Callable[[Path], AbstractContextManager[SharedStore]]] = {
    "filesystem": _filesystem,
    "seaweedfs": _seaweedfs,
}
"""What makes a store of each kind that several nodes may share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Two nodes, and nginx in front of them.

    Attributes:
        port: of nginx.
        store: that the nodes share.
        nodes: the processes.
        clients: of each node, past nginx.
        proxied: a client of nginx.
    """

    port: int
    store: SharedStore
    nodes: tuple[Service, Service]
    clients: tuple[httpx.Client, httpx.Client]
    proxied: httpx.Client

    @property
    def host(self) -> str:
        """Nginx's address, as image names begin with it."""
        return f"127.0.0.1:{self.port}"

    def find_server(self, answer: httpx.Response) -> int:
        """Tell which node made an answer, by the access lines of the nodes."""
        request_id = answer.headers["X-Request-Id"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for number, node in enumerate(self.nodes):
                # A node that was killed may have left half a line.
                if f'"request_id": "{request_id}"' in node.log_file.read_text():
                    return number
            time.sleep(0.02)
        raise AssertionError(f"no node has logged {request_id}")


@contextmanager
def running_cluster(
    folder: Path, store: SharedStore, *, locations: str = "relative"
) -> Iterator[Cluster]:
    """Run two nodes on a store and nginx in front of them until the block ends."""
    variables = {
        **store.settings,
        "MOORAGE_SERVER__TRUSTED_PROXIES": "127.0.0.1",
        "MOORAGE_SERVER__LOCATIONS": locations,
    }
    # The flag wins over the variable, and is of no meaning to another driver.
    root = Path(store.settings.get("MOORAGE_STORAGE__FILESYSTEM__ROOT", folder / "unused"))
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(running_registry(folder, root=root, name=name, **variables))
            for name in ("one", "two")
        )
        port = stack.enter_context(running_nginx(folder / "nginx", (one.port, two.port)))
        urls = (one.url, two.url, f"http://127.0.0.1:{port}")
        first, second, proxied = (stack.enter_context(connected(url)) for url in urls)
        for client in (first, second, proxied):
            # A bucket gives blobs itself.
            client.follow_redirects = True
        yield Cluster(
            port=port, store=store, nodes=(one, two), clients=(first, second), proxied=proxied
        )
