"""buildah builds, pushes and pulls images and lists of images."""

from pathlib import Path

import pytest

from tests.clients.images import random_bytes
from tests.clients.programs import Programs
from tests.clients.traffic import watching
from tests.live import Service

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("buildah", "crun", "skopeo", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]

_INSECURE = "--tls-verify=false"


def _build(programs: Programs, name: str, *flags: str) -> None:
    context = programs.folder / "context"
    context.mkdir(exist_ok=True)
    (context / "program").write_bytes(random_bytes(1 << 20))
    (context / "settings").write_bytes(b"a = 1\n")
    (context / "id").write_bytes(random_bytes(16))
    (context / "Containerfile").write_text(
        'FROM scratch\nCOPY program /program\nCOPY settings id /etc/\nCMD ["/program"]\n'
    )
    build = ("bud", "--layers", "--isolation", "chroot", "--format", "oci")
    programs.buildah(*build, *flags, "-t", name, "-f", "Containerfile", ".", cwd=context)


def _digest_file(programs: Programs) -> Path:
    return programs.folder / "pushed-digest"


def _push(programs: Programs, name: str, target: str) -> str:
    written = _digest_file(programs)
    programs.buildah("push", _INSECURE, "--digestfile", written, name, f"docker://{target}")
    return written.read_text().strip()


def _stored_digest(programs: Programs, name: str) -> str:
    shown = programs.buildah("images", "--digests", "--format", "{{.Digest}}", name)
    return shown.split()[0]


def test_an_image_that_was_built_is_pushed_and_pulled_again(
    registry: Service, team: str, programs: Programs
) -> None:
    _build(programs, "localhost/built:1")
    target = f"{registry.host}/{team}/built:1"
    digest = _push(programs, "localhost/built:1", target)
    assert programs.digest(f"docker://{target}") == digest
    assert len(programs.inspect(f"docker://{target}")["Layers"]) == 2
    programs.buildah("rmi", "--all", "--force")
    programs.buildah("pull", _INSECURE, f"docker://{target}")
    assert _stored_digest(programs, target) == digest


def test_a_push_of_an_image_that_was_pushed_before_sends_no_blob(
    registry: Service, team: str, programs: Programs
) -> None:
    _build(programs, "localhost/built:1")
    target = f"{registry.host}/{team}/built:1"
    first = _push(programs, "localhost/built:1", target)
    with watching(registry) as seen:
        second = _push(programs, "localhost/built:1", target)
    assert first == second
    assert seen
    assert not [request for request in seen if request.is_upload]


def test_a_list_of_images_for_several_platforms_is_pushed_whole_and_pulled_by_digest(
    registry: Service, team: str, programs: Programs
) -> None:
    parts = {}
    for architecture in ("amd64", "arm64"):
        name = f"localhost/built:{architecture}"
        _build(programs, name, "--arch", architecture)
        parts[architecture] = name
    programs.buildah("manifest", "create", "everywhere", *parts.values())
    target = f"{registry.host}/{team}/everywhere:1"
    written = _digest_file(programs)
    programs.buildah(
        *("manifest", "push", "--all", _INSECURE, "--format", "oci", "--digestfile", written),
        *("everywhere", f"docker://{target}"),
    )
    digest = written.read_text().strip()
    listed = programs.inspect(f"docker://{target}", "--raw")
    assert programs.digest(f"docker://{target}") == digest
    platforms = {part["platform"]["architecture"]: part["digest"] for part in listed["manifests"]}
    assert set(platforms) == {"amd64", "arm64"}

    folder = programs.folder / "pulled"
    by_digest = f"docker://{registry.host}/{team}/everywhere@{digest}"
    programs.copy(by_digest, f"oci:{folder}:1", "--all")
    for part in platforms.values():
        assert (folder / "blobs" / part.replace(":", "/")).exists()
    programs.buildah("rmi", "--all", "--force")
    programs.buildah("pull", _INSECURE, "--arch", "arm64", by_digest)
    shown = programs.buildah(
        "inspect",
        "--type",
        "image",
        "--format",
        "{{.OCIv1.Architecture}}",
        f"{registry.host}/{team}/everywhere@{digest}",
    )
    assert shown.strip() == "arm64"
