"""A token that ends in the middle of a push: the client gets another, and goes on."""

import hashlib
import time
from pathlib import Path

import httpx
import pytest
from anyio import sleep

from tests.access.guarded import Registry, guarded, settings_of

__all__: list[str] = []

_CONTENT = b"content of a layer"
_DIGEST = f"sha256:{hashlib.sha256(_CONTENT).hexdigest()}"
_SCOPE = "repository:team/app:pull,push"


async def _token(registry: Registry, user: str, scope: str = _SCOPE) -> dict[str, str]:
    async with registry.client(user) as client:
        answer = await client.get("/token", params={"service": "moorage", "scope": scope})
        return {"Authorization": f"Bearer {answer.json()['token']}"}


async def test_an_upload_goes_on_with_another_token_of_the_same_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, access={"controller": "moorage"})
    async with guarded(settings) as registry, registry.client() as client:
        first = await _token(registry, "ann")
        begun = await client.post("/v2/team/app/blobs/uploads/", headers=first)
        assert begun.status_code == 202
        location = begun.headers["location"]
        half = await client.patch(location, content=_CONTENT[:7], headers=first)
        assert half.status_code == 202
        location = half.headers["location"]

        # What was proven a moment ago holds for a second.
        await sleep(1.1)
        assert registry.app.gate is not None
        verifier = registry.app.gate.controller._verifier  # type: ignore[attr-defined]
        with monkeypatch.context() as later:
            # Longer than the token is good for, and clocks may differ by.
            later.setattr(verifier, "_clock", lambda: time.time() + 400)
            ended = await client.patch(location, content=_CONTENT[7:], headers=first)
        assert ended.status_code == 401
        challenge = ended.headers["www-authenticate"]
        assert f'scope="{_SCOPE}"' in challenge
        assert 'error="invalid_token"' in challenge

        stolen = await client.patch(
            location, content=b"of another", headers=await _token(registry, "bob")
        )
        assert stolen.status_code == 404
        again = await _token(registry, "ann")
        rest = await client.patch(location, content=_CONTENT[7:], headers=again)
        assert rest.status_code == 202
        done = await client.put(
            rest.headers["location"].partition("?")[0], params={"digest": _DIGEST}, headers=again
        )
        assert done.status_code == 201
        pulled = await client.get(f"/v2/team/app/blobs/{_DIGEST}", headers=again)
        assert pulled.content == _CONTENT


async def test_a_token_that_is_good_for_too_little_is_answered_with_what_it_takes(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, access={"controller": "moorage"})
    async with guarded(settings) as registry, registry.client() as client:
        pull = await _token(registry, "ann", "repository:team/app:pull")
        assert (await client.get("/v2/team/app/tags/list", headers=pull)).status_code == 404
        for path, scope in [
            ("/v2/team/app/blobs/uploads/", _SCOPE),
            ("/v2/team/other/blobs/uploads/", "repository:team/other:pull,push"),
        ]:
            refused = await client.post(path, headers=pull)
            assert refused.status_code == 401
            challenge = refused.headers["www-authenticate"]
            assert f'scope="{scope}",error="insufficient_scope"' in challenge


async def test_a_mount_asks_for_a_token_that_is_good_for_its_source(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, access={"controller": "moorage"})
    async with guarded(settings) as registry, registry.client() as client:
        source = await _token(registry, "ann", "repository:base/app:pull,push")
        pushed = await client.post(
            "/v2/base/app/blobs/uploads/",
            params={"digest": _DIGEST},
            content=_CONTENT,
            headers=source,
        )
        assert pushed.status_code == 201

        async def mount(headers: dict[str, str]) -> httpx.Response:
            return await client.post(
                "/v2/team/app/blobs/uploads/",
                params={"mount": _DIGEST, "from": "base/app"},
                headers=headers,
            )

        refused = await mount(await _token(registry, "ann"))
        assert refused.status_code == 401
        wanted = f"{_SCOPE} repository:base/app:pull"
        assert f'scope="{wanted}",error="insufficient_scope"' in refused.headers["www-authenticate"]
        assert (await mount(await _token(registry, "ann", wanted))).status_code == 201
