"""The incumbent with the registry as its token server: what it was told once lasts for years."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.access import Grant, RepositoryPattern
from core.access.robots.robots import Robots
from core.access.state import AccessState
from core.access.tokens.server import create_signing_keys
from core.access.tokens.signing import SigningKeys
from core.drivers import StorageDriver, create_driver
from tests.access.token_app import running_token_server
from tests.access.token_nodes import PASSWORD
from tests.clients.images import build_image
from tests.clients.incumbent import running_incumbent
from tests.clients.programs import ProgramFailed, Programs
from tests.live import Service
from tests.service.running import REPOSITORY

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("docker-registry", "skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]


_REFUSED = re.escape("requested access to the resource is denied")
_WRONG = re.escape("the user, password or token is wrong, or has ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The incumbent, the token server that it sends its clients to, and a way to both stores."""

    registry: Service
    tokens: Service
    root: Path

    def open_driver(self) -> StorageDriver:
        """Open the store of the token server, as another node does."""
        return create_driver("filesystem", {"root": self.root})


def _documented_settings() -> dict[str, str]:
    """Return what the documentation tells the incumbent, of which a test knows places better."""
    text = (REPOSITORY / "docs" / "access-robots.md").read_text(encoding="utf-8")
    _, _, after = text.partition("```yaml\nauth:\n  token:\n")
    lines = after.partition("```")[0].splitlines()
    return dict(line.strip().split(": ", 1) for line in lines)


def _keys(driver: StorageDriver) -> SigningKeys:
    return create_signing_keys(AccessState(driver), key_rotation_days=30, access_token_seconds=300)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    root = tmp_path / "own"
    root.mkdir()
    driver = create_driver("filesystem", {"root": root})
    bundle = tmp_path / "authority.pem"
    bundle.write_text(await _keys(driver).certificate())
    await driver.aclose()
    with running_token_server(tmp_path, root) as tokens:
        auth = {
            "token": {
                **_documented_settings(),
                "realm": f"{tokens.url}/token",
                "rootcertbundle": str(bundle),
            }
        }
        with running_incumbent(tmp_path, tmp_path / "theirs", auth=auth) as registry:
            yield Pair(registry=registry, tokens=tokens, root=root)


async def test_skopeo_pushes_and_pulls_there_as_a_user_and_as_a_robot_across_rotations(
    pair: Pair, programs: Programs
) -> None:
    driver = pair.open_driver()
    grant = Grant(RepositoryPattern("team/*"), frozenset({"pull"}))
    _, secret = await Robots(AccessState(driver)).add("ci", [grant])
    image = build_image(programs)
    target = f"docker://{pair.registry.host}/team/app:v1"
    programs.copy(image.reference, target, f"--dest-creds=ann:{PASSWORD}")
    await _keys(driver).rotate()
    pulled = programs.folder / "pulled"
    programs.copy(target, f"oci:{pulled}:v1", f"--src-creds=robot+ci:{secret}")
    with pytest.raises(ProgramFailed, match=_REFUSED):
        programs.copy(image.reference, target, f"--dest-creds=robot+ci:{secret}")
    with pytest.raises(ProgramFailed, match=_WRONG):
        programs.copy(target, f"oci:{pulled}:v2", "--src-creds=ann:wrong")
    with pytest.raises(ProgramFailed, match=_REFUSED):
        programs.copy(target, f"oci:{pulled}:v3")
    await driver.aclose()


async def test_tokens_of_old_and_of_new_keys_are_good_there_at_once(
    pair: Pair, tmp_path: Path
) -> None:
    driver = pair.open_driver()
    with httpx.Client() as client:
        old = _ask(client, pair.tokens)
        await _keys(driver).rotate()
        # One that has just been started does not know the old key any longer than the new one.
        with running_token_server(tmp_path, pair.root, "second") as second:
            new = _ask(client, second)
        assert new.split(".")[0] != old.split(".")[0]
        assert _catalog(client, pair, old) == 200
        assert _catalog(client, pair, new) == 200
        assert _catalog(client, pair, new[:-6] + "AAAAAA") == 401
    await driver.aclose()


async def test_a_token_for_the_registry_itself_is_refused_there(pair: Pair) -> None:
    with httpx.Client() as client:
        own = _ask(client, pair.tokens, service="moorage")
        assert _catalog(client, pair, own) == 401


def _ask(client: httpx.Client, tokens: Service, service: str = "old-registry") -> str:
    answer = client.get(
        f"{tokens.url}/token",
        params={"service": service, "scope": "registry:catalog:*"},
        auth=("ann", PASSWORD),
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def _catalog(client: httpx.Client, pair: Pair, token: str) -> int:
    answer = client.get(
        f"{pair.registry.url}/v2/_catalog", headers={"Authorization": f"Bearer {token}"}
    )
    return answer.status_code
