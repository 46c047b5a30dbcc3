"""podman pulls, tags, pushes, builds and searches."""

import pytest
from pydantic_core import from_json

from tests.clients.images import build_image, random_bytes
from tests.clients.programs import Programs
from tests.clients.traffic import watching
from tests.live import Service

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("podman", "crun", "skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]

_INSECURE = "--tls-verify=false"


def test_an_image_of_another_program_is_pulled_tagged_and_pushed(
    registry: Service, team: str, programs: Programs
) -> None:
    image = build_image(programs)
    first = f"{registry.host}/{team}/image:v1"
    second = f"{registry.host}/{team}/renamed:v2"
    programs.copy(image.reference, f"docker://{first}")
    programs.podman("pull", "--quiet", _INSECURE, first)
    programs.podman("tag", first, second)
    programs.podman("push", "--quiet", _INSECURE, second)
    # podman writes the manifest anew, without the line feed at its end.
    assert programs.inspect(f"docker://{second}", "--raw") == image.manifest


def test_an_image_that_podman_built_keeps_its_digest_from_name_to_name(
    registry: Service, team: str, programs: Programs
) -> None:
    (programs.folder / "program").write_bytes(random_bytes(1 << 20))
    (programs.folder / "Containerfile").write_text(
        'FROM scratch\nCOPY program /program\nLABEL a=b\nCMD ["/program"]\n'
    )
    first = f"{registry.host}/{team}/built:1"
    second = f"{registry.host}/{team}/renamed:2"
    programs.podman("build", "--isolation", "chroot", "-t", first, "-f", "Containerfile", ".")
    digest = _push(programs, first)
    programs.podman("rmi", "--all", "--force")
    programs.podman("pull", "--quiet", _INSECURE, first)
    shown = programs.podman("image", "inspect", first)
    (inspected,) = from_json(shown)
    assert (inspected["Digest"], inspected["Labels"]["a"]) == (digest, "b")
    programs.podman("tag", first, second)
    assert _push(programs, second) == digest
    assert programs.digest(f"docker://{second}") == digest


def _push(programs: Programs, name: str) -> str:
    written = programs.folder / "pushed-digest"
    programs.podman(
        *("push", "--quiet", _INSECURE, "--format", "oci", "--digestfile", written), name
    )
    return written.read_text().strip()


def test_repositories_are_found_by_searching(
    registry: Service, team: str, programs: Programs
) -> None:
    image = build_image(programs, layers=[{"a": b"a"}])
    for name in (f"{team}/one", f"{team}/two", "elsewhere/three"):
        programs.copy(image.reference, f"docker://{registry.host}/{name}:v1")
    with watching(registry) as seen:
        found = programs.podman(
            "search", _INSECURE, "--format", "{{.Name}}", f"{registry.host}/{team}"
        )
    assert sorted(found.split()) == [f"{registry.host}/{team}/{name}" for name in ("one", "two")]
    assert any(request.path == "/v2/_catalog" and request.status == 200 for request in seen)


def test_tags_are_listed_by_searching(registry: Service, team: str, programs: Programs) -> None:
    image = build_image(programs, layers=[{"a": b"a"}])
    repository = f"{registry.host}/{team}/image"
    for tag in ("v1", "v2"):
        programs.copy(image.reference, f"docker://{repository}:{tag}")
    listed = programs.podman(*("search", _INSECURE, "--list-tags", "--format", "json"), repository)
    (found,) = from_json(listed)
    assert (found["Name"], found["Tags"]) == (repository, ["v1", "v2"])
