"""Programs of today push and pull signed images of schema 1, and the incumbent shares them."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydantic_core import from_json

from core.manifest.schema1 import split
from tests.clients.images import LayoutImage, build_image
from tests.clients.incumbent import collect_garbage, running_incumbent
from tests.clients.programs import ProgramFailed, Programs
from tests.clients.pushing import connected, push_blob
from tests.live import Service, running_registry
from tests.manifest.schema1.signing import image as old_image
from tests.manifest.schema1.signing import sign

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]

SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
_INSECURE = "--tls-verify=false"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schema1") / "store"


@pytest.fixture(scope="module")
def converting(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("converting")
    with running_registry(folder, root=store, MOORAGE_MANIFESTS__SCHEMA1="convert") as service:
        yield service


@pytest.fixture
def ours(converting: Service) -> Iterator[httpx.Client]:
    with connected(converting.url) as client:
        yield client


def diff_ids(programs: Programs, reference: str) -> list[str]:
    """The digests of what the layers of an image unpack to, wherever it is."""
    shown = from_json(programs.skopeo("inspect", _INSECURE, "--config", reference))
    ids: list[str] = shown["rootfs"]["diff_ids"]
    return ids


def test_skopeo_pushes_a_signed_image_and_pulls_it_back_in_any_format(
    converting: Service, ours: httpx.Client, team: str, programs: Programs
) -> None:
    image = build_image(programs)
    name = f"docker://{converting.host}/{team}/image:old"
    programs.copy(image.reference, name, "--format", "v2s1")
    url = f"/v2/{team}/image/manifests/old"
    served = ours.get(url, headers={"Accept": SIGNED})
    assert served.headers["Content-Type"] == SIGNED
    signed = split(served.content)
    assert list(signed.faults()) == []
    digest = f"sha256:{hashlib.sha256(signed.payload).hexdigest()}"
    assert served.headers["Docker-Content-Digest"] == digest
    assert ours.get(url).content == served.content
    # As it is, converted by skopeo, and converted here.
    folder = programs.folder / "pulled"
    programs.copy(name, f"dir:{folder}")
    assert split((folder / "manifest.json").read_bytes()).payload == signed.payload
    expected = diff_ids(programs, image.reference)
    by_skopeo = LayoutImage(layout=programs.folder / "by-skopeo", tag="v1")
    programs.copy(name, by_skopeo.reference)
    assert diff_ids(programs, by_skopeo.reference) == expected
    converted = ours.get(url, headers={"Accept": OCI})
    assert converted.headers["Content-Type"] == OCI
    by_us = LayoutImage(layout=programs.folder / "by-us", tag="v1")
    fixed = converted.headers["Docker-Content-Digest"]
    programs.copy(f"docker://{converting.host}/{team}/image@{fixed}", by_us.reference)
    assert by_us.digest == fixed
    assert diff_ids(programs, by_us.reference) == expected
    configs = [
        from_json(programs.skopeo("inspect", "--raw", "--config", one.reference))
        for one in (by_us, by_skopeo)
    ]
    assert configs[0] == configs[1]


@pytest.mark.parametrize("version", ["1.6.0", "1.10.3"])
def test_an_image_of_an_old_docker_is_converted_to_the_configuration_that_skopeo_makes(
    converting: Service, ours: httpx.Client, team: str, programs: Programs, version: str
) -> None:
    name = f"{team}/old"
    layer = push_blob(ours, name, gzip.compress(bytes(1024), mtime=0))
    config = {
        "id": "a" * 64,
        "docker_version": version,
        "architecture": "amd64",
        "os": "linux",
        "created": "2015-04-01T10:00:00.1200Z",
        "Size": 0,
        "checksum": "x",
        "author": "me",
        "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) CMD"], "CpuShares": 0},
        "config": {"Env": ["A=<b>"], "Memory": 0, "Cmd": ["sh"], "Labels": {"b": "", "a": ""}},
    }
    payload = old_image(
        3,
        name=name,
        tag=version,
        fsLayers=[{"blobSum": layer["digest"]}],
        history=[{"v1Compatibility": json.dumps(config)}],
    )
    url = f"/v2/{name}/manifests/{version}"
    pushed = ours.put(url, content=sign(payload), headers={"Content-Type": SIGNED})
    assert pushed.status_code == 201, pushed.text
    folder = programs.folder / "by-skopeo"
    source = f"docker://{converting.host}/{name}:{version}"
    programs.copy(source, f"dir:{folder}", "--format", "v2s2")
    by_skopeo = from_json((folder / "manifest.json").read_bytes())["config"]["digest"]
    converted = ours.get(url, headers={"Accept": DOCKER}).json()["config"]["digest"]
    assert converted == by_skopeo
    assert (
        ours.get(f"/v2/{name}/blobs/{converted}").content
        == (folder / by_skopeo.removeprefix("sha256:")).read_bytes()
    )


@pytest.mark.needs("podman", "crun")
def test_podman_pushes_a_signed_image_and_pulls_it_back(
    converting: Service, ours: httpx.Client, team: str, programs: Programs
) -> None:
    image = build_image(programs)
    programs.copy(image.reference, f"docker://{converting.host}/{team}/image:new")
    new, old = (f"{converting.host}/{team}/image:{tag}" for tag in ("new", "old"))
    programs.podman("pull", "--quiet", _INSECURE, new)
    programs.podman("tag", new, old)
    programs.podman("push", "--quiet", _INSECURE, "--format", "v2s1", old)
    served = ours.get(f"/v2/{team}/image/manifests/old")
    assert served.headers["Content-Type"] == SIGNED
    expected = from_json(programs.podman("image", "inspect", new))[0]["RootFS"]["Layers"]
    programs.podman("rmi", "--all", "--force")
    programs.podman("pull", "--quiet", _INSECURE, old)
    # podman keeps an image of schema 1 as it is, and does not tell what its layers unpack to.
    found = from_json(programs.podman("image", "inspect", old))[0]
    assert len(found["RootFS"]["Layers"]) == len(expected)
    assert found["Digest"] == served.headers["Docker-Content-Digest"]
    converted = ours.get(f"/v2/{team}/image/manifests/old", headers={"Accept": OCI})
    fixed = f"{converting.host}/{team}/image@{converted.headers['Docker-Content-Digest']}"
    programs.podman("rmi", "--all", "--force")
    programs.podman("pull", "--quiet", _INSECURE, fixed)
    assert from_json(programs.podman("image", "inspect", fixed))[0]["RootFS"]["Layers"] == expected


@pytest.mark.needs("docker-registry")
def test_the_incumbent_and_the_registry_serve_each_others_signed_images(
    converting: Service, store: Path, tmp_path: Path, team: str, programs: Programs
) -> None:
    image = build_image(programs)
    with ExitStack() as stack:
        theirs = stack.enter_context(running_incumbent(tmp_path, store))
        services = {"ours": converting, "theirs": theirs}
        clients = {
            name: stack.enter_context(connected(service.url)) for name, service in services.items()
        }
        for giver, service in services.items():
            name = f"docker://{service.host}/{team}/image:{giver}"
            programs.copy(image.reference, name, "--format", "v2s1")
        url = f"/v2/{team}/image/manifests"
        for tag in services:
            answers = {taker: client.get(f"{url}/{tag}") for taker, client in clients.items()}
            payloads = {taker: split(answer.content) for taker, answer in answers.items()}
            assert payloads["ours"].payload == payloads["theirs"].payload
            for taker, answer in answers.items():
                assert list(payloads[taker].faults()) == []
                digest = f"sha256:{hashlib.sha256(payloads[taker].payload).hexdigest()}"
                assert answer.headers["Docker-Content-Digest"] == digest
                assert answer.headers["Content-Type"] == SIGNED
                assert clients[taker].get(f"{url}/{digest}").status_code == 200
        # What theirs keeps has no signature. Ours signs it with the same bytes each time.
        bodies = {clients["ours"].get(f"{url}/theirs").content for _ in range(3)}
        assert len(bodies) == 1


@pytest.mark.needs("docker-registry")
def test_the_incumbent_and_the_registry_convert_an_image_to_the_same_payload(
    converting: Service, store: Path, tmp_path: Path, team: str, programs: Programs
) -> None:
    image = build_image(programs)
    name = f"docker://{converting.host}/{team}/image:new"
    programs.copy(image.reference, name, "--format", "v2s2")
    url = f"/v2/{team}/image/manifests/new"
    with (
        running_incumbent(tmp_path, store) as service,
        connected(service.url) as theirs,
        connected(converting.url) as ours,
    ):
        answers = [client.get(url, headers={"Accept": SIGNED}) for client in (ours, theirs)]
        signed = [split(answer.content) for answer in answers]
        assert signed[0].payload == signed[1].payload
        kept = ("Content-Type", "Docker-Content-Digest", "ETag")
        assert [answers[0].headers[one] for one in kept] == [
            answers[1].headers[one] for one in kept
        ]
        for layer in from_json(signed[0].payload)["fsLayers"]:
            assert ours.head(f"/v2/{team}/image/blobs/{layer['blobSum']}").status_code == 200


def test_a_push_that_is_refused_says_which_setting_it_is(
    registry: Service, team: str, programs: Programs
) -> None:
    image = build_image(programs)
    with pytest.raises(ProgramFailed, match=r"manifests\.schema1"):
        programs.copy(
            image.reference, f"docker://{registry.host}/{team}/image:1", "--format", "v2s1"
        )


@pytest.mark.needs("docker-registry")
@pytest.mark.parametrize("flags", [(), ("--delete-untagged",)], ids=["tagged", "all"])
def test_garbage_collection_of_the_incumbent_takes_signatures_and_nothing_else(
    tmp_path: Path, programs: Programs, flags: tuple[str, ...]
) -> None:
    image = build_image(programs)
    root = tmp_path / "store"
    with (
        running_registry(tmp_path, root=root, MOORAGE_MANIFESTS__SCHEMA1="convert") as service,
        connected(service.url) as client,
    ):
        for tag, form in (("old", "v2s1"), ("new", "v2s2")):
            name = f"docker://{service.host}/team/image:{tag}"
            programs.copy(image.reference, name, "--format", form)
        pulls = [("old", SIGNED), ("old", OCI), ("new", SIGNED)]

        def pull(tag: str, accept: str) -> httpx.Response:
            answer = client.get(f"/v2/team/image/manifests/{tag}", headers={"Accept": accept})
            assert answer.status_code == 200, answer.text
            return answer

        before = [pull(*one) for one in pulls]
        collect_garbage(tmp_path, root, *flags)
        after = [pull(*one) for one in pulls]
        digests = [
            [answer.headers["Docker-Content-Digest"] for answer in answers]
            for answers in (before, after)
        ]
        assert digests[0] == digests[1]
        assert [answer.content for answer in before[1:]] == [answer.content for answer in after[1:]]
        keys = [
            {signature.key.key_id for signature in split(answer.content).signatures}
            for answer in (before[0], after[0], after[2])
        ]
        assert keys[0] != keys[1] == keys[2]
        for answer in after:
            document = from_json(answer.content)
            blobs = [layer["digest"] for layer in document.get("layers", ())]
            blobs += [layer["blobSum"] for layer in document.get("fsLayers", ())]
            for digest in blobs:
                assert client.get(f"/v2/team/image/blobs/{digest}").status_code == 200
