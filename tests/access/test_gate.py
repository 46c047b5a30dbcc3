"""Who gets through to which route, over HTTP."""

from pathlib import Path

import pytest

from api.access import Needs, find_needs, undeclared
from api.app import create_app
from api.routes import protocol_routes, router
from api.serving.lean import LeanRoute
from api.settings import Settings
from core.drivers import MemoryDriver
from tests.access.guarded import (
    CONTENT,
    DIGEST,
    IMAGE_TYPE,
    MANIFEST,
    MANIFEST_DIGEST,
    RULES,
    Client,
    Registry,
    error_of,
    guarded,
    push_image,
    settings_of,
)

__all__: list[str] = []


def test_every_route_declares_what_it_needs() -> None:
    app = create_app(Settings(), MemoryDriver())
    assert undeclared(app.routes) == []
    found = {
        (method, route.path): find_needs(route.endpoint)
        for route in protocol_routes
        if isinstance(route, LeanRoute)
        for method in route.methods or ()
    }
    assert len(found) == 16
    assert all(isinstance(one, Needs) and one.kind == "repository" for one in found.values())
    writing = {one.actions for (method, _), one in found.items() if one and method in "PUT,POST"}
    assert writing == {("pull", "push")}


def test_a_route_without_a_declaration_keeps_the_application_from_starting() -> None:
    async def endpoint() -> None: ...

    router.add_api_route("/v2/hole", endpoint)
    try:
        with pytest.raises(RuntimeError, match="/v2/hole"):
            create_app(Settings(), MemoryDriver())
    finally:
        router.routes.pop()
    with pytest.raises(TypeError, match="does not declare"):
        LeanRoute("/v2/{name:path}/hole/{digest}", endpoint)


async def test_the_root_asks_who_it_is_and_tells_how_to_prove_it(
    nobody: Client, bob: Client
) -> None:
    answer = await nobody.get("/v2/")
    assert error_of(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == 'Basic realm="Moorage",charset="UTF-8"'
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert (await bob.get("/v2/")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/team/app/manifests/1"),
        ("HEAD", "/v2/team/app/manifests/1"),
        ("PUT", "/v2/team/app/manifests/1"),
        ("DELETE", "/v2/team/app/manifests/1"),
        ("GET", f"/v2/team/app/blobs/{DIGEST}"),
        ("HEAD", f"/v2/team/app/blobs/{DIGEST}"),
        ("DELETE", f"/v2/team/app/blobs/{DIGEST}"),
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("GET", "/v2/team/app/blobs/uploads/x"),
        ("HEAD", "/v2/team/app/blobs/uploads/x"),
        ("PATCH", "/v2/team/app/blobs/uploads/x"),
        ("PUT", "/v2/team/app/blobs/uploads/x"),
        ("DELETE", "/v2/team/app/blobs/uploads/x"),
        ("GET", "/v2/team/app/tags/list"),
        ("GET", f"/v2/team/app/referrers/{DIGEST}"),
        ("GET", "/v2/TEAM/app/tags/list"),
        ("GET", "/v2/team%2Fapp/tags/list"),
    ],
)
async def test_nobody_gets_to_what_is_not_open_to_all(
    nobody: Client, method: str, path: str
) -> None:
    answer = await nobody.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    if method != "HEAD":
        assert error_of(answer)[1] == "UNAUTHORIZED"


async def test_what_is_open_to_all_is_pulled_without_a_password_and_by_those_with_one(
    registry: Registry, ann: Client, bob: Client, nobody: Client
) -> None:
    assert (await push_image(ann, "public/app")).status_code == 201
    for client in (nobody, bob):
        for _ in range(2):
            assert (await client.get("/v2/public/app/manifests/1")).status_code == 200
            assert (await client.get(f"/v2/public/app/blobs/{DIGEST}")).status_code == 200
            assert (await client.get("/v2/public/app/tags/list")).status_code == 200
    assert (await push_image(nobody, "public/app")).status_code == 401
    assert error_of(await push_image(bob, "public/app")) == (403, "DENIED")


async def test_a_denial_says_who_may_not_do_what(bob: Client) -> None:
    answer = await bob.post("/v2/team/app/blobs/uploads/")
    assert error_of(answer) == (403, "DENIED")
    assert answer.json()["errors"][0]["message"] == (
        "requested access to the resource is denied: user:bob may not push in team/app"
    )
    assert "www-authenticate" not in answer.headers


async def test_the_catalog_shows_what_the_asker_may_pull(
    ann: Client, bob: Client, nobody: Client
) -> None:
    for name in ("bob/app", "names/app", "other/app", "public/app", "team/app", "team/app/ui"):
        assert (await push_image(ann, name)).status_code == 201

    async def catalog(client: Client, query: str = "") -> list[str]:
        found: list[str] = []
        url: str | None = f"/v2/_catalog{query}"
        while url is not None:
            answer = await client.get(url)
            found += answer.json()["repositories"]
            url = answer.links.get("next", {}).get("url")
        return found

    assert len(await catalog(ann)) == 6
    assert await catalog(bob) == ["bob/app", "public/app", "team/app"]
    assert await catalog(bob, "?n=1") == ["bob/app", "public/app", "team/app"]
    assert await catalog(nobody) == ["public/app"]
    assert (await bob.get("/v2/names/app/tags/list")).json()["tags"] == ["1"]
    assert (await bob.get("/v2/names/app/manifests/1")).status_code == 403


async def test_the_catalog_asks_who_it_is_where_nothing_is_open_to_all(tmp_path: Path) -> None:
    async with guarded(settings_of(tmp_path)) as registry, registry.client() as nobody:
        assert (await nobody.get("/v2/_catalog")).status_code == 401


async def test_a_blob_is_mounted_only_from_where_it_may_be_pulled(ann: Client, bob: Client) -> None:
    for name in ("team/app", "secret/app"):
        await ann.push_blob(name, CONTENT, DIGEST)

    async def mount(source: str | None) -> int:
        parameters = {"mount": DIGEST} | ({} if source is None else {"from": source})
        answer = await bob.post("/v2/bob/app/blobs/uploads/", params=parameters)
        return answer.status_code

    assert await mount("secret/app") == 202
    assert await mount(None) == 202
    assert (await bob.head(f"/v2/bob/app/blobs/{DIGEST}")).status_code == 404
    assert await mount("team/app") == 201
    assert (await bob.head(f"/v2/bob/app/blobs/{DIGEST}")).status_code == 200


async def test_an_upload_belongs_to_who_began_it(ann: Client, bob: Client) -> None:
    begun = await ann.post("/v2/bob/app/blobs/uploads/")
    location = begun.headers["location"]
    for method in ("GET", "HEAD", "PATCH", "DELETE"):
        stolen = await bob.request(method, location, content=b"x" if method == "PATCH" else b"")
        assert stolen.status_code == 404, method
    stolen = await bob.put(location, params={"digest": DIGEST}, content=CONTENT)
    assert error_of(stolen) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert (await ann.patch(location, content=CONTENT)).status_code == 202
    path = location.partition("?")[0]
    finished = await ann.put(path, params={"digest": DIGEST})
    assert finished.status_code == 201


async def test_push_without_tag_pushes_by_digest_alone(tmp_path: Path) -> None:
    rules: list[dict[str, object]] = [
        {
            "subjects": ["user:bob"],
            "repositories": ["**"],
            "actions": ["tag"],
            "effect": "deny",
        },
        {"subjects": ["user:bob"], "repositories": ["**"], "actions": ["pull", "push"]},
    ]
    async with guarded(settings_of(tmp_path, rules)) as registry, registry.client("bob") as bob:
        assert (await push_image(bob, "team/app", MANIFEST_DIGEST)).status_code == 201
        assert error_of(await push_image(bob, "team/app")) == (403, "DENIED")
        answer = await bob.put(
            f"/v2/team/app/manifests/{MANIFEST_DIGEST}",
            params={"tag": "1"},
            content=MANIFEST,
            headers={"Content-Type": IMAGE_TYPE},
        )
        assert error_of(answer) == (403, "DENIED")


async def test_who_may_only_list_tags_gets_a_token_that_is_good_for_that(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, RULES, access={"controller": "moorage"})
    async with (
        guarded(settings) as registry,
        registry.client("ann") as ann,
        registry.client("bob") as bob,
        registry.client() as bearer,
    ):
        assert (await push_image(ann, "names/app")).status_code == 201
        # Clients ask for what the challenge says.
        refused = await bearer.get("/v2/names/app/tags/list")
        assert 'scope="repository:names/app:pull"' in refused.headers["www-authenticate"]
        given = await bob.get("/token", params={"scope": "repository:names/app:pull"})
        assert given.json()["scope"] == "repository:names/app:list"
        headers = {"Authorization": f"Bearer {given.json()['token']}"}
        listed = await bearer.get("/v2/names/app/tags/list", headers=headers)
        assert listed.json()["tags"] == ["1"]
        assert (await bearer.get("/v2/names/app/manifests/1", headers=headers)).status_code == 403
        assert (await bearer.get("/v2/names/other/tags/list", headers=headers)).status_code == 401
