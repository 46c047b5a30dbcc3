"""The lines of README.md and docs/clients.md work as printed, where the tests have the program."""

import re
import sys

import pytest

from tests.clients.images import build_image
from tests.clients.programs import Programs
from tests.live import Service
from tests.service.running import REPOSITORY

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]

_README = REPOSITORY / "README.md"
_DOCUMENT = REPOSITORY / "docs" / "clients.md"
_SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_lines_for_skopeo_work(registry: Service, team: str, programs: Programs) -> None:
    image = build_image(programs)
    _run_lines("skopeo", registry, team, programs)
    repository = f"{registry.host}/{team}"
    for name in ("image", "restored/image"):
        assert programs.digest(f"docker://{repository}/{name}:v1") == image.digest
    assert programs.list_tags(f"{repository}/image") == ["v1"]


@pytest.mark.needs("podman", "crun")
def test_the_lines_for_podman_work(registry: Service, team: str, programs: Programs) -> None:
    _run_lines("podman", registry, team, programs)
    assert programs.list_tags(f"{registry.host}/{team}/built") == ["v1", "v2"]


@pytest.mark.needs("buildah", "crun")
def test_the_lines_for_buildah_work(registry: Service, team: str, programs: Programs) -> None:
    _run_lines("buildah", registry, team, programs)
    assert programs.list_tags(f"{registry.host}/{team}/built") == ["v1"]
    listed = programs.inspect(f"docker://{registry.host}/{team}/everywhere:v1", "--raw")
    platforms = [item["platform"]["architecture"] for item in listed["manifests"]]
    assert sorted(platforms) == ["amd64", "arm64"]


def test_the_lines_for_oras_in_python_work(
    registry: Service, team: str, programs: Programs
) -> None:
    (programs.folder / "report.txt").write_text("all is well\n")
    programs.run(sys.executable, "-c", _lines("oras", "python", registry, team))
    assert (programs.folder / "pulled" / "report.txt").read_text() == "all is well\n"


@pytest.mark.needs("podman", "crun")
def test_the_lines_of_the_readme_work(registry: Service, team: str, programs: Programs) -> None:
    text = _README.read_text(encoding="utf-8")
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    (push_and_pull,) = (part for part in section if part.startswith("Push and pull\n"))
    blocks = [block for _, block in _BLOCK.findall(push_and_pull)]
    own, podman, docker, skopeo = blocks
    assert docker.startswith("# docker\n")
    programs.run("bash", "-eu", "-c", _here(own + podman + skopeo, registry, team))
    repository = f"{registry.host}/{team}"
    assert programs.digest(f"docker://{repository}/copy:1.0") == programs.digest(
        f"docker://{repository}/app:1.0"
    )


def _run_lines(title: str, registry: Service, team: str, programs: Programs) -> None:
    programs.run("bash", "-eu", "-c", _lines(title, "sh", registry, team))


def _lines(title: str, language: str, registry: Service, team: str) -> str:
    """Give the lines of a section, for this registry and for repositories of this test."""
    text = _DOCUMENT.read_text(encoding="utf-8")
    section = dict(_SECTION.findall(text))[title]
    lines = "".join(block for kind, block in _BLOCK.findall(section) if kind == language)
    return _here(lines, registry, team)


def _here(lines: str, registry: Service, team: str) -> str:
    assert "127.0.0.1:5000/team" in lines
    return lines.replace("127.0.0.1:5000/team", f"{registry.host}/{team}").replace(
        "127.0.0.1:5000", registry.host
    )
