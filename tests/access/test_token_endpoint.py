"""The token endpoint over HTTP: what clients send, and what they and people are told."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from anyio import sleep
from structlog.testing import capture_logs

from api.openapi import render_contract
from core.access.passwords.attempts import LoginAttempts
from core.access.passwords.throttle import NoThrottle
from core.access.robots.robots import Robots
from core.access.state import AccessState
from core.drivers import MemoryDriver, StorageDriver, create_driver
from core.errors import DriverUnavailable, RegistryError
from tests.access.token_app import create_token_app_over, running_token_server
from tests.access.token_nodes import PASSWORD, PULL_PUSH, TEAM, Users, basic, read_claims
from tests.contract.checker import Contract, Seen
from tests.faulty import Call, FaultyDriver

__all__: list[str] = []

_CONTRACT = Contract(json.loads(render_contract()))
_OPERATIONS = {"getToken", "postToken", "getTokenKeys"}
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
_WRONG = "the user, password or token is wrong, or has ended"
_LOGIN = {"grant_type": "password", "username": "ann", "password": PASSWORD}
_FORM = urlencode(_LOGIN).encode()
_URLENCODED = "application/x-www-form-urlencoded"


class Tour:
    """A client that holds each answer against the contract."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.seen: set[Seen] = set()

    async def get(self, expected: int = 200, **options: Any) -> httpx.Response:  # noqa: ANN401
        return self._check(await self.client.get("/token", **options), expected)

    async def post(
        self,
        form: Mapping[str, str] | None,
        expected: int = 200,
        **options: Any,  # noqa: ANN401
    ) -> httpx.Response:
        return self._check(await self.client.post("/token", data=form, **options), expected)

    async def keys(self, expected: int = 200) -> httpx.Response:
        return self._check(await self.client.get("/token/jwks"), expected)

    def _check(self, answer: httpx.Response, expected: int) -> httpx.Response:
        assert answer.status_code == expected, answer.text
        self.seen.add(_CONTRACT.check(answer))
        return answer


@asynccontextmanager
async def touring(driver: StorageDriver | None = None, **own: Any) -> AsyncIterator[Tour]:  # noqa: ANN401
    app = create_token_app_over(driver or MemoryDriver(), **own)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://registry") as client,
    ):
        yield Tour(client)


async def test_a_get_with_a_password_answers_a_token_as_docker_has_it() -> None:
    async with touring() as tour:
        query = {"service": "moorage", "scope": PULL_PUSH, "account": "ann", "client_id": "docker"}
        answer = await tour.get(params=query, auth=("ann", PASSWORD))
        body = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        assert body["token"] == body["access_token"]
        assert (body["expires_in"], body["scope"]) == (300, PULL_PUSH)
        assert body["issued_at"].endswith("Z")
        assert "refresh_token" not in body
        assert read_claims(body["token"])["sub"] == "ann"
        offline = await tour.get(params={"offline_token": "true"}, auth=("ann", PASSWORD))
        assert offline.json()["refresh_token"].startswith("moorage_refresh_")


async def test_what_is_not_allowed_is_left_out_and_is_no_error() -> None:
    async with touring() as tour:
        scopes = ["repository:public/app:pull,push", "repository:team/app:pull registry:catalog:*"]
        answer = await tour.get(params={"scope": scopes})
        assert answer.json()["scope"] == "repository:public/app:pull"
        nothing = await tour.get(params={"scope": "repository:team/app:pull"})
        assert read_claims(nothing.json()["token"])["access"] == []


async def test_every_answer_of_a_tour_is_as_declared_and_every_declared_one_is_on_it() -> None:
    """What takes another storage, limits, or a client that falls silent, is told elsewhere."""
    async with touring() as tour:
        await tour.keys()
        await tour.get()
        await tour.get(401, auth=("ann", "wrong"))
        await tour.get(400, params={"service": "another"})
        await tour.post(_LOGIN)
        await tour.post({"grant_type": "password"}, 400)
        assert tour.seen == {
            seen
            for seen in _CONTRACT.list_seen()
            if seen.operation in _OPERATIONS
            and seen.status < "5"
            and seen.status not in {"408", "429", "default"}
        }


async def test_wrong_credentials_are_asked_for_again_in_the_scheme_basic() -> None:
    async with touring() as tour:
        for authorization in ("Basic !", "Basic YW5u", "Bearer x", "Basic YW5uOndyb25n", ""):
            answer = await tour.get(401, headers={"Authorization": authorization})
            assert answer.headers["www-authenticate"].startswith("Basic realm=")
            (error,) = answer.json()["errors"]
            assert (error["code"], error["message"]) == ("UNAUTHORIZED", _WRONG)
        good = basic("ann", PASSWORD)
        await tour.get(headers={"Authorization": good})
        await tour.get(401, headers=[("Authorization", good), ("Authorization", good)])


@pytest.mark.parametrize(
    "scope",
    ["x", "repository:a", "repository:A:pull", "repository:a:PULL", "a:b:c:d", "repository:../x:p"],
)
async def test_a_scope_outside_the_grammar_is_refused(scope: str) -> None:
    async with touring() as tour:
        answer = await tour.get(400, params={"scope": scope}, auth=("ann", PASSWORD))
        assert answer.json()["errors"][0]["detail"]["error"] == "invalid_scope"
        assert (await tour.post({**_LOGIN, "scope": scope}, 400)).json()["error"] == "invalid_scope"


async def test_the_form_answers_tokens_for_passwords_and_for_refresh_tokens() -> None:
    async with touring() as tour:
        asked = {"service": "moorage", "scope": PULL_PUSH, "client_id": "x"}
        first = (await tour.post({**_LOGIN, **asked, "access_type": "offline"})).json()
        refresh = first["refresh_token"]
        again = {"grant_type": "refresh_token", "refresh_token": refresh, **asked}
        second = (await tour.post(again)).json()
        assert (second["scope"], second["token_type"]) == (PULL_PUSH, "Bearer")
        assert second["refresh_token"] == refresh
        assert second["access_token"] != first["access_token"]
        assert "refresh_token" not in (await tour.post({**_LOGIN, **asked})).json()


@pytest.mark.parametrize(
    ("user", "password"),
    [
        *(("a" * 60_000, PASSWORD), (f"robot+{'a' * 60_000}", "x"), ("an\0n", PASSWORD)),
        *(("ann\n", PASSWORD), ("a:b", PASSWORD), ("ann", f"{PASSWORD}\0")),
    ],
)
async def test_a_name_that_nobody_can_have_is_refused_and_is_in_no_line_of_the_log(
    user: str, password: str, capsys: pytest.CaptureFixture[str]
) -> None:
    users = Users(ann=PASSWORD)
    async with touring(passwords=users) as tour:
        form = {"grant_type": "password", "username": user, "password": password}
        assert (await tour.post(form, 400)).json()["error"] == "invalid_grant"
    assert users.verified == 0
    audit = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "audit" in line]
    assert [line.get("claimed") for line in audit] == [None]


async def test_an_id_token_is_exchanged_as_rfc_8693_has_it() -> None:
    async with touring() as tour:
        form = {"grant_type": _EXCHANGE, "subject_token": "job-1", "subject_token_type": _ID_TOKEN}
        body = (await tour.post({**form, "scope": f"{PULL_PUSH} repository:base/x:pull"})).json()
        assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert body["scope"] == PULL_PUSH
        for wrong, error in (
            ({"subject_token": "stolen"}, "invalid_grant"),
            ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ):
            assert (await tour.post({**form, **wrong}, 400)).json()["error"] == error


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "x"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "ann"}, "invalid_request"),
        ({**_LOGIN, "password": "wrong"}, "invalid_grant"),
        ({**_LOGIN, "service": "another"}, "invalid_target"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": _EXCHANGE, "subject_token": "job-1"}, "invalid_request"),
        ({**_LOGIN, "scope": "x" * 70_000}, "invalid_request"),
    ],
)
async def test_what_the_form_gets_wrong_is_told_to_programs_and_to_people(
    form: dict[str, str], error: str
) -> None:
    async with touring() as tour:
        answer = await tour.post(form, 400)
        body = answer.json()
        assert body["error"] == error
        assert body["errors"][0]["message"] == body["error_description"]
        assert answer.headers["cache-control"] == "no-store"
        assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (_FORM, "text/plain"),
        (_FORM, ""),
        (json.dumps(_LOGIN).encode(), "application/json"),
        (_FORM + b"&username=ann", _URLENCODED),
        (b"\xff\xfe", _URLENCODED),
        (_FORM + b"&scope=%ff", _URLENCODED),
        (b"&".join((_FORM, *(b"a%d=1" % number for number in range(100)))), _URLENCODED),
        (_FORM + b"&no pairs at all", _URLENCODED),
    ],
)
async def test_a_body_that_is_no_such_form_is_refused(body: bytes, kind: str) -> None:
    async with touring() as tour:
        await tour.post(None, content=_FORM, headers={"Content-Type": f"{_URLENCODED}; charset=x"})
        answer = await tour.post(None, 400, content=body, headers={"Content-Type": kind})
        assert answer.json()["error"] == "invalid_request"


async def test_the_keys_that_are_shown_are_public_and_those_of_tokens() -> None:
    async with touring() as tour:
        token = (await tour.get()).json()["token"]
        answer = await tour.keys()
        (key,) = answer.json()["keys"]
        assert answer.headers["cache-control"] == "max-age=300"
        assert key["kid"] == _read_header(token)["kid"]
        assert "d" not in key


async def test_a_registry_that_is_no_token_server_has_no_such_endpoint() -> None:
    async with touring() as tour:
        app = tour.client._transport.app  # type: ignore[attr-defined] # of ASGITransport
        app.state.moorage = replace(app.state.moorage, tokens=None)
        for method, path in (("GET", "/token"), ("POST", "/token"), ("GET", "/token/jwks")):
            answer = await tour.client.request(method, path)
            assert answer.status_code == 404
            assert answer.json()["errors"][0]["code"] == "NOT_FOUND"


async def test_a_store_that_does_not_answer_is_unavailable_and_names_no_path() -> None:
    is_away = False

    async def away(call: Call) -> None:
        if is_away:
            raise DriverUnavailable(call.path, "away")

    async with touring(FaultyDriver(MemoryDriver(), away)) as tour:
        is_away = True
        for answer in (await tour.get(503), await tour.post(_LOGIN, 503), await tour.keys(503)):
            assert answer.headers["retry-after"]
            assert "_moorage" not in answer.text


async def test_too_many_attempts_are_answered_as_the_throttle_says() -> None:
    class Throttle(NoThrottle):
        async def check(self, address: str, user: str) -> None:
            raise RegistryError("too many")

        async def failed(self, address: str, user: str) -> None:
            raise AssertionError

        async def succeeded(self, address: str, user: str) -> None:
            raise AssertionError

    users = Users(ann=PASSWORD)
    async with touring(attempts=LoginAttempts(Throttle()), passwords=users) as tour:
        await tour.get(500, auth=("ann", PASSWORD))
        await tour.post(_LOGIN, 500)
        await tour.get()
    assert users.verified == 0


async def test_forty_layers_are_pushed_and_pulled_for_one_password() -> None:
    users = Users(ann=PASSWORD)
    async with touring(passwords=users) as tour:
        refused = await tour.client.get("/v2/team/app/tags/list")
        assert refused.status_code == 401
        assert 'service="moorage"' in refused.headers["www-authenticate"]
        answer = await tour.get(params={"scope": PULL_PUSH}, auth=("ann", PASSWORD))
        bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
        for number in range(40):
            layer = b"layer %d" % number
            digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
            uploads = f"/v2/team/app/blobs/uploads/?digest={digest}"
            pushed = await tour.client.post(uploads, content=layer, headers=bearer)
            assert pushed.status_code == 201, pushed.text
            pulled = await tour.client.get(f"/v2/team/app/blobs/{digest}", headers=bearer)
            assert pulled.content == layer
        elsewhere = await tour.client.get("/v2/team/other/tags/list", headers=bearer)
        assert elsewhere.status_code == 401
    assert users.verified == 1


async def test_no_secret_is_in_any_line_of_the_log() -> None:
    with capture_logs() as lines:
        async with touring() as tour:
            token = (await tour.post({**_LOGIN, "access_type": "offline"})).json()
            await tour.post({**_LOGIN, "password": "wrong secret"}, 400)
            refresh = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
            await tour.post(refresh)
            await tour.get(401, auth=("ann", "wrong secret"))
    logged = repr(lines)
    for secret in (PASSWORD, "wrong secret", token["token"], token["refresh_token"]):
        assert secret not in logged


async def test_two_nodes_give_and_take_each_others_tokens_from_the_first_request_on(
    tmp_path: Path,
) -> None:
    root = tmp_path / "store"
    root.mkdir()
    with (
        running_token_server(tmp_path, root, "first") as first,
        running_token_server(tmp_path, root, "second") as second,
    ):
        async with httpx.AsyncClient() as client:
            await _exchange_between_nodes(client, first.url, second.url)
            driver = create_driver("filesystem", {"root": root})
            robots = Robots(AccessState(driver))
            _, secret = await robots.add("ci", [TEAM])
            login = ("robot+ci", secret)
            for url in (first.url, second.url):
                assert (await client.get(f"{url}/token", auth=login)).status_code == 200
            await robots.revoke("ci")
            await driver.aclose()
            await sleep(1)
            for url in (first.url, second.url):
                assert (await client.get(f"{url}/token", auth=login)).status_code == 401


async def _exchange_between_nodes(client: httpx.AsyncClient, first: str, second: str) -> None:
    tokens, keys = {}, {}
    for url in (first, second):
        form = {**_LOGIN, "access_type": "offline"}
        tokens[url] = (await client.post(f"{url}/token", data=form)).json()["refresh_token"]
        keys[url] = (await client.get(f"{url}/token/jwks")).json()["keys"]
    assert keys[first] == keys[second]
    for url, token in ((first, tokens[second]), (second, tokens[first])):
        form = {"grant_type": "refresh_token", "refresh_token": token}
        assert (await client.post(f"{url}/token", data=form)).status_code == 200


def _read_header(token: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))
