"""What a challenge says, and what nobody can make it say."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.access.challenges import format_challenge, origin_of
from api.serving.exchange import Exchange, RequestIds, Scope
from core.access import Challenge
from tests.access.guarded import Client, guarded, settings_of

__all__: list[str] = []

# Spec: RFC 9110, section 11.2: a token, an equals sign and a quoted string.
_WHOLE = re.compile(r'(Basic|Bearer) [a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*')


def _scope(host: str | None) -> Scope:
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope: Scope = {"type": "http", "scheme": "https", "server": ("10.0.0.1", 443)}
    scope["headers"] = headers

    async def receive() -> Scope:
        return {}

    async def send(message: Scope) -> None:
        """Do nothing."""

    Exchange(scope, receive, send, RequestIds())
    return scope


@pytest.fixture
async def nobody(tmp_path: Path) -> AsyncIterator[Client]:
    settings = settings_of(tmp_path, access={"controller": "moorage"})
    async with guarded(settings) as registry, registry.client() as client:
        yield client


def test_parameters_stand_in_their_order_without_spaces() -> None:
    challenge = Challenge(
        scheme="Bearer", realm=None, parameters={"service": "s", "scope": "repository:a:pull"}
    )
    assert format_challenge(challenge, _scope("registry.example.com:5000")) == (
        'Bearer realm="https://registry.example.com:5000/token",service="s",'
        'scope="repository:a:pull"'
    )
    assert format_challenge(challenge, _scope(None), "https://outside.example").startswith(
        'Bearer realm="https://outside.example/token",'
    )


def test_a_realm_that_is_a_path_is_at_the_address_of_the_registry() -> None:
    challenge = Challenge(scheme="Bearer", realm="/auth/token", parameters={"service": "s"})
    asked = _scope("registry.example.com")
    assert format_challenge(challenge, asked) == (
        'Bearer realm="https://registry.example.com/auth/token",service="s"'
    )
    assert format_challenge(challenge, asked, "https://outside.example") == (
        'Bearer realm="https://outside.example/auth/token",service="s"'
    )


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\r\nX-Evil: 1", "a\0b", "ä"])
def test_no_value_leaves_its_quotes(value: str) -> None:
    challenge = Challenge(scheme="Bearer", realm=value, parameters={"service": value})
    written = format_challenge(challenge, _scope("t"))
    assert _WHOLE.fullmatch(written), written
    assert written.isascii()
    assert written.isprintable()


@pytest.mark.parametrize(
    "host", ['evil"', "evil/path", "user@evil", "a b", "evil\\", "evil?x=", ""]
)
def test_what_is_no_host_is_no_part_of_the_realm(host: str) -> None:
    assert origin_of(_scope(host)) == "https://10.0.0.1:443"


@pytest.mark.parametrize(
    "path",
    [
        '/v2/team"/app/tags/list',
        "/v2/team%22,error=%22x/app/tags/list",
        "/v2/Team/app/tags/list",
        "/v2/te%20am:pull,push%20repository:other/tags/list",
        "/v2/%C3%A4/tags/list",
        f"/v2/{'a' * 300}/tags/list",
    ],
)
async def test_a_name_that_cannot_be_is_not_said_again(nobody: Client, path: str) -> None:
    answer = await nobody.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="http://registry.test/token",service="moorage"'
    )


async def test_a_path_with_a_line_in_it_is_no_endpoint(nobody: Client) -> None:
    answer = await nobody.get("/v2/team%0d%0aX-Evil:%201/app/tags/list")
    assert answer.status_code == 404
    assert "x-evil" not in answer.headers


async def test_a_challenge_names_what_the_request_does(nobody: Client) -> None:
    for method, path, scope in [
        ("GET", "/v2/team/app/tags/list", "repository:team/app:pull"),
        ("PUT", "/v2/team/app/manifests/1", "repository:team/app:pull,push"),
        ("POST", "/v2/team/app/blobs/uploads/", "repository:team/app:pull,push"),
        ("DELETE", "/v2/team/app/manifests/1", "repository:team/app:delete"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ]:
        answer = await nobody.request(method, path)
        assert answer.headers["www-authenticate"] == (
            f'Bearer realm="http://registry.test/token",service="moorage",scope="{scope}"'
        )
    assert 'scope="' not in (await nobody.get("/v2/")).headers["www-authenticate"]
