"""The steps of docs/access.md work as printed, one after the other."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.guarded import run_moorage
from tests.clients.images import LayoutImage, build_image
from tests.clients.programs import ProgramFailed, Programs
from tests.live import running_registry
from tests.servers.issuer import Issuer, running_issuer
from tests.service.running import REPOSITORY, Service

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(120),
]

_PAGE = REPOSITORY / "docs" / "access.md"
_SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_AUDIENCE = "https://registry.example.com"
_GITHUB = "https://token.actions.githubusercontent.com"


def _blocks(title: str, language: str) -> list[str]:
    sections = dict(_SECTION.findall(_PAGE.read_text(encoding="utf-8")))
    return [text for kind, text in _BLOCK.findall(sections[title]) if kind == language]


def _settings(*titles: str) -> str:
    return "\n".join(block for title in titles for block in _blocks(title, "toml"))


class _Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path, programs: Programs) -> None:
        self.file = folder / "moorage.toml"
        self.programs = programs
        self.service: Service | None = None

    def write(self, text: str) -> None:
        text = text.replace('"users"', f'"{self.file.parent}/users"')
        self.file.write_text(text, encoding="utf-8")

    def enter(self, lines: str, **variables: str) -> str:
        """Enter lines of the page into a shell."""
        assert self.service is not None or "127.0.0.1:5000" not in lines
        if self.service is not None:
            lines = lines.replace("127.0.0.1:5000", self.service.host)
        # The page has no need of a policy about signatures, which other machines may have.
        lines = lines.replace("skopeo ", "skopeo --insecure-policy ")
        lines = lines.replace("oci:image:", f"oci:{self.programs.folder}/layout:")
        given = "".join(f"{name}='{value}'\n" for name, value in variables.items())
        return self.programs.run("bash", "-eu", "-o", "pipefail", "-c", given + lines)

    def moorage(self, lines: str) -> str:
        """Run commands of the page that are moorage's own, and return what they print."""
        printed = ""
        for line in lines.strip().splitlines():
            entered, _, command = line.rpartition(" | ")
            words = [word.strip("'\"") for word in command.split()]
            assert words[0] == "moorage"
            said = entered.removeprefix('echo "').removesuffix('"')
            printed += run_moorage(self.file, *words[1:], entered=f"{said}\n" if entered else "")
        return printed


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


def test_the_steps_from_a_password_to_a_job_without_a_secret_work(
    tmp_path: Path, programs: Programs, issuer: Issuer
) -> None:
    team, world, releases = (
        "A password for my team",
        "The world pulls, one team pushes",
        "Releases that never move",
    )
    robot, job = "A robot for a machine", "GitHub Actions pushes without a secret"
    image = build_image(programs)
    reader = _Reader(tmp_path, programs)
    reader.write(_settings(team))
    users, serve, log_in = _blocks(team, "sh")
    assert reader.moorage(users).split() == ["ann", "bob"]
    assert serve == "moorage serve\n"
    federation = _settings(job).replace(_GITHUB, issuer.url)
    # Rules apply while the service runs; who is trusted to vouch for jobs is known at its start.
    reader.write(_settings(team) + federation)
    with running_registry(
        tmp_path, root=tmp_path / "data", MOORAGE_CONFIG=str(reader.file)
    ) as service:
        reader.service = service
        reader.enter(log_in)
        reader.write(_settings(team, world, releases) + federation)
        explain, see = _blocks(world, "sh")
        assert reader.moorage(explain).count("allowed: the rule at ") == 2
        service.wait_for_log("rules changed")
        reader.enter(see)
        _try_releases(reader, service, image)
        _try_robot(reader, *_blocks(robot, "sh"))
        token = issuer.token(
            aud=_AUDIENCE,
            repository="acme/app",
            repository_owner_id="1234567",
            ref="refs/heads/main",
            event_name="push",
        )
        (with_skopeo,) = _blocks(job, "sh")
        reader.enter(with_skopeo, ID_TOKEN=token)
        with pytest.raises(ProgramFailed, match=r"403 \(Forbidden\)"):
            reader.enter(with_skopeo.replace("acme/app", "team/app"), ID_TOKEN=token)
        text = service.log_file.read_text(encoding="utf-8")
        assert "workload:github:acme/app" in text
        for secret in (token, "correct horse", "battery staple"):
            assert secret not in text


def _try_releases(reader: _Reader, service: Service, image: LayoutImage) -> None:
    push = f"skopeo copy --dest-tls-verify=false --dest-creds 'ann:correct horse' {image.reference}"
    target = f"docker://{service.host}/team/app:v1"
    reader.enter(f"{push} {target}")
    other = build_image(reader.programs, tag="other")
    with pytest.raises(ProgramFailed, match="tag v1 is write-once"):
        reader.enter(f"{push.replace(image.reference, other.reference)} {target}")


def _try_robot(reader: _Reader, manage: str, log_in: str) -> None:
    add, listed = manage.strip().splitlines()
    secret = re.search(r"moorage_robot_\S+", reader.moorage(add))
    assert secret is not None
    assert "deploy" in reader.moorage(listed)
    assert "team/app" in reader.enter(log_in, SECRET=secret[0])


def test_every_page_that_it_leads_to_is_there() -> None:
    text = _PAGE.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (_PAGE.parent / target).is_file(), target
