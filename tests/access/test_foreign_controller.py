"""A controller that another package brings."""

import sys
from pathlib import Path

import pytest

from api.settings import SettingsError
from tests.access.guarded import guarded, settings_of

__all__: list[str] = []

_CONTROLLER = """
from core.access import (
    ANONYMOUS, AccessController, Challenge, CredentialsInvalid, Grant, Principal, RepositoryPattern
)


class Doorman(AccessController):
    closed = []

    def __init__(self, *, word: str) -> None:
        self.generation_ = 0
        self._word = word

    @property
    def generation(self):
        return self.generation_

    async def identify(self, asker):
        if asker.authorization is None:
            return ANONYMOUS
        scheme, _, name = asker.authorization.partition(" ")
        if scheme != self._word:
            raise CredentialsInvalid("not the word")
        grants = (Grant(RepositoryPattern(f"{name}/**"), frozenset({"pull"})),)
        return Principal(kind="user", name=name, grants=grants)

    def challenge(self, wanted, *, error=None):
        return Challenge(scheme="Bearer", realm="https://door.example", parameters={"error": "e"})

    async def aclose(self):
        self.closed.append(self._word)
"""


@pytest.fixture(autouse=True)
def foreign_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packages"
    metadata = folder / "doorman-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "doorman.py").write_text(_CONTROLLER)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: doorman\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[moorage.access]\ndoorman = doorman:Doorman\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "doorman", raising=False)


async def test_it_is_chosen_by_its_name_and_made_with_its_table(tmp_path: Path) -> None:
    access = {"controller": "doorman", "doorman": {"word": "Sesame"}}
    async with (
        guarded(settings_of(tmp_path, access=access)) as registry,
        registry.client(Authorization="Sesame ann") as ann,
        registry.client(Authorization="Open ann") as wrong,
        registry.client() as nobody,
    ):
        assert (await ann.get("/v2/ann/app/tags/list")).status_code == 404
        assert (await ann.get("/v2/bob/app/tags/list")).status_code == 403
        assert (await ann.post("/v2/ann/app/blobs/uploads/")).status_code == 403
        for client in (wrong, nobody):
            refused = await client.get("/v2/ann/app/tags/list")
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == (
                'Bearer realm="https://door.example",error="e"'
            )
    assert sys.modules["doorman"].Doorman.closed == ["Sesame"]


@pytest.mark.parametrize(
    ("access", "said"),
    [
        ({"controller": "doorman"}, "access.doorman: not taken by this controller"),
        ({"controller": "doorman", "doorman": {"key": "x"}}, "access.doorman: not taken"),
        ({"controller": "porter"}, "expected one of none, htpasswd, moorage, token, doorman"),
    ],
)
async def test_what_it_does_not_take_is_told(
    tmp_path: Path, access: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        async with guarded(settings_of(tmp_path, access=access)):
            pass
