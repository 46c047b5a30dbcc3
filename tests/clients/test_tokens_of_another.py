"""A registry whose clients get their tokens from another server, which is one of ours too."""

from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.clients.images import LayoutImage, build_image
from tests.clients.programs import ProgramFailed, Programs
from tests.live import Service, running_registry

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]

PASSWORD = "a long password"
SERVICE = "registry.example.com"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Service]:
    """The token server."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ann:{hashed}\n")
    with running_registry(
        tmp_path,
        name="server",
        root=tmp_path / "server-data",
        MOORAGE_ACCESS__CONTROLLER="moorage",
        MOORAGE_ACCESS__HTPASSWD__FILE=str(tmp_path / "htpasswd"),
        MOORAGE_ACCESS__TOKENS__ISSUER="https://auth.example.com",
        MOORAGE_ACCESS__TOKENS__OTHER_SERVICES=SERVICE,
    ) as service:
        yield service


@pytest.fixture
def registry(tmp_path: Path, server: Service) -> Iterator[Service]:
    """The registry that believes its tokens."""
    with running_registry(
        tmp_path,
        MOORAGE_ACCESS__CONTROLLER="token",
        MOORAGE_ACCESS__TOKEN__REALM=f"{server.url}/token",
        MOORAGE_ACCESS__TOKEN__ISSUER="https://auth.example.com",
        MOORAGE_ACCESS__TOKEN__SERVICE=SERVICE,
        MOORAGE_ACCESS__TOKEN__JWKS=f"{server.url}/token/jwks",
    ) as service:
        yield service


def test_skopeo_pushes_pulls_and_mounts_with_tokens_of_the_other_server(
    registry: Service, programs: Programs
) -> None:
    image = build_image(programs)
    ann = f"ann:{PASSWORD}"
    pushed = f"docker://{registry.host}/team/app:v1"
    programs.copy(image.reference, pushed, f"--dest-creds={ann}")
    mounted = f"docker://{registry.host}/other/app:v1"
    programs.copy(pushed, mounted, f"--src-creds={ann}", f"--dest-creds={ann}")
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(mounted, pulled.reference, f"--src-creds={ann}")
    assert pulled.digest == image.digest


def test_who_has_no_token_or_a_wrong_password_gets_nothing(
    registry: Service, programs: Programs
) -> None:
    image = build_image(programs)
    target = f"docker://{registry.host}/team/app:v1"
    for flags in ((), ("--dest-creds=ann:wrong",)):
        with pytest.raises(ProgramFailed, match=r"unauthorized|denied|authentication required"):
            programs.copy(image.reference, target, *flags)
