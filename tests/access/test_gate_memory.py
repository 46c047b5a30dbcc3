"""What strangers can make the gate keep in memory."""

import gc
from pathlib import Path

from api.access.remembered import Remembered
from core.access import Principal
from tests.access.guarded import error_of, guarded, settings_of

__all__: list[str] = []

_EVERYTHING = [{"subjects": ["anonymous"], "repositories": ["**"], "actions": ["pull"]}]


async def test_names_that_are_none_are_not_kept(tmp_path: Path) -> None:
    async with guarded(settings_of(tmp_path, _EVERYTHING)) as registry, registry.client() as nobody:
        for number in range(20):
            name = f"{number}/" + "b/" * 20_000 + "!"
            answer = await nobody.get(f"/v2/{name}/manifests/1")
            assert error_of(answer) == (400, "NAME_INVALID")
        gate = registry.app.gate
        assert gate is not None
        assert sum(len(name) for _, _, name in gate._admitted) == 0


async def test_nobody_is_kept_whose_token_is_not_remembered(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, _EVERYTHING, access={"controller": "moorage"})
    async with guarded(settings) as registry, registry.client() as nobody:
        gate = registry.app.gate
        assert gate is not None
        gate._remembered = Remembered(max_count=2)
        for number in range(10):
            scope = f"repository:r{number}:pull"
            token = (await nobody.get("/token", params={"scope": scope})).json()["token"]
            headers = {"Authorization": f"Bearer {token}"}
            for _ in range(2):
                answer = await nobody.get(f"/v2/r{number}/tags/list", headers=headers)
                assert error_of(answer) == (404, "NAME_UNKNOWN")
        gc.collect()
        bearers = [
            found
            for found in gc.get_objects()
            if type(found) is Principal and found.scope is not None
        ]
        assert len(bearers) == 2
