"""Programs push and pull through nginx, behind which two nodes share one store."""

from collections.abc import Iterator

import pytest

from tests.clients.images import LayoutImage, build_image, random_bytes
from tests.clients.programs import Programs
from tests.cluster import STORES, Cluster, running_cluster

__all__: list[str] = []

pytestmark = [pytest.mark.clients, pytest.mark.needs("nginx"), pytest.mark.timeout(90)]


@pytest.fixture(scope="module", params=STORES)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("nodes")
    with STORES[request.param](folder) as store, running_cluster(folder, store) as running:
        yield running


@pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json")
def test_skopeo_pushes_and_pulls_through_nginx(
    cluster: Cluster, team: str, programs: Programs
) -> None:
    image = build_image(programs, layers=[{"a": random_bytes(3_000_000)}, {"b": b"b"}])
    name = f"docker://{cluster.host}/{team}/image:v1"
    programs.copy(image.reference, name)
    assert programs.digest(name) == image.digest
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(name, pulled.reference)
    assert pulled.digest == image.digest


@pytest.mark.needs("podman", "crun", "skopeo", "umoci", "/etc/containers/policy.json")
def test_podman_pulls_and_pushes_through_nginx(
    cluster: Cluster, team: str, programs: Programs
) -> None:
    image = build_image(programs)
    first, second = (f"{cluster.host}/{team}/{name}" for name in ("image:v1", "renamed:v2"))
    programs.copy(image.reference, f"docker://{first}")
    programs.podman("pull", "--quiet", "--tls-verify=false", first)
    programs.podman("tag", first, second)
    programs.podman("push", "--quiet", "--tls-verify=false", second)
    assert programs.inspect(f"docker://{second}", "--raw") == image.manifest
