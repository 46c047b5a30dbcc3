"""A job of a CI service pushes with the token that the service gave it, and with nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.images import LayoutImage, build_image
from tests.clients.programs import ProgramFailed, Programs
from tests.live import Service, running_registry
from tests.servers.issuer import Issuer, running_issuer

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]

_REFUSED = r"denied|unauthorized|authentication required"

AUDIENCE = "https://registry.example.com"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def registry(tmp_path: Path, issuer: Issuer) -> Iterator[Service]:
    rule = {
        "issuer": issuer.url,
        "claims": {"repository_owner": "octo", "ref": "refs/heads/main"},
        "name": "github:{repository}",
        "repositories": ["{repository:lower}", "{repository:lower}/**"],
    }
    issuers = [{"url": issuer.url, "audiences": [AUDIENCE]}]
    with running_registry(
        tmp_path,
        MOORAGE_ACCESS__CONTROLLER="moorage",
        MOORAGE_ACCESS__FEDERATION__ISSUERS=json.dumps(issuers),
        MOORAGE_ACCESS__FEDERATION__RULES=json.dumps([rule]),
        MOORAGE_LIMITS__FAILED_LOGINS="0",
    ) as service:
        yield service


@pytest.fixture
def image(programs: Programs) -> LayoutImage:
    return build_image(programs)


def job(issuer: Issuer, **others: object) -> str:
    claims: dict[str, object] = {
        "aud": AUDIENCE,
        "repository": "octo/App",
        "repository_owner": "octo",
        "ref": "refs/heads/main",
    }
    return issuer.token(**{**claims, **others})


def test_a_job_pushes_where_a_rule_lets_it_and_nowhere_else(
    registry: Service, issuer: Issuer, programs: Programs, image: LayoutImage
) -> None:
    creds = f"oidc:{job(issuer)}"
    pushed = f"docker://{registry.host}/octo/app/image:v1"
    programs.copy(image.reference, pushed, f"--dest-creds={creds}")
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(pushed, pulled.reference, f"--src-creds={creds}")
    assert pulled.digest == image.digest
    with pytest.raises(ProgramFailed, match="403"):
        other = f"docker://{registry.host}/octo/other/image:v1"
        programs.copy(image.reference, other, f"--dest-creds={creds}")
    with pytest.raises(ProgramFailed, match=_REFUSED):
        programs.copy(pushed, f"dir:{programs.folder / 'nobody'}")


def test_a_job_logs_in_with_a_command(
    registry: Service, issuer: Issuer, programs: Programs, image: LayoutImage
) -> None:
    login = ("login", "--tls-verify=false", registry.host, "--username", "oidc", "--password")
    programs.skopeo(*login, job(issuer))
    programs.copy(image.reference, f"docker://{registry.host}/octo/app:v1")
    programs.skopeo("logout", registry.host)


def test_a_job_that_no_rule_is_for_cannot_log_in(
    registry: Service, issuer: Issuer, programs: Programs, image: LayoutImage
) -> None:
    target = f"docker://{registry.host}/octo/app:v1"
    for token in (
        job(issuer, aud="sts.amazonaws.com"),
        job(issuer, ref="refs/pull/7/merge"),
        job(issuer, repository_owner="octopus"),
        job(issuer, repository="octo/**"),
        job(issuer, exp=1),
    ):
        with pytest.raises(ProgramFailed, match=_REFUSED):
            programs.copy(image.reference, target, f"--dest-creds=oidc:{token}")
        assert token.rpartition(".")[2] not in registry.log_file.read_text()
