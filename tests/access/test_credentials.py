"""What proves who one is, and what proves nothing, over HTTP."""

import base64
import time
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from api.serving.client_certificates import CLIENT_IDENTITY, TLS, ClientIdentity
from tests.access.guarded import (
    IMAGE_TYPE,
    Client,
    error_of,
    guarded,
    push_image,
    settings_of,
)
from tests.access.minting import AUDIENCE, ISSUER, Signer, good_claims, jwk_set, mint

__all__: list[str] = []


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
            "/v2/team/app/manifests/1", headers=[("Accept", IMAGE_TYPE), ("Accept", "a/b")]
        )
        assert answer.status_code == 200


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
        # Whoever has no limits set would look for one.
        detail = refused.json()["errors"][0]["detail"]
        assert detail["reason"] == "too many wrong passwords from this address"
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        # A token that is not good any more is no guess, and others may still log in.
        for _ in range(5):
            answer = await nobody.get("/v2/", headers={"Authorization": "Bearer a.b.c"})
            assert answer.status_code == 401
        assert (await guess("bob", "pw-bob")).status_code == 200


async def test_where_no_tokens_are_taken_as_passwords_no_user_may_be_guessed_at(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, users=("oidc",), limits={"failed_logins": 3})
    async with guarded(settings) as registry, registry.client() as nobody:
        statuses = [
            (await nobody.get("/v2/", auth=("oidc", f"guess-{number}"))).status_code
            for number in range(4)
        ]
        assert statuses == [401, 401, 401, 429]


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


async def test_where_tokens_alone_decide_a_client_certificate_lets_nobody_in(
    tmp_path: Path,
) -> None:
    signer = Signer()
    keys = tmp_path / "jwks.json"
    keys.write_bytes(jwk_set(signer.jwk()))
    token = {
        "realm": "https://auth.example.com/token",
        "issuer": ISSUER,
        "service": AUDIENCE,
        "jwks": str(keys),
    }
    connection: dict[str, object] = {
        CLIENT_IDENTITY: ClientIdentity(common_name="cleo", organizations=())
    }
    settings = settings_of(tmp_path, access={"controller": "token", "token": token})
    async with guarded(settings) as registry:

        async def over_tls(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {TLS: connection}
            await registry.app(scope, receive, send)

        transport = httpx.ASGITransport(app=over_tls)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as cleo:
            for _ in range(2):
                assert (await cleo.get("/v2/")).status_code == 401
                assert (await cleo.post("/v2/team/app/blobs/uploads/")).status_code == 401
            times = {"iat": time.time(), "nbf": time.time(), "exp": time.time() + 60}
            bearer = {"Authorization": f"Bearer {mint(signer, good_claims(**times))}"}
            answer = await cleo.post("/v2/team/app/blobs/uploads/", headers=bearer)
            assert answer.status_code == 202
