"""Who gets through to which route, over HTTP."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from structlog.typing import EventDict

from api.access import Needs, find_needs, undeclared
from api.app import create_app
from api.client_certificates import CLIENT_IDENTITY, TLS, ClientIdentity
from api.lean import LeanRoute
from api.routes import protocol_routes, router
from api.settings import Settings
from core.access import Principal
from core.drivers import MemoryDriver
from core.errors import DriverUnavailable
from tests.access.guarded import Client, Registry, guarded, settings_of, write_users
from tests.faulty import Call, FaultyDriver

__all__: list[str] = []

_CONTENT = b"content"
_DIGEST = f"sha256:{hashlib.sha256(_CONTENT).hexdigest()}"
_TYPE = "application/vnd.oci.image.manifest.v1+json"
_MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": _TYPE,
        "config": {"mediaType": "a/b", "digest": _DIGEST, "size": len(_CONTENT)},
        "layers": [],
    }
).encode()
_MANIFEST_DIGEST = f"sha256:{hashlib.sha256(_MANIFEST).hexdigest()}"
_RULES = [
    {"subjects": ["anonymous"], "repositories": ["public/**"], "actions": ["pull"]},
    {"subjects": ["user:ann"], "repositories": ["**"], "actions": ["*"]},
    {"subjects": ["group:dev"], "repositories": ["team/*"], "actions": ["pull"]},
    {"subjects": ["user:bob"], "repositories": ["bob/**"], "actions": ["pull", "push"]},
    {"subjects": ["user:bob"], "repositories": ["names/*"], "actions": ["list"]},
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path, _RULES, policy={"groups": {"dev": ["bob"]}})


@pytest.fixture
async def registry(settings: Settings) -> AsyncIterator[Registry]:
    async with guarded(settings) as running:
        yield running


@pytest.fixture
async def ann(registry: Registry) -> AsyncIterator[Client]:
    async with registry.client("ann") as client:
        yield client


@pytest.fixture
async def bob(registry: Registry) -> AsyncIterator[Client]:
    async with registry.client("bob") as client:
        yield client


@pytest.fixture
async def nobody(registry: Registry) -> AsyncIterator[Client]:
    async with registry.client() as client:
        yield client


async def push_image(client: Client, name: str, tag: str = "1") -> httpx.Response:
    await client.push_blob(name, _CONTENT, _DIGEST)
    return await client.put(
        f"/v2/{name}/manifests/{tag}", content=_MANIFEST, headers={"Content-Type": _TYPE}
    )


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


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
        ("GET", f"/v2/team/app/blobs/{_DIGEST}"),
        ("HEAD", f"/v2/team/app/blobs/{_DIGEST}"),
        ("DELETE", f"/v2/team/app/blobs/{_DIGEST}"),
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("GET", "/v2/team/app/blobs/uploads/x"),
        ("HEAD", "/v2/team/app/blobs/uploads/x"),
        ("PATCH", "/v2/team/app/blobs/uploads/x"),
        ("PUT", "/v2/team/app/blobs/uploads/x"),
        ("DELETE", "/v2/team/app/blobs/uploads/x"),
        ("GET", "/v2/team/app/tags/list"),
        ("GET", f"/v2/team/app/referrers/{_DIGEST}"),
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
            assert (await client.get(f"/v2/public/app/blobs/{_DIGEST}")).status_code == 200
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
        await ann.push_blob(name, _CONTENT, _DIGEST)

    async def mount(source: str | None) -> int:
        parameters = {"mount": _DIGEST} | ({} if source is None else {"from": source})
        answer = await bob.post("/v2/bob/app/blobs/uploads/", params=parameters)
        return answer.status_code

    assert await mount("secret/app") == 202
    assert await mount(None) == 202
    assert (await bob.head(f"/v2/bob/app/blobs/{_DIGEST}")).status_code == 404
    assert await mount("team/app") == 201
    assert (await bob.head(f"/v2/bob/app/blobs/{_DIGEST}")).status_code == 200


async def test_an_upload_belongs_to_who_began_it(ann: Client, bob: Client) -> None:
    begun = await ann.post("/v2/bob/app/blobs/uploads/")
    location = begun.headers["location"]
    for method in ("GET", "HEAD", "PATCH", "DELETE"):
        stolen = await bob.request(method, location, content=b"x" if method == "PATCH" else b"")
        assert stolen.status_code == 404, method
    stolen = await bob.put(location, params={"digest": _DIGEST}, content=_CONTENT)
    assert error_of(stolen) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert (await ann.patch(location, content=_CONTENT)).status_code == 202
    path = location.partition("?")[0]
    finished = await ann.put(path, params={"digest": _DIGEST})
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
        assert (await push_image(bob, "team/app", _MANIFEST_DIGEST)).status_code == 201
        assert error_of(await push_image(bob, "team/app")) == (403, "DENIED")
        answer = await bob.put(
            f"/v2/team/app/manifests/{_MANIFEST_DIGEST}",
            params={"tag": "1"},
            content=_MANIFEST,
            headers={"Content-Type": _TYPE},
        )
        assert error_of(answer) == (403, "DENIED")


def _basic(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return f"Basic {base64.b64encode(raw).decode()}"


@pytest.mark.parametrize(
    "authorization",
    [
        _basic("ann:wrong"),
        _basic("nobody:pw-ann"),
        _basic("ann:"),
        _basic("ann"),
        _basic(":pw-ann"),
        _basic(b"ann:\xff"),
        _basic("ann\0:pw-ann"),
        _basic("ANN:pw-ann"),
        "Basic",
        "Basic %%%",
        "Basic YW5uOnB3LWFubg==, Basic YW5uOnB3LWFubg==",
        "Bearer YW5uOnB3LWFubg==",
        "YW5uOnB3LWFubg==",
        "",
        "\xe4:\xf6",
    ],
)
async def test_credentials_that_prove_nothing_are_refused_even_where_all_is_open(
    ann: Client, nobody: Client, authorization: str
) -> None:
    await push_image(ann, "public/app")
    headers = {b"Authorization": authorization.encode("latin-1")}
    answer = await nobody.get("/v2/public/app/manifests/1", headers=headers)
    assert error_of(answer) == (401, "UNAUTHORIZED")


async def test_the_scheme_is_read_in_any_case(nobody: Client) -> None:
    right = _basic("ann:pw-ann").replace("Basic", "bAsIC")
    assert (await nobody.get("/v2/", headers={"Authorization": right})).status_code == 200


@pytest.mark.parametrize("first", ["ann:pw-ann", "bob:pw-bob"])
async def test_two_authorization_headers_are_none(nobody: Client, first: str) -> None:
    right, other = _basic("ann:pw-ann"), _basic(first)
    # Remembered, so that the short way is tried as well.
    assert (await nobody.get("/v2/", headers={"Authorization": other})).status_code == 200
    headers = [("Authorization", other), ("Authorization", right)]
    answer = await nobody.get("/v2/_catalog", headers=headers)
    assert error_of(answer) == (401, "UNAUTHORIZED")


async def test_other_headers_may_come_twice(ann: Client) -> None:
    await push_image(ann, "team/app")
    for _ in range(2):
        answer = await ann.get(
            "/v2/team/app/manifests/1", headers=[("Accept", _TYPE), ("Accept", "a/b")]
        )
        assert answer.status_code == 200


async def test_a_password_is_computed_once_and_a_change_of_the_file_ends_it(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bcrypt  # noqa: PLC0415 - the name under which the file is asked

    asked = []
    real: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr("core.access.passwords.file.bcrypt.checkpw", counted)
    async with guarded(settings) as registry, registry.client("bob") as bob:
        for _ in range(40):
            assert (await bob.get("/v2/bob/app/tags/list")).status_code == 404
        assert len(asked) == 1
        gate = registry.app.gate
        assert gate is not None
        (tmp_path / "users").write_bytes(b"")
        gate.controller._users._passwords.reload()  # type: ignore[attr-defined]
        assert (await bob.get("/v2/bob/app/tags/list")).status_code == 401


async def test_rules_follow_the_settings_file_and_a_fault_leaves_them(
    tmp_path: Path, logs: list[EventDict]
) -> None:
    from api.settings import load_settings  # noqa: PLC0415 - this test alone reads a file

    settings_of(tmp_path)
    file = tmp_path / "moorage.toml"
    head = f'[access]\ncontroller = "htpasswd"\nhtpasswd.file = "{tmp_path / "users"}"\n'
    rule = '[[policy.rules]]\nsubjects = ["anonymous"]\nrepositories = ["{}"]\nactions = ["pull"]\n'
    file.write_text(head + rule.format("one/*"))
    async with guarded(load_settings(file)) as registry, registry.client() as nobody:
        gate = registry.app.gate
        assert gate is not None

        async def may() -> list[int]:
            paths = (f"/v2/{name}/app/tags/list" for name in ("one", "two"))
            return [(await nobody.get(path)).status_code for path in paths]

        assert await may() == [404, 401]
        file.write_text(head + rule.format("two/*"))
        gate.policies.reload()
        assert await may() == [401, 404]
        for broken, said in [
            (head + rule.format("one/*").replace("pull", "pul"), f"{file}:7: policy.rules.0"),
            (head + rule.format("one/*") + "= 1", "line 8"),
            (head + rule.format("one/*") + "[server]\nprot = 1\n", "server.prot"),
        ]:
            file.write_text(broken)
            gate.policies.reload()
            assert await may() == [401, 404]
            assert said in logs[-1]["reason"]
        file.unlink()
        gate.policies.reload()
        assert await may() == [401, 404]


async def test_guessed_passwords_make_the_next_guess_wait(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, limits={"failed_logins": 3})
    async with guarded(settings) as registry, registry.client() as nobody:

        async def guess(user: str, password: str) -> httpx.Response:
            headers = {"Authorization": _basic(f"{user}:{password}")}
            return await nobody.get("/v2/", headers=headers)

        statuses = [(await guess("ann", f"guess-{number}")).status_code for number in range(4)]
        assert statuses == [401, 401, 401, 429]
        refused = await guess("ann", "pw-ann")
        assert error_of(refused) == (429, "TOOMANYREQUESTS")
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        # A token that is not good any more is no guess, and others may still log in.
        for _ in range(5):
            answer = await nobody.get("/v2/", headers={"Authorization": "Bearer a.b.c"})
            assert answer.status_code == 401
        assert (await guess("bob", "pw-bob")).status_code == 200


@pytest.mark.parametrize("controller", ["htpasswd", "moorage"])
async def test_a_client_certificate_is_a_user_with_groups(tmp_path: Path, controller: str) -> None:
    rules = [
        {"subjects": ["user:cleo"], "repositories": ["cleo/*"], "actions": ["pull"]},
        {"subjects": ["group:ops"], "repositories": ["ops/*"], "actions": ["pull"]},
        {"subjects": ["user:ann"], "repositories": ["ann/*"], "actions": ["pull"]},
    ]
    identity = ClientIdentity(common_name="cleo", organizations=("ops",))
    connection: dict[str, object] = {CLIENT_IDENTITY: identity}
    settings = settings_of(tmp_path, rules, access={"controller": controller})
    async with guarded(settings) as registry:

        async def over_tls(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {TLS: connection}
            await registry.app(scope, receive, send)

        transport = httpx.ASGITransport(app=over_tls)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as cleo:

            async def ask(name: str, auth: tuple[str, str] | None = None) -> int:
                answer = await cleo.get(f"/v2/{name}/app/tags/list", auth=auth)
                return answer.status_code

            assert (await cleo.get("/v2/")).status_code == 200
            for _ in range(2):
                assert [await ask(name) for name in ("cleo", "ops", "ann")] == [404, 404, 403]
            # A password counts for more than the certificate of the connection.
            assert await ask("ann", ("ann", "pw-ann")) == 404
            assert await ask("cleo", ("ann", "pw-ann")) == 403
            assert await ask("cleo", ("ann", "wrong")) == 401


async def test_what_is_proven_while_the_passwords_change_is_not_remembered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        guarded(settings) as registry,
        registry.client("bob") as bob,
        registry.client() as nobody,
    ):
        gate = registry.app.gate
        assert gate is not None
        users = gate.controller._users  # type: ignore[attr-defined]
        real = users.verify

        async def verify(user: str, password: str) -> Principal | None:
            found: Principal | None = await real(user, password)
            write_users(users._passwords.path, ann="pw-ann")
            users._passwords.reload()
            # Somebody else's request takes note of the change first.
            assert (await nobody.get("/v2/")).status_code == 401
            return found

        monkeypatch.setattr(users, "verify", verify)
        assert (await bob.get("/v2/bob/app/tags/list")).status_code == 404
        monkeypatch.undo()
        assert (await bob.get("/v2/bob/app/tags/list")).status_code == 401


async def test_a_store_that_is_away_at_the_start_keeps_nobody_from_logging_in(
    settings: Settings,
) -> None:
    is_away = True

    async def away(call: Call) -> None:
        if is_away:
            raise DriverUnavailable(call.path, "away")

    async with (
        guarded(settings, FaultyDriver(MemoryDriver(), away)) as registry,
        registry.client("ann") as ann,
    ):
        assert (await ann.get("/v2/")).status_code == 200
        assert (await ann.post("/v2/team/app/blobs/uploads/")).status_code == 503
        is_away = False
        assert (await ann.post("/v2/team/app/blobs/uploads/")).status_code == 202
