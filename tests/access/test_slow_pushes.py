"""Pushes that take longer than the permission to push."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from anyio import Event, create_task_group, sleep

from tests.access.guarded import (
    IMAGE_TYPE,
    MANIFEST,
    Registry,
    error_of,
    guarded,
    push_image,
    settings_of,
    write_users,
)

__all__: list[str] = []

_RULES = [{"subjects": ["user:ann", "user:bob"], "repositories": ["**"], "actions": ["*"]}]


@pytest.mark.parametrize("controller", ["htpasswd", "moorage"])
@pytest.mark.parametrize("is_removed", [True, False])
async def test_a_manifest_whose_last_byte_comes_too_late_is_not_published(
    tmp_path: Path, controller: str, *, is_removed: bool
) -> None:
    settings = settings_of(tmp_path, _RULES, access={"controller": controller})
    async with guarded(settings) as registry, registry.client("ann") as ann:
        assert (await push_image(ann, "team/app")).status_code == 201
        headers = await _credentials(registry, controller)
        begun, done = Event(), Event()

        async def body() -> AsyncIterator[bytes]:
            yield MANIFEST[:1]
            begun.set()
            await done.wait()
            yield MANIFEST[1:]

        answers: list[httpx.Response] = []

        async def push() -> None:
            async with registry.client(**headers) as bob:
                answers.append(
                    await bob.put(
                        "/v2/team/app/manifests/late",
                        content=body(),
                        headers={"Content-Type": IMAGE_TYPE},
                    )
                )

        async with create_task_group() as tasks:
            tasks.start_soon(push)
            await begun.wait()
            if is_removed:
                write_users(tmp_path / "users", ann="pw-ann")
            # The file is looked at once a second.
            await sleep(2.5)
            done.set()
        found = await ann.get("/v2/team/app/manifests/late")
        if is_removed:
            assert error_of(answers[0]) == (401, "UNAUTHORIZED")
            assert error_of(found) == (404, "MANIFEST_UNKNOWN")
        else:
            assert answers[0].status_code == 201
            assert found.content == MANIFEST


async def _credentials(registry: Registry, controller: str) -> dict[str, str]:
    async with registry.client("bob") as bob:
        if controller == "moorage":
            scope = {"scope": "repository:team/app:pull,push"}
            token = (await bob.get("/token", params=scope)).json()["token"]
            return {"Authorization": f"Bearer {token}"}
        request = (await bob.get("/v2/")).request
        return {"Authorization": request.headers["authorization"]}
